"""How many there are of what, for the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from customdomains.model.claim import NOBODY, Claim
from customdomains.model.seat import Standing
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.rules import Rules

SEATS = ("held", "contending", "lost", "vacant", "expired", "reserved")
PROOFS = ("current", "gone", "expired")


def count_seats(claims: Iterable[Claim]) -> Counter[str]:
    """All seats on `claims`, by kind (`SEATS`); `reserved` are names that nobody holds yet."""
    counted = Counter(dict.fromkeys(SEATS, 0))
    for claim in claims:
        if claim.holder != NOBODY:
            counted[_kind(claim.standing, "held")] += 1
        elif claim.reserved_for is not None:
            counted["reserved"] += 1
        for contender in claim.contenders:
            kind = "lost" if contender.standing.lost_at else "contending"
            counted[_kind(contender.standing, kind)] += 1
    return counted


def _kind(standing: Standing, active: str) -> str:
    if standing.vacant_since is not None:
        return "vacant"
    return active if standing.expired_at is None else "expired"


def count_proofs(claims: Iterable[Claim], rules: Rules, now: datetime) -> Counter[str]:
    """The proofs of `claims`: there at the last look, gone since less than the grace period, and
    gone for longer (`PROOFS`)."""
    counted = Counter(dict.fromkeys(PROOFS, 0))
    for claim in claims:
        if claim.verification is None:
            continue
        ends = proof_expired_at(claim, rules)
        counted["current" if ends is None else "gone" if now < ends else "expired"] += 1
    return counted
