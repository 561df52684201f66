"""Answers of the API server that are good for a while, and how much is asked for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from customdomains.api.errors import Busy, storage_failed
from customdomains.cluster import ApiError, Unavailable

KEPT = 30.0  # seconds a yes counts, from when it was asked for
KEPT_NO = 5.0  # seconds a no counts: who has just got a right should not wait for it
MOST = 5000  # answers of each kind; noes, which anybody can cause, push out no yes
PATIENCE = 5.0  # seconds for an answer, with the wait for one's turn
MAX_ASKING = 256  # questions at once, those that wait for their turn among them
MAX_REQUESTS = 4  # of these at the API server, which has more to do for us

_log = logging.getLogger(__name__)

V = TypeVar("V")


class Remembered(Generic[V]):
    """Answers by keys: a value that is true is a yes, another a no. `subject` is what is asked
    about, in words such as `the caller`.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._yes: dict[bytes, tuple[float, V]] = {}  # until when it counts, and the answer
        self._no: dict[bytes, tuple[float, V]] = {}
        self._asking: dict[bytes, asyncio.Task[V]] = {}
        self._turn = asyncio.Semaphore(MAX_REQUESTS)
        self._troubled = False

    async def answer(self, key: bytes, ask: Callable[[], Awaitable[V]]) -> V:
        """What is known by `key`, else what `ask` finds out, which may raise `ApiError`.

        Who asks the same meanwhile has the same answer. Raises `Busy`, and `Failed` where the API
        server gives none in time: then nothing is remembered.
        """
        now = time.monotonic()
        for kept in (self._yes, self._no):
            known = kept.get(key)
            if known is not None and now < known[0]:
                return known[1]
        asking = self._asking.get(key)
        if asking is None:
            if len(self._asking) >= MAX_ASKING:
                message = f"{MAX_ASKING} callers are being looked up; try again in a moment"
                raise Busy("overloaded", message, retry_after=1)
            asking = self._asking[key] = asyncio.create_task(self._ask(key, ask))
        try:
            return await asyncio.shield(asking)
        except ApiError as error:
            raise storage_failed(f"{self._subject} could not be looked up", error) from error

    async def _ask(self, key: bytes, ask: Callable[[], Awaitable[V]]) -> V:
        try:
            async with asyncio.timeout(PATIENCE), self._turn:
                asked = time.monotonic()
                value = await ask()
        except TimeoutError as error:
            raise self._failed(Unavailable(0, "Timeout", "no answer in time")) from error
        except ApiError as error:
            raise self._failed(error) from error
        finally:
            del self._asking[key]
        self._troubled = False
        kept, seconds = (self._yes, KEPT) if value else (self._no, KEPT_NO)
        kept.pop(key, None)
        if len(kept) >= MOST:
            del kept[next(iter(kept))]  # the oldest
        kept[key] = (asked + seconds, value)
        return value

    def _failed(self, error: ApiError) -> ApiError:
        """Say it once: an outage is not a line a call."""
        if not self._troubled:
            self._troubled = True
            _log.warning("%s can't be looked up: %s", self._subject.capitalize(), error)
        return error
