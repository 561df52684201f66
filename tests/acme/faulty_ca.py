"""A proxy in front of a real CA that does what no real CA can be made to do on demand.

Everything is passed on as it is, but for the faults that are set: an answer that never comes, is
cut off or is another one, before or after the CA has done what was asked.
"""

import asyncio
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from acme_support import Hasty, MemoryKeyStore
from aiohttp import web

from customdomains.acme import AcmeEngine, IssuerOptions
from customdomains.devcluster import certificates
from customdomains.devcluster.rundir import free_port

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Reply:
    """What is answered in the CA's place."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


HANG_UP = Reply(0)
"""The connection is closed without an answer."""

CUT_OFF = Reply(-1)
"""Half of the CA's answer, under a Content-Length for all of it."""

SILENCE = Reply(-2)
"""No answer, and the connection stays open until the test ends."""


@dataclass
class Fault:
    """`reply` to the next `times` requests to `step`, which the CA gets as well if `heard`."""

    step: str
    reply: Reply | Callable[[bytes], bytes]
    heard: bool = False
    times: int = 1


def _first_part(path: str) -> str:
    """As Pebble names them: `order-plz`, `my-order`…"""
    return path.split("/")[1]


class FaultyCa:
    """Passes on to the CA whose directory is at `directory_url`, which has to make its URLs from
    the Host header.

    `counts` are the 2xx answers of the CA by step, whether or not the client saw them, `bodies`
    what was in them.
    """

    def __init__(
        self,
        directory_url: str,
        ca_file: Path,
        directory: Path,
        step_of: Callable[[str], str] = _first_part,
    ) -> None:
        """`step_of` tells a request's step by its path."""
        directory.mkdir(parents=True, exist_ok=True)
        self._upstream, path = _split(directory_url)
        self._step_of = step_of
        self._trust = ssl.create_default_context(cafile=str(ca_file))
        authority = certificates.authority("faulty")
        self.ca_file = directory / "faulty-ca.crt"
        self.ca_file.write_bytes(authority.certificate_pem)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*certificates.server(authority).write(directory, "faulty"))
        self._port = free_port()
        self.directory_url = f"https://127.0.0.1:{self._port}{path}"
        self.counts: Counter[str] = Counter()
        self.bodies: defaultdict[str, list[bytes]] = defaultdict(list)
        self.faults: list[Fault] = []
        self._ended = asyncio.Event()

    async def start(self) -> None:
        """Listen."""
        connector = aiohttp.TCPConnector(ssl=self._trust)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()

    async def stop(self) -> None:
        """End it, and those that wait."""
        self._ended.set()
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        step = self._step_of(request.path)
        fault = next((each for each in self.faults if each.step == step), None)
        if fault is not None:
            fault.times -= 1
            if not fault.times:
                self.faults.remove(fault)
        reply = None if fault is None else fault.reply
        if isinstance(reply, Reply) and reply is not CUT_OFF and fault and not fault.heard:
            return await self._instead(request, reply)
        status, headers, body = await self._pass_on(request, step)
        if isinstance(reply, Reply) and reply is not CUT_OFF:
            return await self._instead(request, reply)
        if reply is CUT_OFF:
            return await self._cut_off(request, status, headers, body)
        if callable(reply):
            body = reply(body)
        return web.Response(status=status, headers=headers, body=body)

    async def _pass_on(
        self, request: web.Request, step: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        async with self._session.request(
            request.method,
            f"{self._upstream}{request.raw_path}",
            data=await request.read() or None,
            headers=headers,
        ) as answer:
            body = await answer.read()
            if answer.ok:
                self.counts[step] += 1
                self.bodies[step].append(body)
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            return answer.status, kept, body

    async def _instead(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply is SILENCE:
            await self._ended.wait()
        if reply.status <= 0:
            return _hang_up(request)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _cut_off(
        self, request: web.Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> web.StreamResponse:
        half = web.StreamResponse(status=status, headers=headers)
        half.content_length = len(body)
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
        return _hang_up(request)


def _split(url: str) -> tuple[str, str]:
    """The origin, and the path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def running(proxy: FaultyCa) -> AsyncIterator[FaultyCa]:
    """The proxy, while the body runs."""
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@asynccontextmanager
async def engines_for(
    proxy: FaultyCa, **options: Any
) -> AsyncIterator[Callable[[MemoryKeyStore], AcmeEngine]]:
    """Makes engines that talk to the proxy and hardly wait between two requests; `options` are
    IssuerOptions."""
    engines: list[AcmeEngine] = []

    def make(store: MemoryKeyStore) -> AcmeEngine:
        issuer = IssuerOptions("faulty", proxy.directory_url, ca_bundle=proxy.ca_file, **options)
        engines.append(AcmeEngine(issuer, store, timing=Hasty().timing))
        return engines[-1]

    try:
        yield make
    finally:
        for engine in engines:
            await engine.close()
