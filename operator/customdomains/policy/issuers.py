"""Which issuer a certificate is asked of, and which others may stand in for it."""

from __future__ import annotations

from datetime import datetime

from customdomains.model.certificate import Fallback
from customdomains.model.claim import CertificateRecord, Claim
from customdomains.model.domain import CustomDomain
from customdomains.model.names import certificate_names
from customdomains.model.reasons import Reason
from customdomains.policy.jobs import Choice
from customdomains.policy.rules import Rules

TROUBLE = frozenset(
    {
        Reason.CA_UNREACHABLE,
        Reason.CA_RATE_LIMITED,
        Reason.CA_REFUSED,
        Reason.ISSUER_MISCONFIGURED,
        Reason.STORAGE_FAILED,
    }
)
"""What keeps one issuer from taking an order that another may take: it is away, has had enough of
us, or something is wrong with the account there or its key."""


def issuer_of(domain: CustomDomain, rules: Rules) -> str | None:
    """The issuer to use: the one asked for, else the first; None where there is no such."""
    wanted = domain.issuer or (rules.issuers[0] if rules.issuers else None)
    return wanted if wanted in rules.issuers else None


def chain_of(domain: CustomDomain, rules: Rules) -> tuple[str, ...]:
    """The issuer to use, and those that may stand in, each for the one before it."""
    chain: list[str] = []
    name = issuer_of(domain, rules)
    while name is not None and name not in chain:
        chain.append(name)
        name = rules.fallbacks.get(name)
    return tuple(chain)


def stands_for(have: CertificateRecord) -> str:
    """The issuer that was wanted when the certificate was ordered."""
    return have.fallback.instead_of if have.fallback else have.issuer


def choose(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> Choice | None:
    """Where to place a new order; None where there is no such issuer.

    Every order begins with the issuer that is wanted, unless that has just refused by a CAA record
    that only the CA saw: it would do so again.
    """
    chain, failure = chain_of(domain, rules), claim.failure
    if not chain:
        return None
    hurried = _is_hurried(domain, claim, now)
    if failure is None:
        return Choice(chain, hurried=hurried)
    again = failure.unplaced and failure.reason in TROUBLE
    if failure.reason is Reason.CAA_FORBIDS and not failure.unplaced:
        rest = chain[chain.index(failure.issuer) + 1 :] if failure.issuer in chain else ()
        if rest:
            return Choice(rest, Fallback(chain[0], failure.reason), hurried=hurried)
    return Choice(chain, hurried=hurried, again=again)


def _is_hurried(domain: CustomDomain, claim: Claim, now: datetime) -> bool:
    """Whether what is wanted has no certificate, or one with less than a third of its life left."""
    have, wanted = claim.certificate, certificate_names(claim.domain, wildcard=domain.wildcard)
    if have is None or set(have.names) != set(wanted):
        return True
    lifetime = have.facts.not_after - have.facts.not_before
    return now >= have.facts.not_after - lifetime / 3


def unknown_issuer(domain: CustomDomain, rules: Rules) -> str:
    """What to say where there is no such issuer in the settings."""
    if not rules.issuers:
        return (
            "the operator's settings name no issuer; the operator of this platform has to add one"
        )
    return (
        f'spec.certificate.issuer is "{domain.issuer or ""}", which the operator does not know; '
        f"it has: {', '.join(rules.issuers)}"
    )
