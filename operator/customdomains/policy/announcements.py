"""Which transitions are worth an Event: at most four on the way to the first certificate."""

from __future__ import annotations

from dataclasses import replace

from customdomains.model.claim import Claim, Contender
from customdomains.model.domain import Key
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import Status
from customdomains.model.times import format_time
from customdomains.policy import handwords
from customdomains.policy.findings import Finding
from customdomains.policy.incidents import told_of_compromise, told_of_loss
from customdomains.policy.world import Announcement

_UNWRITTEN = frozenset(
    {
        Reason.INVALID_NAME,
        Reason.SPECIAL_USE_NAME,
        Reason.PUBLIC_SUFFIX,
        Reason.NAME_NOT_ALLOWED,
        Reason.HELD_BY_ANOTHER,
        Reason.RESERVED,
        Reason.QUOTA_EXCEEDED,
        Reason.TOO_MANY_CONTENDERS,
        Reason.PROOF_EXPIRED,
        Reason.CERTIFICATE_EXPIRED,
    }
)


def announce(before: Claim, after: Claim, finding: Finding | None) -> tuple[Announcement, ...]:
    """What changed for the holder between two versions of a claim, in words."""
    if before.id != after.id:
        before = replace(after, verification=None)
    told = (
        registered(after) if before.holder.uid is None and after.holder.uid else None,
        _handed_over(before, after),
        _proof(before, after, finding),
        _order(before, after),
        _certificate(before, after),
        _advised(before, after),
        _late(before, after),
        told_of_loss(before, after),
        told_of_compromise(before, after),
        _failure(before, after),
        handwords.announce(before, after),
    )
    return tuple(item for item in told if item is not None)


def moved(before: Claim, after: Claim) -> tuple[Announcement, ...]:
    """What changed for whoever has a seat on the claim, each told for itself: who holds it, who
    has lost it, who has expired."""
    known = {seat.id: seat for seat in before.seats}
    told = []
    for seat in after.seats:
        was = known.get(seat.id)
        if was is None or seat.standing.vacant_since:
            continue
        if seat.id == after.id != before.id:
            told.append(_won(after, seat.holder.key))
        if seat.standing.lost_at and not was.standing.lost_at:
            told.append(_lost(after, seat.holder.key))
        if seat.standing.expired_at and not was.standing.expired_at:
            told.append(_expired(after, seat.holder.key))
    return tuple(told)


def inherited(before: Claim, after: Claim) -> tuple[Announcement, ...]:
    """Whom a holder has left the claim to who is gone from it: it was deleted over HTTP."""
    if before.uid != after.uid or any(seat.id == before.id for seat in after.seats):
        return ()
    return tuple(told for told in moved(before, after) if told.to == after.holder.key)


def _won(claim: Claim, to: Key) -> Announcement:
    if claim.verification is not None:
        note = f"{claim.domain} was registered by somebody else, and is yours now: you proved it"
        return Announcement("TakenOver", note, to=to)
    note = (
        f"nobody else holds {claim.domain} any more: it is registered here, with the id {claim.id}"
    )
    return Announcement("Registered", note, to=to)


def _lost(claim: Claim, to: Key) -> Announcement:
    note = f"somebody else has proved to own {claim.domain}; it is not registered here any more"
    return Announcement(Reason.LOST, note, warning=True, to=to)


def _expired(claim: Claim, to: Key) -> Announcement:
    note = f"nothing has proved the ownership of {claim.domain} for too long; it is not kept here"
    return Announcement(Reason.CLAIM_EXPIRED, note, warning=True, to=to)


def failed(status: Status) -> Announcement | None:
    """The failures that come without a change of the claim, which would be announced by that."""
    if status.phase is not Phase.FAILED or status.reason not in _UNWRITTEN:
        return None
    return Announcement(status.reason, status.message, warning=True)


def registered(claim: Claim) -> Announcement:
    """The first Event of a domain."""
    return Announcement("Registered", f"{claim.domain} is registered with the id {claim.id}")


def entered(claim: Claim, seat: Contender) -> Announcement:
    """The first Event of one who came to a claim that was there."""
    if seat.id == claim.id:
        return registered(claim)
    note = f"somebody else has registered {claim.domain}; it is contended with the id {seat.id}"
    return Announcement(Reason.CONTENDING, note)


def arrived(before: Claim, after: Claim) -> tuple[Announcement, ...]:
    """The same where the seat was got over HTTP, once its resource is there."""
    awaited = {seat.id for seat in before.contenders if seat.holder.uid is None}
    return tuple(
        entered(after, seat) for seat in after.seats if seat.id in awaited and seat.holder.uid
    )


def _handed_over(before: Claim, after: Claim) -> Announcement | None:
    """Who held it is gone, so only the one side is there to be told."""
    if before.id != after.id or before.holder.namespace_uid == after.holder.namespace_uid:
        return None
    note = (
        f"an administrator has handed {after.domain} over to this registration, with the id and "
        f"the records that it had: its id is {after.id}"
    )
    return Announcement("HandedOver", note)


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
    have, was = after.certificate, before.certificate
    if have is None or (was is not None and have.facts == was.facts):
        return None
    return Announcement(
        "CertificateIssued", f"the certificate {have.facts.serial_number} is in {have.secret_name}"
    )


def _advised(before: Claim, after: Claim) -> Announcement | None:
    """The CA has a reason for when it wants a certificate to be renewed."""
    have = after.certificate
    if have is None or have.renewal is None or have.renewal.explanation is None:
        return None
    was = before.certificate.renewal if before.certificate is not None else None
    if was is not None and was.explanation == have.renewal.explanation:
        return None
    moment = format_time(have.renewal_time)
    note = f"the CA wants the certificate to be renewed, which is due at {moment}; it says why: "
    return Announcement("RenewalAdvised", note + have.renewal.explanation)


def _late(before: Claim, after: Claim) -> Announcement | None:
    have = after.certificate
    if have is None or not have.late or have == before.certificate:
        return None
    if before.certificate is not None and have.late <= before.certificate.late:
        return None
    why = f": {after.failure.message}" if after.failure is not None else ""
    note = (
        f"the certificate expires at {format_time(have.facts.not_after)}, and its renewal, due "
        f"since {format_time(have.renewal_time)}, has not come{why}"
    )
    return Announcement("RenewalLate", note, warning=True)


def _failure(before: Claim, after: Claim) -> Announcement | None:
    failure = after.failure
    if failure is None or failure == before.failure:
        return None
    return Announcement(failure.reason, failure.message, warning=True)
