"""The platform's records, and that there is none, without parsing or building a message.

Visitors of every customer whose domain points to the platform ask for these. Apexes and whatever is
not a plain question are left to the long way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import dns.rcode
import dns.rdatatype

from customdomains.dns.holdings import ID_PATTERN, HeldSet, Holdings, Labels, labels_of
from customdomains.dns.plain import (
    CLASS_IN,
    HEADER,
    OWNER_IS_QNAME,
    PLAIN_TYPES,
    Reply,
    plain_rest,
)
from customdomains.dns.replying import MAX_CHAIN
from customdomains.dns.zone import Zone

_CNAME = int(dns.rdatatype.CNAME)
_DATA_AT = 12  # in a record whose owner is a pointer
_LONGEST_LABEL = 63
_LONGEST_NAME = 255


class QuickRecords:
    """Answers what `replying.answer` would, or leaves it; `serial` as for a `Responder`."""

    def __init__(self, holdings: Holdings, serial: Callable[[], int]) -> None:
        self._texts = holdings.texts
        self._records = holdings.records
        self._serial = serial
        zones = (holdings.delegation, *holdings.others)
        self._apexes = {labels_of(zone.origin_name): _Denial(zone) for zone in zones}
        self._delegation = labels_of(holdings.delegation.origin_name)

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
        rest = plain_rest(wire, question_end, additional, udp=udp)
        if rdtype not in PLAIN_TYPES or rest is None:
            return None
        if not (self._records.synced and self._texts.synced):
            return None
        found = self._find(labels, rdtype, question_end, message_id)
        if found is None:
            return None
        room, opt = rest
        count, body, denied, rcode = found
        if question_end + len(body) + len(opt) > room:
            return None
        header = HEADER.pack(
            message_id,
            0x8400 | flags & 0x0100 | rcode,  # QR and AA, the query's RD
            1,
            count,
            denied,
            bool(opt),
        )
        return Reply(b"".join((header, wire[12:question_end], body, opt)), rcode)

    def _find(
        self, labels: Labels, rdtype: int, position: int, choice: int
    ) -> tuple[int, bytes, bool, dns.rcode.Rcode] | None:
        """How many answers, them and the denial, whether there is one, and the rcode.

        They stand at `position` in the message. None where a name is left to the long way.
        """
        apex_at = self._apex_at(labels)
        if not apex_at:
            return None
        apex = labels[apex_at:]
        origin_at = 12 + sum(len(label) + 1 for label in labels[:apex_at])
        owner, parts, seen = OWNER_IS_QNAME, [], {labels}
        while True:
            held = self._records.at(labels)
            wires, alias = _of_type(rdtype, held or ())
            if wires:
                # Nobody's first choice is always the same: the id is as good as random.
                start = choice % len(wires)
                parts += [owner + each for each in wires[start:] + wires[:start]]
                return len(parts), b"".join(parts), False, dns.rcode.NOERROR
            if alias is None or alias.target is None:
                denial = self._apexes[apex].soa(origin_at, self._serial())
                rcode = dns.rcode.NXDOMAIN if held is None else dns.rcode.NOERROR
                return len(parts), b"".join((*parts, denial)), True, rcode
            parts.append(owner + alias.wires[0])
            # The next owner is what this one's data says.
            owner = struct.pack("!H", 0xC000 | position + _DATA_AT)
            position += len(parts[-1])
            labels = alias.target
            inside = labels[-len(apex) :] == apex
            if inside and not self._apex_at(labels):
                return None
            if (
                not inside
                or len(seen) == MAX_CHAIN
                or labels in seen
                or labels[self._apex_at(labels) :] != apex
            ):
                return len(parts), b"".join(parts), False, dns.rcode.NOERROR
            seen.add(labels)

    def _apex_at(self, labels: Labels) -> int:
        """How many labels stand in front of the innermost apex of ours.

        0 for an apex, a name under an id, and one that is in no zone of ours.
        """
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


def _of_type(rdtype: int, held: Sequence[HeldSet]) -> tuple[tuple[bytes, ...], HeldSet | None]:
    """The records of that type, else the alias to follow."""
    alias = None
    for each in held:
        if each.rdtype == rdtype:
            return each.wires, None
        if each.rdtype == _CNAME:
            alias = each
    return (), alias


def _read_name(wire: bytes) -> tuple[Labels, int]:
    """The labels of the question's name in lower case and where it ends; none for a strange one."""
    labels, at, end = [], 12, len(wire)
    while at < end and (length := wire[at]):
        if length > _LONGEST_LABEL or at + length - 12 > _LONGEST_NAME - 2:
            return (), end
        labels.append(wire[at + 1 : at + 1 + length].lower())
        at += 1 + length
    return (*labels, b""), at + 1
