"""When to look again."""

from __future__ import annotations

from datetime import datetime, timedelta

DENSE = timedelta(minutes=5)
DENSE_DELAY = timedelta(seconds=3)
FIRST_HOUR = timedelta(hours=1)
FIRST_HOUR_DELAY = timedelta(seconds=25)
LONGEST_DELAY = timedelta(hours=4)
UNREACHABLE_DELAY = timedelta(minutes=5)
GONE_DELAY = timedelta(minutes=15)

PROOF_FRESHNESS = timedelta(minutes=5)
"""How old a check may be for an order to be placed on it."""

FAILURE_DELAYS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100))
FAILURE_DELAY = timedelta(days=1)

RECHECK_LATENESS = timedelta(hours=1)
"""How long after its moment a recheck is still made by a process that has made none yet."""

CLAIM_PATIENCE = timedelta(minutes=10)
"""How long a claim may wait for its CustomDomain between the two writes over HTTP."""

HELD_DELAY = timedelta(minutes=10)
"""How often a name that somebody else holds is looked at again without any event."""


def spread(identity: str, part: float = 1.0) -> float:
    """A number in [0, part) that is fixed for `identity` (hex) and even over all of them."""
    return int(identity[:8], 16) / 0x1_0000_0000 * part


def jittered(delay: timedelta, identity: str, attempt: int) -> timedelta:
    """`delay` less up to a tenth of it, so that domains don't march in step."""
    turn = (int(identity[:8], 16) * 31 + attempt * 7919) % 1000
    return delay * (1 - turn / 10_000)


def waiting_delay(waited: timedelta) -> timedelta:
    """Between two checks for a record somebody was asked to set `waited` ago."""
    if waited < DENSE:
        return DENSE_DELAY
    if waited < FIRST_HOUR:
        return FIRST_HOUR_DELAY
    return min(waited / 20, LONGEST_DELAY)


def failure_delay(count: int) -> timedelta:
    """Before the next try after `count` (from 1) failures in a row."""
    return FAILURE_DELAYS[count - 1] if count <= len(FAILURE_DELAYS) else FAILURE_DELAY


def asked_delay(count: int) -> timedelta:
    """The same where somebody asks for it: soon at first, yet no way to hammer a CA."""
    return min(timedelta(seconds=10) * count**2, timedelta(hours=1))


def next_recheck(
    proved_at: datetime, interval: timedelta, identity: str, now: datetime
) -> datetime:
    """The moment at which this domain's proof is looked at by a process that has not done so yet.

    The moments are `interval` apart, count from the proof and lie in the interval where the id
    puts them, so a restart moves none of them and many domains registered at once spread over the
    whole interval. One that has just passed still counts: nobody knows whether it was used.
    """
    first = proved_at + interval * (0.5 + spread(identity, 0.5))
    if now < first:
        return first
    last = first + interval * ((now - first) // interval)
    return last if now - last < min(interval / 4, RECHECK_LATENESS) else last + interval
