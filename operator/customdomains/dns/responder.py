"""From a query's bytes to a reply's: the short way for what resolvers ask all day, else the long.

The long way is dnspython and `replying.answer`. The short way knows one shape, a plain question for
`<id>.<origin>` in the delegation zone, and writes the same message without parsing or building one;
whatever does not have exactly this shape goes the long way. A property test holds the two equal.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from customdomains.dns.edns import EDNS_PAYLOAD
from customdomains.dns.holdings import ID_PATTERN, Holdings, text_strings
from customdomains.dns.replying import answer

_logger = logging.getLogger(__name__)

_HEADER = struct.Struct("!HHHHHH")
_ID_LABEL = 32
_ORIGIN_AT = 12 + 1 + _ID_LABEL
"""Where the origin begins in a message whose question is `<id>.<origin>`."""

_TXT = int(dns.rdatatype.TXT)
_PLAIN_TYPES = frozenset(
    int(rdtype)
    for rdtype in (
        dns.rdatatype.A,
        dns.rdatatype.AAAA,
        dns.rdatatype.CAA,
        dns.rdatatype.CNAME,
        dns.rdatatype.NS,
        dns.rdatatype.SOA,
        dns.rdatatype.TXT,
    )
)
_CLASS_IN = b"\x00\x01"
_OPT = b"\x00\x00\x29"
_OPT_LENGTH = 11
_CLIENT_COOKIE = b"\x00\x0a\x00\x08"
_OWNER_IS_QNAME = b"\xc0\x0c"


class Reply(NamedTuple):
    """A reply's bytes and its rcode, of which the header holds only the lower four bits."""

    wire: bytes
    rcode: int


class Responder:
    """Answers queries; never raises, whatever the bytes.

    `serial` gives the SOA's serial number (32 bits) at the moment it is called.
    """

    def __init__(self, holdings: Holdings, serial: Callable[[], int]) -> None:
        self._holdings = holdings
        self._source = holdings.texts
        self._serial = serial
        zone = holdings.delegation
        self._origin = zone.origin_name.to_digestable()
        self._answer_head = _OWNER_IS_QNAME + struct.pack("!HHI", _TXT, 1, zone.ttl)
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
        if len(wire) < _HEADER.size or wire[2] & 0x80:
            return None  # too short to name a query, or a response: answering would loop
        try:
            return self._short_way(wire, udp=udp) or self._long_way(wire, udp=udp)
        except Exception:  # a fault here must cost one answer, not the server
            _logger.exception("A query could not be answered")
            return _bare(wire, dns.rcode.SERVFAIL)

    def _short_way(self, wire: bytes, *, udp: bool) -> Reply | None:
        """The reply to a plain question for an id in the zone; None for everything else."""
        message_id, flags, questions, answers, authorities, additional = _HEADER.unpack_from(wire)
        question_end = _ORIGIN_AT + len(self._origin) + 4
        name_end = question_end - 4
        if (
            flags & 0x7800  # an opcode other than QUERY
            or (questions, answers, authorities) != (1, 0, 0)
            or len(wire) < question_end
            or wire[12] != _ID_LABEL
            or wire[_ORIGIN_AT:name_end].lower() != self._origin
            or wire[name_end + 2 : question_end] != _CLASS_IN
        ):
            return None
        label = wire[13:_ORIGIN_AT].lower()
        rdtype = int.from_bytes(wire[name_end : name_end + 2])
        room = 512 if udp else 65535
        opt = b""
        if additional or len(wire) != question_end:
            buffer = _plain_opt(wire, question_end) if additional == 1 else None
            if buffer is None:
                return None
            room = min(max(buffer, 512), EDNS_PAYLOAD) if udp else room
            # Our own OPT: version 0, no options, the client's DO bit (RFC 3225 section 3).
            do = wire[question_end + 7] & 0x80
            opt = struct.pack("!3sHIH", _OPT, EDNS_PAYLOAD, do << 8, 0)
        if rdtype not in _PLAIN_TYPES or not ID_PATTERN.fullmatch(label) or not self._source.synced:
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
        header = _HEADER.pack(
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


def _plain_opt(wire: bytes, at: int) -> int | None:
    """The client's buffer, where the OPT record at `at` is plain and the message's end.

    Plain: owner root, version 0, no option or one client cookie of 8 bytes, as BIND and dig
    send it (RFC 7873 section 4); it may go unanswered.
    """
    options = wire[at + _OPT_LENGTH :]
    if (
        len(wire) < at + _OPT_LENGTH
        or wire[at : at + 3] != _OPT
        or wire[at + 5 : at + 7] != b"\x00\x00"  # extended rcode, version
        or int.from_bytes(wire[at + 9 : at + 11]) != len(options)
        or (options and not (len(options) == 12 and options.startswith(_CLIENT_COOKIE)))
    ):
        return None
    return int.from_bytes(wire[at + 3 : at + 5])


def _bare(wire: bytes, rcode: dns.rcode.Rcode) -> Reply:
    """A reply of nothing but a header, for what cannot be read further."""
    opcode_and_rd = int.from_bytes(wire[2:4]) & 0x7900
    header = _HEADER.pack(int.from_bytes(wire[:2]), 0x8000 | opcode_and_rd | rcode, 0, 0, 0, 0)
    return Reply(header, int(rcode))
