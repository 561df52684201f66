"""Seats on a claim: how somebody gets one, keeps it, loses it and gives it up.

Every function takes a claim and gives the claim to write in its place, so that a change of holder
is one write, and the former holder's proof is gone with it. A namespace, by its uid, has at most
one seat on a claim.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from customdomains.model.claim import NOBODY, TRANSFER_TO, Claim, Contender, Holder, Standing
from customdomains.model.identity import Identity
from customdomains.model.progress import Verification
from customdomains.model.reasons import Reason
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.world import ClaimRules, Rules


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody gets no seat; the message names nobody of another namespace."""

    reason: Reason
    message: str


# --- looking --------------------------------------------------------------------------------------


def holder_seat(claim: Claim) -> Contender | None:
    """The holder's seat as one among the others; None where nobody holds the claim."""
    if claim.holder == NOBODY:
        return None
    standing = replace(claim.standing, since=claim.since)
    return Contender(claim.id, claim.token, claim.holder, standing, claim.certificate)


def all_seats(claim: Claim) -> tuple[Contender, ...]:
    """Every seat, the holder's first."""
    first = holder_seat(claim)
    return (*((first,) if first else ()), *claim.contenders)


def find_seat(claim: Claim, holder: Holder) -> Contender | None:
    """The seat that is `holder`'s, or that it may take up; its id tells whether it is the claim's.

    That of the same namespace (by uid) and name, whichever uid it had: the same tenant who deleted
    and created again, or the second half of a registration over HTTP. Then a vacant one of the same
    namespace, under whatever name. And, before these, the holder's vacant seat where an
    administrator's annotation says so.
    """
    seats = all_seats(claim)
    mine = [seat for seat in seats if seat.holder.namespace_uid == holder.namespace_uid]
    named = next((seat for seat in mine if seat.holder.key == holder.key), None)
    if named is not None and named.id == claim.id:
        return named
    if seats and seats[0].id == claim.id and _is_handed_over(claim, holder):
        return seats[0]
    return named or next((seat for seat in mine if seat.standing.vacant_since), None)


def is_asleep(seat: Contender) -> bool:
    """Whether nothing is done for this seat until somebody asks for a check."""
    return seat.standing.expired_at is not None or seat.standing.lost_at is not None


def is_woken(seat: Contender, check_requested: str | None) -> bool:
    """Whether `check_requested` is another request than was known when the seat fell asleep."""
    return check_requested is not None and check_requested != seat.standing.asked


def expires_at(claim: Claim, seat: Contender, rules: ClaimRules) -> datetime | None:
    """When the seat expires unless it proves something; None where it can't."""
    proved = seat.id == claim.id and claim.verification is not None
    if proved or is_asleep(seat) or not seat.standing.active:
        return None
    return (seat.standing.since or claim.created) + rules.pending_expiry


def open_from(claim: Claim, contender: Contender, now: datetime, rules: Rules) -> datetime | None:
    """From when on `contender` takes the claim over if it proves ownership; None as long as
    nothing changes. A holder whose proof is current, or not gone for long, is never displaced."""
    if not _may_have(claim, contender.holder):
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
    return _trimmed(promote(_with(claim, (*claim.contenders, newcomer))), rules)


def refuse(claim: Claim, holder: Holder, rules: ClaimRules, seats: int) -> Refusal | None:
    """Why a newcomer gets no seat on the claim, if it gets none."""
    for seat in all_seats(claim):
        if seat.holder.namespace_uid == holder.namespace_uid and not seat.standing.vacant_since:
            return Refusal(
                Reason.HELD_BY_ANOTHER,
                f"{claim.domain} is registered already, by the CustomDomain "
                f"{seat.holder.key.name} in this namespace; it can be registered here once that "
                "is deleted",
            )
    if not _may_have(claim, holder):
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
        return Refusal(
            Reason.TOO_MANY_CONTENDERS,
            f"{claim.domain} is registered already, and {rules.contenders} others wait for it, "
            "which is as many as may; it is tried again when one of them has gone",
        )
    return None


def take_up(
    claim: Claim, seat: Contender, holder: Holder, now: datetime, rules: ClaimRules
) -> Claim:
    """The claim with `holder` in a seat that `find_seat` gave it.

    Who comes back to a vacant seat, or was made anew, starts over in it, with its identity. What
    waited for it in Secrets is gone by then where it was away for long.
    """
    anew = seat.standing.vacant_since is not None or (
        is_asleep(seat) and seat.holder.uid != holder.uid
    )
    standing = Standing(since=now) if anew else seat.standing
    away = seat.standing.vacant_since
    forgotten = away is not None and now - away >= rules.secrets_kept
    taken = replace(
        seat,
        holder=holder,
        standing=standing,
        certificate=None if forgotten else seat.certificate,
    )
    if seat.holder.namespace_uid != holder.namespace_uid:
        claim = _handed_over(claim, holder)
    if seat.id != claim.id:
        return promote(_replaced(claim, taken))
    return replace(
        claim,
        holder=holder,
        standing=standing if anew else claim.standing,
        certificate=taken.certificate,
        order=None if forgotten else claim.order,
    )


# --- a new holder ---------------------------------------------------------------------------------


