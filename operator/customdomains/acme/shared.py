"""A value that many ask for at once and that is made once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Makes a value on first demand; everyone who asks meanwhile waits for the same attempt.

    A failure goes to all who wait for it and is not kept: a lock instead would let each of
    them run into the same time-out, one after the other.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._make = make
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The value, made now where there is none; raises what making it raises."""
        if self._task is None:
            self._task = asyncio.create_task(self._make())
            self._task.add_done_callback(self._settle)
        # One who gives up waiting must not take the attempt away from the others.
        return await asyncio.shield(self._task)

    def forget(self, value: T) -> None:
        """Make the value anew on the next demand, unless that happened since `value` was got."""
        task = self._task
        if task is not None and task.done() and task.result() is value:
            self._task = None

    async def close(self) -> None:
        """Give up an attempt that is under way."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    def _settle(self, task: asyncio.Task[T]) -> None:
        # Looking at the exception also marks it as seen when nobody waits any more.
        if (task.cancelled() or task.exception() is not None) and self._task is task:
            self._task = None
