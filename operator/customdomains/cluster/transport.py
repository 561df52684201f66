"""HTTP to the API server: sessions, deadlines, credentials, and what no answer means."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Self

import aiohttp
from yarl import URL

from customdomains.cluster.config import Connection
from customdomains.cluster.errors import (
    ApiError,
    Silence,
    TooManyRequests,
    Unavailable,
    error_from_answer,
)

OnRequest = Callable[[str, str, int], None]
"""Called once an HTTP exchange with (verb, resource, code); 0 is the code of no answer."""

_CONNECT_TIMEOUT = 10.0  # seconds
_KEEPALIVE = 30.0  # seconds an idle connection is kept; the API server keeps it 90
_ATTEMPTS = 5  # of one request, where each but the last was refused with 429
_DEFAULT_WAIT = 1.0  # seconds to wait after a 429 that does not say how long
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT)


class Transport:
    """Bytes out and in. To be made in a running event loop and closed in the same."""

    def __init__(self, connection: Connection, *, connections: int, on_request: OnRequest) -> None:
        """`connections` bounds the requests in flight; streams have connections of their own,
        so that however many watches run, requests have theirs.
        """
        self._connection = connection
        self._on_request = on_request
        self._server_name = connection.endpoint.server_name
        self._requests = self._session(limit=connections, keepalive_timeout=_KEEPALIVE)
        self._streams = self._session(limit=0, force_close=True)

    async def close(self) -> None:
        """Close all connections; what is under way fails with Unavailable."""
        await self._requests.close()
        await self._streams.close()

    async def __aenter__(self) -> Self:
        """For `async with`."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        counted_as: tuple[str, str],
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
    ) -> bytes:
        """One request and the body of its answer, all within `timeout` seconds.

        `path` starts at the root and is escaped already, query included. Raises ApiError. Two
        refusals are tried again, as they say that nothing was executed: 429 after the wait that
        the server asks for, if that still fits, and 401 once, with renewed credentials.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        renewed = False
        attempt = 0
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    attempt += 1
                    identity = await self._connection.headers()
                    status, body, retry_after = await self._send(
                        method, path, data, {**headers, **identity}, counted_as
                    )
                    if status < 300:
                        return body
                    if status == 401 and not renewed and await self._connection.renew(identity):
                        renewed = True
                        continue
                    error = error_from_answer(status, body, retry_after)
                    if not isinstance(error, TooManyRequests) or attempt >= _ATTEMPTS:
                        raise error
                    # Jitter only ever adds: the server said when not to come back before.
                    wait = (error.retry_after or _DEFAULT_WAIT) * random.uniform(1.0, 1.2)  # noqa: S311
                    if loop.time() + wait >= deadline:
                        raise error
                    await asyncio.sleep(wait)
        except TimeoutError as error:
            raise Unavailable(0, "Timeout", f"no answer to {method} {path}") from error

    async def _send(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: Mapping[str, str],
        counted_as: tuple[str, str],
    ) -> tuple[int, bytes, str | None]:
        """Status, body and Retry-After of one exchange, which is counted."""
        code = 0
        try:
            async with self._requests.request(
                method,
                self._url(path),
                data=data,
                headers=headers,
                allow_redirects=False,
                server_hostname=self._server_name,
                middlewares=(_send_once,) if method in _RESENT_BY_AIOHTTP else None,
            ) as response:
                body = await response.read()
                code = response.status
                return code, body, response.headers.get("Retry-After")
        except aiohttp.ClientError as error:
            raise _unavailable(error) from error
        finally:
            self._on_request(*counted_as, code)

    async def stream(
        self, path: str, *, counted_as: tuple[str, str], headers: Mapping[str, str], silence: float
    ) -> AsyncGenerator[bytes, None]:
        """A GET whose body is yielded as it comes in: an empty chunk once the server has begun
        to answer, then chunks of any size.

        Raises ApiError; Unavailable also when nothing at all comes for `silence` seconds.
        """
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=silence
        )
        renewed = False
        while True:
            identity = await self._connection.headers()
            code = 0
            try:
                async with self._streams.get(
                    self._url(path),
                    headers={**headers, **identity},
                    allow_redirects=False,
                    server_hostname=self._server_name,
                    timeout=timeout,
                ) as response:
                    code = response.status
                    self._on_request(*counted_as, code)
                    if code < 300:
                        yield b""
                        async for chunk in response.content.iter_any():
                            yield chunk
                        return
                    error = error_from_answer(
                        code, await response.read(), response.headers.get("Retry-After")
                    )
            except (TimeoutError, aiohttp.ClientError) as cause:
                if code == 0:
                    self._on_request(*counted_as, code)
                if isinstance(cause, aiohttp.SocketTimeoutError):
                    raise Silence(
                        0, "Silence", f"nothing came for {silence:g} s from {path}"
                    ) from cause
                raise _unavailable(cause) from cause
            if code != 401 or renewed or not await self._connection.renew(identity):
                raise error
            renewed = True

    def _url(self, path: str) -> URL:
        return URL(self._connection.base_url + path, encoded=True)

    def _session(self, **connector: int | float | bool) -> aiohttp.ClientSession:
        context = self._connection.ssl_context
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=True if context is None else context, **connector),  # type: ignore[arg-type]
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMEOUT,
            # The server takes the field manager's name from the part before the slash.
            headers={"User-Agent": "customdomains/1"},
            # Unasked, the server does not compress: the CPU costs more than the network gains.
            skip_auto_headers=("Accept-Encoding",),
            proxy=self._connection.endpoint.proxy_url,
        )


# aiohttp sends these again by itself on a kept connection that turns out to be closed.
_RESENT_BY_AIOHTTP = frozenset({"PUT", "DELETE"})


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Turn the errors after which aiohttp resends into one it passes on.

    A write that was executed and is sent again answers with Conflict or NotFound, and the
    caller would take its own write for someone else's.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> ApiError:
    return Unavailable(0, "ConnectionFailed", str(error) or type(error).__name__)
