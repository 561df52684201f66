"""Whether a certificate is due, and what the end of an order changes in the claim."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from customdomains.model.certificate import (
    IssuedCertificate,
    Method,
    OrderError,
    PlacedOrder,
    Way,
)
from customdomains.model.claim import CertificateRecord, Claim, Failure, Order
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.kept import Kept
from customdomains.model.names import certificate_names
from customdomains.model.reasons import Reason
from customdomains.model.times import format_time
from customdomains.policy.issuers import chain_of, issuer_of, stands_for
from customdomains.policy.jobs import CompleteOrder, OrderResult, PlaceOrder
from customdomains.policy.limits import stop_ends
from customdomains.policy.rules import Rules
from customdomains.policy.schedule import asked_delay, failure_delay
from customdomains.policy.spoils import (
    early_after,
    is_compromised,
    is_overcome,
    is_spoiled,
    replaced_from,
    unspoiled,
)

MESSAGE_LENGTH = 500


def names_of(domain: CustomDomain, claim: Claim) -> tuple[str, ...]:
    """What the certificate has to be for."""
    return certificate_names(claim.domain, wildcard=domain.wildcard)


def asked_for(domain: CustomDomain, claim: Claim) -> bool:
    """Whether somebody asked for a certificate and no order has answered that yet."""
    return domain.issue_requested is not None and domain.issue_requested != claim.issue_handled


def is_open(domain: CustomDomain, claim: Claim) -> bool:
    """Whether somebody waits for an order: one that was asked for, or could not be placed."""
    unplaced = claim.failure is not None and claim.failure.unplaced and not is_overcome(claim)
    return asked_for(domain, claim) or unplaced


def heard(domain: CustomDomain) -> str:
    """All that people say about this domain, to tell whether they have said something new."""
    requests = [domain.check_requested or "-", domain.issue_requested or "-"]
    if domain.compromised is not None:
        requests.append(domain.compromised)
    return f"{domain.generation} {' '.join(requests)}"


def retry_at(domain: CustomDomain, claim: Claim) -> datetime | None:
    """Until when the last failure holds back; None where there is none.

    Whoever changes the spec or asks for a check or a certificate after it shortens the wait.
    """
    failure = claim.failure
    if failure is None:
        return None
    return failure.retry_at if failure.heard == heard(domain) else failure.heard_from


def waits(domain: CustomDomain, claim: Claim, now: datetime) -> bool:
    """Whether the last failure is too fresh for a new try."""
    moment, order = retry_at(domain, claim), claim.order
    if moment is None or claim.failure is None or now >= moment:
        return False
    return order is None or claim.failure.at >= order.placed_at


def tries_again(
    domain: CustomDomain, claim: Claim, rules: Rules, ways: Iterable[Way], now: datetime
) -> bool:
    """Whether, once the last failure's wait is over, work goes on without anybody asking, in one of
    the `ways` that are open."""
    if claim.order is not None or is_open(domain, claim) or is_compromised(claim):
        return True
    return starts_by_itself(domain, claim, ways) and certificate_due(domain, claim, rules, now)


def certificate_due(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> bool:
    """Whether what the Secret holds is not, or not for much longer, what is wanted.

    The reasons in their order: there is none, it is somewhere else, it is for other names, by
    another issuer or with a key of another kind than asked for, its renewal is due, or something
    has happened to it. A new default for issuer or key is no reason: it would replace every
    certificate at once.
    """
    have = claim.certificate
    return (
        have is None
        or have.secret_name != domain.secret_name
        or set(have.names) != set(names_of(domain, claim))
        or (domain.issuer is not None and stands_for(have) != issuer_of(domain, rules))
        or (domain.key_type is not None and have.facts.key_type not in {None, domain.key_type})
        or now >= have.renewal_time
        or is_spoiled(claim)
    )


def held_back(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> bool:
    """Whether nothing but what has happened to the certificate is a reason for a new one, and that
    has happened too often lately."""
    have = claim.certificate
    if have is None or not is_spoiled(claim) or now >= replaced_from(have):
        return False
    return not certificate_due(domain, unspoiled(claim), rules, now)


def starts_by_itself(domain: CustomDomain, claim: Claim, ways: Iterable[Way]) -> bool:
    """Whether an order may be placed without anybody asking for it, if these `ways` are open.

    Only where the challenge is answered for the tenant; with `OnRequest` only to renew, and to
    get what was asked for after all.
    """
    if domain.issuance is Issuance.NEVER or not any(way.automatic for way in ways):
        return False
    if domain.issuance is Issuance.ON_REQUEST:
        return claim.certificate is not None or claim.failure is not None
    return True


def usable(claim: Claim, now: datetime) -> bool:
    """Whether there is a certificate that has not expired, as far as is known in its Secret."""
    have = claim.certificate
    return have is not None and have.kept.loss is None and now < have.facts.not_after


def apply_result(claim: Claim, result: OrderResult) -> Claim:
    """The claim after a job for its certificate has ended.

    A request is answered by the order that it leads to, or by why there is none.
    """
    outcome, job = result.outcome, result.job
    if job.claim.id != claim.id:
        return claim
    if isinstance(outcome, OrderError):
        if isinstance(job, CompleteOrder):
            issuer = job.claim.order.issuer if job.claim.order else ""
            return failed(claim, outcome, job.heard, result.at, issuer=issuer)
        issuer = job.choice.issuers[0]
        unplaced = failed(claim, outcome, job.heard, result.at, issuer=issuer, unplaced=True)
        return replace(unplaced, issue_handled=job.request or claim.issue_handled)
    if isinstance(outcome, PlacedOrder) and isinstance(job, PlaceOrder):
        return _placed(claim, job, outcome, result.at)
    if isinstance(outcome, IssuedCertificate) and isinstance(job, CompleteOrder):
        return _issued(claim, job, outcome, result.at)
    return claim


def _placed(claim: Claim, job: PlaceOrder, placed: PlacedOrder, now: datetime) -> Claim:
    have, was = claim.certificate, job.claim.certificate
    if claim.order is not None or (have and have.facts) != (was and was.facts):
        return claim
    issuer = placed.issuer or job.choice.issuers[0]
    order = Order(
        url=placed.url,
        issuer=issuer,
        names=job.names,
        method=next(way.method for way in job.ways[issuer] if way.challenge is placed.challenge),
        digests=placed.digests,
        placed_at=now,
        expires=placed.expires,
        challenge=placed.challenge,
        label=placed.label,
        responses=placed.responses,
        fallback=placed.fallback or job.choice.passed,
    )
    return replace(claim, order=order, issue_handled=job.request or claim.issue_handled)


def _issued(claim: Claim, job: CompleteOrder, issued: IssuedCertificate, now: datetime) -> Claim:
    order = job.claim.order
    if order is None or claim.order is None or claim.order.url != order.url:
        return claim
    before = claim.certificate
    unbroken = before is not None and usable(claim, now)
    record = CertificateRecord(
        issuer=order.issuer,
        secret_name=job.secret_name,
        names=order.names,
        issued_at=now,
        facts=issued.facts,
        serving_since=(before.serving_since or before.issued_at) if before and unbroken else None,
        kept=Kept(issued.version, early=early_after(claim, now), revoke=job.revoke),
        way=order.way,
        persistent=next(iter(order.responses), None) if order.method is Method.PERSISTENT else None,
        fallback=order.fallback,
    )
    return replace(claim, order=None, certificate=record, failure=None)


def failed(
    claim: Claim,
    error: OrderError,
    said: str,
    now: datetime,
    *,
    issuer: str,
    unplaced: bool = False,
) -> Claim:
    """The claim after a try at `issuer` failed that began when people had `said` this.

    Where the CA has stopped others as well it is no failure of this domain: it goes on when that
    is over, and none is counted.
    """
    before = claim.failure.count if claim.failure else 0
    shared = error.scope is not None
    count = max(before, 1) if shared else before + 1
    named = stop_ends(error.retry_at, now) if shared else error.retry_at or now
    lifetime = claim.certificate.lifetime if claim.certificate else None
    failure = Failure(
        reason=error.reason,
        message=error.message[:MESSAGE_LENGTH],
        at=now,
        count=count,
        retry_at=named if shared else max(now + failure_delay(count, lifetime), named),
        earliest=named if shared else max(now + asked_delay(count), named),
        heard=said,
        unplaced=unplaced,
        issuer=issuer,
        scope=error.scope,
    )
    return replace(claim, failure=failure, order=None if error.order_lost else claim.order)


def without_foreign_order(domain: CustomDomain, claim: Claim, rules: Rules) -> Claim:
    """The claim without an order for what is not wanted (any more).

    The request that it answered is open again, for the order that is wanted.
    """
    order = claim.order
    if order is None:
        return claim
    if domain.issuance is Issuance.NEVER or domain.handed_to is not None:
        return replace(claim, order=None)
    fits = (
        set(order.names) == set(names_of(domain, claim))
        and order.issuer in rules.issuers
        and (domain.issuer is None or order.issuer in chain_of(domain, rules))
    )
    return claim if fits else replace(claim, order=None, issue_handled=None)


def without_expired_order(domain: CustomDomain, claim: Claim, now: datetime) -> Claim:
    """The claim after its order has expired: that is a failure like others, with its wait."""
    order = claim.order
    if order is None or order.expires is None or now < order.expires:
        return claim
    message = f"the order expired at {format_time(order.expires)}"
    if order.method is Method.MANUAL:
        message += " before all its TXT records were found"
    error = OrderError(Reason.ORDER_EXPIRED, message, order_lost=True)
    return failed(claim, error, heard(domain), now, issuer=order.issuer)
