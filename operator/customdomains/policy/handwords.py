"""How it is told that cert-manager has a domain's certificates made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from customdomains.model.claim import Claim
from customdomains.model.domain import ISSUE_REQUESTED, CustomDomain, Issuance
from customdomains.model.handover import Handover
from customdomains.model.reasons import Reason
from customdomains.model.status import Condition
from customdomains.model.times import format_optional, format_time
from customdomains.policy import certificates, handed
from customdomains.policy.ownership import proof_current
from customdomains.policy.world import Announcement


def certificate_issued(domain: CustomDomain, claim: Claim, now: datetime) -> Condition:
    """`CertificateIssued` of a domain that is cert-manager's: what that says, while it can be
    handed over."""
    have, own = claim.handed, claim.certificate
    if have is not None and handed.serves(claim, now):
        message = f"cert-manager keeps the certificate in the Secret {have.secret_name}"
        if have.fault is not None:
            message += f"; what is wanted now can't be handed over: {have.fault.message}"
        return Condition("CertificateIssued", True, Reason.ISSUED, message, have.since)
    reason, message = _why_not(domain, claim)
    if own is not None and certificates.usable(claim, now):
        message = (
            f"the certificate is in the Secret {own.secret_name}; it is not renewed there, "
            f"cert-manager is to have the next one made: {message}"
        )
        since = own.serving_since or own.issued_at
        return Condition("CertificateIssued", True, Reason.ISSUED, message, since)
    since = claim.since
    if have is not None:
        since = have.fault.at if have.fault is not None else have.since
    return Condition("CertificateIssued", False, reason, message, since)


def _why_not(domain: CustomDomain, claim: Claim) -> tuple[Reason, str]:
    have = claim.handed
    if claim.verification is None:
        return Reason.AWAITING_VERIFICATION, "a certificate needs the proof of ownership first"
    if not proof_current(claim):
        return Reason.AWAITING_VERIFICATION, "it goes on once the proof of ownership is back"
    if have is None:
        if domain.issuance is Issuance.ON_REQUEST and not certificates.asked_for(domain, claim):
            message = (
                "it is handed to cert-manager when it is asked for, over HTTP or by the annotation "
                f"{ISSUE_REQUESTED} (spec.certificate.issuance is OnRequest)"
            )
            return Reason.AWAITING_ISSUE_REQUEST, message
        return (
            Reason.ORDER_DUE,
            "it is handed to cert-manager as soon as the record has been looked up anew",
        )
    if have.fault is not None:
        return have.fault.reason, f"{have.fault.message.rstrip('. ')}. It is tried again"
    if have.ready and have.not_after is not None:
        ended = format_time(have.not_after)
        return (
            Reason.CERTIFICATE_EXPIRED,
            f"the certificate expired at {ended}, and cert-manager has no other",
        )
    return Reason.AWAITING_CERT_MANAGER, _awaited(have)


def _awaited(have: Handover) -> str:
    message = f"the Certificate {have.name} is handed to cert-manager, for {have.issuer}"
    if not have.reason and not have.message:
        return message
    return f"{message}; it says {have.reason}: {have.message}"


def render_status(have: Handover) -> dict[str, Any]:
    """What `status.certificate` says of it."""
    rendered = {
        "secretName": have.secret_name,
        "issuer": str(have.issuer),
        "notBefore": format_optional(have.not_before),
        "notAfter": format_optional(have.not_after),
        "renewalTime": format_optional(have.renewal_time),
    }
    return {key: value for key, value in rendered.items() if value is not None}


def announce(before: Claim, after: Claim) -> Announcement | None:
    """What has happened to it, in an Event."""
    was, have = before.handed, after.handed
    if have is None:
        if was is None:
            return None
        note = f"the Certificate {was.name} is taken back from cert-manager, the Secret stays"
        return Announcement("CertificateTakenBack", note)
    if have.fault is not None and (was is None or was.fault != have.fault):
        return Announcement(have.fault.reason, have.fault.message, warning=True)
    if was is None:
        return Announcement("CertificateHandedOver", _awaited(have))
    if have.ready and (not was.ready or was.not_after != have.not_after):
        note = f"cert-manager keeps the certificate in the Secret {have.secret_name}"
        return Announcement("CertificateIssued", note)
    return None
