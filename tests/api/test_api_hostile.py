"""Clients that are slow, malformed or greedy, on the socket."""

import asyncio
import gzip
import json
import logging
import re
from contextlib import AsyncExitStack

import pytest
from api.calling import api_server, fresh_name
from api.phases import until_waiting
from api.rawclient import head, raw

from customdomains.api.listening import Bounds

pytestmark = pytest.mark.cluster

HEALTH = head("GET /healthz")
CHUNKED = head("POST /domains", "Transfer-Encoding: chunked")
SHORT = Bounds(patience=0.2, keepalive=30)
NO_PATIENCE_ENDS_IT = 600.0  # seconds, longer than any test may take


async def counted(api, name, **labels) -> float:
    text = (await api("GET", "/metrics")).text
    some = "".join(f'(?=.*{label}="{value}")' for label, value in labels.items())
    found = re.search(rf"^{name}(?:{{{some}.*}})? (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


# --- malformed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("nonsense\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n", 400, "bad_request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"),
        ("GET /healthz HTTP/1.1\r\n\r\n", 400, "bad_request"),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400, "bad_request"),
        (head("GET /healthz", "Content-Length: -1"), 400, "bad_request"),
        (head("GET /healthz", "Content-Length: 1", "Content-Length: 2"), 400, "bad_request"),
        (head("GET /", "Content-Length: 1", "Transfer-Encoding: chunked"), 400, "bad_request"),
        (head("GET /healthz", "X: \x00"), 400, "bad_request"),
        (head("GET http://[x/"), 400, "bad_request"),
        (head("CONNECT a:99999"), 400, "bad_request"),
        (head(f"GET /{'a' * 9000}"), 414, "uri_too_long"),
        (head("GET /healthz", f"X: {'a' * 17000}"), 431, "headers_too_large"),
        (head("GET /healthz", f"{'a' * 17000}: x"), 431, "headers_too_large"),
        (head("GET /healthz", *(f"X-{n}: a" for n in range(120))), 431, "headers_too_large"),
        (CHUNKED + "zz\r\n", 400, "bad_request"),
        (CHUNKED + "3\r\nabcde\r\n0\r\n\r\n", 400, "bad_request"),
        (head("GET /healthz") + "garbage\r\n\r\n", 400, "bad_request"),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_told_so_counted_and_over(api, text, status, code, caplog):
    async with raw(api) as client:
        client.send(text)
        answer = await client.answer()
        assert (answer.status, answer.code) == (status, code)
        assert await client.rest() == b""
    requests = "customdomains_http_requests_total"
    assert await counted(api, requests, route="malformed", code=status) == 1
    assert not [each for each in caplog.records if each.levelno > logging.DEBUG]


@pytest.mark.parametrize(
    "pieces",
    [
        ("zz\r\n",),
        ("3\r\nabc\r\n", "3\r\nabcdefg\r\n"),
        ("3\r\nabc\r\n0\r\nX: \x00\r\n\r\n",),
        (f"3\r\nabc\r\n0\r\nX: {'a' * 20000}\r\n\r\n",),
    ],
)
async def test_a_body_that_turns_out_malformed_is_not_waited_for(api, pieces, monkeypatch, caplog):
    monkeypatch.setattr("customdomains.api.receiving.PATIENCE", NO_PATIENCE_ENDS_IT)
    async with raw(api) as client:
        client.send(CHUNKED)
        await until_waiting(api, 1, "body")
        for piece in pieces:
            client.send(piece)
        answer = await client.answer()
        assert (answer.status, answer.code) == (400, "malformed_body")
        assert await client.rest() == b""
    assert not [each for each in caplog.records if each.levelno > logging.DEBUG]


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        (("Content-Encoding: gzip",), b"abcde", 400, "malformed_body"),
        (("Content-Encoding: gzip",), gzip.compress(b"{}")[:2], 400, "malformed_json"),
        (("Content-Encoding: gzip",), gzip.compress(b" " * 10_000_000), 413, "body_too_large"),
        ((), b" " * 70_000, 413, "body_too_large"),
        ((), b"\xff\xfe", 400, "malformed_json"),
        ((), b"[" * 60_000, 400, "malformed_json"),
    ],
)  # fmt: skip
async def test_a_body_that_can_t_be_used_is_refused(api, headers, body, status, code):
    async with raw(api) as client:
        client.send(head("POST /domains", f"Content-Length: {len(body)}", *headers))
        client.send(body)
        answer = await client.answer()
        assert (answer.status, answer.code) == (status, code)
    async with raw(api) as client:
        client.send(head("POST /domains", "Transfer-Encoding: chunked", *headers))
        client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        answer = await client.answer()
        assert (answer.status, answer.code) == (status, code)


