"""Whether a domain leads to us over HTTP, as a CA is about to find out (RFC 8555 section 8.3)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable

import aiohttp
from yarl import URL

_SECONDS = 5.0
_PATIENCE = 30.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_AT_ONCE = 64
_MOST_ADDRESSES = 8
_MOST_BYTES = 2048
_REDIRECTS = 3
_HTTPS = 443
_MOVED = frozenset({301, 302, 303, 307, 308})

Addresses = Callable[[str], Awaitable[tuple[str, ...]]]
"""The addresses (texts) of a name; none where nobody knows any. Never raises."""


class HttpReach:
    """Asks a domain's own addresses over HTTP, at `port` (80 for every real CA).

    A tenant says where that leads, so nothing is told of what is there but whether it is us, no
    address of the local link is asked (cloud providers have their metadata there), and redirects
    are followed at the same name only: to HTTPS, say, whose certificate is not looked at, as CAs
    don't (there may be none yet).
    """

    def __init__(
        self,
        addresses: Addresses,
        *,
        port: int = 80,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._addresses = addresses
        self._port = port
        self._sleep = sleep
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections; questions under way fail."""
        if self._session is not None:
            await self._session.close()

    async def serves(self, domain: str, path: str, body: str, *, patient: bool = False) -> bool:
        """Whether each address of `domain`, up to eight, answers `path` with `body`; with `patient`
        within 30 s, asking again and again."""
        if not patient:
            return await self._serves(domain, path, body)
        pause = _FIRST_PAUSE
        try:
            async with asyncio.timeout(_PATIENCE):
                while not await self._serves(domain, path, body):
                    await self._sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
        except TimeoutError:
            return False
        return True

    async def _serves(self, domain: str, path: str, body: str) -> bool:
        addresses = (await self._addresses(domain))[:_MOST_ADDRESSES]
        if not addresses or not all(_may_be_asked(each) for each in addresses):
            return False
        url = URL.build(scheme="http", host=domain, path=path)
        answers = await asyncio.gather(*(self._ask(each, url) for each in addresses))
        return all(answer == body.encode() for answer in answers)

    async def _ask(self, address: str, url: URL) -> bytes | None:
        """What is at `url` at this address, without blanks at its end; None where nothing is."""
        try:
            async with self._places, asyncio.timeout(_SECONDS):
                return await self._get(address, url)
        except (aiohttp.ClientError, OSError, ValueError):
            return None  # TimeoutError is an OSError

    async def _get(self, address: str, url: URL) -> bytes | None:
        name = url.host
        for _ in range(1 + _REDIRECTS):
            port = _HTTPS if url.scheme == "https" else self._port
            there = URL.build(
                scheme=url.scheme, host=address, port=port, path=url.path, query=url.query
            )
            async with self._open().get(
                there,
                headers={"Host": name or ""},
                allow_redirects=False,
                ssl=False,
                server_hostname=name,
            ) as answer:
                if answer.status in _MOVED:
                    url = url.join(URL(answer.headers.get("Location", "")))
                    if url.host != name or not url.is_default_port():
                        return None
                    continue
                if answer.status != 200:
                    return None
                return (await _read(answer.content)).rstrip()
        return None

    def _open(self) -> aiohttp.ClientSession:
        """A session, made on first use: most never ask anybody."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_AT_ONCE, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


async def _read(content: aiohttp.StreamReader) -> bytes:
    """All of it, or the beginning of what is longer than any answer of ours."""
    body = b""
    while len(body) < _MOST_BYTES and (more := await content.read(_MOST_BYTES - len(body))):
        body += more
    return body


def _may_be_asked(address: str) -> bool:
    where = ipaddress.ip_address(address)
    return not (where.is_link_local or where.is_multicast or where.is_unspecified)
