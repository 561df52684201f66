"""From an HTTP request to the room's own words and back; nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from customdomains.api import calls, views
from customdomains.api.admission import readmit
from customdomains.api.answers import json_answer, problem
from customdomains.api.errors import NotThere
from customdomains.api.idempotency import given_key
from customdomains.api.rooms import ROOM
from customdomains.api.waiting import wish


class Handlers:
    """The endpoints, of the room that the request was let into. `zone` is the delegation zone
    (canonical).
    """

    def __init__(self, zone: str) -> None:
        self._zone = zone

    async def register(self, request: web.Request) -> web.Response:
        """POST /domains."""
        wanted = calls.new_domain(await request.read())
        key = given_key(request.headers.getall("Idempotency-Key", []))
        made = await request[ROOM].registrar.register(wanted, key)
        return json_answer(views.registered(made, self._zone), 201)

    async def page(self, request: web.Request) -> web.Response:
        """GET /domains."""
        wanted = calls.selection(request.query)
        found, following = calls.select(request[ROOM].directory, wanted)
        return json_answer(views.page(found, following, self._zone))

    async def get(self, request: web.Request) -> web.Response:
        """GET /domains/{id}: as it is, or after a wait for a status."""
        wanted = wish(request.query)
        if wanted is None:
            found = await request[ROOM].directory.find(_id(request))
            return json_answer(views.domain(found, self._zone))
        found, ending = await request[ROOM].waiting.wait(
            _id(request), wanted, lambda: _has_left(request)
        )
        await readmit(request)
        answer = json_answer(views.domain(found, self._zone))
        answer.headers["Customdomains-Wait"] = ending
        return answer

    async def events(self, request: web.Request) -> web.StreamResponse:
        """GET /domains/{id}/events."""
        return await request[ROOM].streams.answer(
            request,
            _id(request),
            lambda found: views.domain(found, self._zone),
            still=partial(readmit, request),
        )

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /domains/{id}."""
        await request[ROOM].registrar.delete(_id(request))
        return web.Response(status=204)

    async def verify(self, request: web.Request) -> web.Response:
        """POST /domains/{id}/verify."""
        found = await request[ROOM].requests.verify(_id(request))
        return json_answer(views.domain(found, self._zone))

    async def issue(self, request: web.Request) -> web.Response:
        """POST /domains/{id}/issue-certificate."""
        return json_answer(views.order(await request[ROOM].requests.issue(_id(request))), 202)

    async def certificate(self, request: web.Request) -> web.Response:
        """GET /domains/{id}/certificate."""
        found = await request[ROOM].directory.find(_id(request))
        record, handed = found.claim.certificate, found.claim.handed
        if record is None and handed is not None and handed.ready:
            return json_answer(views.handed(found.claim, handed))
        if record is None:
            raise NotThere("certificate_not_found", "the domain has no certificate (yet)")
        return json_answer(views.certificate(found.claim, record))


class Probes:
    """What kubelet and Prometheus ask."""

    def __init__(self, registry: CollectorRegistry, ready: Callable[[], bool]) -> None:
        self._registry = registry
        self._ready = ready

    async def healthz(self, _: web.Request) -> web.Response:
        """GET /healthz: that this is answered is the answer."""
        return json_answer(b'{"status":"ok"}')

    async def readyz(self, _: web.Request) -> web.Response:
        """GET /readyz: once everything was read; also while the API server is away after that,
        since what was read is still served.
        """
        if not self._ready():
            return problem(503, "not_ready", "not everything is read from the API server yet")
        return json_answer(b'{"status":"ok"}')

    async def metrics(self, _: web.Request) -> web.Response:
        """GET /metrics."""
        return web.Response(
            body=generate_latest(self._registry),
            headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4},
        )


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _id(request: web.Request) -> str:
    return request.match_info["id"]
