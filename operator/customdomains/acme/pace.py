"""How often a CA is asked whether it has finished."""

from __future__ import annotations

from datetime import datetime

from customdomains.acme.exchange import Answer
from customdomains.acme.timing import Timing
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

_DEADLINE = 120.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 4.0


class Pace:
    """Pauses between questions about one order, within two minutes in all.

    A pause is as long as the CA's Retry-After wants, and else a little longer each time: a
    fast CA is not waited for, a slow one not pestered.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._deadline = timing.monotonic() + _DEADLINE
        self._number = 0
        self._retry_at: datetime | None = None

    def restart(self) -> None:
        """Something new was asked for: begin with short pauses again."""
        self._number, self._retry_at = 0, None

    def heed(self, answer: Answer) -> None:
        """Take note of the Retry-After of an answer about the order."""
        if answer.retry_at is not None:
            self._retry_at = max(answer.retry_at, self._retry_at or answer.retry_at)

    async def pause(self) -> None:
        """Wait; raises OrderError(CA_UNREACHABLE) instead where that would end too late."""
        timing = self._timing
        wait = timing.pause(self._number, first=_FIRST_PAUSE, cap=_LONGEST_PAUSE)
        self._number += 1
        if self._retry_at is not None:
            wait = max(wait, (self._retry_at - timing.now()).total_seconds())
        if timing.monotonic() + wait > self._deadline:
            raise OrderError(
                Reason.CA_UNREACHABLE,
                f"The CA has not finished with the order within {_DEADLINE:g} s; it is asked again",
                retry_at=self._retry_at,
            )
        await timing.sleep(wait)
