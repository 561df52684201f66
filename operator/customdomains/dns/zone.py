"""The fixed part of the zones that are served: apex, SOA and NS.

Of them the delegation zone is where customers' `_acme-challenge` CNAMEs point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.SOA
import dns.rrset

_LONGEST_TTL = 5

# dnspython leaves these constructors untyped.
_NS: Any = dns.rdtypes.ANY.NS.NS
_SOA: Any = dns.rdtypes.ANY.SOA.SOA


@dataclass(frozen=True)
class Zone:
    """A zone without what stands in it.

    `origin` and `nameservers` are domain names, `hostmaster` a mail address or a name in the
    SOA's spelling, `ttl` seconds (0 to 5) of SOA, NS and negative answers. Raises ValueError.
    """

    origin: str
    nameservers: tuple[str, ...]
    hostmaster: str
    ttl: int = _LONGEST_TTL

    def __post_init__(self) -> None:
        if not 0 <= self.ttl <= _LONGEST_TTL:
            raise ValueError(f"ttl {self.ttl} is not between 0 and {_LONGEST_TTL} seconds")
        if not self._nameserver_names:
            raise ValueError("a zone needs at least one name server")
        if len(self.origin_name.labels) < 2:
            raise ValueError("the DNS root cannot be a zone of ours")
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


@dataclass(frozen=True)
class DelegationZone(Zone):
    """The zone where each domain's `<id>` stands one level below the apex.

    Raises ValueError also for a name server inside it: a customer's challenge must not hang on a
    record that somebody has to set there.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for server, name in zip(self.nameservers, self._nameserver_names, strict=True):
            if name.is_subdomain(self.origin_name):
                raise ValueError(f"name server {server!r} lies inside the zone {self.origin!r}")


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
