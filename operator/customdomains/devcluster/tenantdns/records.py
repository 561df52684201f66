"""What is set on the customer's DNS server, and what a name therefore answers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
from publicsuffixlist import PublicSuffixList

NAME_SERVER = "ns1.tenant-dns.example."
"""What this server calls itself in the NS sets of its zones."""

DEFAULT_TTL = 5
_NEGATIVE_TTL = 1
_DELEGATION_TTL = 300  # nobody changes name servers as often as records
_MOST_TTL = 86_400
_MOST_LABEL_BYTES = 255
_IN = dns.rdataclass.IN
_CNAME = dns.rdatatype.CNAME
# Made by the server itself, or no data at all.
_NOT_SETTABLE = {dns.rdatatype.SOA, dns.rdatatype.OPT, dns.rdatatype.ANY}
_SELF = dns.name.from_text(NAME_SERVER)


class InvalidRecordError(ValueError):
    """A record that can't be set; the message says why."""


@dataclass(frozen=True)
class RecordSet:
    """All values of one type at one name, as the management API shows them."""

    name: str  # absolute, as "_acme-challenge.example.com."
    type: str  # as "TXT"
    ttl: int  # seconds
    values: tuple[str, ...]  # TXT: the text itself; else as in a zone file


@dataclass(frozen=True)
class Found:
    """What one name has to say to one type."""

    answer: dns.rrset.RRset | None  # records of the type, or the CNAME that stands there
    exists: bool  # False is NXDOMAIN
    soa: dns.rrset.RRset  # for an empty answer's authority section
    authoritative: bool  # whether the name lies in a zone of this server


class Records:
    """The zones of this server. A zone is a registrable domain; setting a record makes it.

    `zones` are there from the start, and so is the one of `NAME_SERVER`, which has the IP address
    `address`. Raises InvalidRecordError.
    """

    def __init__(self, address: str = "127.0.0.1", zones: Iterable[str] = ()) -> None:
        self._sets: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset]] = {}
        self._zones: set[dns.name.Name] = set()
        self._failing: set[dns.name.Name] = set()
        # How many names with records are at or below each name: those exist.
        self._below: Counter[dns.name.Name] = Counter()
        for zone in zones:
            self._make_zone(_zone_of(parse_name(zone)))
        kind = "AAAA" if ":" in address else "A"
        self._set(*_parse(RecordSet(NAME_SERVER, kind, _DELEGATION_TTL, (address,))))

    # --- setting -------------------------------------------------------------------------------

    def put(self, wanted: Iterable[RecordSet]) -> None:
        """Set whole record sets, each in place of what its name and type had.

        All or none: raises InvalidRecordError before anything is changed.
        """
        parsed = [_parse(record_set) for record_set in wanted]
        for name, data in parsed:
            _check_foreign(name)
            self._check_alone(name, data)
        for name, data in parsed:
            self._set(name, data)

    def add_text(self, name: str, value: str) -> None:
        """Add a value to the TXT records of `name`. Raises InvalidRecordError."""
        there = self._sets.get(parse_name(name), {}).get(dns.rdatatype.TXT, ())
        values = [_text(data) for data in there]
        if value not in values:
            self.put([RecordSet(name, "TXT", DEFAULT_TTL, (*values, value))])

    def delete(self, name: str, rdtype: str | None = None) -> None:
        """Remove the records of one type, or all of `name`; nothing there is no error."""
        owner = parse_name(name)
        _check_foreign(owner)
        sets = self._sets.get(owner, {})
        for kind in [parse_type(rdtype)] if rdtype else list(sets):
            sets.pop(kind, None)
        if owner in self._sets and not sets:
            del self._sets[owner]
            self._count(owner, -1)

    def fail(self, name: str, *, failing: bool) -> None:
        """Make every question for `name` end in SERVFAIL, or end that."""
        (self._failing.add if failing else self._failing.discard)(parse_name(name))

    def listing(self) -> list[RecordSet]:
        """All record sets, by name and type."""
        return [
            RecordSet(
                name.to_text(),
                dns.rdatatype.to_text(kind),
                data.ttl,
                tuple(
                    _text(item) if kind == dns.rdatatype.TXT else item.to_text() for item in data
                ),
            )
            for name, sets in sorted(self._sets.items())
            if name != _SELF
            for kind, data in sorted(sets.items())
        ]

    def _check_alone(self, name: dns.name.Name, data: dns.rdataset.Rdataset) -> None:
        there = self._sets.get(name, {}).keys() - {data.rdtype}
        if data.rdtype == _CNAME and name == _zone_of(name):
            raise InvalidRecordError(f"{name} is the apex of a zone, where no CNAME can stand")
        if (data.rdtype == _CNAME and there) or _CNAME in there:
            kinds = ", ".join(sorted(map(dns.rdatatype.to_text, there)))
            raise InvalidRecordError(
                f"{name} has {kinds} already, and a CNAME can't stand beside other records; "
                "remove what is there first"
            )

    def _set(self, name: dns.name.Name, data: dns.rdataset.Rdataset) -> None:
        self._make_zone(_zone_of(name))
        if name not in self._sets:
            self._sets[name] = {}
            self._count(name, 1)
        self._sets[name][data.rdtype] = data

    def _make_zone(self, zone: dns.name.Name) -> None:
        if zone not in self._zones:
            self._zones.add(zone)
            self._count(zone, 1)

    def _count(self, name: dns.name.Name, change: int) -> None:
        for ancestor in _upwards(name):
            self._below[ancestor] += change

    # --- asking --------------------------------------------------------------------------------

    def failing(self, name: dns.name.Name) -> bool:
        """Whether questions for `name` are to end in SERVFAIL."""
        return name in self._failing

    def find(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Found:
        """What `name` answers to a question for `rdtype`."""
        zone = next((origin for origin in _upwards(name) if origin in self._zones), None)
        exists = self._below[name] > 0
        sets = self._sets.get(name, {}) if exists else self._wildcard(name)
        data = sets.get(rdtype) or sets.get(_CNAME)
        apex = zone or dns.name.root
        answer = dns.rrset.from_rdata_list(name, data.ttl, list(data)) if data else None
        if answer is None and name == zone:
            answer = _apex_answer(zone, rdtype)
        return Found(answer, exists or bool(sets), _soa(apex), zone is not None)

    def _wildcard(
        self, name: dns.name.Name
    ) -> dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset]:
        """Records of the `*` below the closest name that exists (RFC 4592)."""
        encloser = next(
            above for above in _upwards(name) if self._below[above] or not above.labels[1:]
        )
        try:
            return self._sets.get(dns.name.Name((b"*", *encloser.labels)), {})
        except dns.name.NameTooLong:
            return {}


