"""Plain questions as bytes: what the ways without dnspython have in common."""

from __future__ import annotations

import struct
from typing import NamedTuple

import dns.rdatatype

from customdomains.dns.edns import EDNS_PAYLOAD

HEADER = struct.Struct("!HHHHHH")

PLAIN_TYPES = frozenset(
    int(rdtype)
    for rdtype in (
        dns.rdatatype.A,
        dns.rdatatype.AAAA,
        dns.rdatatype.CAA,
        dns.rdatatype.CNAME,
        dns.rdatatype.HTTPS,
        dns.rdatatype.MX,
        dns.rdatatype.NS,
        dns.rdatatype.SOA,
        dns.rdatatype.SRV,
        dns.rdatatype.TXT,
    )
)
"""Types about which there is nothing special at any name but an apex."""

CLASS_IN = b"\x00\x01"
OWNER_IS_QNAME = b"\xc0\x0c"

_OPT = b"\x00\x00\x29"
_OPT_LENGTH = 11
_CLIENT_COOKIE = b"\x00\x0a\x00\x08"


class Reply(NamedTuple):
    """A reply's bytes and its rcode, of which the header holds only the lower four bits."""

    wire: bytes
    rcode: int


def plain_rest(
    wire: bytes, question_end: int, additional: int, *, udp: bool
) -> tuple[int, bytes] | None:
    """What follows the question: the room for a reply, and the OPT record to end it with, if any.

    None where there is more than a plain OPT record, or bytes without a meaning.
    """
    room = 512 if udp else 65535
    if not additional and len(wire) == question_end:
        return room, b""
    buffer = _plain_opt(wire, question_end) if additional == 1 else None
    if buffer is None:
        return None
    # Our own OPT: version 0, no options, the client's DO bit (RFC 3225 section 3).
    do = wire[question_end + 7] & 0x80
    opt = struct.pack("!3sHIH", _OPT, EDNS_PAYLOAD, do << 8, 0)
    return min(max(buffer, 512), EDNS_PAYLOAD) if udp else room, opt


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
