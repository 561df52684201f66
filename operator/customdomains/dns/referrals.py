"""Delegations in the responses of servers that don't hold the zone below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.NS
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rrset

Glue = Mapping[dns.name.Name, tuple[str, ...]]
"""Addresses by a name server's name."""

NO_GLUE: Glue = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Referral:
    """A zone and the servers that the zone above names for it; `seconds` is their TTL.

    Two that name the same servers at the same addresses are equal.
    """

    zone: dns.name.Name
    hosts: tuple[dns.name.Name, ...]
    glue: Glue = field(hash=False)
    seconds: int = field(compare=False)


def referral_in(
    above: dns.name.Name, name: dns.name.Name, response: dns.message.Message
) -> Referral | None:
    """Where a server of the zone `above` says that `name` is in a zone below it, delegated.

    A referral is without an answer and without the SOA that comes with "not here" (RFC 2308
    section 2.2). One that does not lead down is not one.
    """
    if response.answer or any(s.rdtype == dns.rdatatype.SOA for s in response.authority):
        return None
    for rrset in response.authority:
        below = rrset.name != above and rrset.name.is_subdomain(above)
        if below and name.is_subdomain(rrset.name) and (hosts := hosts_in(rrset)):
            return Referral(rrset.name, hosts, _glue(rrset.name, hosts, response), rrset.ttl)
    return None


def hosts_in(rrset: dns.rrset.RRset | None) -> tuple[dns.name.Name, ...]:
    """The name servers that an NS set names, in order."""
    hosts = (record.target for record in rrset or () if isinstance(record, dns.rdtypes.ANY.NS.NS))
    return tuple(sorted(hosts))


def _glue(
    zone: dns.name.Name, hosts: tuple[dns.name.Name, ...], response: dns.message.Message
) -> Glue:
    """Addresses of servers inside the zone, which can't be found without it; those of others
    are not for this server to tell."""
    glue: dict[dns.name.Name, tuple[str, ...]] = {}
    for host in hosts:
        addresses = sorted(
            record.address
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)
            for record in response.get_rrset(response.additional, host, dns.rdataclass.IN, kind)
            or ()
            if isinstance(record, dns.rdtypes.IN.A.A | dns.rdtypes.IN.AAAA.AAAA)
        )
        if addresses and host.is_subdomain(zone):
            glue[host] = tuple(addresses)
    return glue
