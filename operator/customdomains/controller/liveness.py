"""Whether this process still does its work, for the liveness probe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

STUCK_AFTER = 60.0
"""Seconds without a finished reconcile, though keys wait, that make the process count as dead."""


class Pulse:
    """Watches over the event loop and the queue, whose length is `waiting`."""

    def __init__(self, waiting: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._waiting = waiting
        self._monotonic = monotonic
        self._moved_at = monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked_at: float | None = None

    def begin(self) -> None:
        """The running loop is the one to watch over."""
        self._loop = asyncio.get_running_loop()

    def moved(self) -> None:
        """The work has gone on just now, or begins."""
        self._moved_at = self._monotonic()

    def check(self, *, leading: bool) -> None:
        """Raise RuntimeError where the loop does not turn, or where this process leads and keys
        wait for longer than any of them should. To be called in another thread."""
        now = self._monotonic()
        if self._asked_at is None:
            self._asked_at = now
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._answer)
        elif now - self._asked_at > STUCK_AFTER:
            raise RuntimeError(f"the event loop has not turned for {now - self._asked_at:.0f} s")
        idle, waiting = now - self._moved_at, self._waiting()
        if leading and waiting and idle > STUCK_AFTER:
            raise RuntimeError(f"{waiting} keys wait and none was finished for {idle:.0f} s")

    def _answer(self) -> None:
        self._asked_at = None
