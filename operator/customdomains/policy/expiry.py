"""How near certificates are to their end, and which renewals are late."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from customdomains.model.claim import CertificateRecord, Claim
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.policy.world import World

STAGES = 2
"""A renewal is late when a third of the time is over that there was for it, and again when two
are."""

START_UP = timedelta(hours=1)
"""How long a process has been up before it calls a renewal late that nothing has refused: it may
have been away when that was due."""

LEFT = (1, 3, 7, 14, 30)
"""Days that certificates are counted by."""

RENEWALS = ("scheduled", "due", "late", "expired")


def mark_late(domain: CustomDomain, world: World, claim: Claim, now: datetime) -> Claim:
    """The claim with the stage of lateness that its renewal has reached."""
    have = claim.certificate
    if have is None or not _counts(domain, world, claim, now):
        return claim
    reached = _stage(have, now)
    return replace(claim, certificate=replace(have, late=reached)) if reached > have.late else claim


def next_stage(domain: CustomDomain, world: World, claim: Claim, now: datetime) -> datetime | None:
    """When `mark_late` may find something new; None where it can't."""
    have = claim.certificate
    if have is None or not _wanted(domain) or have.late >= STAGES:
        return None
    moment = have.renewal_time + _third(have) * (max(have.late, _stage(have, now)) + 1)
    if _stage(have, now) > have.late:
        moment = world.started + min(START_UP, _third(have))
    return moment if moment > now else None


def rank(claim: Claim | None, now: datetime) -> tuple[int, float]:
    """Where the work on a claim's certificate belongs among that on others: the least goes first.

    First what has expired, then what the CA wants renewed at once; of both, what ended or ends
    first. Whoever has no certificate is where now is. Other renewals are behind that by a hundredth
    of the time that is left for them: so of these too the one that ends first goes first, and no
    flow of newcomers holds up any for long.
    """
    have = claim.certificate if claim is not None else None
    if have is None:
        return (2, now.timestamp())
    ends = have.facts.not_after
    if ends <= now:
        return (0, ends.timestamp())
    if have.renewal is not None:
        if have.renewal.end <= now:
            return (1, ends.timestamp())
        ends = min(ends, have.renewal.end)
    return (2, (now + (ends - now) / 100).timestamp())


def count_left(claims: Iterable[Claim], now: datetime) -> Counter[str]:
    """The certificates of those who hold `claims`, by the days that they are valid for yet: less
    than each of `LEFT` and not less than the one before, `more` than the last, or `expired`."""
    counted = Counter(dict.fromkeys(("expired", *map(str, LEFT), "more"), 0))
    for _, ends in _ends(claims):
        left = ends - now
        days = next((str(days) for days in LEFT if left < timedelta(days=days)), "more")
        counted["expired" if left <= timedelta(0) else days] += 1
    return counted


def count_renewals(claims: Iterable[Claim], now: datetime) -> Counter[str]:
    """Those of our own by how it stands with their renewal (`RENEWALS`): for short-lived ones days
    tell little. `late` are those for whose renewal a third of the time is over."""
    counted = Counter(dict.fromkeys(RENEWALS, 0))
    for _, have in _held(claims):
        if now >= have.facts.not_after:
            counted["expired"] += 1
        elif now < have.renewal_time:
            counted["scheduled"] += 1
        else:
            counted["late" if _stage(have, now) else "due"] += 1
    return counted


def soonest(claims: Iterable[Claim], most: int) -> list[Claim]:
    """Of the `claims` with a certificate as many as `most`, those first that expire first."""
    ends = [(moment, claim.domain, claim) for claim, moment in _ends(claims)]
    return [claim for _, _, claim in heapq.nsmallest(most, ends, key=lambda item: item[:2])]


def _held(claims: Iterable[Claim]) -> Iterable[tuple[Claim, CertificateRecord]]:
    """Those with a certificate that somebody uses: a seat that is kept for who was there has one
    that nobody renews."""
    for claim in claims:
        standing = claim.standing
        if claim.certificate is None or standing.vacant_since or standing.expired_at:
            continue
        yield claim, claim.certificate


def _ends(claims: Iterable[Claim]) -> Iterable[tuple[Claim, datetime]]:
    """When they end, of those too that cert-manager has made."""
    for claim in claims:
        have, standing = claim.handed, claim.standing
        if standing.vacant_since or standing.expired_at:
            continue
        if claim.certificate is not None:
            yield claim, claim.certificate.facts.not_after
        elif have is not None and have.ready and have.not_after is not None:
            yield claim, have.not_after


def _third(have: CertificateRecord) -> timedelta:
    return max((have.facts.not_after - have.renewal_time) / 3, timedelta(0))


def _stage(have: CertificateRecord, now: datetime) -> int:
    """How many thirds are over of the time from the renewal's moment to the certificate's end."""
    third, over = _third(have), now - have.renewal_time
    if over <= timedelta(0):
        return 0
    return min(int(over / third), STAGES) if third else STAGES


def _counts(domain: CustomDomain, world: World, claim: Claim, now: datetime) -> bool:
    have = claim.certificate
    if have is None or not _wanted(domain) or world.memory.ordering_since is not None:
        return False
    if now >= have.facts.not_after:
        return False  # its end is told for itself
    return claim.failure is not None or now - world.started >= min(START_UP, _third(have))


def _wanted(domain: CustomDomain) -> bool:
    """Whether the operator renews it: not what cert-manager has made."""
    if domain.handed_to is not None:
        return False
    return domain.issuance is not Issuance.NEVER and not domain.suspend
