"""What a server's response says about one name.

Records of other names, classes and types are passed over; what is left is bounded, so that a
response of 64 KiB makes no large evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CAA
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.DNAME
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.rrset

from customdomains.model.caa import record_text
from customdomains.model.evidence import Outcome, ServerAnswer

MAX_CHAIN = 16
"""Aliases followed; resolvers give up at 8 to 16."""

MAX_TEXTS = 128
MAX_TEXT = 512
"""Characters of one value: more than any value that is ever looked for."""

_MAX_EXPLANATION = 200
_MAX_ERRORS = 3

_OUTCOMES = {
    dns.rcode.NOERROR: Outcome.ANSWERED,
    dns.rcode.NXDOMAIN: Outcome.NO_SUCH_NAME,
    dns.rcode.SERVFAIL: Outcome.SERVER_FAILURE,
    dns.rcode.REFUSED: Outcome.REFUSED,
    dns.rcode.NOTIMP: Outcome.REFUSED,
    dns.rcode.NOTAUTH: Outcome.REFUSED,
    dns.rcode.FORMERR: Outcome.MALFORMED,
}

_VALIDATION_FAILED = {
    dns.edns.EDECode.DNSSEC_BOGUS,
    dns.edns.EDECode.SIGNATURE_EXPIRED,
    dns.edns.EDECode.SIGNATURE_NOT_YET_VALID,
    dns.edns.EDECode.RRSIGS_MISSING,
    dns.edns.EDECode.NO_ZONE_KEY_BIT_SET,
    dns.edns.EDECode.NSEC_MISSING,
    dns.edns.EDECode.SIGNATURE_EXPIRED_BEFORE_VALID,
}
"""RFC 8914 section 4. "DNSKEY Missing" is said of servers that can't be reached as well."""


def outcome_of(response: dns.message.Message) -> Outcome:
    """How `response` ended by its rcode, and by the extended errors of a SERVFAIL (RFC 8914)."""
    outcome = _OUTCOMES.get(response.rcode(), Outcome.SERVER_FAILURE)
    if outcome is Outcome.SERVER_FAILURE and any(
        error.code in _VALIDATION_FAILED for error in response.extended_errors()
    ):
        return Outcome.BOGUS
    return outcome


def read_answer(
    server: str,
    name: dns.name.Name,
    response: dns.message.Message,
    rdtype: dns.rdatatype.RdataType = dns.rdatatype.TXT,
    *,
    trusted: bool = False,
) -> ServerAnswer:
    """What `response` says about `name`: its alias chain and what stands at the end of it: TXT
    values or CAA records, as `rdtype` has it; nothing where it asks for aliases.

    A chain ends where it repeats itself or after 16 steps, then without texts; a DNAME counts
    as the CNAME that it stands for (RFC 6672). A name that holds an alias exists, whatever the
    rcode says about the chain's end (RFC 6604); of a chain that goes round BIND sends what it has
    followed with a SERVFAIL. The AD bit of a `trusted` server tells that the answer is secure.
    """
    outcome = outcome_of(response)
    explained = explanation(response)
    if not outcome.conclusive:
        chain = _find(name, response, rdtype).targets if outcome is Outcome.SERVER_FAILURE else ()
        cnames = tuple(name_text(target) for target in chain)
        return ServerAnswer(server, outcome, cnames=cnames, explanation=explained)
    found = _find(name, response, rdtype)
    if not found.ttls and not _may_deny(response):
        return ServerAnswer(server, Outcome.LAME, explanation=explained)
    soa = None
    if not found.texts and found.end is not None:
        soa = enclosing_soa(found.end, response)
    return ServerAnswer(
        server,
        Outcome.ANSWERED if found.ttls else outcome,
        cnames=tuple(name_text(target) for target in found.targets),
        texts=_bounded(found.texts),
        ttl=min(found.ttls, default=None),
        authentic=trusted and bool(response.flags & dns.flags.AD),
        negative_ttl=_negative_ttl(soa) if soa is not None else None,
        cached=not response.flags & dns.flags.AA,
        explanation=explained,
        clash=found.clash,
    )


def enclosing_soa(name: dns.name.Name, response: dns.message.Message) -> dns.rrset.RRset | None:
    """The SOA set in the authority section that is of a zone around `name`; its name is the apex.

    A negative answer has it (RFC 2308 section 3), for the end of the alias chain.
    """
    for rrset in response.authority:
        if _is(rrset, dns.rdatatype.SOA) and name.is_subdomain(rrset.name):
            return rrset
    return None


def endless(name: str, cnames: tuple[str, ...]) -> bool:
    """Whether the chain from `name` along `cnames` repeats itself or is too long to follow."""
    chain = (name, *cnames)
    return len(set(chain)) < len(chain) or len(cnames) >= MAX_CHAIN


