"""kopf as the watcher of CustomDomains: it logs in, lists, watches, and answers liveness probes.

kopf cancels every task that starts after it when it ends, so it has a thread and an event loop of
its own. Its handlers only parse a slim copy and hand that over; they write nothing, so kopf adds no
finalizers, annotations or Events.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from customdomains.model.domain import GROUP, VERSION, CustomDomain, Key, parse_domain

log = logging.getLogger(__name__)

PLURAL = "customdomains"
PAGE = 500

_LOGGERS = tuple(
    logging.getLogger(f"kopf._core.reactor.{part}") for part in ("running", "orchestration")
)

STOP_SECONDS = 3.0

Change = CustomDomain | tuple[Key, str]
"""A version of a resource, or the key and uid of one that was deleted."""


class DomainWatcher:
    """Watches CustomDomains in all namespaces and hands changes over to `loop`, in batches."""

    def __init__(
        self,
        login: Callable[[], Awaitable[kopf.ConnectionInfo]],
        deliver: Callable[[Change], None],
        alive: Callable[[], dict[str, Any]],
        *,
        probe_url: str,
    ) -> None:
        """`login` and `alive` are called in kopf's thread, `deliver` in the loop that starts it.

        `alive` gives figures for the liveness probe at `probe_url`, or raises where it should fail.
        """
        self._login = login
        self._deliver = deliver
        self._alive = alive
        self._probe_url = probe_url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: deque[Change] = deque()
        self._draining = False
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._ended = asyncio.Event()
        self._unreadable: set[Key] = set()

    @property
    def unreadable(self) -> frozenset[Key]:
        """Resources that came through the watch and could not be read."""
        return frozenset(self._unreadable)

    async def run(self) -> None:
        """Watch until cancelled. Raises what kopf ended with, if it ended by itself."""
        self._loop = asyncio.get_running_loop()
        for logger in _LOGGERS:
            logger.addFilter(self._overhear)
        thread = threading.Thread(target=self._main, name="kopf", daemon=True)
        thread.start()
        try:
            await self._ended.wait()
        finally:
            self._stop.set()
            await asyncio.to_thread(thread.join, STOP_SECONDS)
            for logger in _LOGGERS:
                logger.removeFilter(self._overhear)
        raise RuntimeError(f"kopf does not watch any more: {self._failure}") from self._failure

    def _main(self) -> None:
        try:
            asyncio.run(self._operate())
        except BaseException as error:  # noqa: BLE001 - carried over to the other thread
            self._failure = self._failure or error
        finally:
            self._call(self._ended.set)

    def _overhear(self, record: logging.LogRecord) -> bool:
        """kopf only logs it where a task of its own fails, such as the watch, and goes on deaf. And
        it warns that it leaves signals alone in a thread, which is what it is there for."""
        message = record.getMessage()
        if record.exc_info and "has failed" in message:
            self._failure = self._failure or record.exc_info[1]
            self._call(self._ended.set)
        return not message.startswith("OS signals are ignored")

    async def _operate(self) -> None:
        registry = kopf.OperatorRegistry()
        kopf.on.startup(registry=registry)(_configure)
        kopf.on.login(registry=registry)(self._log_in)
        kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(self._on_event)
        kopf.on.probe(id="controller", registry=registry, errors=kopf.ErrorsMode.PERMANENT)(
            self._probe
        )
        await kopf.operator(
            registry=registry,
            standalone=True,
            clusterwide=True,
            liveness_endpoint=self._probe_url,
            stop_flag=self._stop,
        )

    async def _log_in(self, **_: Any) -> kopf.ConnectionInfo:
        return await self._login()

    def _probe(self, **_: Any) -> dict[str, Any]:
        return self._alive()

    async def _on_event(self, type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        meta = body["metadata"]
        if type == "DELETED":
            key = Key(meta["namespace"], meta["name"])
            self._unreadable.discard(key)
            self._hand_over((key, meta["uid"]))
            return
        try:
            domain = parse_domain(body)
        except (ValueError, KeyError) as error:
            log.warning("%s/%s can't be read: %r", meta["namespace"], meta["name"], error)
            self._unreadable.add(Key(meta["namespace"], meta["name"]))
            return
        self._unreadable.discard(domain.key)
        self._hand_over(domain)

    def _hand_over(self, change: Change) -> None:
        """One wake-up of the other loop serves all that has come until it gets there."""
        self._pending.append(change)
        if not self._draining:
            self._draining = True
            self._call(self._drain)

    def _drain(self) -> None:
        self._draining = False
        while self._pending:
            self._deliver(self._pending.popleft())

    def _call(self, function: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)


def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = PAGE
    settings.queueing.worker_limit = 50
    settings.queueing.idle_timeout = 0.01
