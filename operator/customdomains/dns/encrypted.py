"""Resolvers that are asked over TLS: DoT (RFC 7858) and DoH (RFC 8484).

Their certificates are verified, for the host in the URL; a host that is a name is looked up by
the system. A question waits for a free connection within its time.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

import aiohttp
import dns.message

from customdomains.dns.exchange import FailedError, Reply, settled
from customdomains.dns.messages import (
    MAX_MESSAGE,
    MalformedError,
    TruncatedError,
    parse_response,
)
from customdomains.dns.streams import Stream
from customdomains.model.evidence import Outcome

_CONNECTIONS = 32
"""At once to one resolver."""

_IDLE = 8
"""Kept open for the next question; whose turn it is finds out whether the server hung up."""

_DOT_PORT = 853
_DNS_MESSAGE = "application/dns-message"


class TlsResolver:
    """Asked at `tls://host` or `tls://host:port`, one question at a time on a connection.

    `trust` is a file of CA certificates; None means the system's. Raises ValueError for another
    URL, OSError for a file that can't be read.
    """

    def __init__(self, url: str, trust: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "tls" or not parts.hostname:
            raise ValueError(f"{url!r} is not of the form tls://host:port")
        self.name = url
        self._host = parts.hostname
        self._port = parts.port or _DOT_PORT
        self._tls = ssl.create_default_context(cafile=trust)
        self._tls.set_alpn_protocols(["dot"])
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._idle: list[Stream] = []

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
            return await self._put(await Stream.open(self._host, self._port, self._tls), query)

    async def _put(self, stream: Stream, query: dns.message.Message) -> dns.message.Message:
        try:
            response = await stream.ask(query)
        except BaseException:
            stream.close()
            raise
        if len(self._idle) < _IDLE:
            self._idle.append(stream)
        else:
            stream.close()
        return response


class HttpsResolver:
    """Asked at `https://host/path` by POST over HTTP/1.1. `trust` as for `TlsResolver`.

    Redirects are refused: they could lead anywhere.
    """

    def __init__(self, url: str, trust: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"{url!r} is not of the form https://host/path")
        self.name = url
        self._tls = ssl.create_default_context(cafile=trust)
        self._session: aiohttp.ClientSession | None = None

    async def query(self, message: dns.message.Message, timeout: float) -> Reply:
        """See `Resolver`."""
        return await settled(self._ask(message), timeout)

    async def close(self) -> None:
        """See `Resolver`."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, query: dns.message.Message) -> dns.message.Message:
        wire = query.to_wire()
        try:
            try:
                body = await self._post(wire)
            except aiohttp.ServerDisconnectedError:
                body = await self._post(wire)  # it hung up while nobody asked
        except aiohttp.ClientConnectorCertificateError as error:
            raise error.certificate_error from error
        except aiohttp.ClientConnectionError as error:
            raise ConnectionError(str(error)) from error
        except aiohttp.ClientError as error:
            raise MalformedError(str(error)) from error
        try:
            return parse_response(body, query)
        except TruncatedError as error:
            raise MalformedError("truncated, where there is room enough") from error

    async def _post(self, wire: bytes) -> bytes:
        if self._session is None:
            self._session = self._open()
        async with self._session.post(self.name, data=wire, allow_redirects=False) as response:
            if response.status != 200:
                failed = Outcome.SERVER_FAILURE if response.status >= 500 else Outcome.REFUSED
                raise FailedError(failed, f"HTTP {response.status}")
            if response.content_type != _DNS_MESSAGE:
                raise FailedError(Outcome.MALFORMED, f"not {_DNS_MESSAGE}")
            body = b""
            async for part in response.content.iter_any():
                body += part
                if len(body) > MAX_MESSAGE:
                    raise MalformedError("too long")
            return body

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Nothing is unpacked, so nothing grows.
            auto_decompress=False,
            headers={
                "Accept": _DNS_MESSAGE,
                "Content-Type": _DNS_MESSAGE,
                "Accept-Encoding": "identity",
            },
        )
