"""Questions as they are sent, and what may pass for an answer to one."""

from __future__ import annotations

import struct
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from customdomains.dns.edns import EDNS_PAYLOAD

MAX_MESSAGE = 16 * 1024
"""Bytes of an answer that are read. The longest honest ones, of crowded apexes, have half of it."""

_MAX_COST = 60_000
"""See `_cost`; some 10 ms. An honest answer has less than a tenth of it."""

_LONGEST_NAME = 128 * 128

_NAMES_AT: dict[int, tuple[int, int]] = {
    dns.rdatatype.NS: (0, 1),
    dns.rdatatype.CNAME: (0, 1),
    dns.rdatatype.DNAME: (0, 1),
    dns.rdatatype.PTR: (0, 1),
    dns.rdatatype.SOA: (0, 2),
    dns.rdatatype.MX: (2, 1),
    dns.rdatatype.RRSIG: (18, 1),
    dns.rdatatype.NSEC: (0, 1),
}
"""Where in a record's data names begin, and how many there are."""

_NAMELESS = {
    dns.rdatatype.A,
    dns.rdatatype.AAAA,
    dns.rdatatype.TXT,
    dns.rdatatype.OPT,
    dns.rdatatype.DS,
    dns.rdatatype.DNSKEY,
    dns.rdatatype.NSEC3,
    dns.rdatatype.NSEC3PARAM,
    dns.rdatatype.CAA,
}


class Question(NamedTuple):
    """What is looked for: records of a type at a name, in the class IN."""

    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType


class MalformedError(Exception):
    """What came is no answer to the question."""


class TruncatedError(Exception):
    """What came is the answer, but not all of it (the TC bit)."""


def make_query(
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    *,
    recursion: bool = True,
    checking: bool = True,
) -> dns.message.Message:
    """A question for TXT or whatever, with EDNS.

    With `recursion` it is for a resolver, which is asked to tell whether the answer is secure
    (the AD bit, RFC 6840 section 5.7). Without `checking` it shall not validate (the CD bit, RFC
    4035 section 3.2.2).
    """
    flags = dns.flags.RD | dns.flags.AD if recursion else dns.flags.Flag(0)
    if not checking:
        flags |= dns.flags.CD
    return dns.message.make_query(name, rdtype, use_edns=0, payload=EDNS_PAYLOAD, flags=flags)


def parse_response(wire: bytes, query: dns.message.Message) -> dns.message.Message:
    """The response to `query` that `wire` is.

    Raises `MalformedError` where it is none, or one that is too big or too costly to be read, and
    `TruncatedError`.
    """
    if not 12 <= len(wire) <= MAX_MESSAGE:
        raise MalformedError(f"a message of {len(wire)} bytes")
    number, flags = struct.unpack_from("!HH", wire)
    if number != query.id or not flags & dns.flags.QR:
        raise MalformedError("it answers another question")
    if _cost(wire) > _MAX_COST:
        raise MalformedError("it has too many names and records")
    try:
        response = dns.message.from_wire(wire, raise_on_truncation=True)
        answers = query.is_response(response)
    except dns.message.Truncated as error:
        if query.is_response(error.kwargs["message"]):
            raise TruncatedError from error
        raise MalformedError("it answers another question") from error
    except Exception as error:  # the parser may stumble over hostile bytes in ways of its own
        raise MalformedError(str(error)) from error
    if not answers:
        raise MalformedError("it answers another question")
    return response


def _cost(wire: bytes) -> int:
    """What it takes to parse `wire`: the squared numbers of labels of all its names, summed up.

    dnspython takes 0.2 us for each. Names are compressed, so a few kilobytes can hold thousands
    of 127 labels, a second's work. Where the message breaks off, so does the parser.
    """
    counts = struct.unpack_from("!4H", wire, 4)
    place, cost = 12, 0
    try:
        for _ in range(counts[0]):
            squared, place = _name(wire, place)
            cost, place = cost + squared, place + 4
        for _ in range(sum(counts[1:])):
            squared, place = _name(wire, place)
            kind, _, _, length = struct.unpack_from("!HHIH", wire, place)
            place += 10
            cost += squared + _data_cost(wire, kind, place)
            place += length
            if cost > _MAX_COST:
                break
    except (IndexError, struct.error):
        pass
    return cost


def _data_cost(wire: bytes, kind: int, place: int) -> int:
    if kind in _NAMELESS:
        return 0
    skipped, names = _NAMES_AT.get(kind, (0, 0))
    if not names:
        return _LONGEST_NAME
    cost, place = 0, place + skipped
    for _ in range(names):
        squared, place = _name(wire, place)
        cost += squared
    return cost


def _name(wire: bytes, place: int) -> tuple[int, int]:
    """The squared number of labels of the name at `place`, and where it ends."""
    labels, end = 1, None
    while length := wire[place]:
        if length >= 0xC0:
            end = place + 2 if end is None else end
            target = (length & 0x3F) << 8 | wire[place + 1]
            if target >= place:
                raise IndexError("the parser refuses pointers that don't point backwards")
            place = target
        else:
            labels += 1
            place += 1 + length
        if labels > 128:
            raise IndexError("the parser refuses names of more than 127 labels")
    return labels * labels, place + 1 if end is None else end
