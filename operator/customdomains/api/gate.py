"""What every request passes: bounds, credentials, and errors in the contract's one form."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from customdomains.api.admission import ADMISSION, Admission
from customdomains.api.answers import problem
from customdomains.api.errors import (
    AlreadyRegistered,
    Busy,
    CallError,
    Failed,
    KeyReused,
    LookupFailed,
    NotAllowed,
    NotPermitted,
    NotThere,
    Refused,
    Stranger,
)
from customdomains.api.load import Load
from customdomains.api.metrics import HttpMetrics
from customdomains.api.receiving import Receiving
from customdomains.api.rooms import ROOM, Room
from customdomains.api.speaking import Speaker

MAX_BODY = 64 * 1024  # bytes

OPEN_ROUTES = frozenset(
    {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/setup/{file}"}
)
"""Without credentials, and answered however much else is going on."""

LINK_ROUTES = frozenset({"/domains/{id}/setup", "/domains/{id}/setup/events"})
"""Whoever has a signed link is let in by that, which the handlers see to."""

_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """An aiohttp middleware. `ready` says whether calls of a room (None: that are about none) can
    be answered yet.
    """

    def __init__(
        self,
        admission: Admission,
        metrics: HttpMetrics,
        ready: Callable[[Room | None], bool],
        registered_status: int,
        load: Load,
    ) -> None:
        self._admission = admission
        self.metrics = metrics
        self.receiving = Receiving()
        self._ready = ready
        self._load = load
        metrics.watch_in_flight(lambda: load.in_flight)
        metrics.watch_waiting("body", self.receiving.__len__)
        self._statuses: Mapping[type[CallError], int] = {
            Refused: 400,
            Stranger: 401,
            NotAllowed: 403,
            NotPermitted: 403,
            NotThere: 404,
            KeyReused: 422,
            LookupFailed: 424,
            AlreadyRegistered: registered_status,
            Busy: 503,
            Failed: 500,
        }

    @web.middleware
    async def pass_on(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer the request by `handler`, or say why not."""
        begun = time.perf_counter()
        route = _route(request)
        if isinstance(request.protocol, Speaker):
            request.protocol.begin(request)
        response = await self._answer(request, handler, route)
        seconds = time.perf_counter() - begun
        method = request.method if request.method in _KNOWN_METHODS else "other"
        self.metrics.answered(method, route, response.status, seconds)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %s %d %.1f ms", method, route, response.status, seconds * 1000)
        return response

    async def _answer(
        self, request: web.Request, handler: Handler, route: str
    ) -> web.StreamResponse:
        try:
            if route in OPEN_ROUTES:
                return await handler(request)
            if request.match_info.http_exception is not None:
                return await handler(request)
            request[ADMISSION] = self._admission
            room = None if route in LINK_ROUTES else await self._admission.room(request)
            if (request.content_length or 0) > MAX_BODY:
                return _too_large()
            if not self._ready(room):
                message = "the domains are still being read from the Kubernetes API server"
                return problem(503, "not_ready", message, {"Retry-After": "1"})
            if room is not None:
                request[ROOM] = room
            await self.receiving.whole(request)
            with self._load.one(request.method):
                return await handler(request)
        except CallError as error:
            status = self._statuses[type(error)]
            return problem(status, error.code, error.message, _headers(error, request))
        except web.HTTPException as error:
            return _from_aiohttp(error, request)
        except Exception:  # noqa: BLE001 - a defect costs one answer, and is told with its place
            _log.exception("%s %s failed", request.method, route)
            return problem(500, "internal_error", "something went wrong here; it has been logged")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    if resource is None:
        return "unknown"
    if resource.canonical == "/domains/{id}" and "wait" in request.query:
        return f"{resource.canonical}?wait"  # as slow as the caller likes: counted by itself
    return resource.canonical


def _headers(error: CallError, request: web.Request) -> Mapping[str, str]:
    if isinstance(error, Busy):
        return {"Retry-After": str(error.retry_after)}
    challenge, given = 'Bearer realm="customdomains"', "Authorization" in request.headers
    if isinstance(error, Stranger):  # RFC 6750 section 3.1
        return {"WWW-Authenticate": f'{challenge}, error="invalid_token"' if given else challenge}
    if isinstance(error, NotPermitted) and given:
        return {"WWW-Authenticate": f'{challenge}, error="insufficient_scope"'}
    return {}


def _too_large() -> web.Response:
    return problem(413, "body_too_large", f"the body is larger than {MAX_BODY} bytes")


def _from_aiohttp(error: web.HTTPException, request: web.Request) -> web.Response:
    """What the router or the reader of bodies raised."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        message = f"{request.method[:20]} is not possible here; possible are: {allowed}"
        return problem(405, "method_not_allowed", message, {"Allow": allowed})
    if isinstance(error, web.HTTPNotFound):
        return problem(404, "not_found", "there is nothing at this path")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return _too_large()
    return problem(error.status, "bad_request", error.reason)
