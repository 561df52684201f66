"""What becomes of a seat whose CustomDomain is gone."""

from __future__ import annotations

from datetime import datetime

from customdomains.model.claim import Claim, Contender
from customdomains.policy import succession
from customdomains.policy.announcements import moved
from customdomains.policy.rules import ClaimRules
from customdomains.policy.schedule import CLAIM_PATIENCE
from customdomains.policy.telling import dropped, parted
from customdomains.policy.world import LeaveClaim, Plan


def leave(claim: Claim, seat: Contender, now: datetime, rules: ClaimRules) -> Plan:
    """What to do about `seat`, whose CustomDomain is not there as far as is known.

    One that never was there, after its registration over HTTP was cut short, leaves nothing to
    keep. Else the seat is vacated, and given up when nobody has come back to it.
    """
    standing = seat.standing
    if standing.vacant_since is not None:
        ends = standing.vacant_since + rules.retention
        if now < ends:
            return Plan(due=ends)
        return _plan(claim, seat, succession.remove(claim, seat.id, now), now, rules)
    if seat.holder.uid is None:
        patience = (standing.since or claim.created) + CLAIM_PATIENCE
        if now < patience:
            return Plan(due=patience)
        if not _has_come_to_something(claim, seat):
            return _plan(claim, seat, succession.remove(claim, seat.id, now), now, rules)
    return _plan(claim, seat, succession.vacate(claim, seat, now), now, rules)


def _has_come_to_something(claim: Claim, seat: Contender) -> bool:
    return seat.certificate is not None or (seat.id == claim.id and claim.verification is not None)


def _plan(
    claim: Claim, seat: Contender, after: Claim | None, now: datetime, rules: ClaimRules
) -> Plan:
    told = () if after is None else moved(claim, after)
    if rules.webhooks:
        after = parted(claim, seat, after, now)
        told += dropped(claim, after) if after is not None else ()
    return Plan(claim=LeaveClaim(claim, seat, after), announcements=told)
