"""Which issuer a certificate is asked of, and which others may stand in for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from customdomains.model.certificate import Fallback, OrderError
from customdomains.model.claim import CertificateRecord, Claim
from customdomains.model.domain import CustomDomain
from customdomains.model.names import certificate_names
from customdomains.model.reasons import Reason
from customdomains.policy.jobs import Choice, PlaceOrder
from customdomains.policy.limits import Wait
from customdomains.policy.rules import Rules
from customdomains.policy.schedule import failure_delay

TROUBLE = frozenset(
    {
        Reason.CA_UNREACHABLE,
        Reason.CA_RATE_LIMITED,
        Reason.AWAITING_BUDGET,
        Reason.CA_REFUSED,
        Reason.ISSUER_MISCONFIGURED,
        Reason.STORAGE_FAILED,
    }
)
"""What keeps one issuer from taking an order that another may take: it is away, has had enough of
us, or something is wrong with the account there or its key."""

_WHY = {
    Reason.CAA_FORBIDS: "is not allowed to issue by CAA records",
    Reason.CA_UNREACHABLE: "could not be reached",
    Reason.CA_RATE_LIMITED: "had reached a limit",
    Reason.AWAITING_BUDGET: "had reached a limit",
}

NEXT_TRY = failure_delay(1)
"""How soon an order that could not be placed is tried again at first."""

LONG_WAIT = timedelta(hours=1)
"""How long an order waits for a budget of ours rather than be placed where another stands in."""

MOST_OF_FIRST = 250
"""Characters of the first failure's message, where others come after it."""


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


def yields(choice: Choice, error: OrderError, now: datetime) -> bool:
    """Whether the next issuer of `choice` is to be tried, as one could not take the order."""
    if error.reason is Reason.CAA_FORBIDS:
        return True
    if not choice.hurried or error.reason not in TROUBLE:
        return False
    return choice.again or (error.retry_at is not None and error.retry_at > now + NEXT_TRY)


def passed_over(job: PlaceOrder, wait: Wait, now: datetime) -> PlaceOrder | None:
    """The order for the issuers after the first one, for which it would have to `wait`; None where
    it waits: it is not hurried, the wait is short, or there is none after it."""
    choice = job.choice
    stopped = wait.reason is Reason.CA_RATE_LIMITED
    short = wait.until <= now + (NEXT_TRY if stopped else LONG_WAIT)
    if not choice.hurried or short or len(choice.issuers) == 1:
        return None
    passed = choice.passed or Fallback(choice.issuers[0], wait.reason)
    return replace(job, choice=replace(choice, issuers=choice.issuers[1:], passed=passed))


def none_left(failures: Sequence[tuple[str, OrderError]]) -> OrderError:
    """What the failures at all issuers that were tried come to: that of the first one, which is
    tried again as soon as any of them may be."""
    (_, first), *others = failures
    if not others:
        return first
    moments = [error.retry_at for _, error in failures]
    known = [moment for moment in moments if moment is not None]
    told = "; ".join(f"nor does {issuer}: {error.message.rstrip('. ')}" for issuer, error in others)
    return OrderError(
        first.reason,
        f"{first.message.rstrip('. ')[:MOST_OF_FIRST]}; {told}",
        retry_at=min(known) if len(known) == len(moments) else None,
        scope=first.scope,
    )


def stands_for(have: CertificateRecord) -> str:
    """The issuer that was wanted when the certificate was ordered."""
    return have.fallback.instead_of if have.fallback else have.issuer


def choose(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> Choice | None:
    """Where to place a new order; None where there is no such issuer.

    Every order begins with the issuer that is wanted, unless that has just refused by a CAA record
    that only the CA saw: it would do so again.
    """
    chain, failure = chain_of(domain, rules), claim.failure
    if not chain or domain.handed_to is not None:
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


def told(issuer: str, fallback: Fallback) -> str:
    """That `issuer` stands in for another, and why."""
    why = _WHY.get(fallback.because, "could not take the order")
    return f"it is by {issuer}, since {fallback.instead_of} {why}"


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
