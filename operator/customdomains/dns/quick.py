"""The platform's records, and that there is none, without parsing or building a message.

Visitors of every customer whose domain points to the platform ask for these. Apexes, aliases that
have to be followed and whatever is not a plain question are left to the long way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import dns.rcode
import dns.rdatatype

from customdomains.dns.holdings import ID_PATTERN, HeldSet, Holdings, Labels
from customdomains.dns.plain import CLASS_IN, HEADER, PLAIN_TYPES, Reply, plain_rest
from customdomains.dns.zone import Zone

_CNAME = int(dns.rdatatype.CNAME)
_LONGEST_LABEL = 63
_LONGEST_NAME = 255


class QuickRecords:
    """Answers what `replying.answer` would, or leaves it; `serial` as for a `Responder`."""

    def __init__(self, holdings: Holdings, serial: Callable[[], int]) -> None:
        self._texts = holdings.texts
        self._records = holdings.records
        self._serial = serial
        zones = (holdings.delegation, *holdings.others)
        self._apexes = {
            tuple(label.lower() for label in zone.origin_name.labels): _Denial(zone)
            for zone in zones
        }
        self._delegation = next(iter(self._apexes))

    def reply(self, wire: bytes, *, udp: bool) -> Reply | None:
        """The reply to a plain question; None for everything else."""
        message_id, flags, questions, answers, authorities, additional = HEADER.unpack_from(wire)
        if flags & 0x7800 or (questions, answers, authorities) != (1, 0, 0):
            return None
        labels, name_end = _read_name(wire)
        question_end = name_end + 4
        if len(wire) < question_end or wire[name_end + 2 : question_end] != CLASS_IN:
            return None
        rdtype = int.from_bytes(wire[name_end : name_end + 2])
        found = plain_rest(wire, question_end, additional, udp=udp)
        apex_at = self._apex_at(labels)
        if rdtype not in PLAIN_TYPES or found is None or not apex_at:
            return None
        if not (self._records.synced and self._texts.synced):
            return None
        room, opt = found
        held = self._records.at(labels)
        wires = _of_type(rdtype, held or ())
        if wires is None:
            return None
        if wires:
            # Nobody's first choice is always the same: the id is as good as random.
            start = message_id % len(wires)
            body = b"".join(wires[start:] + wires[:start])
        else:
            origin_at = 12 + sum(len(label) + 1 for label in labels[:apex_at])
            body = self._apexes[labels[apex_at:]].soa(origin_at, self._serial())
        if question_end + len(body) + len(opt) > room:
            return None
        rcode = dns.rcode.NXDOMAIN if held is None else dns.rcode.NOERROR
        header = HEADER.pack(
            message_id,
            0x8400 | flags & 0x0100 | rcode,  # QR and AA, the query's RD
            1,
            len(wires),
            not wires,
            bool(opt),
        )
        return Reply(b"".join((header, wire[12:question_end], body, opt)), rcode)

    def _apex_at(self, labels: Labels) -> int:
        """How many labels stand in front of the innermost apex of ours; 0 where it is not asked."""
        for at in range(len(labels)):
            if labels[at:] in self._apexes:
                if labels[at:] == self._delegation and at and ID_PATTERN.fullmatch(labels[at - 1]):
                    return 0
                return at
        return 0


class _Denial:
    """The SOA record that comes with "there is none"."""

    def __init__(self, zone: Zone) -> None:
        data = zone.soa(0)[0].to_generic().data
        self._head = struct.pack("!HHIH", dns.rdatatype.SOA, 1, zone.ttl, len(data)) + data[:-20]
        self._tail = data[-16:]  # behind the serial stand the four timers

    def soa(self, origin_at: int, serial: int) -> bytes:
        """The record; its owner is what stands at `origin_at` in the message."""
        owner = struct.pack("!H", 0xC000 | origin_at)
        return b"".join((owner, self._head, struct.pack("!I", serial & 0xFFFFFFFF), self._tail))


def _of_type(rdtype: int, held: Sequence[HeldSet]) -> tuple[bytes, ...] | None:
    """The records of that type; None where an alias has to be followed."""
    for each in held:
        if each.rdtype == rdtype:
            return each.wires
        if each.rdtype == _CNAME:
            return None
    return ()


def _read_name(wire: bytes) -> tuple[Labels, int]:
    """The labels of the question's name in lower case and where it ends; none for a strange one."""
    labels, at, end = [], 12, len(wire)
    while at < end and (length := wire[at]):
        if length > _LONGEST_LABEL or at + length - 12 > _LONGEST_NAME - 2:
            return (), end
        labels.append(wire[at + 1 : at + 1 + length].lower())
        at += 1 + length
    return (*labels, b""), at + 1