async def test_what_is_announced_too_large_is_refused_before_it_comes(api):
    async with raw(api) as client:
        client.send(head("POST /domains", "Content-Length: 99999999999"))
        answer = await client.answer()
        assert (answer.status, answer.code) == (413, "body_too_large")


async def test_expectations(api):
    async with raw(api) as client:
        client.send(head("GET /healthz", "Expect: the-unexpected"))
        answer = await client.answer()
        assert (answer.status, answer.code) == (417, "bad_request")
        body = json.dumps({"domain_name": fresh_name()})
        client.send(head("POST /domains", "Expect: 100-continue", f"Content-Length: {len(body)}"))
        assert (await client.answer()).status == 100
        client.send(body)
        assert (await client.answer()).status == 201
    assert await counted(api, "customdomains_http_requests_total", code=417) == 1


# --- keep-alive and pipelining --------------------------------------------------------------------


async def test_requests_in_one_piece_are_answered_in_order(api):
    names = [fresh_name() for _ in range(3)]
    bodies = [json.dumps({"domain_name": name}) for name in names]
    async with raw(api) as client:
        texts = [head("POST /domains", f"Content-Length: {len(b)}") + b for b in bodies]
        client.send(HEALTH + "".join(texts) + head("GET /nowhere") + HEALTH)
        answers = [await client.answer() for _ in range(6)]
        assert [each.status for each in answers] == [200, 201, 201, 201, 404, 200]
        assert [json.loads(each.body)["domain_name"] for each in answers[1:4]] == names


async def test_many_more_requests_than_are_read_ahead_are_answered(api):
    async with raw(api) as client:
        client.send(HEALTH * 500)
        assert {(await client.answer()).status for _ in range(500)} == {200}


async def test_a_connection_is_kept_after_answers_of_all_kinds(api):
    async with raw(api) as client:
        for text, status in (
            (HEALTH, 200),
            (head("GET /nowhere"), 404),
            (head("PUT /domains"), 405),
            (head("POST /domains", "Content-Length: 2") + "{}", 400),
            (head("GET /domains", "Content-Length: 2") + "{}", 200),
            (head("GET /healthz", "Upgrade: websocket", "Connection: upgrade"), 200),
            (HEALTH, 200),
        ):
            client.send(text)
            assert (await client.answer()).status == status
        client.send(head("GET /healthz", "Connection: close"))
        assert (await client.answer()).status == 200
        assert await client.rest() == b""


# --- slow -----------------------------------------------------------------------------------------


async def test_half_a_request_is_waited_for_no_longer_than_patience(client, namespace):
    async with api_server(client, namespace, bounds=SHORT) as api:
        async with raw(api) as silent, raw(api) as half:
            half.send("GET /healthz HTTP/1.1\r\nHost: x\r\n")
            assert await silent.rest() == b""
            assert await half.rest() == b""
        assert await counted(api, "customdomains_http_connections_cut_total", why="slow") == 2


@pytest.mark.parametrize("before", ["", HEALTH], ids=["first", "second"])
async def test_one_that_sends_byte_by_byte_gains_no_time(client, namespace, before):
    async with api_server(client, namespace, bounds=SHORT) as api, raw(api) as slow:
        slow.send(before)
        if before:
            assert (await slow.answer()).status == 200
        ended = asyncio.create_task(slow.rest())
        slow.send("GET /")
        while not ended.done():
            slow.send("a")
            await asyncio.wait({ended}, timeout=0.02)
        assert await ended == b""


