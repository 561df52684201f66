"""The condition Claimed: whose the domain is, and what would change that. Nobody else is named."""

from __future__ import annotations

from datetime import datetime

from customdomains.model.claim import NOBODY, Claim, Contender
from customdomains.model.domain import CHECK_REQUESTED
from customdomains.model.names import challenge_name
from customdomains.model.reasons import Reason
from customdomains.model.status import Condition
from customdomains.model.times import format_time
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.seats import open_from
from customdomains.policy.succession import may_have
from customdomains.policy.world import Rules

_WAKE = (
    "set one of the records listed and ask for a check, over HTTP or by the annotation "
    f"{CHECK_REQUESTED}"
)


def held(claim: Claim) -> Condition:
    """`Claimed` of the holder."""
    return Condition("Claimed", True, Reason.HELD, "the domain is registered", claim.since)


def sleeps(claim: Claim, seat: Contender) -> Condition:
    """`Claimed` of one who has expired, or has lost the claim."""
    standing = seat.standing
    if standing.lost_at is not None:
        message = (
            f"somebody else has proved to own {claim.domain} while no proof was there for this "
            "registration, which had it before. The Secret is kept, but its certificate is not "
            f"renewed. If the domain is yours, {_WAKE}"
        )
        return Condition("Claimed", False, Reason.LOST, message, standing.lost_at)
    since = standing.expired_at or claim.since
    message = (
        f"nothing has proved the ownership of {claim.domain} by {format_time(since)}, so it is "
        f"not kept for this registration any more. To register it again, {_WAKE}"
    )
    return Condition("Claimed", False, Reason.CLAIM_EXPIRED, message, since)


def contends(claim: Claim, seat: Contender, rules: Rules, now: datetime) -> Condition:
    """`Claimed` of one who wants a domain that somebody else holds."""
    since = seat.standing.since or claim.created
    message = _between(claim, seat, rules, now)
    return Condition("Claimed", False, Reason.CONTENDING, message, since)


def _between(claim: Claim, seat: Contender, rules: Rules, now: datetime) -> str:
    """What is between a contender and the claim."""
    name = claim.domain
    if not may_have(claim, seat.holder):
        return (
            f"{name} is reserved for somebody else; if it should be yours, ask the operator of "
            "this platform"
        )
    known, opens = claim.verification, open_from(claim, seat, now, rules)
    ends = proof_expired_at(claim, rules)
    if claim.holder == NOBODY or claim.standing.vacant_since:
        return (
            f"{name} is kept for somebody who had proved to own it and has deleted it; it is yours "
            "once a record proves that you own it now"
        )
    if known is None and opens is not None:
        return (
            f"somebody else has registered {name} before, without any proof so far; it is yours "
            "once a record proves that you own it, if theirs does not before"
        )
    if opens is None and (ends is not None or known is None):
        return f"somebody else has registered {name}; it can be yours once they have deleted it"
    if ends is None:
        return (
            f"somebody else has registered {name} and proved to own it. If it is yours, remove "
            f"their record at {challenge_name(name)}.; it goes to you once that is gone for long "
            "enough and a record of yours is there"
        )
    if now < ends:
        return (
            f"somebody else has registered {name}, whose proof is gone. It counts until "
            f"{format_time(ends)}; from then on the domain is yours once a record proves that you "
            "own it"
        )
    return (
        f"somebody else has registered {name}, whose proof is gone for too long to count; it is "
        "yours once a record proves that you own it"
    )
