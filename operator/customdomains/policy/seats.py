"""Seats on a claim: whose they are, and who gets one.

Functions that change a claim give the one to write in its place. A namespace, by its uid, has at
most one seat on a claim. Who holds it next is in `succession`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from customdomains.model.claim import NOBODY, TRANSFER_TO, Claim, Contender, Holder, Standing
from customdomains.model.identity import Identity
from customdomains.model.progress import Failure
from customdomains.model.reasons import Reason
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.rules import ClaimRules, Rules
from customdomains.policy.succession import is_asleep, may_have, promote, remembered, with_seat

IDLE_SEATS = 16
"""How many seats of those who are away or have expired a claim keeps beside those who contend."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody gets no seat; the message names nobody of another namespace."""

    reason: Reason
    message: str


# --- looking --------------------------------------------------------------------------------------


def find_seat(claim: Claim, holder: Holder) -> Contender | None:
    """The seat that is `holder`'s, or that it may take up; its id tells whether it is the claim's.

    That of the same namespace (by uid) and name, whichever uid it had: the same tenant who deleted
    and created again, or the second half of a registration over HTTP. Then a vacant one of the same
    namespace, under whatever name. And, before these, the holder's vacant seat where an
    administrator's annotation says so.
    """
    seats = claim.seats
    mine = [seat for seat in seats if seat.holder.namespace_uid == holder.namespace_uid]
    named = next((seat for seat in mine if seat.holder.key == holder.key), None)
    if named is not None and named.id == claim.id:
        return named
    if seats and seats[0].id == claim.id and _is_handed_over(claim, holder):
        return seats[0]
    return named or next((seat for seat in mine if seat.standing.vacant_since), None)


def expires_at(claim: Claim, seat: Contender, rules: ClaimRules) -> datetime | None:
    """When the seat expires unless it proves something; None where it can't."""
    proved = seat.id == claim.id and claim.verification is not None
    if proved or is_asleep(seat) or not seat.standing.active:
        return None
    return (seat.standing.since or claim.created) + rules.pending_expiry


def open_from(claim: Claim, contender: Contender, now: datetime, rules: Rules) -> datetime | None:
    """From when on `contender` takes the claim over if it proves ownership; None as long as
    nothing changes. A holder whose proof is current, or not gone for long, is never displaced."""
    if not may_have(claim, contender.holder):
        return None
    if claim.holder == NOBODY or claim.standing.vacant_since:
        return now
    if not rules.claims.contests:
        return None
    return now if claim.verification is None else proof_expired_at(claim, rules)


# --- getting a seat -------------------------------------------------------------------------------


def over_quota(namespace: str, seats: int, rules: ClaimRules) -> Refusal | None:
    """Whether a namespace that has `seats` seats on claims gets no other."""
    if not rules.per_namespace or seats < rules.per_namespace:
        return None
    return Refusal(
        Reason.QUOTA_EXCEEDED,
        f"the namespace {namespace} has {seats} domains registered and may have "
        f"{rules.per_namespace}; delete one, or ask the operator of this platform for more",
    )


def enter(
    claim: Claim, holder: Holder, identity: Identity, now: datetime, rules: ClaimRules, seats: int
) -> Claim | Refusal:
    """The claim with a seat for `holder`, whose namespace has `seats` seats on all claims.

    A vacant seat of its namespace is taken up, with the identity that it has; else the newcomer
    gets a seat with `identity`, and is the holder at once where nobody else is there.
    """
    seat = find_seat(claim, holder)
    if seat is not None and seat.standing.vacant_since:
        return take_up(claim, seat, holder, now, rules)
    refusal = refuse(claim, holder, rules, seats)
    if refusal is not None:
        return refusal
    newcomer = Contender(identity.id, identity.token, holder, Standing(since=now))
    wanted = replace(claim, contenders=(*claim.contenders, newcomer))
    return _trimmed(promote(wanted, now), rules)