def parse_name(text: str) -> dns.name.Name:
    """An absolute lower-case name; a missing last dot is added. Raises InvalidRecordError."""
    try:
        return dns.name.from_text(text).canonicalize()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise InvalidRecordError(f"{text!r} is no DNS name: {error}") from error


def parse_type(text: str) -> dns.rdatatype.RdataType:
    """A record type such as "TXT" or "TYPE65". Raises InvalidRecordError."""
    try:
        return dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError) as error:
        raise InvalidRecordError(f"{text!r} is no DNS record type") from error


def _check_foreign(name: dns.name.Name) -> None:
    if name == _SELF:
        raise InvalidRecordError(f"{name} is this server's own name, and its address stays")


def _parse(wanted: RecordSet) -> tuple[dns.name.Name, dns.rdataset.Rdataset]:
    name, kind = parse_name(wanted.name), parse_type(wanted.type)
    if kind in _NOT_SETTABLE or dns.rdatatype.is_metatype(kind):
        raise InvalidRecordError(f"{wanted.type} records can't be set")
    if not wanted.values:
        raise InvalidRecordError(f"{wanted.name} {wanted.type}: no values")
    if not 0 <= wanted.ttl <= _MOST_TTL:
        raise InvalidRecordError(f"ttl {wanted.ttl} is not between 0 and {_MOST_TTL}")
    if kind == _CNAME and len(wanted.values) > 1:
        raise InvalidRecordError(f"{wanted.name}: a CNAME has one value only")
    parse = _text_data if kind == dns.rdatatype.TXT else _zone_file_data
    try:
        return name, dns.rdataset.from_rdata_list(
            wanted.ttl, [parse(kind, value) for value in wanted.values]
        )
    except (dns.exception.DNSException, ValueError) as error:
        raise InvalidRecordError(f"{wanted.name} {wanted.type}: {error}") from error


def _text_data(_kind: dns.rdatatype.RdataType, value: str) -> dns.rdata.Rdata:
    """TXT data of any length: strings of at most 255 bytes that a reader joins again."""
    content = value.encode()
    starts = range(0, len(content) or 1, _MOST_LABEL_BYTES)
    strings = [content[start : start + _MOST_LABEL_BYTES] for start in starts]
    wire = b"".join(bytes([len(string)]) + string for string in strings)
    return dns.rdata.from_wire(_IN, dns.rdatatype.TXT, wire, 0, len(wire))


def _zone_file_data(kind: dns.rdatatype.RdataType, value: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text(_IN, kind, value, origin=dns.name.root, relativize=False)


def _text(data: dns.rdata.Rdata) -> str:
    strings: Sequence[bytes] = data.strings  # type: ignore[attr-defined] # TXT's alone
    return b"".join(strings).decode(errors="replace")


def _upwards(name: dns.name.Name) -> Iterator[dns.name.Name]:
    """`name`, then each name above it, last the root."""
    labels = name.labels
    for start in range(len(labels)):
        yield dns.name.Name(labels[start:])


def _apex_answer(zone: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
    if rdtype == dns.rdatatype.SOA:
        return _soa(zone)
    if rdtype == dns.rdatatype.NS:
        return dns.rrset.from_text(zone, _DELEGATION_TTL, _IN, dns.rdatatype.NS, NAME_SERVER)
    return None


@lru_cache(maxsize=1024)
def _soa(zone: dns.name.Name) -> dns.rrset.RRset:
    return dns.rrset.from_text(
        zone,
        _NEGATIVE_TTL,
        _IN,
        dns.rdatatype.SOA,
        f"{NAME_SERVER} hostmaster.tenant-dns.example. 1 60 60 3600 {_NEGATIVE_TTL}",
    )


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _zone_of(name: dns.name.Name) -> dns.name.Name:
    """The registrable domain of `name`, or `name` itself where that is a public suffix."""
    text = name.to_text(omit_final_dot=True)
    registrable = _public_suffixes().privatesuffix(text)
    return dns.name.from_text(registrable) if registrable else name
