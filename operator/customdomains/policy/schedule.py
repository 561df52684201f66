"""When to look again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FIRST_MINUTE = timedelta(minutes=1)
FIRST_MINUTE_DELAY = timedelta(seconds=1.5)
"""Somebody may be at the DNS panel just now, and a program sets the record at once."""

DENSE = timedelta(minutes=5)
DENSE_DELAY = timedelta(seconds=3.5)
FIRST_HOUR = timedelta(hours=1)
FIRST_HOUR_DELAY = timedelta(seconds=25)
LONGEST_DELAY = timedelta(hours=4)
UNDECIDED_DELAY = timedelta(minutes=5)
GONE_DELAY = timedelta(minutes=15)
RECHECK_JITTER = 0.1
"""By which part of the interval the moments of a domain's rechecks move at most."""

PROOF_FRESHNESS = timedelta(minutes=5)
"""How old a check may be for an order to be placed on it."""

FAILURE_DELAYS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100))
FAILURE_DELAY = timedelta(days=1)

RECHECK_LATENESS = timedelta(hours=1)
"""How far back the rechecks are made up for that a process may have missed before it started."""

CLAIM_PATIENCE = timedelta(minutes=10)
"""How long a claim may wait for its CustomDomain between the two writes over HTTP."""

_EPOCH = datetime.fromtimestamp(0, UTC)

HELD_DELAY = timedelta(minutes=10)
"""How often a name that somebody else holds is looked at again without any event."""


def spread(identity: str, part: float = 1.0) -> float:
    """A number in [0, part) that is fixed for `identity` (hex) and even over all of them."""
    return int(identity[:8], 16) / 0x1_0000_0000 * part


def jittered(delay: timedelta, identity: str, attempt: int) -> timedelta:
    """`delay` less up to a tenth of it, so that domains don't march in step."""
    turn = (int(identity[:8], 16) * 31 + attempt * 7919) % 1000
    return delay * (1 - turn / 10_000)


def waiting_delay(waited: timedelta, *, in_vain: bool = False) -> timedelta:
    """Between two checks for a record somebody was asked to set `waited` ago.

    Where the last ones were `in_vain` there is no such hurry: these cost the most, and what stands
    in the way is not mended within a minute.
    """
    if waited < FIRST_MINUTE and not in_vain:
        return FIRST_MINUTE_DELAY
    if waited < DENSE:
        return DENSE_DELAY
    if waited < FIRST_HOUR:
        return FIRST_HOUR_DELAY
    return min(waited / 20, LONGEST_DELAY)


def failure_delay(count: int, lifetime: timedelta | None = None) -> timedelta:
    """Before the next try after `count` (from 1) failures in a row, to renew a certificate with
    this `lifetime`: a short-lived one would end before the longer ones were over."""
    delay = FAILURE_DELAYS[count - 1] if count <= len(FAILURE_DELAYS) else FAILURE_DELAY
    return delay if lifetime is None else min(delay, max(lifetime / 12, FAILURE_DELAYS[0]))


def asked_delay(count: int) -> timedelta:
    """The same where somebody asks for it: soon at first, yet no way to hammer a CA."""
    return min(timedelta(seconds=10) * count**2, timedelta(hours=1))


def undecided_delay(lasting: timedelta) -> timedelta:
    """Between two checks of a domain that is proved, where for `lasting` nothing could be decided:
    too few servers could be asked, or they disagree."""
    return min(max(UNDECIDED_DELAY, lasting / 5), LONGEST_DELAY)


def gone_delay(over: timedelta) -> timedelta:
    """Between two checks of a domain whose proof is gone, `over` after its grace period's end.

    Before that `over` is negative, and what comes back in time is seen in time.
    """
    return min(max(GONE_DELAY, over / 10), LONGEST_DELAY)


def next_recheck(after: datetime, interval: timedelta, identity: str) -> datetime:
    """The first moment after `after` at which a proof that is there is looked at again.

    The moments hang on the clock and the id alone: one in each stretch of `interval`, at a place
    that the id fixes, and a little later by a part that changes each time. So they are spread
    evenly over the whole interval however many domains are registered at once, and neither a
    restart nor a check between them moves any.
    """
    turn = (after - _EPOCH) // interval - 1
    while True:
        place = spread(identity) + _wobble(identity, turn) * RECHECK_JITTER
        moment = _EPOCH + interval * turn + interval * place
        if moment > after:
            return moment
        turn += 1


def first_recheck(started: datetime, interval: timedelta, identity: str) -> datetime:
    """The same for a process that has `started` and has not looked at this proof yet.

    Nobody knows whether the moments just before that were used, so these are made up for, spread
    over as long a time as they were.
    """
    lateness = min(interval / 4, RECHECK_LATENESS)
    moment = next_recheck(started - lateness, interval, identity)
    return moment if moment > started else moment + lateness


def _wobble(identity: str, turn: int) -> float:
    """A number in [0, 1) that is another one for each turn."""
    return (int(identity[8:16], 16) + turn * 2_654_435_761) % 0x1_0000_0000 / 0x1_0000_0000
