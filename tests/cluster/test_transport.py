"""Refusals, deadlines and broken answers."""

import asyncio
import json

import pytest
from cluster.kinds import CONFIG_MAPS, NAMESPACES, config_map
from cluster.scripted import answer, scripted

from customdomains.cluster import (
    ApiClient,
    ApiError,
    Connection,
    TooManyRequests,
    Unavailable,
)

BUSY = answer(
    429,
    json.dumps({"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "busy"}),
    "Retry-After: 1",
)
DONE = answer(200, "{}")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds waited between attempts, which pass at once."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("customdomains.cluster.transport.asyncio.sleep", sleep)
    return slept


async def create(connection: Connection, timeout: float = 10.0) -> None:
    async with ApiClient(connection) as client:
        await client.create(CONFIG_MAPS, config_map("here", "one"), timeout=timeout)


async def test_what_was_refused_is_tried_again_when_the_server_says(waits: list[float]):
    async with scripted(BUSY, BUSY, DONE) as (script, connection):
        await create(connection)
    assert script.requests == ["POST /api/v1/namespaces/here/configmaps"] * 3
    assert len(waits) == 2
    assert all(1.0 <= seconds <= 1.2 for seconds in waits)


async def test_it_gives_up_after_some_refusals(waits: list[float]):
    async with scripted(*[BUSY] * 9) as (script, connection):
        with pytest.raises(TooManyRequests, match="busy") as raised:
            await create(connection)
    assert raised.value.retry_after == 1.0
    assert len(script.requests) == 5


async def test_it_does_not_wait_beyond_its_deadline(waits: list[float]):
    async with scripted(BUSY) as (_, connection):
        with pytest.raises(TooManyRequests):
            await create(connection, timeout=0.9)
    assert waits == []


async def test_no_answer_in_time_is_unavailable():
    async with scripted(None) as (_, connection):
        with pytest.raises(Unavailable, match="no answer to POST") as raised:
            await create(connection, timeout=0.1)
    assert raised.value.status == 0


async def test_the_deadline_covers_the_wait_for_a_connection():
    async with (
        scripted(None) as (script, connection),
        ApiClient(connection, connections=1) as client,
    ):
        calls = [client.get(NAMESPACES, "default", timeout=seconds) for seconds in (30.0, 0.1)]
        first, second = (asyncio.create_task(call) for call in calls)
        with pytest.raises(Unavailable):
            await second
        assert len(script.requests) == 1
        first.cancel()


@pytest.mark.parametrize("write", ["create", "replace", "patch", "delete"])
async def test_a_write_is_never_sent_twice(write: str):
    """aiohttp sends PUT and DELETE again when a kept connection breaks; this must not."""
    body = config_map("here", "one")
    async with scripted(DONE, "", DONE) as (script, connection), ApiClient(connection) as client:
        await client.get(CONFIG_MAPS, "one", "here")
        writes = {
            "create": lambda: client.create(CONFIG_MAPS, body),
            "replace": lambda: client.replace(CONFIG_MAPS, body),
            "patch": lambda: client.patch(CONFIG_MAPS, "one", body, "here"),
            "delete": lambda: client.delete(CONFIG_MAPS, "one", "here"),
        }
        with pytest.raises(Unavailable):
            await writes[write]()
        assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("raw", "kind", "status", "message"),
    [
        (answer(502, "<html>Bad Gateway\nmore"), Unavailable, 502, "<html>Bad Gateway"),
        (answer(500, ""), Unavailable, 500, "the answer has no text"),
        (answer(504, '{"kind":"Status","reason":"Timeout"}'), Unavailable, 504, "gave no message"),
        (answer(200, "surprise"), Unavailable, 0, "is no JSON"),
        (answer(200, "[]"), Unavailable, 0, "is no JSON object"),
        (answer(405, "[]"), ApiError, 405, r"\[\]"),
        (answer(302, "", "Location: http://elsewhere.invalid/"), ApiError, 302, "has no text"),
        ("garbage\r\n\r\n", Unavailable, 0, "ConnectionFailed"),
    ],
)
async def test_broken_answers(raw: str, kind: type[ApiError], status: int, message: str):
    async with scripted(raw) as (_, connection):
        with pytest.raises(ApiError, match=message) as raised:
            await create(connection)
    assert (type(raised.value), raised.value.status) == (kind, status)


async def test_how_long_to_wait_may_be_in_the_body():
    status = {"kind": "Status", "reason": "ServerTimeout", "details": {"retryAfterSeconds": 7}}
    for headers in ((), ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT",)):
        async with scripted(answer(504, json.dumps(status), *headers)) as (_, connection):
            with pytest.raises(Unavailable) as raised:
                await create(connection)
        assert raised.value.retry_after == 7.0
