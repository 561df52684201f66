"""Time and chance, passed in so that tests own them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LONGEST_RETRY_AFTER = timedelta(days=30)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Timing:
    """Clock (aware UTC), monotonic clock and sleep (seconds), and randomness in [0, 1)."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = field(default_factory=lambda: random.SystemRandom().random)

    def pause(self, number: int, *, first: float, cap: float) -> float:
        """Seconds of the pause `number` (from 0): doubling from `first` up to `cap`, with a
        quarter of jitter either way, so that many orders do not ask in step.
        """
        # 2**30 pauses are beyond any cap; the bound keeps the power a small number.
        length: float = min(cap, first * 2 ** min(number, 30))
        return length * (0.75 + 0.5 * self.random())


def parse_retry_after(value: str | None, now: datetime) -> datetime | None:
    """The moment that a Retry-After header names (RFC 9110 section 10.2.3), never before `now`.

    Takes seconds and HTTP dates; None where there is no header or it can't be read. What lies
    further away than 30 days is taken as 30 days.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        # Longer than ten digits is no duration; it would overflow before it could be capped.
        seconds = int(text) if len(text) <= 10 else 10**10
        return now + min(timedelta(seconds=seconds), _LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment, now), now + _LONGEST_RETRY_AFTER)
