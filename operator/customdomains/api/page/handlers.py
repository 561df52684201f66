"""The page over HTTP: opened by a signed link, which an authenticated call makes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from customdomains.api import checking
from customdomains.api.answers import json_answer
from customdomains.api.documentation import Fixed
from customdomains.api.errors import Busy, Failed, NotPermitted, NotThere, Refused
from customdomains.api.gate import LINK_ROUTES, Handler
from customdomains.api.options import SetupOptions
from customdomains.api.page.facts import facts
from customdomains.api.page.links import Link, LinkKeys
from customdomains.api.page.problems import ENDED, FORGED, Problem, by_status
from customdomains.api.page.rendering import Look, Renderer
from customdomains.api.resources import DomainView, Registration
from customdomains.api.rooms import ROOM, Room
from customdomains.model.times import format_time, parse_time

DEFAULT_DAYS = 7
PATIENCE = timedelta(seconds=5)
"""Between two checks of a domain that the page asks for: whoever has the link may press on."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _NoPage(Exception):  # noqa: N818 - says what is wrong, like the room's other errors
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.headline)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request with a link that counts: the link, its key, and what it leads to."""

    link: Link
    key: str
    room: Room
    found: Registration


class SetupPages:
    """The endpoints. `room` finds the room of a namespace, `zone` is the delegation zone.

    Where `options` is None there are none, and all of them say so.
    """

    def __init__(
        self, options: SetupOptions | None, room: Callable[[str], Room | None], zone: str
    ) -> None:
        """Raises `MountedFileError` for keys that can't be used."""
        self._options = options
        self._room = room
        self._zone = zone
        if options is not None:
            self._keys = LinkKeys(options.key_file)
            self._renderer = Renderer(Look(options.name, options.colour))
            self._files = {
                name: Fixed(body, {"Content-Type": kind, "X-Content-Type-Options": "nosniff"})
                for name, (body, kind) in self._renderer.files().items()
            }

    async def link(self, request: web.Request) -> web.Response:
        """POST /domains/{id}/setup-link."""
        options = self._enabled()
        raw = await request.read()
        wanted = checking.of("createSetupLink").body(raw or b"{}")
        seconds = wanted.get("expires_in") or DEFAULT_DAYS * 86400
        room = request[ROOM]
        found = await room.directory.find(request.match_info["id"])
        link = Link(room.directory.namespace, found.claim.id, int(time.time()) + seconds)
        query = urlencode({"key": self._keys.sign(link)})
        body = {
            "url": f"{options.public_url.rstrip('/')}/domains/{link.registration_id}/setup?{query}",
            "expires_at": format_time(_moment(link.end)),
        }
        return json_answer(msgspec.json.encode(body), 201)

    async def page(self, request: web.Request) -> web.Response:
        """GET /domains/{id}/setup."""
        try:
            visit = await self._visit(request)
        except _NoPage as error:
            return self._problem(error.problem)
        known = facts(visit.found, self._zone)
        notice = request.query.get("checked")
        ends = _moment(visit.link.end)
        return _html(200, self._renderer.page(known, visit.key, ends, notice))

    async def check(self, request: web.Request) -> web.Response:
        """POST /domains/{id}/setup: a check now, and back to the page."""
        try:
            visit = await self._visit(request)
        except _NoPage as error:
            return self._problem(error.problem)
        query = urlencode({"key": visit.key, "checked": await _check(visit)})
        return web.Response(status=303, headers={**_HEADERS, "Location": f"setup?{query}"})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """GET /domains/{id}/setup/events: the page's changing parts, until the link ends."""
        try:
            visit = await self._visit(request)
        except _NoPage as error:
            return self._problem(error.problem)

        def render(found: Registration) -> bytes:
            return self._renderer.event(facts(found, self._zone), visit.key)

        async def still() -> None:
            if self._keys.read(visit.link.registration_id, visit.key) is None:
                raise NotPermitted(
                    "forbidden", "the key that signed the link does not count any more"
                )

        lifetime = visit.link.end - time.time()
        return await visit.room.streams.answer(
            request, visit.link.registration_id, render, lifetime, still
        )

    async def file(self, request: web.Request) -> web.Response:
        """GET /setup/{file}: what the pages load."""
        self._enabled()
        found = self._files.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        return await found.answer(request)

    @web.middleware
    async def in_html(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A middleware around the gate: what that refuses, a browser is told in the page's form."""
        response = await handler(request)
        resource = request.match_info.route.resource
        if self._options is None or resource is None or resource.canonical not in LINK_ROUTES:
            return response
        if not isinstance(response, web.Response):
            return response
        if response.status < 400 or response.content_type != "application/json":
            return response
        answer = self._problem(by_status(response.status))
        for name in ("Retry-After", "Allow"):
            if name in response.headers:
                answer.headers[name] = response.headers[name]
        return answer

    def _enabled(self) -> SetupOptions:
        if self._options is None:
            raise NotThere(
                "setup_page_disabled",
                "there are no setup pages here: api.setup.keyFile is not set in the settings",
            )
        return self._options

    async def _visit(self, request: web.Request) -> _Visit:
        """Raises `_NoPage`, and what looking for the domain raises."""
        self._enabled()
        key = request.query.get("key", "")
        link = self._keys.read(request.match_info["id"], key)
        if link is None:
            raise _NoPage(FORGED)
        room = self._room(link.namespace)
        if link.end <= time.time() or room is None:
            raise _NoPage(ENDED)
        if not room.directory.synced:
            raise Busy("not_ready", "the domains are still being read", retry_after=1)
        try:
            found = await room.directory.find(link.registration_id)
        except NotThere:
            raise _NoPage(ENDED) from None
        return _Visit(link, key, room, found)

    def _problem(self, problem: Problem) -> web.Response:
        return _html(problem.status, self._renderer.problem(problem))


async def _check(visit: _Visit) -> str:
    """How the check has gone: a key of `rendering.NOTICES`."""
    if _asked_lately(visit.found.domain):
        return "recent"
    try:
        await visit.room.requests.check(visit.found)
    except Busy:
        return "busy"
    except (Failed, Refused, NotThere) as error:
        return "slow" if error.code == "controller_unavailable" else "failed"
    return "done"


def _asked_lately(view: DomainView) -> bool:
    """By the mark of the last request, whichever replica has set it."""
    asked = parse_time(view.check_requested)
    return asked is not None and abs(datetime.now(UTC) - asked) < PATIENCE


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _html(status: int, body: bytes) -> web.Response:
    headers = {"Content-Type": "text/html; charset=utf-8", **_HEADERS}
    return web.Response(status=status, body=body, headers=headers)
