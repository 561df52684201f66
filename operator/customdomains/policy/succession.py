"""Whose a claim is next: promotion, take-over, falling asleep and waking, giving a seat up.

Every function takes a claim and gives the claim to write in its place, so that a change of holder
is one write, and the former holder's proof is gone with it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from customdomains.model.claim import NOBODY, Claim, Contender, Holder, Standing
from customdomains.model.progress import Failure, Verification
from customdomains.model.reasons import Reason

AT_THE_CA = frozenset(
    {
        Reason.CHALLENGE_FAILED,
        Reason.ORDER_INVALID,
        Reason.CA_REFUSED,
        Reason.CA_RATE_LIMITED,
        Reason.CERTIFICATE_UNUSABLE,
    }
)
"""Failures that a CA remembers of the name, whoever registers it."""

_NOTHING_SAID = "1 - -"
"""What a new resource has said that asks for nothing, as `certificates.heard` has it."""


def is_asleep(seat: Contender) -> bool:
    """Whether nothing is done for this seat until somebody asks for a check."""
    return seat.standing.expired_at is not None or seat.standing.lost_at is not None


def is_woken(seat: Contender, check_requested: str | None) -> bool:
    """Whether `check_requested` is another request than was known when the seat fell asleep."""
    return check_requested is not None and check_requested != seat.standing.asked


# --- a new holder ---------------------------------------------------------------------------------


def promote(claim: Claim, now: datetime) -> Claim:
    """The claim with the first of the others as its holder where there is no holder to speak of:
    nobody, or one who is not there, or expired, and has proved nothing."""
    if claim.holder != NOBODY and (claim.standing.active or claim.verification is not None):
        return claim
    for seat in claim.contenders:
        if seat.standing.active and not is_asleep(seat) and may_have(claim, seat.holder):
            return _seated(claim, _awake(seat, now), claim.holder_seat)
    return claim


def take_over(
    claim: Claim, contender: Contender, proof: Verification, now: datetime, asked: str | None
) -> Claim:
    """The claim with `contender` as its holder, on a fresh `proof` of its own.

    The loser keeps its identity and certificate in a seat among the others; `asked` is the check
    request it carries just now, so that another one wakes it.
    """
    former = claim.holder_seat
    if former is not None:
        lost = replace(former.standing, lost_at=now, expired_at=None, asked=asked)
        former = replace(former, standing=lost)
    return replace(_seated(claim, _awake(contender, now), former), verification=proof)


# --- falling asleep and waking --------------------------------------------------------------------


def expire(claim: Claim, seat: Contender, asked: str | None, now: datetime) -> Claim:
    """The claim after a seat has proved nothing for too long; `asked` is the check request that
    its CustomDomain carries just now."""
    standing = replace(seat.standing, expired_at=now, asked=asked)
    return promote(with_seat(claim, replace(seat, standing=standing)), now)


def revive(claim: Claim, seat: Contender, now: datetime) -> Claim:
    """The claim after somebody asked for a check for a seat that slept: it starts over."""
    return promote(with_seat(claim, _awake(seat, now)), now)


def release_on_delete(claim: Claim, seat: Contender, *, release: bool) -> Claim:
    """The claim that knows whether a seat is to be kept once its CustomDomain is gone."""
    if seat.standing.release == release:
        return claim
    return with_seat(claim, replace(seat, standing=replace(seat.standing, release=release)))


# --- giving a seat up -----------------------------------------------------------------------------


def vacate(claim: Claim, seat: Contender, now: datetime) -> Claim | None:
    """The claim after a seat's CustomDomain is gone: the seat is kept for its namespace, unless
    it was to be released. None: the claim is to be deleted."""
    if seat.standing.release:
        return remove(claim, seat.id, now)
    standing = replace(seat.standing, vacant_since=now)
    return promote(with_seat(claim, replace(seat, standing=standing)), now)


def remove(claim: Claim, seat_id: str, now: datetime) -> Claim | None:
    """The claim without a seat. None: there is nobody left, so it is to be deleted.

    The holder's goes to the first of the others who wants the domain, then to one who lost it,
    then to one who sleeps or is away: who expired stays so. A reserved claim is kept, and one for
    whose name a CA has just failed, so that nobody asks it sooner by registering anew.
    """
    if seat_id != claim.id:
        left = tuple(seat for seat in claim.contenders if seat.id != seat_id)
        return replace(claim, contenders=left)
    heirs = [seat for seat in claim.contenders if may_have(claim, seat.holder)]
    if heirs:
        heir = min(heirs, key=_remoteness)
        return _seated(claim, _awake(heir, now) if heir.standing.active else heir, None)
    failure = remembered(claim.failure, now)
    if claim.reserved_for is None and failure is None:
        return None
    return replace(unheld(claim), failure=failure)


def remembered(failure: Failure | None, now: datetime) -> Failure | None:
    """What of a failure concerns whoever registers the name next: its wait, which a resource that
    is made anew does not shorten by being another one."""
    if failure is None or failure.reason not in AT_THE_CA or now >= failure.retry_at:
        return None
    return replace(failure, heard=_NOTHING_SAID, unplaced=False)


def is_over(claim: Claim, now: datetime) -> bool:
    """Whether a claim that nobody holds, and that reserves nothing, has nothing to remember or to
    tell any more: then it is to be deleted."""
    if claim.seats or claim.reserved_for is not None or claim.outbox:
        return False
    return remembered(claim.failure, now) is None


def unheld(claim: Claim) -> Claim:
    """The claim that nobody holds."""
    return replace(_bare(claim), id="", token="", holder=NOBODY, standing=Standing())


# --- pieces ---------------------------------------------------------------------------------------


def may_have(claim: Claim, holder: Holder) -> bool:
    """Whether the claim is not reserved for somebody else."""
    return claim.reserved_for in {None, holder.key.namespace}


def _remoteness(seat: Contender) -> int:
    if seat.standing.vacant_since:
        return 3
    if seat.standing.expired_at:
        return 2
    return 1 if seat.standing.lost_at else 0


def _awake(seat: Contender, now: datetime) -> Contender:
    """The seat as it is for somebody who starts over in it."""
    standing = Standing(since=now, release=seat.standing.release, told=seat.standing.told)
    return replace(seat, standing=standing)


def _seated(claim: Claim, seat: Contender, former: Contender | None) -> Claim:
    """With `seat` as the holder's, unproved, and the former holder's, if any, among the others.

    What is remembered of a name that nobody held goes on for who gets it.
    """
    others = tuple(other for other in claim.contenders if other.id != seat.id)
    failure = claim.failure if claim.holder == NOBODY else None
    return replace(
        _bare(claim),
        failure=failure,
        id=seat.id,
        token=seat.token,
        holder=seat.holder,
        standing=seat.standing,
        certificate=seat.certificate,
        handed=seat.handed,
        contenders=(*others, *((former,) if former else ())),
    )


def _bare(claim: Claim) -> Claim:
    """Without anything that one holder has come to."""
    return replace(
        claim,
        verification=None,
        order=None,
        certificate=None,
        failure=None,
        issue_handled=None,
        compromise=None,
        handed=None,
    )


def with_seat(claim: Claim, seat: Contender) -> Claim:
    """With another version of a seat."""
    if seat.id == claim.id:
        return replace(claim, holder=seat.holder, standing=seat.standing)
    others = tuple(seat if other.id == seat.id else other for other in claim.contenders)
    return replace(claim, contenders=others)
