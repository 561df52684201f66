"""A collection of objects kept in memory as it changes on the server: list, then watch.

It goes on serving what it has while the server is away, and is never emptied by trouble: only
an object that the server says is deleted, or that is missing in a complete list, is removed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, ItemsView, ValuesView
from contextlib import aclosing
from typing import Generic, TypeVar

from customdomains.cluster.client import ApiClient, Json
from customdomains.cluster.errors import ApiError, Gone, Silence, Unavailable, error_from_status
from customdomains.cluster.lines import LineTooLong, split_lines
from customdomains.cluster.resource import Resource

T = TypeVar("T")

SILENCE = 90.0  # seconds; the server sends a bookmark every 60 when nothing else happens

_log = logging.getLogger(__name__)

_WATCH_SECONDS = (240, 360)  # what the server is asked to end a watch after: spread, not at once
_PAGE_TIMEOUT = 30.0  # seconds for one page of a list
_MAX_LINE = 16 * 1024 * 1024  # bytes; etcd takes objects of 1.5 MiB, JSON may swell them
_FIRST_DELAY = 0.1  # seconds before the second attempt, doubled for each that follows
_MAX_DELAY = 10.0  # seconds


class WatchCache(Generic[T]):
    """The objects of `resource`, by key: `namespace/name`, or `name` if it is not namespaced.

    `parse` makes of an object what is kept of it. It raises ValueError for what it can't read:
    the object is then skipped, and the value from its last readable version stays. `on_change`
    is called with (key, old, new) in the order of the server, once a change and only if the
    value really differs; None is for what did not or does not exist. Between two lists an object
    may be deleted and made anew: that is one change. Neither callable may block.
    """

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        *,
        namespace: str | None = None,
        field_selector: str | None = None,
        label_selector: str | None = None,
        metadata_only: bool = False,
        parse: Callable[[Json], T],
        on_change: Callable[[str, T | None, T | None], None],
        silence: float = SILENCE,
    ) -> None:
        """Nothing is asked before `run`. `metadata_only` fetches PartialObjectMetadata."""
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._query = {"fieldSelector": field_selector} if field_selector else {}
        self._query |= {"labelSelector": label_selector} if label_selector else {}
        self._metadata_only = metadata_only
        self._parse = parse
        self._on_change = on_change
        self._silence = silence
        self._values: dict[str, T] = {}
        self._versions: dict[str, str] = {}  # of every object, those that were skipped included
        self._resource_version: str | None = None
        self._synced = asyncio.Event()
        self._waiters: dict[str, list[tuple[Callable[[T | None], bool], asyncio.Future[T | None]]]]
        self._waiters = {}
        self._heard_at: float | None = None
        self._failures = 0  # attempts since the last event
        self._troubled = False
        self._skipped = self._lists = 0

    # --- what it knows -------------------------------------------------------------------------

    @property
    def synced(self) -> bool:
        """Whether everything was here once. Stays true while the server is away."""
        return self._synced.is_set()

    @property
    def resource_version(self) -> str | None:
        """Up to where changes are known; None before the first list and when one is due."""
        return self._resource_version

    @property
    def last_event_age(self) -> float:
        """Seconds since anything came from the server, at most `silence` while all is well;
        infinite before the first answer.
        """
        return float("inf") if self._heard_at is None else time.monotonic() - self._heard_at

    @property
    def skipped(self) -> int:
        """How many object versions `parse` could not read, ever."""
        return self._skipped

    @property
    def lists(self) -> int:
        """How many times everything was listed: 1 while the watch never lost its place."""
        return self._lists

    def get(self, key: str) -> T | None:
        """The object's value."""
        return self._values.get(key)

    def values(self) -> ValuesView[T]:
        """A live view: not to be iterated over across an await."""
        return self._values.values()

    def items(self) -> ItemsView[str, T]:
        """A live view, like `values`."""
        return self._values.items()

    def __len__(self) -> int:
        """How many values there are."""
        return len(self._values)

    async def wait_synced(self, timeout: float) -> None:
        """Wait for the first complete list. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            await self._synced.wait()

    async def wait_for(
        self, key: str, condition: Callable[[T | None], bool], timeout: float
    ) -> T | None:
        """The value of `key` once it meets `condition`, at once if it already does.

        Raises TimeoutError after `timeout` seconds, and what `condition` raises.
        """
        value = self._values.get(key)
        if condition(value):
            return value
        future: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        waiter = (condition, future)
        self._waiters.setdefault(key, []).append(waiter)
        try:
            async with asyncio.timeout(timeout):
                return await future
        finally:
            self._waiters[key].remove(waiter)
            if not self._waiters[key]:
                del self._waiters[key]

    # --- how it comes to know ------------------------------------------------------------------

    async def run(self) -> None:
        """Keep up with the server until cancelled. No trouble with it ends this."""
        while True:
            wait = 0.0
            self._failures += 1  # until an event comes, also where a stream ends without a word
            try:
                if self._resource_version is None:
                    await self._list()
                await self._watch(self._resource_version)
            except Silence as error:
                # A kind that nobody writes may get no bookmarks: connect again, think no worse.
                _log.info("%s", error)
                self._failures = 0
            except (Gone, LineTooLong) as error:
                self._resource_version = None
                self._failed(error)
            except ApiError as error:
                self._failed(error)
                wait = error.retry_after or 0.0
            await asyncio.sleep(max(wait, self._delay()))

    async def _list(self) -> None:
        """Take over the whole state; what it lacks is gone."""
        seen: set[str] = set()
        version = ""
        pages = self._client.pages(
            self._resource,
            self._namespace,
            query=self._query,
            metadata_only=self._metadata_only,
            timeout=_PAGE_TIMEOUT,
        )
        async with aclosing(pages):
            async for page in pages:
                self._heard_at = time.monotonic()
                seen.update(self._upsert(item) for item in page["items"])
                version = page["metadata"]["resourceVersion"]
        for key in [key for key in self._versions if key not in seen]:
            self._remove(key)
        self._resource_version = version
        self._lists += 1
        self._synced.set()

    async def _watch(self, version: str | None) -> None:
        """Follow the changes since `version` until the stream ends, as all do in time."""
        query = {
            **self._query,
            "resourceVersion": version or "",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*_WATCH_SECONDS)),  # noqa: S311 - no secret
        }
        chunks = self._client.watch(
            self._resource,
            self._namespace,
            query=query,
            metadata_only=self._metadata_only,
            silence=self._silence,
        )
        async with aclosing(chunks), aclosing(split_lines(chunks, _MAX_LINE)) as batches:
            async for lines in batches:
                self._heard_at = time.monotonic()
                for line in lines:
                    self._apply(line)
                if lines:
                    self._recovered()

    def _apply(self, line: bytes) -> None:
        """One watch event (source: `metav1.WatchEvent`)."""
        try:
            event = json.loads(line)
            kind, item = event["type"], event["object"]
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(0, "NotJson", "the watch stream is damaged") from error
        if kind == "ERROR":
            # Of whatever kind: what lies between here and the server's state is not known.
            self._resource_version = None
            raise error_from_status(item)
        if kind == "DELETED":
            self._remove(self._key(item["metadata"]))
        elif kind != "BOOKMARK":
            self._upsert(item)
        self._resource_version = item["metadata"]["resourceVersion"]

    def _upsert(self, item: Json) -> str:
        """Take over one object; its key."""
        metadata = item["metadata"]
        key, version = self._key(metadata), metadata["resourceVersion"]
        if self._versions.get(key) == version:
            return key
        self._versions[key] = version
        try:
            new = self._parse(item)
        except ValueError as error:
            self._skipped += 1
            _log.warning(
                "%s %s can't be read in version %s and is skipped: %s",
                self._resource.plural,
                key,
                version,
                error,
            )
            return key
        old = self._values.get(key)
        self._values[key] = new
        if old is None or old != new:
            self._changed(key, old, new)
        return key

    def _remove(self, key: str) -> None:
        self._versions.pop(key, None)
        old = self._values.pop(key, None)
        if old is not None:
            self._changed(key, old, None)

    def _changed(self, key: str, old: T | None, new: T | None) -> None:
        self._on_change(key, old, new)
        for condition, future in self._waiters.get(key, ()):
            if future.done():
                continue
            try:
                if condition(new):
                    future.set_result(new)
            except Exception as error:  # noqa: BLE001 - it belongs to who waits, not to us
                future.set_exception(error)

    def _key(self, metadata: Json) -> str:
        name: str = metadata["name"]
        return f"{metadata['namespace']}/{name}" if self._resource.namespaced else name

    def _failed(self, error: Exception) -> None:
        """Say it once: an outage is not a line a second."""
        if not self._troubled:
            self._troubled = True
            _log.warning("Changes of %s don't come in: %s", self._resource.plural, error)

    def _recovered(self) -> None:
        self._failures = 0
        if self._troubled:
            self._troubled = False
            _log.info("Changes of %s come in again", self._resource.plural)

    def _delay(self) -> float:
        """Seconds to wait now: none after a watch that worked, then more and more, spread."""
        if not self._failures:
            return 0.0
        longest = min(_FIRST_DELAY * 2.0 ** (self._failures - 1), _MAX_DELAY)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
