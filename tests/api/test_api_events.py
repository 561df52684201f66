"""Server-sent events: what is told and when, to whom, and how a stream ends."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import aiohttp
import pytest
from api import claims
from api.calling import api_process, api_server, eventually, fresh_name
from api.phases import put_phase, until_waiting
from cluster.background import running
from cluster.relay import relayed

from customdomains.api.claims import Claims
from customdomains.api.directory import Directory
from customdomains.api.following import following
from customdomains.api.namespaces import Namespaces
from customdomains.api.resources import render_resource
from customdomains.cluster import ApiClient, load_connection
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

pytestmark = pytest.mark.cluster


class Stream:
    """An event stream, read block by block as the WHATWG's algorithm does."""

    def __init__(self, response):
        self.response = response

    async def block(self):
        """The next fields up to an empty line, comments with an empty name; None at the end."""
        fields = {}
        async for line in self.response.content:
            text = line.decode().removesuffix("\n")
            if not text:
                return fields
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
        assert not fields, "a stream does not end within an event"
        return None

    async def event(self):
        """The next event: its type, its id, its data. None at the end."""
        while (fields := await self.block()) is not None:
            if "data" in fields:
                return fields["event"], fields.get("id"), json.loads(fields["data"])
        return None

    async def status(self):
        kind, mark, data = await self.event()
        assert kind == "status"
        assert mark
        return data["status"]


@asynccontextmanager
async def streaming(api, made, last=None):
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    path = f"/domains/{made['id']}/events"
    async with api.session.get(path, headers=headers, timeout=aiohttp.ClientTimeout()) as response:
        assert response.status == 200
        yield Stream(response)


async def refused(api, made, status, code):
    answer = await api("GET", f"/domains/{made['id']}/events")
    assert (answer.status, answer.code) == (status, code)
    return answer


async def test_the_first_event_comes_at_once_and_then_each_change(api, client, namespace):
    made = await api.register(fresh_name())
    async with streaming(api, made) as stream:
        headers = stream.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Accel-Buffering"] == "no"
        kind, first, data = await stream.event()
        assert kind == "status"
        assert data == (await api("GET", f"/domains/{made['id']}")).body
        await put_phase(client, made, namespace, "active")
        while (event := await stream.event())[2]["status"] != "active":
            pass
        assert event[1] != first
        assert event[2] == (await api("GET", f"/domains/{made['id']}")).body
        assert event[2]["certificate"]["secret_name"] == "shop-tls"


async def test_what_says_nothing_new_is_no_event(api, client, namespace):
    made = await api.register(fresh_name())
    name = made["domain_name"]
    async with streaming(api, made) as stream:
        assert await stream.status() == "pending"
        for kind, place in ((DOMAIN_CLAIMS, None), (CUSTOM_DOMAINS, namespace)):
            await client.patch(kind, name, {"metadata": {"annotations": {"a": "b"}}}, place)
        await put_phase(client, made, namespace, "failed")
        assert await stream.status() == "failed"


async def test_nothing_is_told_that_does_not_fit_together(api, client, namespace):
    """A status whose claim has not come yet, or that a tenant has written."""
    made = await api.register(fresh_name())
    name = made["domain_name"]
    async with streaming(api, made) as stream:
        assert await stream.status() == "pending"
        for phase in ("active", "failed"):
            status = {"status": {"phase": phase}}
            await client.patch_status(CUSTOM_DOMAINS, name, status, namespace)
        assert await stream.status() == "failed"


async def test_what_is_known_is_not_told_again(api, client, namespace):
    made = await api.register(fresh_name())
    async with streaming(api, made) as stream:
        _, mark, _ = await stream.event()
    async with streaming(api, made, mark) as stream:
        assert set(await stream.block()) == {"retry"}
        await put_phase(client, made, namespace, "failed")
        _, newer, data = await stream.event()
        assert data["status"] == "failed"
    async with streaming(api, made, mark) as stream:
        assert (await stream.event())[1:] == (newer, data)


@pytest.mark.parametrize("mark", ["x", "1", "99999999999999999-1", f"{2**70}-1", "é", "0-0"])
async def test_a_mark_from_elsewhere_is_none(api, mark):
    made = await api.register(fresh_name())
    async with streaming(api, made, mark) as stream:
        assert await stream.status() == "pending"


async def test_nobody_is_told_again_what_has_been_before(control_plane, client, namespace):
    """By a replica whose watches are behind those of the one before."""
    target = await load_connection(str(control_plane.kubeconfig))
    async with (
        api_server(client, namespace) as ahead,
        relayed(target) as (relay, connection),
        ApiClient(connection) as through,
        api_server(through, namespace) as behind,
    ):
        made = await behind.register(fresh_name())
        async with streaming(ahead, made) as stream:
            assert await stream.status() == "pending"
            relay.hold()
            await put_phase(client, made, namespace, "failed")
            _, mark, data = await stream.event()
            assert data["status"] == "failed"
        assert (await behind("GET", f"/domains/{made['id']}")).body["status"] == "pending"
        async with streaming(behind, made, mark) as stream:
            assert set(await stream.block()) == {"retry"}
            relay.open.set()
            await behind.register(fresh_name())  # by then what was held back has come
            await put_phase(client, made, namespace, "pending")
            _, newer, data = await stream.event()
            assert data["status"] == "pending"
            assert [int(part) for part in newer.split("-")] > [
                int(part) for part in mark.split("-")
            ]


