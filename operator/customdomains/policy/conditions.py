"""The conditions, each from its own facts; Ready is summed up from the others, never set."""

from __future__ import annotations

from datetime import datetime

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import Condition
from customdomains.model.times import format_time
from customdomains.policy import certificates, handed
from customdomains.policy.findings import Finding, conclusive
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.rules import Rules


def phase_of(domain: CustomDomain, claim: Claim, now: datetime, *, proof_expired: bool) -> Phase:
    """The phase of who holds the claim; the order of the questions is the policy."""
    if proof_expired:
        return Phase.FAILED
    if claim.verification is None:
        return Phase.PENDING
    if certificates.usable(claim, now) or handed.serves(claim, now):
        return Phase.ACTIVE
    if handed.wants(domain):
        return handed.phase_of(claim)
    if claim.order is not None:
        return Phase.CERTIFICATE_PENDING
    if claim.failure is not None and domain.issuance is not Issuance.NEVER:
        return Phase.FAILED
    return Phase.VERIFIED


def verified(claim: Claim, finding: Finding | None, rules: Rules) -> Condition:
    """`Verified`: a proof that is gone still counts until its grace period is over."""
    known, ends = claim.verification, proof_expired_at(claim, rules)
    if known is None and finding is not None and finding.proof is not None:
        return Condition("Verified", True, finding.reason, finding.message, claim.since)
    if known is None:
        reason = finding.reason if finding else Reason.NOT_CHECKED_YET
        message = finding.message if finding else "there is no look at the DNS to go by yet"
        return Condition("Verified", False, reason, message, claim.since)
    if ends is None:
        reason = Reason.PROVED
        how = "by CNAME" if known.method is Method.DELEGATED else "by TXT record"
        message = f"ownership is proved {how}"
        if finding is not None and not conclusive(finding):
            reason = finding.reason
            message += f" and goes on counting, but can't be checked again: {finding.message}"
        return Condition("Verified", True, reason, message, known.verified_at)
    message = f"{_gone(finding)}. It counts until {format_time(ends)}"
    return Condition("Verified", True, Reason.PROOF_GONE, message, known.verified_at)


def verification_expired(since: datetime, finding: Finding | None) -> Condition:
    """`Verified` after the grace period."""
    message = f"{_gone(finding)}. It is gone for too long to count"
    return Condition("Verified", False, Reason.PROOF_EXPIRED, message, since)


def _gone(finding: Finding | None) -> str:
    """What a lookup that failed adds is not why the proof is gone."""
    if finding is None:
        return "the proof of ownership is gone: the record is not there any more"
    if conclusive(finding):
        return f"the proof of ownership is gone: {finding.message.removesuffix('.')}"
    return (
        "the proof of ownership is gone: the record was not there at the last answer, and now "
        f"{finding.message.removesuffix('.')}"
    )


def summarise(
    domain: CustomDomain, claim: Claim, phase: Phase, parts: tuple[Condition, ...]
) -> tuple[Condition, ...]:
    """`Ready`, and of kstatus' abnormal-true conditions the one that holds, if any.

    A renewal is no abnormal state: a domain that serves does not read as in progress.
    """
    ready = _ready(domain, phase, parts)
    if domain.suspend:
        return (ready,)
    if phase is Phase.FAILED:
        return (ready, Condition("Stalled", True, ready.reason, ready.message, ready.since))
    if phase in {Phase.PENDING, Phase.CERTIFICATE_PENDING}:
        since = claim.order.placed_at if claim.order else claim.since
        message = "the operator is at work; Ready says on what"
        return (ready, Condition("Reconciling", True, Reason.IN_PROGRESS, message, since))
    return (ready,)


def _ready(domain: CustomDomain, phase: Phase, parts: tuple[Condition, ...]) -> Condition:
    wanted = [
        part
        for part in parts
        if part.type != "CertificateIssued" or domain.issuance is not Issuance.NEVER
    ]
    failing = [part for part in wanted if not part.value]
    if failing:
        value, since = False, min(part.since for part in failing)
        reason, message = failing[0].reason, failing[0].message
        if reason is Reason.CONTENDING:
            message += f". {_record_of_contender(parts)}"
        message += "".join(f"; {p.message}" for p in wanted if p.reason is Reason.PROOF_GONE)
    else:
        value, since = True, max(part.since for part in wanted)
        reason, message = Reason.READY, "the domain is verified"
        if phase is Phase.ACTIVE:
            message += " and its certificate is in place"
        message += "".join(f", but {p.message}" for p in wanted if p.reason is Reason.PROOF_GONE)
    if domain.suspend:
        return Condition("Ready", value, Reason.SUSPENDED, f"suspended; {message}", since)
    return Condition("Ready", value, reason, message, since)


def _record_of_contender(parts: tuple[Condition, ...]) -> str:
    proof = next(part for part in parts if part.type == "Verified")
    return "Your record is there" if proof.value else f"About your record: {proof.message}"
