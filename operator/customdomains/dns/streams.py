"""DNS over a connection: TCP (RFC 7766), and TLS on it (RFC 7858)."""

from __future__ import annotations

import asyncio

import dns.message

from customdomains.dns.messages import (
    MAX_MESSAGE,
    MalformedError,
    TruncatedError,
    parse_response,
)


class Stream:
    """A connection that takes one question at a time. What fails leaves it unusable: close it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    over = False
    """Nothing in the protocol tells that it ends."""

    async def ask(self, query: dns.message.Message) -> dns.message.Message:
        """The response to `query`. Raises OSError, EOFError and `MalformedError`."""
        self._writer.write(query.to_wire(prepend_length=True))
        await self._writer.drain()
        length = int.from_bytes(await self._reader.readexactly(2))
        if length > MAX_MESSAGE:
            raise MalformedError(f"a message of {length} bytes")
        try:
            return parse_response(await self._reader.readexactly(length), query)
        except TruncatedError as error:
            raise MalformedError("truncated, where there is room enough") from error

    def close(self) -> None:
        """At once: a message is whole or worthless, so no farewell is waited for."""
        self._writer.transport.abort()
