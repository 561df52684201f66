"""Listening where callers are not known: their number and their time are bounded.

aiohttp bounds what a request may be; it waits for one without end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

_SWEEP = 0.25  # of the shortest time, between two looks at who has had too long


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

    Where there are too many, the one that has waited longest makes room; none of them is in the
    middle of an answer as long as handlers don't wait for anything.
    """

    def __init__(self, make: Callable[[], asyncio.Protocol], bounds: Bounds) -> None:
        """`make` makes the protocol that speaks HTTP."""
        self._make = make
        self._bounds = bounds
        # Ordered by when each last got an answer, the longest ago first.
        self._open: dict[asyncio.BaseTransport, _Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def answering(self, transport: asyncio.BaseTransport | None) -> float:
        """A request has come whole by this transport and is being answered.

        Returns when its last bytes came, by `time.perf_counter`.
        """
        connection = None if transport is None else self._open.pop(transport, None)
        if transport is None or connection is None:
            return time.perf_counter()  # it was cut meanwhile
        self._open[transport] = connection
        connection.receiving = False
        connection.deadline = time.perf_counter() + self._bounds.keepalive
        return connection.received_at

    @asynccontextmanager
    async def listening(self, host: str | None, port: int) -> AsyncIterator[int]:
        """Accept connections while the body runs; the port is yielded. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self, self._make()), host, port)
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            sweeping.cancel()
            server.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(self._bounds.patience, self._bounds.keepalive) * _SWEEP)
            now = time.perf_counter()
            for transport in [t for t, each in self._open.items() if now > each.deadline]:
                self._cut(transport)

    def admit(self, transport: asyncio.BaseTransport, connection: _Connection) -> None:
        """Count a connection in."""
        if len(self._open) >= self._bounds.connections:
            self._cut(next(iter(self._open)))
        self._open[transport] = connection
        self.hurry(connection)

    def hurry(self, connection: _Connection) -> None:
        """From now on there is patience, no more."""
        connection.receiving = True
        connection.deadline = time.perf_counter() + self._bounds.patience

    def forget(self, transport: asyncio.BaseTransport) -> None:
        """Count a connection out."""
        self._open.pop(transport, None)

    def _cut(self, transport: asyncio.BaseTransport) -> None:
        """Close at once, dropping what was not taken."""
        del self._open[transport]
        cast("asyncio.Transport", transport).abort()


class _Connection(asyncio.Protocol):
    """Passes everything on to the protocol that speaks HTTP, and notes when something comes."""

    _transport: asyncio.BaseTransport

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
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
        self._connections.hurry(self)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