def promote(claim: Claim) -> Claim:
    """The claim with the first of the others as its holder where there is no holder to speak of:
    nobody, or one who is not there, or expired, and has proved nothing."""
    if claim.holder != NOBODY and (claim.standing.active or claim.verification is not None):
        return claim
    for seat in claim.contenders:
        if seat.standing.active and not is_asleep(seat) and _may_have(claim, seat.holder):
            return _seated(claim, seat, holder_seat(claim))
    return claim


def take_over(
    claim: Claim, contender: Contender, proof: Verification, now: datetime, asked: str | None
) -> Claim:
    """The claim with `contender` as its holder, on a fresh `proof` of its own.

    The loser keeps its identity and certificate in a seat among the others; `asked` is the check
    request it carries just now, so that another one wakes it.
    """
    former = holder_seat(claim)
    if former is not None:
        lost = replace(former.standing, lost_at=now, expired_at=None, asked=asked)
        former = replace(former, standing=lost)
    return replace(_seated(claim, contender, former), verification=proof)


# --- falling asleep and waking --------------------------------------------------------------------


def expire(claim: Claim, seat: Contender, asked: str | None, now: datetime) -> Claim:
    """The claim after a seat has proved nothing for too long; `asked` is the check request that
    its CustomDomain carries just now."""
    standing = replace(seat.standing, expired_at=now, asked=asked)
    return promote(_replaced(claim, replace(seat, standing=standing)))


def revive(claim: Claim, seat: Contender, now: datetime) -> Claim:
    """The claim after somebody asked for a check for a seat that slept: it starts over."""
    standing = Standing(since=now, release=seat.standing.release)
    return promote(_replaced(claim, replace(seat, standing=standing)))


def release_on_delete(claim: Claim, seat: Contender, *, release: bool) -> Claim:
    """The claim that knows whether a seat is to be kept once its CustomDomain is gone."""
    if seat.standing.release == release:
        return claim
    return _replaced(claim, replace(seat, standing=replace(seat.standing, release=release)))


# --- giving a seat up -----------------------------------------------------------------------------


def vacate(claim: Claim, seat: Contender, now: datetime) -> Claim | None:
    """The claim after a seat's CustomDomain is gone: the seat is kept for its namespace, unless
    it was to be released. None: the claim is to be deleted."""
    if seat.standing.release:
        return remove(claim, seat.id, now)
    standing = replace(seat.standing, vacant_since=now)
    return promote(_replaced(claim, replace(seat, standing=standing)))


def remove(claim: Claim, seat_id: str, now: datetime) -> Claim | None:
    """The claim without a seat. None: there is nobody left, so it is to be deleted.

    The holder's goes to the first of the others who wants the domain, then to one who lost it,
    then to one who sleeps or is away: who expired stays so. A reserved claim is kept.
    """
    if seat_id != claim.id:
        return _with(claim, tuple(seat for seat in claim.contenders if seat.id != seat_id))
    heirs = [seat for seat in claim.contenders if _may_have(claim, seat.holder)]
    if heirs:
        heir = min(heirs, key=_remoteness)
        if heir.standing.lost_at and heir.standing.active:
            return _seated(claim, replace(heir, standing=Standing(since=now)), None)
        return _seated(claim, heir, None)
    if claim.reserved_for is None:
        return None
    return replace(_bare(claim), id="", token="", holder=NOBODY, standing=Standing())


# --- pieces ---------------------------------------------------------------------------------------


def _may_have(claim: Claim, holder: Holder) -> bool:
    """Whether the claim is not reserved for somebody else."""
    return claim.reserved_for in {None, holder.key.namespace}


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
    return replace(_with(claim, others), metadata={k: v for k, v in metadata.items() if v} or None)


def _remoteness(seat: Contender) -> int:
    if seat.standing.vacant_since:
        return 3
    if seat.standing.expired_at:
        return 2
    return 1 if seat.standing.lost_at else 0


def _seated(claim: Claim, seat: Contender, former: Contender | None) -> Claim:
    """With `seat` as the holder's, unproved, and the former holder's, if any, among the others."""
    others = tuple(other for other in claim.contenders if other.id != seat.id)
    return replace(
        _bare(claim),
        id=seat.id,
        token=seat.token,
        holder=seat.holder,
        standing=seat.standing,
        certificate=seat.certificate,
        contenders=(*others, *((former,) if former else ())),
    )


def _bare(claim: Claim) -> Claim:
    """Without anything that one holder has come to."""
    return replace(
        claim, verification=None, order=None, certificate=None, failure=None, issue_handled=None
    )


def _with(claim: Claim, contenders: tuple[Contender, ...]) -> Claim:
    return replace(claim, contenders=contenders)


def _replaced(claim: Claim, seat: Contender) -> Claim:
    """With another version of a seat."""
    if seat.id == claim.id:
        return replace(claim, holder=seat.holder, standing=seat.standing)
    return _with(claim, tuple(seat if s.id == seat.id else s for s in claim.contenders))


def _trimmed(claim: Claim, rules: ClaimRules) -> Claim:
    """With no more seats than there is room for: who is away or expired goes first, the oldest of
    them before the others."""
    idle = sorted(
        (seat for seat in claim.contenders if not seat.standing.active),
        key=lambda seat: seat.standing.vacant_since or seat.standing.expired_at or claim.created,
    )
    surplus = max(len(claim.contenders) - rules.contenders, 0)
    dropped = {seat.id for seat in idle[:surplus]}
    return _with(claim, tuple(seat for seat in claim.contenders if seat.id not in dropped))
