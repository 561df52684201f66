"""What an order has to wait for beside its own last failure: a CA's limits, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from customdomains.model.reasons import Reason

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

STOPPED = "stoppedByCA"
"""What is waited for where a CA has said itself that it takes no more."""

LEAST_STOP = timedelta(minutes=1)
"""However soon a CA lets us come back: it has just had too much."""

UNNAMED_STOP = timedelta(minutes=5)
"""How long a refusal stops others where the CA names no time."""


@dataclass(frozen=True, slots=True)
class Wait:
    """An order by `issuer` for `names` waits for its turn.

    `limit` is what it waits for, in one word; `until` is about when it is its turn, and when it
    asks again at the latest.
    """

    issuer: str
    names: tuple[str, ...]
    limit: str
    reason: Reason
    message: str
    until: datetime

    def holds(self, issuer: str, names: tuple[str, ...], now: datetime) -> bool:
        """Whether it is not yet the turn of such an order."""
        return now < self.until and (self.issuer, self.names) == (issuer, names)


def stop_ends(named: datetime | None, now: datetime) -> datetime:
    """Until when a refusal stops others, of which the CA has `named` the end, or not."""
    return now + UNNAMED_STOP if named is None else max(named, now + LEAST_STOP)


def rounded_up(moment: datetime, now: datetime) -> datetime:
    """`moment` as people are told it: to the minute, beyond an hour to the quarter, beyond a day
    to the hour. So the same wait has the same text."""
    ahead = moment - now
    step = MINUTE if ahead <= HOUR else 15 * MINUTE if ahead <= DAY else HOUR
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - (midnight - moment) // step * step


def in_words(length: timedelta) -> str:
    """A length of time, such as 7 days, an hour or 90 seconds."""
    for unit, one, word in (
        (DAY, "a day", "day"),
        (HOUR, "an hour", "hour"),
        (MINUTE, "a minute", "minute"),
    ):
        if length >= unit and not length % unit:
            number = length // unit
            return one if number == 1 else f"{number} {word}s"
    return f"{length.total_seconds():g} seconds"
