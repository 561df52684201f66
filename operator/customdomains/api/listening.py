"""Listening where callers are not known: their number and their time are bounded.

aiohttp bounds what a request may be; it waits for one without end.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

_SWEEP = 0.25  # of the shortest time, between two looks at who has had too long
_BACKLOG = 1024  # connections that wait to be accepted
_SLOWEST = 64 * 1024  # bytes a second at which a client has to take a large answer

SLOW = "slow"
CROWDED = "crowded"
"""Why a connection is cut: it has had its time, or there are too many."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections there may be, and for how many seconds each: `patience` until a whole
    request has come, or until a client that lags takes its answers; `keepalive` between requests.
    """

    connections: int = 1024
    patience: float = 10.0
    keepalive: float = 75.0


class Connections:
    """The connections of one listener.

    Where there are too many, the one that has waited longest makes room, of those where nothing is
    being answered; where there is none of these, the newest goes.
    """

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        bounds: Bounds,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`make` makes the protocol that speaks HTTP; `told` hears why connections are cut."""
        self._make = make
        self._bounds = bounds
        self._told = told
        # Ordered by when each last got an answer, the longest ago first.
        self._open: dict[asyncio.BaseTransport, _Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def answering(self, transport: asyncio.BaseTransport | None) -> float:
        """A request has come whole by this transport and is answered without a pause.

        Returns when its last bytes came, by `time.perf_counter`.
        """
        connection = None if transport is None else self._open.pop(transport, None)
        if transport is None or connection is None:
            return time.perf_counter()  # it was cut meanwhile
        self._open[transport] = connection
        connection.receiving = False
        connection.deadline = time.perf_counter() + self._bounds.keepalive
        return connection.received_at

    def busy(self, transport: asyncio.BaseTransport) -> None:
        """A request by this transport is being answered, which may take long: until `rested`."""
        connection = self._open.get(transport)
        if connection is not None:
            connection.busy = connection.receiving = True
            connection.deadline = math.inf

    def rested(self, transport: asyncio.BaseTransport, *, ahead: bool) -> None:
        """The answer is sent. `ahead`: something of the next request has come already."""
        connection = self._open.pop(transport, None)
        if connection is not None:
            self._open[transport] = connection
            connection.busy, connection.receiving = False, ahead
            wait = self._bounds.patience if ahead else self._bounds.keepalive
            connection.deadline = time.perf_counter() + wait

    @asynccontextmanager
    async def listening(self, host: str | None, port: int) -> AsyncIterator[int]:
        """Accept connections while the body runs; the port is yielded. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(self, self._make()), host, port, backlog=_BACKLOG
        )
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()

    @asynccontextmanager
    async def kept_in_bounds(self) -> AsyncIterator[None]:
        """Cut who has had too long while the body runs: as long as there are connections."""
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(self._bounds.patience, self._bounds.keepalive) * _SWEEP)
            now = time.perf_counter()
            for transport in [t for t, each in self._open.items() if now > each.deadline]:
                self._cut(transport, SLOW)

    def admit(self, transport: asyncio.BaseTransport, connection: _Connection) -> None:
        """Count a connection in."""
        self._open[transport] = connection
        self.hurry(connection)
        if len(self._open) > self._bounds.connections:
            self._cut(next(t for t, each in self._open.items() if not each.busy), CROWDED)

    def hurry(self, connection: _Connection, unsent: int = 0) -> None:
        """From now on there is patience, and what `unsent` bytes may take, no more."""
        connection.receiving = True
        connection.deadline = time.perf_counter() + self._bounds.patience + unsent / _SLOWEST

    def relax(self, connection: _Connection) -> None:
        """The client has taken what it was sent; there may be more to come."""
        if connection.busy:
            connection.deadline = math.inf

    def forget(self, transport: asyncio.BaseTransport) -> None:
        """Count a connection out."""
        self._open.pop(transport, None)

    def _cut(self, transport: asyncio.BaseTransport, why: str) -> None:
        """Close at once, dropping what was not taken."""
        del self._open[transport]
        cast("asyncio.Transport", transport).abort()
        self._told(why)


class _Connection(asyncio.Protocol):
    """Passes everything on to the protocol that speaks HTTP, and notes when something comes."""

    _transport: asyncio.BaseTransport

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self.busy = False
        self.receiving = True
        self.deadline = 0.0
        self.received_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._connections.admit(transport, self)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.forget(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.received_at = time.perf_counter()
        if not self.receiving:
            self._connections.hurry(self)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        transport = cast("asyncio.Transport", self._transport)
        self._connections.hurry(self, transport.get_write_buffer_size())
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._connections.relax(self)
        self._inner.resume_writing()
