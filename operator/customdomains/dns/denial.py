"""Which signed records show that a name has no records of a type: NSEC (RFC 4034 section 4) and
NSEC3 (RFC 5155).

Less is asked than RFC 4035 section 5.4 does: no record is wanted to show that no wildcard matches
either. What the records leave open that way is whether the zone's owner set a wildcard.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from enum import Enum

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3

MAX_ITERATIONS = 50
"""Of the hash; zones with more are taken for unsigned, as resolvers do (RFC 9276 section 3.2)."""

_MAX_SETS = 8
"""Looked at in one response; an honest one has three or four."""


class Denial(Enum):
    """What a set shows about a name, if it is signed."""

    PROVED = "proved"
    """It has no such records and no alias."""
    TOO_COSTLY = "too costly"
    """The zone hashes its names so often that nobody has to check it."""


def denials(
    name: dns.name.Name,
    zone: dns.name.Name,
    authority: Iterable[dns.rrset.RRset],
    rdtype: dns.rdatatype.RdataType,
) -> Iterator[tuple[dns.rrset.RRset, Denial]]:
    """The sets that show something about records of `rdtype` at `name`, which is in `zone`."""
    kinds = {dns.rdatatype.NSEC, dns.rdatatype.NSEC3}
    found = [s for s in authority if s.rdtype in kinds and s.name.is_subdomain(zone)]
    for rrset in found[:_MAX_SETS]:
        record = rrset[0]
        if isinstance(record, NSEC3) and record.iterations > MAX_ITERATIONS:
            yield rrset, Denial.TOO_COSTLY
        elif _denied(name, zone, rrset.name, record, rdtype):
            yield rrset, Denial.PROVED


def _denied(
    name: dns.name.Name,
    zone: dns.name.Name,
    owner: dns.name.Name,
    record: dns.rdata.Rdata,
    rdtype: dns.rdatatype.RdataType,
) -> bool:
    if isinstance(record, NSEC3):
        return _denied_by_hash(name, zone, owner, record, rdtype)
    return isinstance(record, NSEC) and _denied_by_name(name, zone, owner, record, rdtype)


def _denied_by_name(
    name: dns.name.Name,
    zone: dns.name.Name,
    owner: dns.name.Name,
    record: NSEC,
    rdtype: dns.rdatatype.RdataType,
) -> bool:
    if name == owner:
        return _has_neither(record, rdtype)
    kinds = {kind for kind in (dns.rdatatype.NS, dns.rdatatype.DNAME) if _has(record, kind)}
    if name.is_subdomain(owner) and kinds and owner != zone:
        return False  # what is below a delegation or a DNAME is not for this record to deny
    return bool(owner < name and (name < record.next or record.next == zone))


def _denied_by_hash(
    name: dns.name.Name,
    zone: dns.name.Name,
    owner: dns.name.Name,
    record: NSEC3,
    rdtype: dns.rdatatype.RdataType,
) -> bool:
    if len(owner) != len(zone) + 1:
        return False
    first = owner.labels[0].upper()
    following = base64.b32hexencode(record.next)
    here = _hash(name, record)
    if here == first:
        return _has_neither(record, rdtype)
    # Where the name is not there, one of the names above it may be the first that is not.
    while name != zone:
        if first < here < following or (following <= first and not following <= here <= first):
            return True
        name = name.parent()
        here = _hash(name, record)
    return False


def _hash(name: dns.name.Name, record: NSEC3) -> bytes:
    return dns.dnssec.nsec3_hash(name, record.salt, record.iterations, record.algorithm).encode()


def _has_neither(record: NSEC | NSEC3, rdtype: dns.rdatatype.RdataType) -> bool:
    return not _has(record, rdtype) and not _has(record, dns.rdatatype.CNAME)


def _has(record: NSEC | NSEC3, kind: dns.rdatatype.RdataType) -> bool:
    """Whether the bitmap names `kind` (RFC 4034 section 4.1.2)."""
    window, place = divmod(int(kind), 256)
    for number, bits in record.windows:
        if number == window and place // 8 < len(bits):
            return bool(bits[place // 8] & 0x80 >> place % 8)
    return False
