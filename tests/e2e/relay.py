"""A reverse proxy in front of a real server: it keeps a book of the calls and springs traps.

A trap is how a process is killed between two of its steps without a hook in its code: right before
a request is passed on, or right after the server has done its part and before the answer is seen.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"}
START_SECONDS = 10.0


@dataclass
class Call:
    """One request; what is answered is filled in when the server has answered."""

    method: str
    path: str
    body: bytes
    status: int = 0
    location: str = ""
    answer: bytes = b""


@dataclass
class Trap:
    """Springs once, on the first call that `matches`: before it is passed on, or after."""

    matches: Callable[[Call], bool]
    before: bool
    spring: Callable[[], None]
    sprung: threading.Event = field(default_factory=threading.Event)


class Relay:
    """Passes requests on to `upstream` (an https URL), in a thread with a loop of its own.

    `serve_tls` makes it speak TLS. `keep_host` passes the Host header on, for servers that make
    URLs from it. Answers to GET are streamed; those to others are read whole and kept in `calls`.
    """

    def __init__(
        self,
        upstream: str,
        trust: ssl.SSLContext,
        port: int,
        *,
        serve_tls: ssl.SSLContext | None = None,
        keep_host: bool = False,
    ) -> None:
        self._upstream = upstream
        self._trust = trust
        self._port = port
        self._tls = serve_tls
        self._keep_host = keep_host
        self._trap: Trap | None = None
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._loop = asyncio.new_event_loop()
        self.url = f"{'https' if serve_tls else 'http'}://127.0.0.1:{port}"
        self.calls: list[Call] = []
        threading.Thread(target=self._loop.run_forever, name="relay", daemon=True).start()

    def start(self) -> None:
        """Listen, at the same address every time."""
        self._run(self._start())

    def stop(self) -> None:
        """Refuse connections and end those that are open."""
        self._run(self._stop())

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._run(_end_all_else())
        self._loop.call_soon_threadsafe(self._loop.stop)

    def arm(
        self, matches: Callable[[Call], bool], spring: Callable[[], None], *, before: bool
    ) -> Trap:
        """Set a trap, in place of one that is set."""
        self._trap = Trap(matches, before, spring)
        return self._trap

    def disarm(self) -> None:
        """Take the trap away."""
        self._trap = None

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(ssl=self._trust, limit=0),
        )
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls)
        await site.start()

    async def _stop(self) -> None:
        if self._runner is not None and self._session is not None:
            await self._runner.cleanup()
            await self._session.close()
            self._runner = self._session = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.method, request.raw_path, await request.read())
        trap = self._trap if self._trap and self._trap.matches(call) else None
        if trap:
            self._trap = None
        if trap and trap.before:
            return await self._spring(trap, request)
        skipped = HOP_BY_HOP if self._keep_host else HOP_BY_HOP | {"host"}
        headers = {k: v for k, v in request.headers.items() if k.lower() not in skipped}
        assert self._session is not None
        try:
            async with self._session.request(
                call.method,
                f"{self._upstream}{call.path}",
                data=call.body or None,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                if call.method == "GET":
                    return await self._stream(request, answer)
                call.answer = await answer.read()
                call.status, call.location = answer.status, answer.headers.get("Location", "")
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
        except aiohttp.ClientError:
            return _hang_up(request)
        self.calls.append(call)
        if trap and call.status < 400:
            return await self._spring(trap, request)
        if trap:  # a refused call (a CA's bad nonce) is tried again and is the one that counts
            self._trap = trap
        return web.Response(status=call.status, headers=kept, body=call.answer)

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
        streamed = web.StreamResponse(status=answer.status, headers=kept)
        if answer.content_length is not None:
            streamed.content_length = answer.content_length
        await streamed.prepare(request)
        try:
            async for chunk in answer.content.iter_any():
                await streamed.write(chunk)
            await streamed.write_eof()
        except (aiohttp.ClientError, ConnectionError):
            _hang_up(request)
        return streamed

    async def _spring(self, trap: Trap, request: web.Request) -> web.StreamResponse:
        def spring() -> None:
            trap.spring()
            trap.sprung.set()

        # In a thread that goes on when this call is cancelled: a trap may stop this very relay.
        await asyncio.to_thread(spring)
        return _hang_up(request)


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


async def _end_all_else() -> None:
    """End what still waits for a client that is gone."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
