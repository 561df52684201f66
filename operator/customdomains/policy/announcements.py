"""Which transitions are worth an Event: at most four on the way to the first certificate."""

from __future__ import annotations

from customdomains.model.claim import Claim
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import Status
from customdomains.policy.findings import Finding
from customdomains.policy.world import Announcement

_UNWRITTEN = frozenset(
    {
        Reason.INVALID_NAME,
        Reason.SPECIAL_USE_NAME,
        Reason.PUBLIC_SUFFIX,
        Reason.HELD_BY_ANOTHER,
        Reason.PROOF_EXPIRED,
        Reason.CERTIFICATE_EXPIRED,
    }
)


def announce(before: Claim, after: Claim, finding: Finding | None) -> tuple[Announcement, ...]:
    """What changed between two versions of a claim, in words."""
    told = (
        registered(after) if before.holder.uid is None and after.holder.uid else None,
        _proof(before, after, finding),
        _order(before, after),
        _certificate(before, after),
        _failure(before, after),
    )
    return tuple(item for item in told if item is not None)


def failed(status: Status) -> Announcement | None:
    """The failures that come without a change of the claim, which would be announced by that."""
    if status.phase is not Phase.FAILED or status.reason not in _UNWRITTEN:
        return None
    return Announcement(status.reason, status.message, warning=True)


def registered(claim: Claim) -> Announcement:
    """The first Event of a domain."""
    return Announcement("Registered", f"{claim.domain} is registered with the id {claim.id}")


def _proof(before: Claim, after: Claim, finding: Finding | None) -> Announcement | None:
    old, new = before.verification, after.verification
    if new is None or new == old:
        return None
    if new.gone_since:
        why = finding.message if finding else "the record is not there"
        return Announcement("ProofGone", f"the proof of ownership is gone: {why}", warning=True)
    if old is None:
        return Announcement("Verified", f"the ownership of {after.domain} is proved")
    if old.gone_since:
        return Announcement("ProofBack", f"the proof of ownership of {after.domain} is back")
    return None


def _order(before: Claim, after: Claim) -> Announcement | None:
    if after.order is None or (before.order and after.order.url == before.order.url):
        return None
    names = ", ".join(after.order.names)
    return Announcement("OrderPlaced", f"a certificate for {names} is ordered")


def _certificate(before: Claim, after: Claim) -> Announcement | None:
    have = after.certificate
    if have is None or have == before.certificate:
        return None
    return Announcement(
        "CertificateIssued", f"the certificate {have.facts.serial_number} is in {have.secret_name}"
    )


def _failure(before: Claim, after: Claim) -> Announcement | None:
    failure = after.failure
    if failure is None or failure == before.failure:
        return None
    return Announcement(failure.reason, failure.message, warning=True)