def explanation(response: dns.message.Message) -> str:
    """The extended errors (RFC 8914) in one line, printable and at most 200 characters."""
    text = "; ".join(error.to_text() for error in response.extended_errors()[:_MAX_ERRORS])
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_MAX_EXPLANATION])
    return text[:_MAX_EXPLANATION]


def name_text(name: dns.name.Name) -> str:
    """`name` in lower case without trailing dot, odd bytes escaped (RFC 1035 section 5.1)."""
    return name.to_text(omit_final_dot=True).lower()


@dataclass(slots=True)
class _Found:
    """What the answer section holds from a name on; `end` is None for a chain without end."""

    end: dns.name.Name | None
    targets: list[dns.name.Name] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    ttls: list[int] = field(default_factory=list)
    clash: bool = False


def _find(
    name: dns.name.Name, response: dns.message.Message, rdtype: dns.rdatatype.RdataType
) -> _Found:
    aliases, renames, texts = (
        {rrset.name: rrset for rrset in response.answer if _is(rrset, kind)}
        for kind in (dns.rdatatype.CNAME, dns.rdatatype.DNAME, rdtype)
    )
    if rdtype == dns.rdatatype.CNAME:
        texts = {}
    here = name
    found = _Found(name)
    seen = {name}
    while True:
        values = texts.get(here)
        alias = aliases.get(here)
        if values is not None:
            found.texts += _values(values)
            found.ttls.append(values.ttl)
        elif alias is None:
            alias = _renaming(here, renames)
        if alias is None:
            found.end = here
            return found
        found.clash = found.clash or values is not None
        if len(found.targets) == MAX_CHAIN:
            break
        found.ttls.append(alias.ttl)
        target = _target(here, alias)
        if target is None:
            break
        found.targets.append(target)
        if target in seen:
            break
        seen.add(target)
        here = target
    found.end = None
    return found


def _is(rrset: dns.rrset.RRset, kind: dns.rdatatype.RdataType) -> bool:
    return rrset.rdtype == kind and rrset.rdclass == dns.rdataclass.IN and len(rrset) > 0


def _renaming(
    name: dns.name.Name, renames: dict[dns.name.Name, dns.rrset.RRset]
) -> dns.rrset.RRset | None:
    """The DNAME set above `name`, where the server left the CNAME to be made of it out."""
    while renames and len(name) > 1:
        name = name.parent()
        if (rename := renames.get(name)) is not None:
            return rename
    return None


def _target(name: dns.name.Name, alias: dns.rrset.RRset) -> dns.name.Name | None:
    """Where the set (of one record, as dnspython keeps singletons) leads from `name`.

    None where a DNAME makes a name that is too long (RFC 6672 section 2.2).
    """
    record = alias[0]
    if isinstance(record, dns.rdtypes.ANY.CNAME.CNAME):
        return record.target
    assert isinstance(record, dns.rdtypes.ANY.DNAME.DNAME)  # noqa: S101 - narrows for mypy
    try:
        return name.relativize(alias.name).concatenate(record.target)
    except dns.name.NameTooLong:
        return None


def _may_deny(response: dns.message.Message) -> bool:
    """Whether "not here" says something about the name.

    It does from a server that holds the zone, or that was asked to find out and can. It does not
    in a referral (RFC 2308 section 2.2), which also an open resolver gives that the zone was
    delegated to by mistake.
    """
    if response.flags & dns.flags.AA:
        return True
    kinds = {rrset.rdtype for rrset in response.authority}
    if dns.rdatatype.NS in kinds and dns.rdatatype.SOA not in kinds:
        return False
    return bool(response.flags & dns.flags.RD and response.flags & dns.flags.RA)


def _negative_ttl(soa: dns.rrset.RRset) -> int:
    """RFC 2308 section 5."""
    record = soa[0]
    assert isinstance(record, dns.rdtypes.ANY.SOA.SOA)  # noqa: S101 - narrows for mypy
    return min(soa.ttl, record.minimum)


def _values(found: dns.rrset.RRset) -> list[str]:
    values = []
    for record in found:
        match record:
            case dns.rdtypes.ANY.TXT.TXT():
                values.append(b"".join(record.strings).decode("utf-8", "backslashreplace"))
            case dns.rdtypes.ANY.CAA.CAA():
                values.append(record_text(record.flags, record.tag, record.value))
    return [value[:MAX_TEXT] for value in values]


def _bounded(texts: Iterable[str]) -> tuple[str, ...]:
    """At most 128 values, the same ones in whatever order they come."""
    every = tuple(dict.fromkeys(texts))
    return every if len(every) <= MAX_TEXTS else tuple(sorted(every)[:MAX_TEXTS])
