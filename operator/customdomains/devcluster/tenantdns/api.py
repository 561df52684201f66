"""The management API of the customer's DNS server: JSON over HTTP.

As pebble-challtestsrv's, POST, answered by 200:

    /set-txt         {"host": "_acme-challenge.example.com.", "value": "..."}   adds a value
    /set-cname       {"host": "...", "target": "..."}
    /add-a           {"host": "...", "addresses": ["192.0.2.1"]}
    /set-servfail    {"host": "..."}
    /clear-txt, /clear-cname, /clear-a, /clear-servfail    {"host": "..."}

and for records of any type:

    GET    /records  all records: [{"name", "type", "ttl", "values"}]
    PUT    /records  one such object or a list of them; "ttl" may be left out
    DELETE /records  {"name", "type"}; without "type" all of the name

Bad input gets 400 and {"error": "what was wrong"}, and changes nothing.
"""

import dataclasses
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import dns.name
from aiohttp import web

from customdomains.devcluster.tenantdns.records import (
    DEFAULT_TTL,
    InvalidRecordError,
    Records,
    RecordSet,
    parse_name,
)

_MOST_BYTES = 16 * 1024 * 1024  # a benchmark sets ten thousand records at once


def management_api(records: Records, forwarded: Iterable[dns.name.Name]) -> web.Application:
    """The application that changes `records`, but sets none below a `forwarded` zone."""
    api = _Api(records, tuple(forwarded))
    app = web.Application(middlewares=[_errors_as_json], client_max_size=_MOST_BYTES)
    app.add_routes(
        [
            web.post("/set-txt", api.set_txt),
            web.post("/set-cname", api.set_cname),
            web.post("/add-a", api.add_a),
            web.post("/clear-txt", api.clear("TXT")),
            web.post("/clear-cname", api.clear("CNAME")),
            web.post("/clear-a", api.clear("A")),
            web.post("/set-servfail", api.servfail(failing=True)),
            web.post("/clear-servfail", api.servfail(failing=False)),
            web.get("/records", api.listing),
            web.put("/records", api.put),
            web.delete("/records", api.delete),
        ]
    )
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Api:
    def __init__(self, records: Records, forwarded: tuple[dns.name.Name, ...]) -> None:
        self._records = records
        self._forwarded = forwarded

    async def set_txt(self, request: web.Request) -> web.Response:
        body = await _body(request)
        host = self._settable(_text(body, "host"))
        self._records.add_text(host, _text(body, "value"))
        return _done()

    async def set_cname(self, request: web.Request) -> web.Response:
        body = await _body(request)
        host, target = self._settable(_text(body, "host")), _text(body, "target")
        self._records.put([RecordSet(host, "CNAME", DEFAULT_TTL, (target,))])
        return _done()

    async def add_a(self, request: web.Request) -> web.Response:
        body = await _body(request)
        host, addresses = self._settable(_text(body, "host")), _texts(body, "addresses")
        self._records.put([RecordSet(host, "A", DEFAULT_TTL, addresses)])
        return _done()

    def clear(self, rdtype: str) -> Handler:
        async def clear(request: web.Request) -> web.Response:
            self._records.delete(_text(await _body(request), "host"), rdtype)
            return _done()

        return clear

    def servfail(self, *, failing: bool) -> Handler:
        async def servfail(request: web.Request) -> web.Response:
            self._records.fail(_text(await _body(request), "host"), failing=failing)
            return _done()

        return servfail

    async def listing(self, _request: web.Request) -> web.Response:
        return web.json_response([dataclasses.asdict(found) for found in self._records.listing()])

    async def put(self, request: web.Request) -> web.Response:
        body = await _json(request)
        items = body if isinstance(body, list) else [body]
        self._records.put([self._record_set(_object(item)) for item in items])
        return _done()

    async def delete(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._records.delete(_text(body, "name"), _text(body, "type") if "type" in body else None)
        return _done()

    def _record_set(self, item: dict[str, Any]) -> RecordSet:
        ttl = item.get("ttl", DEFAULT_TTL)
        if not isinstance(ttl, int) or isinstance(ttl, bool):
            raise InvalidRecordError('"ttl" must be a whole number of seconds')
        name = self._settable(_text(item, "name"))
        return RecordSet(name, _text(item, "type"), ttl, _texts(item, "values"))

    def _settable(self, name: str) -> str:
        """`name`, unless it lies where another server's answers would hide it."""
        for zone in self._forwarded:
            if parse_name(name).is_subdomain(zone):
                raise InvalidRecordError(f"{name} is in {zone}, which another server answers for")
        return name


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except InvalidRecordError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPException as error:
        return web.json_response({"error": error.reason}, status=error.status)


def _done() -> web.Response:
    return web.json_response({})


async def _json(request: web.Request) -> Any:
    # Not request.json(): curl -d sends no JSON content type, and that is no reason to refuse.
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise InvalidRecordError(f"the body is no JSON: {error}") from error


async def _body(request: web.Request) -> dict[str, Any]:
    return _object(await _json(request))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRecordError("a JSON object is expected")
    return value


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidRecordError(f'"{key}" is missing or no text')
    return value


def _texts(body: dict[str, Any], key: str) -> tuple[str, ...]:
    value = body.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRecordError(f'"{key}" is missing or no list of texts')
    return tuple(value)
