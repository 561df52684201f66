"""The watch cache on streams as a server may send them, word for word."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cluster.background import running
from cluster.kinds import NAMESPACES
from cluster.scripted import Scripted, answer, scripted

from customdomains.cluster import ApiClient, WatchCache

DEADLINE = 30.0


def listed(version: str, *names: str) -> str:
    items = [item(name, version) for name in names]
    return answer(200, json.dumps({"metadata": {"resourceVersion": version}, "items": items}))


def item(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


def event(kind: str, content: dict[str, Any]) -> str:
    return json.dumps({"type": kind, "object": content}) + "\n"


def expired(code: int) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": "Expired", "message": "too old"}


@asynccontextmanager
async def told(*answers: str) -> AsyncIterator[tuple[Scripted, WatchCache[str], list[str]]]:
    """A cache of what the server says, once it has said everything and is asked for more."""
    added: list[str] = []
    async with scripted(*answers) as (script, connection), ApiClient(connection) as client:
        cache = WatchCache(
            client,
            NAMESPACES,
            parse=lambda content: content["metadata"]["resourceVersion"],
            on_change=lambda key, old, new: added.append(f"{key} {old} {new}"),
        )
        async with running(cache), asyncio.timeout(DEADLINE):
            await script.exhausted.wait()
            yield script, cache, added


async def test_bookmarks_move_the_place_to_go_on_from():
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "77"}})
    async with told(listed("5", "a"), answer(200, bookmark)) as (script, cache, changes):
        assert cache.resource_version == "77"
        assert "resourceVersion=5&" in script.requests[1]
        assert "resourceVersion=77&" in script.requests[2]
        assert "allowWatchBookmarks=true" in script.requests[2]
    assert changes == ["a None 5"]


async def test_what_is_known_already_is_no_change():
    echo = event("ADDED", item("a", "5")) + event("MODIFIED", item("a", "6"))
    async with told(listed("5", "a"), answer(200, echo)) as (_, _, changes):
        assert changes == ["a None 5", "a 5 6"]


@pytest.mark.parametrize("code", [410, 500])
async def test_an_error_in_the_stream_leads_to_a_list(code: int):
    told_off = answer(200, event("ERROR", expired(code)))
    async with told(listed("5", "a", "b"), told_off, listed("9", "b")) as (_, cache, changes):
        assert cache.lists == 2
        assert cache.resource_version == "9"
        assert changes == ["a None 5", "b None 5", "b 5 9", "a 5 None"]


async def test_a_refused_place_leads_to_a_list():
    refused = answer(410, json.dumps(expired(410)))
    async with told(listed("5", "a"), refused, listed("9")) as (_, cache, changes):
        assert changes == ["a None 5", "a 5 None"]
        assert len(cache) == 0


async def test_half_an_event_is_no_event():
    whole = event("ADDED", item("b", "6"))
    half = event("ADDED", item("c", "7"))[:-10]
    async with told(listed("5", "a"), answer(200, whole + half)) as (script, cache, _):
        assert cache.resource_version == "6"
        assert "resourceVersion=6&" in script.requests[2]


@pytest.mark.parametrize("damage", ["{", "[]", '{"type":"ADDED"}', "3"])
async def test_a_damaged_stream_is_left(damage: str):
    whole = event("ADDED", item("b", "6"))
    async with told(listed("5", "a"), answer(200, whole + damage + "\n")) as (script, cache, _):
        assert cache.lists == 1
        assert "resourceVersion=6&" in script.requests[2]


async def test_a_server_in_trouble_is_not_stormed(monkeypatch: pytest.MonkeyPatch):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("customdomains.cluster.watch.asyncio.sleep", sleep)
    busy = answer(503, json.dumps({"kind": "Status", "details": {"retryAfterSeconds": 40}}))
    async with told(listed("5", "a"), *[answer(503, "")] * 9, busy, answer(200, "")) as _:
        pass
    bounds = [min(0.1 * 2**attempt, 10.0) for attempt in range(9)]
    assert all(
        longest / 2 <= seconds <= longest
        for seconds, longest in zip(slept[:9], bounds, strict=True)
    )
    assert slept[9] == 40.0
