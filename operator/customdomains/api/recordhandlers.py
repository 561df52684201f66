"""The endpoints about DNS, from HTTP to the room's own words and back."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from customdomains.api import recordcalls
from customdomains.api.answers import json_answer
from customdomains.api.records import Records, Shown
from customdomains.api.resolving import Resolving
from customdomains.model.times import format_time


class RecordHandlers:
    """The endpoints under /dns."""

    def __init__(self, records: Records, resolving: Resolving) -> None:
        self._records = records
        self._resolving = resolving

    async def page(self, request: web.Request) -> web.Response:
        """GET /dns/records."""
        found = self._records.select(recordcalls.record_filter(request.query))
        return _json({"records": [_view(each) for each in found]})

    async def add(self, request: web.Request) -> web.Response:
        """POST /dns/records."""
        shown, fresh = await self._records.add(recordcalls.added(await request.read()))
        return _json(_view(shown), 201 if fresh else 200)

    async def remove(self, request: web.Request) -> web.Response:
        """DELETE /dns/records; the answer is what was deleted."""
        wanted = recordcalls.removed(await request.read(), request.query)
        gone = await self._records.remove(wanted)
        return _json({"name": wanted.name, "type": wanted.type, "values": gone})

    async def resolve(self, request: web.Request) -> web.Response:
        """GET /dns/resolve."""
        found = await self._resolving.addresses(recordcalls.resolved_name(request.query))
        return _json([{"ip": address} for address in found])


def _view(shown: Shown) -> dict[str, Any]:
    record, refusal = shown.record, shown.refusal
    body: dict[str, Any] = {
        "name": record.name,
        "type": record.type,
        "values": record.values,
        "ttl": record.ttl,
        "served": refusal is None,
        "resource_name": record.object_name,
        "created_at": format_time(record.created),
    }
    if refusal is not None:
        body["message"] = refusal.message
    return body


def _json(body: Any, status: int = 200) -> web.Response:
    return json_answer(msgspec.json.encode(body), status)
