"""Jobs that wait for the outside: run beside the reconcile workers, bounded and fair."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from customdomains.controller.queue import FairQueue, Rank
from customdomains.model.domain import Key

log = logging.getLogger(__name__)

J = TypeVar("J")


class Lane(Generic[J]):
    """Runs at most `width` jobs at once, three quarters of them of one namespace, taking
    namespaces in turns, and within one the least `rank` first; one job a key.

    `run` has to bring its own deadline and is not expected to raise; if it does, that is logged
    and the lane goes on.
    """

    def __init__(self, name: str, width: int, run: Callable[[Key, J], Awaitable[None]]) -> None:
        self._name = name
        self._width = width
        self._run = run
        self._queue = FairQueue(share=width - width // 4)
        self._jobs: dict[Key, J] = {}

    def __len__(self) -> int:
        """Jobs waiting and running."""
        return len(self._queue) + self._queue.working

    def put(self, key: Key, job: J, rank: Rank = ()) -> None:
        """Have `job` run; one that waits for the same key is replaced."""
        self._jobs[key] = job
        self._queue.add(key, rank)

    async def work(self) -> None:
        """Run jobs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._width):
                group.create_task(self._worker(), name=f"{self._name}-{number}")

    async def _worker(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._run(key, self._jobs.pop(key))
            except Exception:
                log.exception("a job of lane %s for %s broke", self._name, key)
            finally:
                self._queue.done(key)
