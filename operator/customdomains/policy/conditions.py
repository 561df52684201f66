"""The conditions, each from its own facts; Ready is summed up from the others, never set."""

from __future__ import annotations

from datetime import datetime

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import Condition
from customdomains.model.times import format_time
from customdomains.policy import certificates
from customdomains.policy.findings import Finding
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.world import Rules


def phase_of(claim: Claim, now: datetime, *, proof_expired: bool) -> Phase:
    """The phase; the order of the questions is the policy."""
    if proof_expired:
        return Phase.FAILED
    if claim.verification is None:
        return Phase.PENDING
    if certificates.usable(claim, now):
        return Phase.ACTIVE
    if claim.order is not None:
        return Phase.CERTIFICATE_PENDING
    if claim.failure is not None:
        return Phase.FAILED
    return Phase.VERIFIED


def claimed(claim: Claim) -> Condition:
    """`Claimed` of the holder."""
    return Condition("Claimed", True, Reason.HELD, "the domain is registered", claim.created)


def verified(claim: Claim, finding: Finding | None, rules: Rules) -> Condition:
    """`Verified`: a proof that is gone still counts until its grace period is over."""
    known, ends = claim.verification, proof_expired_at(claim, rules)
    if known is None:
        reason = finding.reason if finding else Reason.NOT_CHECKED_YET
        message = finding.message if finding else "the DNS has not been asked yet"
        return Condition("Verified", False, reason, message, claim.created)
    if ends is None:
        how = "by CNAME" if known.method is Method.DELEGATED else "by TXT record"
        return Condition(
            "Verified", True, Reason.PROVED, f"ownership is proved {how}", known.verified_at
        )
    why = finding.message if finding else "the record is not there any more"
    return Condition(
        "Verified",
        True,
        Reason.PROOF_GONE,
        f"the proof of ownership is gone: {why}. It counts until {format_time(ends)}",
        known.verified_at,
    )


def verification_expired(since: datetime, finding: Finding | None) -> Condition:
    """`Verified` after the grace period."""
    why = finding.message if finding else "the record is not there"
    message = f"the proof of ownership is gone for too long: {why}"
    return Condition("Verified", False, Reason.PROOF_EXPIRED, message, since)


def certificate_issued(
    domain: CustomDomain, claim: Claim, rules: Rules, now: datetime
) -> Condition:
    """`CertificateIssued`: true while a certificate serves, also while its renewal is wanted."""
    have = claim.certificate
    if have is not None and certificates.usable(claim, now):
        message = f"the certificate is in the Secret {have.secret_name}"
        if claim.failure is not None:
            message += f"; its renewal failed: {_failure(claim)}"
        return Condition("CertificateIssued", True, Reason.ISSUED, message, have.issued_at)
    since = claim.created if have is None else have.facts.not_after
    reason, message = _why_not_issued(domain, claim, rules)
    if have is not None:
        message = f"the certificate expired at {format_time(have.facts.not_after)}; {message}"
    return Condition("CertificateIssued", False, reason, message, since)


def _why_not_issued(domain: CustomDomain, claim: Claim, rules: Rules) -> tuple[Reason, str]:
    if claim.order is not None:
        return _order_under_way(claim.order.method)
    known = claim.verification
    if domain.issuance is Issuance.NEVER:
        return Reason.NOT_WANTED, "no certificate is wanted (spec.certificate.issuance is Never)"
    if known is None:
        return Reason.AWAITING_VERIFICATION, "a certificate needs the proof of ownership first"
    if certificates.issuer_of(domain, rules) is None:
        return Reason.UNKNOWN_ISSUER, certificates.unknown_issuer(domain, rules)
    if claim.failure is not None:
        return claim.failure.reason, _failure(claim)
    if certificates.starts_by_itself(domain, claim, known.method):
        return Reason.ORDER_DUE, "an order is about to be placed"
    return Reason.AWAITING_ISSUE_REQUEST, _ask(domain)


def _order_under_way(method: Method) -> tuple[Reason, str]:
    if method is Method.DELEGATED:
        return Reason.ORDER_UNDER_WAY, "an order is placed and its challenge is being answered"
    return (
        Reason.AWAITING_CHALLENGE_RECORD,
        "an order is placed; it goes on once the TXT records listed as Challenge are found",
    )


def _ask(domain: CustomDomain) -> str:
    if domain.issuance is Issuance.ON_REQUEST:
        how = "spec.certificate.issuance is OnRequest"
    else:
        how = "the challenge has to be answered by hand; with the CNAME it would go on by itself"
    return (
        "a certificate is ordered when it is asked for, over HTTP or by the annotation "
        f"customdomains.dev/issue-requested-at ({how})"
    )


def _failure(claim: Claim) -> str:
    failure = claim.failure
    if failure is None:
        return ""
    return f"{failure.message} (next try not before {format_time(failure.retry_at)})"


def summarise(
    domain: CustomDomain, claim: Claim, phase: Phase, parts: tuple[Condition, ...]
) -> tuple[Condition, ...]:
    """`Ready`, and of kstatus' abnormal-true conditions the one that holds, if any."""
    ready = _ready(domain, phase, parts)
    if domain.suspend:
        return (ready,)
    if phase is Phase.FAILED:
        since = claim.failure.at if claim.failure else ready.since
        return (ready, Condition("Stalled", True, ready.reason, ready.message, since))
    if phase is Phase.PENDING or claim.order is not None:
        since = claim.order.placed_at if claim.order else claim.created
        message = "the operator is at work; Ready says on what"
        return (ready, Condition("Reconciling", True, Reason.IN_PROGRESS, message, since))
    return (ready,)


def _ready(domain: CustomDomain, phase: Phase, parts: tuple[Condition, ...]) -> Condition:
    wanted = [
        part
        for part in parts
        if part.type != "CertificateIssued" or domain.issuance is not Issuance.NEVER
    ]
    since = max(part.since for part in wanted)
    failing = next((part for part in wanted if not part.value), None)
    if failing is not None:
        reason, message, value = failing.reason, failing.message, False
    else:
        reason, value = Reason.READY, True
        message = "the domain is verified"
        if phase is Phase.ACTIVE:
            message += " and its certificate is in place"
    if domain.suspend:
        return Condition("Ready", value, Reason.SUSPENDED, f"suspended; {message}", since)
    return Condition("Ready", value, reason, message, since)
