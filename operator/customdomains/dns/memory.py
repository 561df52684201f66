"""Facts kept for a while: fetched once however many ask for them, and never too many kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_REMEMBERED_SECONDS = 300.0
"""For how long a value whose time is over may still help to fetch the next one."""

Fetch = Callable[[K, V | None], Awaitable[tuple[V, float]]]
"""The value of a key and for how many seconds it holds; what was known before may help."""


class Memory(Generic[K, V]):
    """Values by key. `fetch` has to bring its own deadline; `clock` gives seconds.

    A value that has had its time is fetched again when somebody asks; where there are `size`
    values, the one fetched first falls out.
    """

    def __init__(self, fetch: Fetch[K, V], *, clock: Callable[[], float], size: int) -> None:
        self._fetch = fetch
        self._clock = clock
        self._size = size
        # Value, and when its time is over; the one fetched first in front.
        self._known: dict[K, tuple[V, float]] = {}
        self._fetching: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, key: K) -> V:
        """The value of `key`. Who is cancelled while waiting leaves the fetch to the others."""
        known = self._known.get(key)
        if known is not None:
            value, ends = known
            if self._clock() < ends:
                return value
        fetching = self._fetching.get(key)
        if fetching is None:
            fetching = asyncio.get_running_loop().create_task(self._renew(key))
            self._fetching[key] = fetching
        return await asyncio.shield(fetching)

    async def _renew(self, key: K) -> V:
        before = self._known.get(key)
        try:
            value, seconds = await self._fetch(key, before[0] if before else None)
        finally:
            del self._fetching[key]
        self.put(key, value, seconds)
        return value

    def put(self, key: K, value: V, seconds: float) -> None:
        """Keep `value` for `seconds` in place of what is known."""
        self._known.pop(key, None)
        now = self._clock()
        while self._known:
            first = next(iter(self._known))
            if len(self._known) < self._size and now < self._known[first][1] + _REMEMBERED_SECONDS:
                break
            del self._known[first]
        self._known[key] = (value, now + seconds)
