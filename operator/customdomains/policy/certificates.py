"""Whether a certificate is due, and what the end of an order changes in the claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from customdomains.model.certificate import (
    CertificateFacts,
    IssuedCertificate,
    Method,
    OrderError,
    PlacedOrder,
)
from customdomains.model.claim import CertificateRecord, Claim, Failure, Order
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.names import certificate_names
from customdomains.model.reasons import Reason
from customdomains.policy.schedule import failure_delay
from customdomains.policy.world import CompleteOrder, OrderResult, PlaceOrder, Rules

MESSAGE_LENGTH = 500


def issuer_of(domain: CustomDomain, rules: Rules) -> str | None:
    """The issuer to use: the one asked for, else the first; None where there is no such."""
    wanted = domain.issuer or (rules.issuers[0] if rules.issuers else None)
    return wanted if wanted in rules.issuers else None


def names_of(domain: CustomDomain, claim: Claim) -> tuple[str, ...]:
    """What the certificate has to be for."""
    return certificate_names(claim.domain, wildcard=domain.wildcard)


def asked_for(domain: CustomDomain, claim: Claim) -> bool:
    """Whether somebody asked for a certificate and no order has answered that yet."""
    return domain.issue_requested is not None and domain.issue_requested != claim.issue_handled


def certificate_due(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> bool:
    """Whether what the Secret holds is not, or not for much longer, what is wanted.

    The reasons in their order: there is none, it is somewhere else, it is for other names, by
    another issuer, or two thirds of its lifetime are over.
    """
    have = claim.certificate
    return (
        have is None
        or have.secret_name != domain.secret_name
        or set(have.names) != set(names_of(domain, claim))
        or have.issuer != issuer_of(domain, rules)
        or now >= have.renewal_time
    )


def starts_by_itself(domain: CustomDomain, claim: Claim, method: Method) -> bool:
    """Whether an order may be placed without anybody asking for it.

    Only where the challenge is answered for the tenant; with `OnRequest` only to renew.
    """
    if method is not Method.DELEGATED:
        return False
    if domain.issuance is Issuance.ON_REQUEST:
        return claim.certificate is not None
    return True


def usable(claim: Claim, now: datetime) -> bool:
    """Whether there is a certificate that has not expired."""
    return claim.certificate is not None and now < claim.certificate.facts.not_after


def apply_result(claim: Claim, result: OrderResult) -> Claim:
    """The claim after a job for its certificate has ended."""
    outcome, job = result.outcome, result.job
    if isinstance(outcome, OrderError):
        failed = _failed(claim, outcome, result.at)
        handled = job.request if isinstance(job, PlaceOrder) else None
        return replace(failed, issue_handled=handled or claim.issue_handled)
    if isinstance(outcome, PlacedOrder) and isinstance(job, PlaceOrder):
        return _placed(claim, job, outcome, result.at)
    if isinstance(outcome, IssuedCertificate) and isinstance(job, CompleteOrder):
        return _issued(claim, job, outcome.facts, result.at)
    return claim


def _placed(claim: Claim, job: PlaceOrder, placed: PlacedOrder, now: datetime) -> Claim:
    if claim.order is not None:
        return claim
    order = Order(
        url=placed.url,
        issuer=job.issuer,
        names=job.names,
        method=job.method,
        digests=placed.digests,
        placed_at=now,
        expires=placed.expires,
    )
    return replace(claim, order=order, issue_handled=job.request or claim.issue_handled)


def _issued(claim: Claim, job: CompleteOrder, facts: CertificateFacts, now: datetime) -> Claim:
    order = job.claim.order
    if order is None or claim.order != order:
        return claim
    record = CertificateRecord(
        issuer=order.issuer,
        secret_name=job.secret_name,
        names=order.names,
        issued_at=now,
        facts=facts,
    )
    return replace(claim, order=None, certificate=record, failure=None)


def _failed(claim: Claim, error: OrderError, now: datetime) -> Claim:
    count = claim.failure.count + 1 if claim.failure else 1
    retry_at = now + failure_delay(count)
    if error.retry_at:
        retry_at = max(retry_at, error.retry_at)
    failure = Failure(
        reason=error.reason,
        message=error.message[:MESSAGE_LENGTH],
        at=now,
        count=count,
        retry_at=retry_at,
    )
    return replace(claim, failure=failure, order=None if error.order_lost else claim.order)


def unknown_issuer(domain: CustomDomain, rules: Rules) -> str:
    """What to say where the issuer asked for is not in the settings."""
    known = ", ".join(rules.issuers) or "none"
    return (
        f'spec.certificate.issuer is "{domain.issuer or ""}", which the operator does not know; '
        f"it has: {known}"
    )


def order_unfit(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> Reason | None:
    """Why the order under way can't be used any more, or None where it can (or there is none)."""
    order = claim.order
    if order is None:
        return None
    if order.expires is not None and now >= order.expires:
        return Reason.ORDER_EXPIRED
    if set(order.names) != set(names_of(domain, claim)) or order.issuer not in rules.issuers:
        return Reason.ORDER_FOREIGN
    return None
