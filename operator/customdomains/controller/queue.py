"""A work queue that is fair between namespaces and holds each key at most once."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, OrderedDict, deque

from customdomains.model.domain import Key

Rank = tuple[float, ...]


class FairQueue:
    """Keys to be worked on, taken in turns from the namespaces that have any.

    A key added while it waits is there once; one added while it is worked on comes back when that
    is done. So two workers never have the same key, and a namespace with 10,000 keys waiting delays
    another's one by as many keys as there are namespaces. Where work takes long, that is not
    enough: at most `share` keys of one namespace are worked on at a time, so that others find a
    free worker. Within a namespace the least `rank` goes first, and of equal ones the one that has
    waited longest. Not thread-safe: for one event loop.
    """

    def __init__(self, share: int | None = None) -> None:
        self._share = share
        self._busy: Counter[str] = Counter()
        self._waiting: OrderedDict[str, list[tuple[Rank, int, Key]]] = OrderedDict()
        self._added = 0
        self._queued: set[Key] = set()
        self._working: set[Key] = set()
        self._again: dict[Key, Rank] = {}
        self._getters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def working(self) -> int:
        """How many keys are being worked on."""
        return len(self._working)

    def add(self, key: Key, rank: Rank = ()) -> None:
        """Have `key` worked on soon; one that waits keeps its rank."""
        if key in self._working:
            self._again.setdefault(key, rank)
            return
        if key in self._queued:
            return
        self._queued.add(key)
        self._added += 1
        heapq.heappush(self._waiting.setdefault(key.namespace, []), (rank, self._added, key))
        self._wake()

    async def get(self) -> Key:
        """The next key; `done` has to be called for it."""
        while (namespace := self._next_namespace()) is None:
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()
                raise
        keys = self._waiting.pop(namespace)
        _, _, key = heapq.heappop(keys)
        if keys:
            self._waiting[namespace] = keys
        self._queued.discard(key)
        self._working.add(key)
        self._busy[namespace] += 1
        return key

    def done(self, key: Key) -> None:
        """The work on `key` has ended."""
        self._working.discard(key)
        self._busy[key.namespace] -= 1
        if not self._busy[key.namespace]:
            del self._busy[key.namespace]
        if key in self._again:
            self.add(key, self._again.pop(key))
        if self._next_namespace() is not None:
            self._wake()

    def _next_namespace(self) -> str | None:
        """Whose turn it is: the first of those that wait and don't have their share already."""
        if self._share is None:
            return next(iter(self._waiting), None)
        return next((name for name in self._waiting if self._busy[name] < self._share), None)

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return