def refuse(claim: Claim, holder: Holder, rules: ClaimRules, seats: int) -> Refusal | None:
    """Why a newcomer gets no seat on the claim, if it gets none."""
    for seat in claim.seats:
        if seat.holder.namespace_uid == holder.namespace_uid and not seat.standing.vacant_since:
            return Refusal(
                Reason.HELD_BY_ANOTHER,
                f"{claim.domain} is registered already, by the CustomDomain "
                f"{seat.holder.key.name} in this namespace; it can be registered here once that "
                "is deleted",
            )
    if not may_have(claim, holder):
        return Refusal(
            Reason.RESERVED,
            f"{claim.domain} is reserved for somebody else; if it should be yours, ask the "
            "operator of this platform",
        )
    if (refusal := over_quota(holder.key.namespace, seats, rules)) is not None:
        return refusal
    held = claim.holder != NOBODY and claim.standing.active
    if held and not rules.contests:
        return Refusal(
            Reason.HELD_BY_ANOTHER,
            f"{claim.domain} is registered already, by another CustomDomain; it can be registered "
            "here once that is deleted",
        )
    if sum(seat.standing.active for seat in claim.contenders) >= rules.contenders:
        others = f"{rules.contenders} others wait" if rules.contenders > 1 else "one other waits"
        return Refusal(
            Reason.TOO_MANY_CONTENDERS,
            f"{claim.domain} is registered already, and {others} for it, which is as many as may; "
            "it is tried again when one of them has gone",
        )
    return None


def take_up(
    claim: Claim, seat: Contender, holder: Holder, now: datetime, rules: ClaimRules
) -> Claim:
    """The claim with `holder` in a seat that `find_seat` gave it.

    Who comes back to a vacant seat, or was made anew, starts over in it, with its identity. What
    waited for it in Secrets is gone by then where it was away for long, and so are all Secrets of
    a namespace that is not there any more.
    """
    anew = seat.standing.vacant_since is not None or (
        is_asleep(seat) and seat.holder.uid != holder.uid
    )
    standing = Standing(since=now) if anew else seat.standing
    away = seat.standing.vacant_since
    moved = seat.holder.namespace_uid != holder.namespace_uid
    forgotten = moved or (away is not None and now - away >= rules.secrets_kept)
    taken = replace(
        seat,
        holder=holder,
        standing=standing,
        certificate=None if forgotten else seat.certificate,
        handed=None if moved else seat.handed,
    )
    if moved:
        claim = _handed_over(claim, holder)
    if seat.id != claim.id:
        return promote(with_seat(claim, taken), now)
    return replace(
        claim,
        holder=holder,
        standing=standing if anew else claim.standing,
        certificate=taken.certificate,
        handed=taken.handed,
        order=None if forgotten else claim.order,
        failure=claim.failure if seat.holder.uid == holder.uid else _restated(claim.failure, now),
    )


def _restated(failure: Failure | None, now: datetime) -> Failure | None:
    """A failure for a resource that was made anew: being another one shortens no wait."""
    return remembered(failure, now) or failure


# --- pieces ---------------------------------------------------------------------------------------


def _is_handed_over(claim: Claim, holder: Holder) -> bool:
    annotations = (claim.metadata or {}).get("annotations") or {}
    vacant = claim.standing.vacant_since is not None
    return vacant and annotations.get(TRANSFER_TO) == holder.key.namespace


def _handed_over(claim: Claim, holder: Holder) -> Claim:
    """Without the annotation, which counts once, and without the seat that `holder` has had."""
    metadata = dict(claim.metadata or {})
    annotations = {k: v for k, v in metadata.get("annotations", {}).items() if k != TRANSFER_TO}
    metadata["annotations"] = annotations
    others = tuple(s for s in claim.contenders if s.holder.namespace_uid != holder.namespace_uid)
    kept = {k: v for k, v in metadata.items() if v}
    return replace(claim, contenders=others, metadata=kept or None)


def _trimmed(claim: Claim, rules: ClaimRules) -> Claim:
    """With no more seats than there is room for: those who are away go first, then those who have
    expired, each the oldest first."""
    away = [(s.standing.vacant_since, s.id) for s in claim.contenders if s.standing.vacant_since]
    there = [seat for seat in claim.contenders if seat.standing.vacant_since is None]
    expired = [(s.standing.expired_at, s.id) for s in there if s.standing.expired_at]
    surplus = max(len(claim.contenders) - rules.contenders - IDLE_SEATS, 0)
    dropped = {seat_id for _, seat_id in (*sorted(away), *sorted(expired))[:surplus]}
    kept = tuple(seat for seat in claim.contenders if seat.id not in dropped)
    return replace(claim, contenders=kept)
