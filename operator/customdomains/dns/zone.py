"""The delegation zone, where customers' `_acme-challenge` CNAMEs point: what it answers.

The apex holds SOA and NS; one level below it stands, per domain, `<id>` with the TXT values that
a `TextSource` gives. Nothing lies deeper, so there are no empty non-terminals. Everything here is
a pure function of the query, the zone and the source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.HINFO
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.rrset

from customdomains.dns.edns import EDNS_PAYLOAD

ID_PATTERN = re.compile(rb"[0-9a-f]{32}")
"""A domain's id as a label in lower case."""

_LONGEST_TTL = 5

# dnspython leaves these constructors untyped.
_NS: Any = dns.rdtypes.ANY.NS.NS
_SOA: Any = dns.rdtypes.ANY.SOA.SOA
_HINFO: Any = dns.rdtypes.ANY.HINFO.HINFO

_TRANSFERS = {dns.rdatatype.AXFR, dns.rdatatype.IXFR}


class TextSource(Protocol):
    """Where the zone's texts come from."""

    @property
    def synced(self) -> bool:
        """Whether the source knows all domains; before that, nothing can be said."""

    def texts(self, label: str) -> tuple[str, ...] | None:
        """The TXT values at a domain's id (32 lower-case hex); None where there is no such id."""


@dataclass(frozen=True)
class DelegationZone:
    """The zone's fixed part.

    `origin` and `nameservers` are domain names, `hostmaster` a mail address or a name in the
    SOA's spelling, `ttl` seconds (0 to 5) of everything and of negative answers. Raises
    ValueError, also for a name server inside the zone: it would need addresses there, which the
    zone does not hold.
    """

    origin: str
    nameservers: tuple[str, ...]
    hostmaster: str
    ttl: int = _LONGEST_TTL

    def __post_init__(self) -> None:
        if not 0 <= self.ttl <= _LONGEST_TTL:
            raise ValueError(f"ttl {self.ttl} is not between 0 and {_LONGEST_TTL} seconds")
        if not self.nameservers:
            raise ValueError("a zone needs at least one name server")
        if len(self.origin_name.labels) < 2:
            raise ValueError("the DNS root cannot be the delegation zone")
        for server, name in zip(self.nameservers, self._nameserver_names, strict=True):
            if name.is_subdomain(self.origin_name):
                raise ValueError(f"name server {server!r} lies inside the zone {self.origin!r}")
        _parse_hostmaster(self.hostmaster)

    @cached_property
    def origin_name(self) -> dns.name.Name:
        """The apex."""
        return _parse(self.origin)

    @cached_property
    def nameserver_set(self) -> dns.rrset.RRset:
        """The NS records at the apex."""
        records = [
            _NS(dns.rdataclass.IN, dns.rdatatype.NS, name) for name in self._nameserver_names
        ]
        return dns.rrset.from_rdata_list(self.origin_name, self.ttl, records)

    def soa(self, serial: int) -> dns.rrset.RRset:
        """The SOA record; nobody transfers the zone, so its timers are only customary."""
        record = _SOA(
            dns.rdataclass.IN,
            dns.rdatatype.SOA,
            self._nameserver_names[0],
            _parse_hostmaster(self.hostmaster),
            serial & 0xFFFFFFFF,
            refresh=3600,
            retry=600,
            expire=604800,
            minimum=self.ttl,
        )
        return dns.rrset.from_rdata_list(self.origin_name, self.ttl, [record])

    @cached_property
    def _nameserver_names(self) -> tuple[dns.name.Name, ...]:
        return tuple(_parse(name) for name in self.nameservers)


def answer(
    query: dns.message.Message, zone: DelegationZone, source: TextSource, *, serial: int
) -> dns.message.Message:
    """The response to `query`, to be truncated to the client's buffer by whoever sends it."""
    response = dns.message.make_response(query, our_payload=EDNS_PAYLOAD, pad=0)
    if query.edns >= 0:
        response.use_edns(0, query.ednsflags & dns.flags.DO, EDNS_PAYLOAD, query.payload)
    refusal = _refusal(query, zone)
    if refusal is None and not source.synced:
        refusal = dns.rcode.SERVFAIL
    if refusal is not None:
        response.set_rcode(refusal)
        return response

    question = query.question[0]
    response.flags |= dns.flags.AA
    records = _records_at(question.name, zone, source, serial)
    if records is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.ANY:
        response.answer.append(_minimal_any(question.name, zone.ttl))
    else:
        response.answer += [rrset for rrset in records if rrset.rdtype == question.rdtype]
    if not response.answer:
        response.authority.append(zone.soa(serial))
    return response


def text_strings(text: str) -> tuple[bytes, ...]:
    """`text` as character-strings of at most 255 bytes (RFC 1035 section 3.3.14)."""
    data = text.encode()
    return tuple(data[at : at + 255] for at in range(0, len(data), 255)) or (b"",)


def _refusal(query: dns.message.Message, zone: DelegationZone) -> dns.rcode.Rcode | None:
    """Why `query` gets no answer from the zone; None where it does."""
    if query.opcode() != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    if len(query.question) != 1:  # RFC 9619
        return dns.rcode.FORMERR
    if query.edns > 0:
        return dns.rcode.BADVERS
    if query.had_tsig:  # no key is known here (RFC 8945 section 5.2.1)
        return dns.rcode.NOTAUTH
    question = query.question[0]
    if (
        question.rdclass != dns.rdataclass.IN
        or question.rdtype in _TRANSFERS
        or not question.name.is_subdomain(zone.origin_name)
    ):
        return dns.rcode.REFUSED
    return None


def _records_at(
    name: dns.name.Name, zone: DelegationZone, source: TextSource, serial: int
) -> list[dns.rrset.RRset] | None:
    """Every RRset at `name`, which lies in the zone; None where the name does not exist."""
    below = len(name.labels) - len(zone.origin_name.labels)
    if below == 0:
        return [zone.soa(serial), zone.nameserver_set]
    label = name.labels[0].lower()
    if below > 1 or not ID_PATTERN.fullmatch(label):
        return None
    texts = source.texts(label.decode())
    if texts is None:
        return None
    records = [
        dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, text_strings(text))
        for text in texts
    ]
    # The owner is the question's name, so that its case comes back (draft-vixie-dnsext-dns0x20).
    return [dns.rrset.from_rdata_list(name, zone.ttl, records)] if records else []


def _minimal_any(name: dns.name.Name, ttl: int) -> dns.rrset.RRset:
    """The stand-in for all records at a name (RFC 8482 section 4.2)."""
    record = _HINFO(dns.rdataclass.IN, dns.rdatatype.HINFO, b"RFC8482", b"")
    return dns.rrset.from_rdata_list(name, ttl, [record])


def _parse(name: str) -> dns.name.Name:
    try:
        return dns.name.from_text(name)
    except dns.exception.DNSException as error:
        raise ValueError(f"{name!r} cannot be a name in the DNS: {error}") from error


def _parse_hostmaster(hostmaster: str) -> dns.name.Name:
    """A mail address as a name: the local part becomes one label (RFC 1035 section 8)."""
    local, at, domain = hostmaster.rpartition("@")
    if not at:
        return _parse(hostmaster)
    try:
        return dns.name.Name([local.encode(), *_parse(domain).labels])
    except dns.exception.DNSException as error:
        raise ValueError(f"{hostmaster!r} cannot be a hostmaster: {error}") from error
