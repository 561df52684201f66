"""A listener of its own where anybody may ask, and where each answer is at hand at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from customdomains.api.answers import problem
from customdomains.api.listening import Bounds, Connections
from customdomains.api.metrics import PublicMetrics
from customdomains.api.speaking import Speaker

_METHODS = frozenset({"GET", "HEAD"})
_BOUNDS = Bounds()
_SETTLE = 0.1  # seconds at the end for those who have just connected to ask
_DRAIN = 1.0  # seconds for the last answers to be taken

_log = logging.getLogger(__name__)


@asynccontextmanager
async def answering(
    host: str | None,
    port: int,
    answer: Callable[[web.BaseRequest], web.Response],
    metrics: PublicMetrics,
    bounds: Bounds = _BOUNDS,
) -> AsyncIterator[int]:
    """Answer while the body runs; the port listened on is yielded. Raises OSError.

    `answer` must neither wait nor raise.
    """

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        begun = connections.answering(request.transport)
        response = answer(request)
        metrics.answered(response.status, time.perf_counter() - begun)
        return response

    def make() -> Speaker:
        # A body means nothing here, so none is waited for.
        return Speaker(server, connections, malformed, keepalive=bounds.keepalive, lingering=0)

    def malformed(code: int) -> None:
        metrics.answered(code, 0.0)

    server = web.Server(respond)
    connections = Connections(make, bounds)
    metrics.watch_connections(lambda: len(connections))
    try:
        async with connections.kept_in_bounds():
            async with connections.listening(host, port) as listened:
                yield listened
            await asyncio.sleep(_SETTLE)
    finally:
        server.pre_shutdown()
        await server.shutdown(_DRAIN)


def wrong_method(request: web.BaseRequest) -> web.Response | None:
    """The answer to who does anything but read."""
    if request.method in _METHODS:
        return None
    message = f"{request.method[:20]} is not possible here; possible are: GET, HEAD"
    return problem(405, "method_not_allowed", message, {"Allow": "GET, HEAD"})


def not_read_yet() -> web.Response:
    """The answer before all claims have been read once."""
    message = "the claims are still being read from the Kubernetes API server"
    return problem(503, "not_ready", message, {"Retry-After": "1"})


def defect(path: str) -> web.Response:
    """The answer where one broke; to be called while its exception is handled, which is logged."""
    _log.exception("%s failed", path)
    return problem(500, "internal_error", "something went wrong here; it has been logged")
