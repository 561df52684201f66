"""When which key is due: one heap and one timer for all of them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime

from customdomains.model.domain import Key

LONGEST_NAP = 30.0
"""Seconds after which the clock is looked at again: it may have been set."""


class Agenda:
    """Hands keys to `wake` when they are due; a key has one due time, the last that was set."""

    def __init__(self, now: Callable[[], datetime], wake: Callable[[Key], None]) -> None:
        self._now = now
        self._wake = wake
        self._due: dict[Key, datetime] = {}
        self._heap: list[tuple[datetime, Key]] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Key, due: datetime | None) -> None:
        """Make `key` due at `due`, or never."""
        if due is None:
            self._due.pop(key, None)
            return
        if self._due.get(key) == due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(moment, k) for k, moment in self._due.items()]
            heapq.heapify(self._heap)
        if self._heap[0][0] >= due:
            self._arm()

    def at_latest(self, key: Key, due: datetime) -> None:
        """Make `key` due at `due` unless it is due before."""
        known = self._due.get(key)
        if known is None or due < known:
            self.set(key, due)

    def close(self) -> None:
        """Wake nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()
        self._heap.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay = (self._heap[0][0] - self._now()).total_seconds()
            nap = min(max(delay, 0.0), LONGEST_NAP)
            self._timer = asyncio.get_running_loop().call_later(nap, self._ring)

    def _ring(self) -> None:
        now = self._now()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self._wake(key)
        self._arm()
