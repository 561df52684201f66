"""From a query's bytes to a reply's: the short way for what resolvers ask all day, else the long.

The long way is dnspython and `replying.answer`. The short way knows one shape, a plain question for
`<id>.<origin>` in the delegation zone, and writes the same message without parsing or building one;
`quick` does so for the platform's records. Whatever does not have exactly these shapes goes the
long way. A property test holds all of them equal.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from customdomains.dns.edns import EDNS_PAYLOAD
from customdomains.dns.holdings import ID_PATTERN, Holdings, text_strings
from customdomains.dns.plain import (
    CLASS_IN,
    HEADER,
    OWNER_IS_QNAME,
    PLAIN_TYPES,
    Reply,
    plain_rest,
)
from customdomains.dns.quick import QuickRecords
from customdomains.dns.replying import answer

_logger = logging.getLogger(__name__)

_ID_LABEL = 32
_ORIGIN_AT = 12 + 1 + _ID_LABEL
"""Where the origin begins in a message whose question is `<id>.<origin>`."""

_TXT = int(dns.rdatatype.TXT)


class Responder:
    """Answers queries; never raises, whatever the bytes.

    `serial` gives the SOA's serial number (32 bits) at the moment it is called.
    """

    def __init__(self, holdings: Holdings, serial: Callable[[], int]) -> None:
        self._holdings = holdings
        self._source = holdings.texts
        self._quick = QuickRecords(holdings, serial)
        self._serial = serial
        zone = holdings.delegation
        self._origin = zone.origin_name.to_digestable()
        self._answer_head = OWNER_IS_QNAME + struct.pack("!HHI", _TXT, 1, zone.ttl)
        soa = zone.soa(0)[0].to_generic().data
        # Behind the serial stand the four timers.
        self._soa_head = (
            struct.pack("!HHHIH", 0xC000 | _ORIGIN_AT, dns.rdatatype.SOA, 1, zone.ttl, len(soa))
            + soa[:-20]
        )
        self._soa_tail = soa[-16:]

    def reply(self, wire: bytes, *, udp: bool) -> Reply | None:
        """The reply to one message; None where there must be none (RFC 1035 section 7.3).

        Over UDP it fits the client's buffer, at most 1232 bytes, and says so if truncated.
        """
        if len(wire) < HEADER.size or wire[2] & 0x80:
            return None  # too short to name a query, or a response: answering would loop
        try:
            return (
                self._short_way(wire, udp=udp)
                or self._quick.reply(wire, udp=udp)
                or self._long_way(wire, udp=udp)
            )
        except Exception:  # a fault here must cost one answer, not the server
            _logger.exception("A query could not be answered")
            return _bare(wire, dns.rcode.SERVFAIL)

    def _short_way(self, wire: bytes, *, udp: bool) -> Reply | None:
        """The reply to a plain question for an id in the zone; None for everything else."""
        message_id, flags, questions, answers, authorities, additional = HEADER.unpack_from(wire)
        question_end = _ORIGIN_AT + len(self._origin) + 4
        name_end = question_end - 4
        if (
            flags & 0x7800  # an opcode other than QUERY
            or (questions, answers, authorities) != (1, 0, 0)
            or len(wire) < question_end
            or wire[12] != _ID_LABEL
            or wire[_ORIGIN_AT:name_end].lower() != self._origin
            or wire[name_end + 2 : question_end] != CLASS_IN
        ):
            return None
        label = wire[13:_ORIGIN_AT].lower()
        rdtype = int.from_bytes(wire[name_end : name_end + 2])
        found = plain_rest(wire, question_end, additional, udp=udp)
        if found is None:
            return None
        room, opt = found
        if rdtype not in PLAIN_TYPES or not ID_PATTERN.fullmatch(label) or not self._source.synced:
            return None

        texts = self._source.texts(label.decode())
        records = []
        if texts and rdtype == _TXT:
            records = [self._text_record(text) for text in dict.fromkeys(texts)]
        body = b"".join(records) or b"".join(
            (self._soa_head, struct.pack("!I", self._serial() & 0xFFFFFFFF), self._soa_tail)
        )
        if question_end + len(body) + len(opt) > room:
            return None
        rcode = dns.rcode.NXDOMAIN if texts is None else dns.rcode.NOERROR
        header = HEADER.pack(
            message_id,
            0x8400 | flags & 0x0100 | rcode,  # QR and AA, the query's RD
            1,
            len(records),
            not records,
            bool(opt),
        )
        return Reply(b"".join((header, wire[12:question_end], body, opt)), rcode)

    def _text_record(self, text: str) -> bytes:
        rdata = b"".join(bytes((len(part),)) + part for part in text_strings(text))
        return self._answer_head + len(rdata).to_bytes(2) + rdata

    def _long_way(self, wire: bytes, *, udp: bool) -> Reply:
        if wire[2] & 0x78:  # the other opcodes have message formats of their own
            return _bare(wire, dns.rcode.NOTIMP)
        try:
            query = dns.message.from_wire(wire, keyring=False)
        except (dns.exception.DNSException, ValueError):
            return _bare(wire, dns.rcode.FORMERR)
        response = answer(query, self._holdings, serial=self._serial())
        room = 65535
        if udp:
            room = min(max(query.payload, 512), EDNS_PAYLOAD) if query.edns >= 0 else 512
        return Reply(response.to_wire(max_size=room, prefer_truncation=True), int(response.rcode()))


def _bare(wire: bytes, rcode: dns.rcode.Rcode) -> Reply:
    """A reply of nothing but a header, for what cannot be read further."""
    opcode_and_rd = int.from_bytes(wire[2:4]) & 0x7900
    header = HEADER.pack(int.from_bytes(wire[:2]), 0x8000 | opcode_and_rd | rcode, 0, 0, 0, 0)
    return Reply(header, int(rcode))
