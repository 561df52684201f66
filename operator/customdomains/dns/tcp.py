"""DNS over TCP (RFC 7766): many queries a connection, each client kept within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

ReplyTo = Callable[[bytes], bytes | None]
"""A message's reply; None where the connection is not worth keeping."""

IDLE_SECONDS = 10.0
"""For a whole query to arrive, and for a slow client to take its replies."""

_MAX_CONNECTIONS = 256
_MAX_QUERY = 4096
"""Bytes; a question and its EDNS options are a few hundred at most."""

_BATCH = 32
"""Replies to one client before the others have their turn."""


class TcpFront:
    """The connections of one server."""

    def __init__(
        self,
        reply_to: ReplyTo,
        *,
        idle_seconds: float = IDLE_SECONDS,
        max_connections: int = _MAX_CONNECTIONS,
    ) -> None:
        self.reply_to = reply_to
        self.idle_seconds = idle_seconds
        self._max_connections = max_connections
        # Ordered by when each last got something done, the longest idle first.
        self._connections: dict[_Connection, None] = {}
        self._closed = False
        self._all_gone = asyncio.Event()
        self._all_gone.set()

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new connection, for `loop.create_server`."""
        return _Connection(self)

    def __len__(self) -> int:
        return len(self._connections)

    async def close(self, grace: float) -> None:
        """End every connection: what was read is answered, `grace` seconds are left to take it."""
        self._closed = True
        for connection in tuple(self._connections):
            connection.finish()
        try:
            async with asyncio.timeout(grace):
                await self._all_gone.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.cut()
            await self._all_gone.wait()

    def admit(self, connection: _Connection) -> None:
        """Count `connection` in; the one idle for longest makes room where there is none."""
        if len(self._connections) >= self._max_connections:
            next(iter(self._connections)).cut()
        self._connections[connection] = None
        self._all_gone.clear()
        if self._closed:
            connection.cut()  # it was being accepted while the server closed

    def progressed(self, connection: _Connection) -> None:
        """Put `connection` at the end of the queue for being cut."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = None

    def forget(self, connection: _Connection) -> None:
        """Count `connection` out."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._all_gone.set()


class _Connection(asyncio.Protocol):
    """One client: answers its queries in order, never faster than it takes the replies."""

    def __init__(self, front: TcpFront) -> None:
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._client_is_slow = False
        self._finishing = False
        self._deadline = 0.0
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._front.admit(self)
        self._deadline = self._loop.time() + self._front.idle_seconds
        self._timer = self._loop.call_at(self._deadline, self._cut_if_idle)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._timer.cancel()
        self._front.forget(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._serve()

    def eof_received(self) -> bool:
        """The client has asked all it will; it may still wait for replies."""
        self.finish()
        return True  # or asyncio would close before the backlog is answered

    def pause_writing(self) -> None:
        self._client_is_slow = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._client_is_slow = False
        self._progressed()
        self._serve()

    def finish(self) -> None:
        """Answer what was received whole, then close."""
        self._finishing = True
        self._serve()

    def cut(self) -> None:
        """Close at once, dropping what the client has not taken."""
        self._transport.abort()

    def _serve(self) -> None:
        """Answer a batch of what was received; the rest waits for the client or its turn."""
        for _ in range(_BATCH):
            if self._client_is_slow or self._transport.is_closing():
                return
            message = self._next_message()
            if message is None:
                if self._finishing:
                    self._transport.close()
                else:
                    self._transport.resume_reading()
                return
            reply = self._front.reply_to(message)
            if reply is None:
                self._transport.close()
                return
            self._progressed()
            self._transport.write(len(reply).to_bytes(2) + reply)
        self._transport.pause_reading()
        self._loop.call_soon(self._serve)

    def _next_message(self) -> bytes | None:
        """Take the next whole message from what was received; empty for one not to be read."""
        if len(self._received) < 2:
            return None
        length = int.from_bytes(self._received[:2])
        if length > _MAX_QUERY:
            return b""
        if len(self._received) < 2 + length:
            return None
        message = bytes(self._received[2 : 2 + length])
        del self._received[: 2 + length]
        return message

    def _progressed(self) -> None:
        self._deadline = self._loop.time() + self._front.idle_seconds
        self._front.progressed(self)

    def _cut_if_idle(self) -> None:
        """One timer a connection, moved only when it fires: cheaper than one a query."""
        if self._loop.time() >= self._deadline:
            self.cut()
        else:
            self._timer = self._loop.call_at(self._deadline, self._cut_if_idle)
