"""What is answered to a query: a pure function of it and of the holdings (RFC 1034 section 4.3.2).

Wildcards, delegations below a zone and additional records are not there.
"""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.HINFO
import dns.rrset

from customdomains.dns.edns import EDNS_PAYLOAD
from customdomains.dns.holdings import Holdings
from customdomains.dns.zone import Zone

MAX_CHAIN = 8
"""CNAMEs followed for one question; whoever asks goes on from there."""

# dnspython leaves this constructor untyped.
_HINFO: Any = dns.rdtypes.ANY.HINFO.HINFO

_TRANSFERS = {dns.rdatatype.AXFR, dns.rdatatype.IXFR}


def answer(query: dns.message.Message, holdings: Holdings, *, serial: int) -> dns.message.Message:
    """The response to `query`, to be truncated to the client's buffer by whoever sends it."""
    response = dns.message.make_response(query, our_payload=EDNS_PAYLOAD, pad=0)
    if query.edns >= 0:
        response.use_edns(0, query.ednsflags & dns.flags.DO, EDNS_PAYLOAD, query.payload)
    refusal = _refusal(query)
    if refusal is not None:
        response.set_rcode(refusal)
        return response
    question = query.question[0]
    zone = holdings.zone_of(question.name, question.rdtype)
    if zone is None:
        response.set_rcode(dns.rcode.REFUSED)
    elif not holdings.knows(question.name, zone):
        response.set_rcode(dns.rcode.SERVFAIL)
    else:
        response.flags |= dns.flags.AA
        _fill(response, zone, holdings, serial)
    return response


def _refusal(query: dns.message.Message) -> dns.rcode.Rcode | None:
    """Why `query` gets no answer from any zone; None where it may."""
    if query.opcode() != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    if len(query.question) != 1:  # RFC 9619
        return dns.rcode.FORMERR
    if query.edns > 0:
        return dns.rcode.BADVERS
    if query.had_tsig:  # no key is known here (RFC 8945 section 5.2.1)
        return dns.rcode.NOTAUTH
    question = query.question[0]
    if question.rdclass != dns.rdataclass.IN or question.rdtype in _TRANSFERS:
        return dns.rcode.REFUSED
    return None


def _fill(response: dns.message.Message, zone: Zone, holdings: Holdings, serial: int) -> None:
    """Answer from `zone`, along CNAMEs as long as they stay in it.

    The rcode is that of the chain's end (RFC 6604 section 3), and so is the SOA (RFC 2308
    section 2); where the chain leaves the zone or goes round, it is all there is to say.
    """
    question = response.question[0]
    name, seen = question.name, {question.name}
    while True:
        sets = holdings.sets_at(name, zone, serial)
        if sets is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        alias = _alias(sets or ())
        if question.rdtype == dns.rdatatype.ANY and sets:
            # One set stands for all (RFC 8482 section 4.1), or a stand-in (section 4.2).
            response.answer.append(alias or _minimal_any(name, zone.ttl))
            return
        found = [rrset for rrset in sets or () if rrset.rdtype == question.rdtype]
        if found:
            response.answer += found
            return
        if alias is None:
            response.authority.append(zone.soa(serial))
            return
        response.answer.append(alias)
        name = _target(alias)
        if len(seen) == MAX_CHAIN or name in seen or holdings.zone_of(name) is not zone:
            return
        if not holdings.knows(name, zone):
            return
        seen.add(name)


def _alias(sets: list[dns.rrset.RRset] | tuple[()]) -> dns.rrset.RRset | None:
    return next((rrset for rrset in sets if rrset.rdtype == dns.rdatatype.CNAME), None)


def _target(alias: dns.rrset.RRset) -> dns.name.Name:
    record = alias[0]
    assert isinstance(record, dns.rdtypes.ANY.CNAME.CNAME)  # noqa: S101 - narrows for mypy
    return record.target


def _minimal_any(name: dns.name.Name, ttl: int) -> dns.rrset.RRset:
    """The stand-in for all records at a name (RFC 8482 section 4.2)."""
    record = _HINFO(dns.rdataclass.IN, dns.rdatatype.HINFO, b"RFC8482", b"")
    return dns.rrset.from_rdata_list(name, ttl, [record])
