"""A watch cache in which one's own writes are visible at once.

The watch delivers every write some milliseconds after its answer, or much later while it is
being connected again. Until then the answer itself stands in.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from customdomains.cluster import ApiClient, Resource, WatchCache


class Stored(Protocol):
    """What is kept of an object has to say which object it was, and in which version."""

    @property
    def uid(self) -> str:
        """The object's uid."""

    @property
    def resource_version(self) -> str:
        """A decimal number that grows with every write (Kubernetes API concepts)."""


V = TypeVar("V", bound=Stored)


class Mirror(Generic[V]):
    """The objects of one kind by key (`namespace/name`, or `name`): as watched or as written.

    `on_change` is called with a key whose value may have changed. It must not block.
    """

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        *,
        namespace: str | None = None,
        parse: Callable[[dict[str, Any]], V],
        on_change: Callable[[str], None],
    ) -> None:
        """`cache` has to be run by who makes this."""
        self.cache: WatchCache[V] = WatchCache(
            client, resource, namespace=namespace, parse=parse, on_change=self._watched
        )
        self._on_change = on_change
        self._written: dict[str, V] = {}  # what the watch has not delivered yet
        self._deleted: dict[str, int] = {}  # uids, with the number of lists there were then

    def get(self, key: str) -> V | None:
        """The newest known value."""
        written = self._written.get(key)
        if written is not None and self._is_ahead(written):
            return written
        value = self.cache.get(key)
        return None if value is None or value.uid in self._deleted else value

    def put(self, key: str, value: V) -> None:
        """Take in the answer of a write, or of a live read."""
        self._forget_the_overtaken()
        known = self._written.get(key)
        if value.uid in self._deleted or not self._is_ahead(value):
            return
        if known is None or int(known.resource_version) < int(value.resource_version):
            self._written[key] = value
            self._on_change(key)

    def remove(self, key: str, uid: str) -> None:
        """The object of this uid was deleted."""
        self._forget_the_overtaken()
        written, watched = self._written.get(key), self.cache.get(key)
        if written is not None and written.uid == uid:
            del self._written[key]
        elif watched is None or watched.uid != uid:
            return  # the watch knows already
        self._deleted[uid] = self.cache.lists
        self._on_change(key)

    async def wait_for(
        self, key: str, condition: Callable[[V | None], bool], timeout: float
    ) -> None:
        """Wait until the value of `key` meets `condition`. Raises TimeoutError."""
        await self.cache.wait_for(key, lambda _: condition(self.get(key)), timeout)

    def _is_ahead(self, value: V) -> bool:
        """Whether the watch has not come as far as this version yet."""
        reached = self.cache.resource_version
        return reached is None or int(reached) < int(value.resource_version)

    def _watched(self, key: str, old: V | None, new: V | None) -> None:
        written, seen = self._written.get(key), new or old
        if written is not None and seen is not None:
            gone = new is None and seen.uid == written.uid
            if gone or int(seen.resource_version) >= int(written.resource_version):
                del self._written[key]
        if old is not None and (new is None or new.uid != old.uid):
            self._deleted.pop(old.uid, None)
        self._on_change(key)

    def _forget_the_overtaken(self) -> None:
        """Drop what no event will ever drop: objects that came and went between two lists.

        Two a write are more than can be added, so nothing piles up.
        """
        for key, value in list(islice(self._written.items(), 2)):
            if not self._is_ahead(value):
                del self._written[key]
                self._on_change(key)
        for uid, lists in list(islice(self._deleted.items(), 2)):
            # One list may have begun before the deletion; its end is followed by the event.
            if self.cache.lists >= lists + 2:
                del self._deleted[uid]
