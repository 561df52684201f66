"""A domain's status as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import math
import random
import re
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from aiohttp import web

from customdomains.api.directory import Directory
from customdomains.api.errors import Busy, Failed, NotPermitted, NotThere, Stranger
from customdomains.api.following import Follower, fits_together, following
from customdomains.api.places import Share
from customdomains.api.resources import Registration

MAX_STREAMS = 512
MAX_STREAMS_OF_ONE = 32  # domain

HEARTBEAT = 15.0  # seconds between comments, which keep proxies from taking it for dead
LIFETIME = 900.0  # seconds, a third more or less: then a client comes back, with its credentials
PATIENCE = 20.0  # seconds for a client to take what it is sent
BUFFER = 64 * 1024  # bytes that wait for a client, here and in the kernel each

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep the events to itself
}
_COME_BACK = (1000, 5000)  # milliseconds: not everybody at once when a replica stops


class Mark(NamedTuple):
    """What a state was made of: the resourceVersions of the claim and of the resource."""

    claim: int
    resource: int

    def __str__(self) -> str:
        return f"{self.claim}-{self.resource}"


Render = Callable[[Registration], bytes]
"""What is told of a domain, in one line."""

Still = Callable[[], Awaitable[object]]
"""Raises `Stranger` or `NotPermitted` once the caller may not listen any more, and another
`CallError` while that can't be told.
"""


async def _no_matter() -> None:
    """For callers whose right to listen lasts as long as the stream."""


@dataclass(frozen=True, slots=True)
class _Telling:
    """What is told, for how many seconds at most, and to whom."""

    render: Render
    lifetime: float
    still: Still


class Streams:
    """Streams about domains of the directory's namespace."""

    def __init__(self, directory: Directory, places: Share) -> None:
        self._directory = directory
        self._places = places

    async def answer(
        self,
        request: web.Request,
        registration_id: str,
        render: Render,
        lifetime: float = math.inf,
        still: Still = _no_matter,
    ) -> web.StreamResponse:
        """Send events until the domain is deleted, the client goes, lags or has lost the right to
        them (by `still`), or it is time: within `lifetime` seconds.

        Raises `NotThere`, `Failed` and `Busy` as long as nothing is sent.
        """
        known = _parse(request.headers.get("Last-Event-ID"))
        await self._directory.find(registration_id)
        with self._places.one(registration_id) as bell:
            response = web.StreamResponse(headers=_HEADERS)
            response.force_close()
            await response.prepare(request)
            _bound(request.transport)
            try:
                telling = _Telling(render, lifetime, still)
                async with aclosing(self._events(registration_id, known, bell, telling)) as events:
                    async for event in events:
                        async with asyncio.timeout(PATIENCE):
                            await response.write(event)
            except (ConnectionError, TimeoutError):
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def _events(
        self,
        registration_id: str,
        known: Mark | None,
        bell: asyncio.Event,
        telling: _Telling,
    ) -> AsyncGenerator[bytes, None]:
        """What is to be sent, when it is due."""
        yield b"retry: %d\n\n" % random.randint(*_COME_BACK)  # noqa: S311 - no secret
        usual = LIFETIME * random.uniform(0.67, 1.33)  # noqa: S311
        end = time.monotonic() + min(usual, telling.lifetime)
        told: bytes | None = None
        with following(self._directory, registration_id, bell) as follower:
            while True:
                try:
                    await telling.still()
                    found = await self._look(follower, known if told is None else None)
                except NotThere:
                    gone = msgspec.json.encode({"id": registration_id})
                    yield b"event: deleted\ndata: %s\n\n" % gone
                    return
                except (Stranger, NotPermitted):
                    return
                except (Failed, Busy):
                    pass  # as soon as it can be said
                else:
                    data, mark = telling.render(found), _mark(found)
                    if told is None and mark == known:
                        told = data
                    if told is None or (data != told and fits_together(found)):
                        told = data
                        yield b"event: status\nid: %s\ndata: %s\n\n" % (str(mark).encode(), data)
                left = end - time.monotonic()
                if left <= 0 or self._places.ended:
                    return
                if not await follower.news(min(left, HEARTBEAT)):
                    yield b":\n\n"

    async def _look(self, follower: Follower, known: Mark | None) -> Registration:
        """The domain as it is now; not as it was before the state `known`."""
        found = await follower.look()
        if known is not None and _is_behind(found, known):
            # Another replica knew more. Nobody is to be told what has been before.
            await self._directory.refresh(found)
            found = await follower.look()
        return found


def _mark(found: Registration) -> Mark:
    return Mark(int(found.claim.resource_version), int(found.domain.resource_version))


def _parse(text: str | None) -> Mark | None:
    """The mark of an event that was sent; None for anything else."""
    parts = re.fullmatch(r"([0-9]{1,20})-([0-9]{1,20})", text or "")
    return None if parts is None else Mark(int(parts[1]), int(parts[2]))


def _is_behind(found: Registration, known: Mark) -> bool:
    now = _mark(found)
    return now.claim < known.claim or now.resource < known.resource


def _bound(transport: asyncio.Transport | None) -> None:
    """Let little wait for a client that does not read, and not for long."""
    if transport is None:
        return
    transport.set_write_buffer_limits(high=BUFFER)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            patience = int(PATIENCE * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
