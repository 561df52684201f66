"""How much is worked on at once: beyond that callers are told to come back, nothing queues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from customdomains.api.errors import Busy
from customdomains.api.places import Places

MAX_IN_FLIGHT = 256  # requests; beyond that waiting helps nobody
MAX_WRITES = 192  # of these: with a slow API server the rest still reads from memory

_READS = frozenset({"GET", "HEAD"})


class Load:
    """Counts requests. Those that only wait, in `watching` or for the controller in `asking`, are
    bounded there and are no work.
    """

    def __init__(self, watching: tuple[Places, ...], asking: Places) -> None:
        self._watching = watching
        self._asking = asking
        self._reads = 0
        self._writes = 0

    @property
    def in_flight(self) -> int:
        """How many requests are being worked on."""
        return self._reads - sum(map(len, self._watching)) + self._writing

    @property
    def _writing(self) -> int:
        return self._writes - len(self._asking)

    @contextmanager
    def one(self, method: str) -> Iterator[None]:
        """Count a request in for the time of the block. Raises `Busy`."""
        if self.in_flight >= MAX_IN_FLIGHT:
            raise _overloaded(MAX_IN_FLIGHT, "requests")
        if method in _READS:
            self._reads += 1
            try:
                yield
            finally:
                self._reads -= 1
            return
        if self._writing >= MAX_WRITES:
            raise _overloaded(MAX_WRITES, "requests that change something")
        self._writes += 1
        try:
            yield
        finally:
            self._writes -= 1


def _overloaded(number: int, what: str) -> Busy:
    return Busy(
        "overloaded", f"{number} {what} are being worked on; try again in a moment", retry_after=1
    )
