"""Resolvers that are asked over TLS: DoT (RFC 7858) and DoH (RFC 8484).

Their certificates are verified, for the host in the URL; a host that is a name is looked up by
the system.
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from typing import Protocol
from urllib.parse import urlsplit

import dns.message

from customdomains.dns.exchange import FailedError, Reply, settled
from customdomains.dns.http2 import Http2Connection
from customdomains.dns.streams import Stream
from customdomains.model.evidence import Outcome

_CONNECTIONS = 32
"""At once to one resolver; a question waits for one within its time."""

_IDLE = 8
"""Kept open for the next question; whose turn it is finds out whether the server hung up."""


class _Connection(Protocol):
    """Takes one question at a time; `over` where the server has said that it takes no more."""

    over: bool

    async def ask(self, query: dns.message.Message) -> dns.message.Message: ...

    def close(self) -> None: ...


class _TlsResolver(ABC):
    """What both share. `trust` is a file of CA certificates; None means the system's.

    Raises ValueError for a URL of another form, OSError for a file that can't be read.
    """

    scheme: str
    form: str
    protocol: str
    default_port: int

    def __init__(self, url: str, trust: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != self.scheme or not parts.hostname:
            raise ValueError(f"{url!r} is not of the form {self.form}")
        self.name = url
        self._url = parts
        self._host = parts.hostname
        self._port = parts.port or self.default_port
        self._tls = ssl.create_default_context(cafile=trust)
        self._tls.set_alpn_protocols([self.protocol])
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._idle: list[_Connection] = []

    async def query(self, message: dns.message.Message, timeout: float) -> Reply:
        """See `Resolver`."""
        return await settled(self._ask(message), timeout)

    async def close(self) -> None:
        """See `Resolver`."""
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, query: dns.message.Message) -> dns.message.Message:
        async with self._places:
            while self._idle:
                try:
                    return await self._put(self._idle.pop(), query)
                except (OSError, EOFError):
                    continue  # it hung up while nobody asked
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
            return await self._put(self._speak(reader, writer), query)

    async def _put(
        self, connection: _Connection, query: dns.message.Message
    ) -> dns.message.Message:
        try:
            response = await connection.ask(query)
        except BaseException:
            connection.close()
            raise
        if len(self._idle) < _IDLE and not connection.over:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    @abstractmethod
    def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Connection: ...


class TlsResolver(_TlsResolver):
    """Asked at `tls://host` or `tls://host:port`."""

    scheme, form, protocol, default_port = "tls", "tls://host:port", "dot", 853

    def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Stream:
        return Stream(reader, writer)


class HttpsResolver(_TlsResolver):
    """Asked at `https://host/path` or `https://host:port/path`, over HTTP/2."""

    scheme, form, protocol, default_port = "https", "https://host/path", "h2", 443

    def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Http2Connection:
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() != self.protocol:
            writer.transport.abort()
            raise FailedError(Outcome.UNREACHABLE, "it does not speak HTTP/2")
        return Http2Connection(reader, writer, self._url)
