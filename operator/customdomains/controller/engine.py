"""The engine: reconcile workers on the fair queue, backoff a key, and the jobs beside them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from customdomains.cluster.errors import ApiError
from customdomains.controller.agenda import Agenda
from customdomains.controller.queue import FairQueue
from customdomains.model.domain import Key

log = logging.getLogger(__name__)

WORKERS = 16
FIRST_BACKOFF = timedelta(milliseconds=250)
LONGEST_BACKOFF = timedelta(minutes=5)


class Backoff:
    """Sends keys that failed to the agenda, later each time.

    The wait holds for what failed, not for the key: reconciling has one `Backoff`, jobs another,
    else a reconcile that succeeds in starting a job would forgive that job's failures.
    """

    def __init__(
        self, agenda: Agenda, now: Callable[[], datetime], random: Callable[[], float]
    ) -> None:
        self._agenda = agenda
        self._now = now
        self._random = random
        self._failures: dict[Key, tuple[int, datetime]] = {}

    def failed(self, key: Key) -> None:
        """Try `key` again after a while; between half and the whole of a doubling delay."""
        count, _ = self._failures.get(key, (0, None))
        delay = min(FIRST_BACKOFF * 2 ** min(count, 20), LONGEST_BACKOFF)
        until = self._now() + delay * (0.5 + self._random() / 2)
        self._failures[key] = (count + 1, until)
        self._agenda.at_latest(key, until)

    def holds(self, key: Key) -> bool:
        """Whether `key` still has to wait; then it is on the agenda."""
        _, until = self._failures.get(key, (0, None))
        if until is None or self._now() >= until:
            return False
        self._agenda.at_latest(key, until)
        return True

    def succeeded(self, key: Key) -> None:
        """Start over with the next failure."""
        self._failures.pop(key, None)


async def work(
    queue: FairQueue,
    reconcile: Callable[[Key], Awaitable[None]],
    backoff: Backoff,
    observe: Callable[[float], None],
) -> None:
    """Reconcile keys from `queue` until cancelled; `observe` gets each turn's seconds."""
    async with asyncio.TaskGroup() as group:
        for number in range(WORKERS):
            group.create_task(
                _worker(queue, reconcile, backoff, observe), name=f"reconcile-{number}"
            )


async def _worker(
    queue: FairQueue,
    reconcile: Callable[[Key], Awaitable[None]],
    backoff: Backoff,
    observe: Callable[[float], None],
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        key = await queue.get()
        started = loop.time()
        try:
            await reconcile(key)
        except ApiError as error:
            log.warning("%s: %s; it is tried again", key, error)
            backoff.failed(key)
        except Exception:
            log.exception("reconciling %s broke; it is tried again", key)
            backoff.failed(key)
        else:
            backoff.succeeded(key)
        finally:
            queue.done(key)
            observe(loop.time() - started)