@pytest.mark.parametrize("announced", ["Content-Length: 60000", "Transfer-Encoding: chunked"])
async def test_a_body_that_comes_byte_by_byte_is_told_so(api, announced, monkeypatch):
    monkeypatch.setattr("customdomains.api.receiving.PATIENCE", 0.2)
    async with raw(api) as slow:
        slow.send(head("POST /domains", announced))
        answer = asyncio.create_task(slow.answer())
        while not answer.done():
            slow.send("1\r\n \r\n")
            await asyncio.wait({answer}, timeout=0.02)
        assert ((await answer).status, (await answer).code) == (408, "bad_request")
    await until_waiting(api, 0, "body")


async def test_idle_connections_end(client, namespace):
    bounds = Bounds(patience=30, keepalive=0.2)
    async with api_server(client, namespace, bounds=bounds) as api, raw(api) as idle:
        idle.send(HEALTH)
        assert (await idle.answer()).status == 200
        assert await idle.rest() == b""


async def test_who_waits_for_an_answer_is_not_slow(client, namespace):
    async with (
        api_server(client, namespace, bounds=Bounds(patience=0.2, keepalive=0.2)) as api,
        raw(api) as patient,
    ):
        made = await api.register(fresh_name())
        patient.send(head(f"GET /domains/{made['id']}?wait=active&timeout=1s") + HEALTH)
        async with raw(api) as silent:
            assert await silent.rest() == b"", "longer than patience has passed"
        waited = await patient.answer()
        assert (waited.status, waited.headers["customdomains-wait"]) == (200, "timed-out")
        assert (await patient.answer()).status == 200


async def test_who_takes_no_answers_is_cut(client, namespace):
    async with api_server(client, namespace, bounds=SHORT) as api, AsyncExitStack() as stack:
        greedy = await stack.enter_async_context(raw(api))

        async def ask_without_end() -> None:
            while True:
                greedy.send(head("GET /openapi.json") * 10)
                await greedy.writer.drain()

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(ask_without_end(), 30)
        assert await counted(api, "customdomains_http_connections_cut_total", why="slow") == 1
        assert await counted(api, "customdomains_http_requests_in_flight") == 0


# --- too many -------------------------------------------------------------------------------------


async def test_of_too_many_connections_the_longest_idle_makes_room(client, namespace):
    bounds = Bounds(connections=4)
    async with api_server(client, namespace, bounds=bounds) as api, AsyncExitStack() as stack:
        made = await api.register(fresh_name())
        busy, idle, other = [await stack.enter_async_context(raw(api)) for _ in range(3)]
        busy.send(head(f"GET /domains/{made['id']}?wait=active&timeout=120s"))
        await until_waiting(api, 1)
        for each in (idle, other):
            each.send(HEALTH)
            assert (await each.answer()).status == 200
        assert await counted(api, "customdomains_http_connections") == 4
        newest = await stack.enter_async_context(raw(api))
        newest.send(HEALTH)
        assert (await newest.answer()).status == 200
        assert await idle.rest() == b""
        other.send(HEALTH)
        assert (await other.answer()).status == 200
        assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
        assert (await busy.answer()).code == "domain_not_found"
        assert await counted(api, "customdomains_http_connections_cut_total", why="crowded") == 1


async def test_where_all_are_busy_the_newest_goes(client, namespace):
    bounds = Bounds(connections=3)
    async with api_server(client, namespace, bounds=bounds) as api, AsyncExitStack() as stack:
        made = await api.register(fresh_name())
        waiting = [await stack.enter_async_context(raw(api)) for _ in range(2)]
        for number, each in enumerate(waiting, 1):
            each.send(head(f"GET /domains/{made['id']}?wait=active&timeout=120s"))
            await until_waiting(api, number)
        await api.session.close()
        third = await stack.enter_async_context(raw(api))
        third.send(HEALTH + head(f"GET /domains/{made['id']}?wait=active&timeout=120s"))
        assert (await third.answer()).status == 200
        async with raw(api) as newest:
            newest.send(HEALTH)
            assert await newest.rest() == b""
        assert not any(each.reader.at_eof() for each in (*waiting, third))
