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
from customdomains.policy.rules import Rules
from customdomains.policy.seats import open_from
from customdomains.policy.succession import may_have

_FIRST = "it goes to whoever is the first to prove it"

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
        kept = "The Secret is kept, its certificate is not renewed. " if seat.certificate else ""
        message = (
            f"somebody else has proved to own {claim.domain}, which this registration had, but "
            f"without a proof that counted. {kept}If the domain is yours, {_WAKE}"
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
    name, known = claim.domain, claim.verification
    opens, ends = open_from(claim, seat, now, rules), proof_expired_at(claim, rules)
    if not may_have(claim, seat.holder):
        return (
            f"{name} is reserved for somebody else; if it should be yours, ask the operator of "
            "this platform"
        )
    if claim.holder == NOBODY or claim.standing.vacant_since:
        return (
            f"somebody else had registered {name} and has deleted it; it is kept for them for a "
            f"while, and {_FIRST}"
        )
    if opens is None and (known is None or ends is not None):
        return f"somebody else has registered {name}; it can be yours once they have deleted it"
    if known is None:
        return f"somebody else has registered {name} without having proved to own it; {_FIRST}"
    if ends is None:
        hours = rules.grace_period.total_seconds() / 3600
        return (
            f"somebody else has registered {name} and proved to own it. If it is yours, remove "
            f"the record at {challenge_name(name)}. that is not yours; once that is gone for "
            f"{hours:g} hours, {_FIRST}"
        )
    if now < ends:
        return (
            f"somebody else has registered {name}; their proof is gone and counts until "
            f"{format_time(ends)}. From then on {_FIRST}"
        )
    return f"somebody else has registered {name}; their proof is gone for too long, and {_FIRST}"