@pytest.mark.parametrize("how", ["http", "kubectl"])
async def test_a_deletion_is_the_last_event(api, client, namespace, how):
    made = await api.register(fresh_name())
    async with streaming(api, made) as stream:
        assert await stream.status() == "pending"
        if how == "http":
            assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
        else:
            await client.delete(CUSTOM_DOMAINS, made["domain_name"], namespace)
        assert await stream.event() == ("deleted", None, {"id": made["id"]})
        assert await stream.event() is None
    await refused(api, made, 404, "domain_not_found")


async def test_a_quiet_stream_has_comments(api, monkeypatch):
    monkeypatch.setattr("customdomains.api.streams.HEARTBEAT", 0.05)
    made = await api.register(fresh_name())
    async with streaming(api, made) as stream:
        assert await stream.status() == "pending"
        assert await stream.block() == {"": ""}
        assert await stream.block() == {"": ""}


async def test_streams_are_bounded_and_shed_nobody(client, namespace, monkeypatch):
    monkeypatch.setattr("customdomains.api.streams.HEARTBEAT", 0.05)
    monkeypatch.setattr("customdomains.api.load.MAX_IN_FLIGHT", 2)
    monkeypatch.setattr("customdomains.api.rooms.MAX_STREAMS", 4)
    monkeypatch.setattr("customdomains.api.rooms.MAX_STREAMS_OF_ONE", 3)
    async with api_server(client, namespace) as api:
        made, other = await api.register(fresh_name()), await api.register(fresh_name())
        async with streaming(api, made), streaming(api, made), streaming(api, made) as third:
            await refused(api, made, 503, "too_many_waiting")
            async with streaming(api, other):
                full = await refused(api, other, 503, "too_many_waiting")
                assert full.headers["Retry-After"] == "5"
                await api.register(fresh_name())
                assert await third.status() == "pending"
        await until_waiting(api, 0, "events")


async def test_who_has_left_leaves_the_place(api, monkeypatch):
    monkeypatch.setattr("customdomains.api.streams.HEARTBEAT", 0.05)
    made = await api.register(fresh_name())
    async with streaming(api, made):
        await until_waiting(api, 1, "events")
    await until_waiting(api, 0, "events")


async def test_who_does_not_read_is_cut(api, client, namespace, monkeypatch):
    monkeypatch.setattr("customdomains.api.streams.PATIENCE", 0.2)
    made = await api.register(fresh_name())
    url = api.session._base_url
    with closing(socket.socket()) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.setblocking(False)
        await asyncio.get_running_loop().sock_connect(lazy, (url.host, url.port))
        lazy.send(f"GET /domains/{made['id']}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await until_waiting(api, 1, "events")

        async def cut() -> bool:
            await tell_much(client, made, namespace)
            return 'requests_waiting{for="events"} 0.0' in (await api("GET", "/metrics")).text

        await eventually(cut)


async def tell_much(client, made, namespace):
    """A status of some 16 KiB that is another one each time."""
    tell_much.times = getattr(tell_much, "times", 0) + 1
    conditions = [
        {
            "type": f"Type{number}",
            "status": "False",
            "reason": f"Reason{tell_much.times}",
            "message": "x" * 1000,
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
        for number in range(16)
    ]
    status = {"status": {"conditions": conditions}}
    await client.patch_status(CUSTOM_DOMAINS, made["domain_name"], status, namespace)


async def test_a_stream_has_its_time(api, monkeypatch):
    """So that who may not call any more is not told for long."""
    monkeypatch.setattr("customdomains.api.streams.LIFETIME", 0.05)
    made = await api.register(fresh_name())
    async with streaming(api, made) as stream:
        assert await stream.status() == "pending"
        assert await stream.event() is None


async def test_streams_end_with_the_process(client, namespace):
    async with api_process(client, namespace) as process:
        api = process.caller
        made = await api.register(fresh_name())
        async with streaming(api, made) as stream:
            assert await stream.status() == "pending"
            process.stop.set()
            assert await stream.event() is None


async def test_who_can_t_be_told_of_is_said_before_any_stream(api):
    await refused(api, {"id": "0" * 32}, 404, "domain_not_found")
    head = await api("HEAD", f"/domains/{'0' * 32}/events")
    assert head.status == 405


async def test_who_follows_hears_of_every_change_and_leaves_nothing(api, client, namespace):
    watched = Claims(client)
    namespaces = Namespaces(client, [namespace])
    directory = Directory(client, watched, namespaces, namespace)
    caches = watched.mirror.cache, namespaces.cache, directory.domains.cache
    async with running(caches[0]), running(caches[1]), running(caches[2]):
        made = await api.register(fresh_name())
        name, bell = made["domain_name"], asyncio.Event()
        with following(directory, made["id"], bell) as follower:
            await put_phase(client, made, namespace, "failed")
            while (await follower.look()).domain.phase != "failed":
                assert await follower.news(20)
            # The seat is given to a resource of another name.
            again = {**render_resource(await claims.read(client, name), name, {}, {})}
            again["metadata"]["name"] = "another"
            await client.create(CUSTOM_DOMAINS, again)
            await claims.rewrite(client, name, rename)
            while (await follower.look()).domain.key.name != "another":
                assert await follower.news(20)
            assert len(directory.changes) == 2
            await client.patch_status(
                CUSTOM_DOMAINS, "another", {"status": {"phase": "failed"}}, namespace
            )
            while (await follower.look()).domain.phase != "failed":
                assert await follower.news(20)
        assert len(directory.changes) == 0


def rename(claim):
    holder = claim.holder
    return replace(claim, holder=replace(holder, key=holder.key._replace(name="another"), uid=None))
