"""The condition CertificateIssued: whether a certificate serves, and if not, what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from customdomains.model.claim import Claim, Failure, Order
from customdomains.model.domain import CHECK_REQUESTED, ISSUE_REQUESTED, CustomDomain, Issuance
from customdomains.model.reasons import Reason
from customdomains.model.status import Condition
from customdomains.model.times import format_time
from customdomains.policy import certificates, handed, handwords, incidents, issuers
from customdomains.policy.alternatives import Alternatives
from customdomains.policy.limits import Wait
from customdomains.policy.ownership import proof_current
from customdomains.policy.rules import Rules
from customdomains.policy.spoils import is_compromised, is_overcome, is_spoiled


@dataclass(frozen=True, slots=True)
class _View:
    domain: CustomDomain
    claim: Claim
    rules: Rules
    now: datetime
    open: Alternatives
    wait: Wait | None = None


def certificate_issued(
    domain: CustomDomain,
    claim: Claim,
    rules: Rules,
    now: datetime,
    open_: Alternatives,
    *,
    wait: Wait | None = None,
) -> Condition:
    """`CertificateIssued`: true while a certificate serves, also while its renewal is wanted.

    `wait` is what the next order waits for, where a CA's limits are in the way.
    """
    if handed.wants(domain):
        return handwords.certificate_issued(domain, claim, now)
    view, have = _View(domain, claim, rules, now, open_, wait), claim.certificate
    if have is not None and certificates.usable(claim, now):
        message = f"the certificate is in the Secret {have.secret_name}"
        if have.fallback is not None:
            message += f"; {issuers.told(have.issuer, have.fallback)}"
        message += _about_renewal(view)
        message += incidents.about_key(claim)
        since = have.serving_since or have.issued_at
        return Condition("CertificateIssued", True, Reason.ISSUED, message, since)
    reason, message = _waiting(view) or _why_not(view)
    message += incidents.about_key(claim)
    if have is None:
        return Condition("CertificateIssued", False, reason, message, claim.since)
    ended, loss = have.facts.not_after, have.kept.loss
    if loss is not None and now < ended:
        if reason in {Reason.ORDER_DUE, Reason.AWAITING_ISSUE_REQUEST}:
            reason = loss.reason
        message = f"{loss.message.rstrip('. ')}; {message}"
        return Condition("CertificateIssued", False, reason, message, loss.at)
    if reason is Reason.AWAITING_ISSUE_REQUEST:
        reason = Reason.CERTIFICATE_EXPIRED
    message = f"the certificate expired at {format_time(ended)}; {message}"
    return Condition("CertificateIssued", False, reason, message, ended)


def _about_renewal(view: _View) -> str:
    """What there is to say about the next certificate while this one serves."""
    domain, claim, rules = view.domain, view.claim, view.rules
    if domain.issuance is Issuance.NEVER:
        return ""
    waiting = _waiting(view)
    if waiting is not None:
        return f"; a new one is wanted: {waiting[1]}"
    failed = claim.failure is not None and not is_overcome(claim)
    if claim.order is not None or failed or (is_spoiled(claim) and not domain.suspend):
        return f"; a new one is wanted: {_why_not(view)[1]}"
    due = certificates.certificate_due(domain, claim, rules, view.now)
    known = claim.verification
    if not due or known is None:
        return ""
    if issuers.issuer_of(domain, rules) is None:
        return f"; a new one is due, but {issuers.unknown_issuer(domain, rules)}"
    if not view.open.ways:
        return f"; a new one is due, but {_no_way(view)}"
    if certificates.starts_by_itself(domain, claim, view.open.ways):
        return "; a new one is due, which spec.suspend holds up" if domain.suspend else ""
    return f"; a new one is due: {_ask(view)}"


def _waiting(view: _View) -> tuple[Reason, str] | None:
    """What is told of an order that only a CA's limits are in the way of.

    When it is its turn, that is told until the order is placed.
    """
    domain, claim, wait = view.domain, view.claim, view.wait
    names = claim.order.names if claim.order else certificates.names_of(domain, claim)
    if wait is None or wait.names != names or not proof_current(claim):
        return None
    if domain.suspend or domain.issuance is Issuance.NEVER:
        return None
    if certificates.waits(domain, claim, view.now):
        return None
    before = "an order is placed, but " if claim.order else ""
    return wait.reason, f"{before}{wait.message}"


def _why_not(view: _View) -> tuple[Reason, str]:
    domain, claim, rules = view.domain, view.claim, view.rules
    known = claim.verification
    if domain.issuance is Issuance.NEVER:
        return Reason.NOT_WANTED, "no certificate is wanted (spec.certificate.issuance is Never)"
    if claim.order is not None:
        return _under_way(view, claim.order)
    if known is None:
        return Reason.AWAITING_VERIFICATION, "a certificate needs the proof of ownership first"
    if not proof_current(claim):
        return Reason.AWAITING_VERIFICATION, "it goes on once the proof of ownership is back"
    if issuers.issuer_of(domain, rules) is None:
        return Reason.UNKNOWN_ISSUER, issuers.unknown_issuer(domain, rules)
    if claim.failure is not None and view.open.ways:
        return claim.failure.reason, _failed(view, claim.failure)
    return _wanted(view)


def _wanted(view: _View) -> tuple[Reason, str]:
    """What an order waits for that nothing has failed for."""
    domain, claim = view.domain, view.claim
    if not view.open.ways:
        return Reason.NO_CHALLENGE, _no_way(view)
    asked = certificates.asked_for(domain, claim)
    held_back = certificates.held_back(domain, claim, view.rules, view.now)
    if claim.certificate is not None and held_back and not asked:
        return Reason.ORDER_DUE, incidents.held_back(claim.certificate)
    if (
        certificates.is_open(domain, claim)
        or is_compromised(claim)
        or certificates.starts_by_itself(domain, claim, view.open.ways)
    ):
        return Reason.ORDER_DUE, "it is ordered as soon as the record has been looked up anew"
    return Reason.AWAITING_ISSUE_REQUEST, _ask(view)


def _under_way(view: _View, order: Order) -> tuple[Reason, str]:
    failure = view.claim.failure
    if not proof_current(view.claim):
        return (
            Reason.AWAITING_VERIFICATION,
            "an order is placed; it goes on once the proof of ownership is back",
        )
    if failure is not None and failure.at >= order.placed_at:
        return failure.reason, f"an order is placed, but {_failed(view, failure)}"
    if order.way.automatic:
        message = "an order is placed and its challenge is being answered"
        if order.fallback is not None:
            message += f"; {issuers.told(order.issuer, order.fallback)}"
        return Reason.ORDER_UNDER_WAY, message
    return (
        Reason.AWAITING_CHALLENGE_RECORD,
        "an order is placed; it goes on once the TXT records listed as Challenge are found",
    )


def _no_way(view: _View) -> str:
    """Why no order can be placed."""
    if view.open.refusal is not None:
        return view.open.refusal
    would = " or ".join(view.open.others)
    return (
        "its challenge can't be answered yet in any way that the settings allow with the issuer; "
        f"it goes on {would}{view.open.note}"
    )


def _ask(view: _View) -> str:
    if view.domain.issuance is Issuance.ON_REQUEST:
        how = "spec.certificate.issuance is OnRequest"
    else:
        how = "the challenge has to be answered by hand"
        if view.open.others:
            how += f"; {' or '.join(view.open.others)} it would go on by itself"
        how += view.open.note
    return (
        "a certificate is ordered when it is asked for, over HTTP or by the annotation "
        f"{ISSUE_REQUESTED} ({how})"
    )


def _failed(view: _View, failure: Failure) -> str:
    """What failed, and when or by what it goes on."""
    message = failure.message.rstrip(". ")
    if not certificates.tries_again(view.domain, view.claim, view.rules, view.open.ways, view.now):
        return (
            f"{message}. It is not tried again by itself: ask for a new order, over HTTP or by "
            f"the annotation {ISSUE_REQUESTED}"
        )
    moment = format_time(failure.retry_at)
    if failure.earliest is None or failure.earliest >= failure.retry_at:
        return f"{message}. The next try is at {moment}"
    return (
        f"{message}. The next try is at {moment}, or sooner when a check is asked for by the "
        f"annotation {CHECK_REQUESTED}"
    )
