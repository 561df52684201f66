"""More calls than the api works on: shed in the contract's form, nothing lost, nobody starved."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
import pytest
from api import claims
from api.calling import Caller, api_process, api_server, eventually, fresh_name
from api.phases import until_waiting
from api.rawclient import head, raw
from cluster.relay import relayed

from customdomains.cluster import ApiClient, load_connection
from customdomains.cluster.kinds import CUSTOM_DOMAINS

pytestmark = pytest.mark.cluster

CLIENTS = 16


async def in_flight(api) -> int:
    text = (await api("GET", "/metrics")).text
    line = next(x for x in text.splitlines() if x.startswith("customdomains_http_requests_in_f"))
    return int(float(line.split()[-1]))


async def until_in_flight(api, number):
    async def true() -> bool:
        return await in_flight(api) == number

    await eventually(true)


async def test_sixteen_clients_at_two_replicas_lose_nothing(api, client, namespace):
    names = [fresh_name() for _ in range(CLIENTS * 20)]
    todo = iter(names)
    made = {}

    async def register_some(base_url):
        async with aiohttp.ClientSession(base_url) as session:
            caller = Caller(session)
            for name in todo:
                body = await caller.register(name)
                made[name] = body
                found = await caller("GET", f"/domains/{body['id']}")
                assert (found.status, found.body["domain_name"]) == (200, name)

    async with api_server(client, namespace) as other:
        urls = [each.session._base_url for each in (api, other)]
        await asyncio.gather(*(register_some(urls[n % 2]) for n in range(CLIENTS)))
    assert sorted(made) == sorted(names)
    stored = {i["metadata"]["name"]: i async for i in client.list(CUSTOM_DOMAINS, namespace)}
    assert sorted(stored) == sorted(names)
    for name, body in made.items():
        claim = await claims.read(client, name)
        assert (claim.id, claim.token) == (body["id"], body["verification_token"])
        assert claim.holder.key.name == name
    answer = await api("GET", "/domains?limit=500")
    assert {each["id"] for each in answer.body["domains"]} == {b["id"] for b in made.values()}


async def test_a_flood_is_shed_and_who_comes_back_gets_through(client, namespace, monkeypatch):
    monkeypatch.setattr("customdomains.api.load.MAX_WRITES", 4)
    shed = Counter()

    async def register(api, name):
        while True:
            answer = await api("POST", "/domains", json={"domain_name": name})
            if answer.status == 201:
                return answer.body["id"]
            assert (answer.status, answer.code) == (503, "overloaded")
            assert answer.headers["Retry-After"] == "1"
            shed[name] += 1
            await asyncio.sleep(0.02)  # instead of the second

    async with api_server(client, namespace) as api:
        names = [fresh_name() for _ in range(60)]
        ids = await asyncio.gather(*(register(api, name) for name in names))
        assert shed
        listed = (await api("GET", "/domains?limit=500")).body["domains"]
        assert {each["id"] for each in listed} == set(ids)
        stored = [each["metadata"]["name"] async for each in client.list(CUSTOM_DOMAINS, namespace)]
        assert sorted(stored) == sorted(names)
        assert await in_flight(api) == 0


async def test_with_a_slow_api_server_writes_are_shed_and_the_rest_is_answered(
    control_plane, namespace, monkeypatch
):
    monkeypatch.setattr("customdomains.api.load.MAX_IN_FLIGHT", 4)
    monkeypatch.setattr("customdomains.api.load.MAX_WRITES", 2)
    target = await load_connection(str(control_plane.kubeconfig))
    async with (
        relayed(target) as (relay, connection),
        ApiClient(connection) as through,
        api_server(through, namespace) as api,
    ):
        made = await api.register(fresh_name())
        relay.hold()
        bodies = [{"domain_name": fresh_name()} for _ in range(2)]
        calls = [asyncio.ensure_future(api("POST", "/domains", json=each)) for each in bodies]
        await until_in_flight(api, 2)
        for method, path in (("POST", "/domains"), ("DELETE", f"/domains/{made['id']}")):
            answer = await api(method, path, json={"domain_name": fresh_name()})
            assert (answer.status, answer.code) == (503, "overloaded")
            assert answer.headers["Retry-After"] == "1"
        assert (await api("GET", f"/domains/{made['id']}")).status == 200
        # What nobody knows of is looked for on the API server.
        looking = [asyncio.ensure_future(api("GET", f"/domains/{n:032x}")) for n in range(2)]
        await until_in_flight(api, 4)
        answer = await api("GET", f"/domains/{made['id']}")
        assert (answer.status, answer.code) == (503, "overloaded")
        assert answer.headers["Retry-After"] == "1"
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            assert (await api("GET", path)).status == 200
        relay.open.set()
        assert [each.status for each in await asyncio.gather(*calls)] == [201, 201]
        assert [each.status for each in await asyncio.gather(*looking)] == [404, 404]
        assert await in_flight(api) == 0


async def test_who_waits_for_the_controller_sheds_nobody_and_is_bounded(
    client, namespace, monkeypatch
):
    monkeypatch.setattr("customdomains.api.load.MAX_IN_FLIGHT", 2)
    monkeypatch.setattr("customdomains.api.load.MAX_WRITES", 1)
    monkeypatch.setattr("customdomains.api.rooms.MAX_ASKING", 4)
    monkeypatch.setattr("customdomains.api.rooms.MAX_ASKING_FOR_ONE", 3)
    async with api_server(client, namespace, controller_timeout=600) as api:
        made, other = await api.register(fresh_name()), await api.register(fresh_name())
        asking = []
        try:
            for each in (made, made, made, other):
                call = api("POST", f"/domains/{each['id']}/verify")
                asking.append(asyncio.ensure_future(call))
                await until_waiting(api, len(asking), "controller")
                if len(asking) >= 3:
                    full = await api("POST", f"/domains/{made['id']}/verify")
                    assert (full.status, full.code) == (503, "too_many_waiting")
                    assert full.headers["Retry-After"] == "5"
            await api.register(fresh_name())
            assert (await api("GET", "/domains")).status == 200
        finally:
            # Who is gone is not asked for any more: this is what ends the waits.
            for each in (made, other):
                await eventually(partial(deletes, api, each))
        assert {each.status for each in await asyncio.gather(*asking)} == {404}
        await until_waiting(api, 0, "controller")


async def deletes(api, made) -> bool:
    return (await api("DELETE", f"/domains/{made['id']}")).status == 204


async def test_bodies_on_their_way_are_bounded_and_are_no_work(client, namespace, monkeypatch):
    monkeypatch.setattr("customdomains.api.load.MAX_WRITES", 1)
    monkeypatch.setattr("customdomains.api.receiving.MAX_RECEIVING", 2)
    async with api_server(client, namespace) as api, AsyncExitStack() as stack:
        bodies = [f'{{"domain_name": "{fresh_name()}"}}' for _ in range(3)]
        senders = [await stack.enter_async_context(raw(api)) for _ in bodies]
        for number, (sender, body) in enumerate(zip(senders, bodies, strict=True)):
            sender.send(head("POST /domains", f"Content-Length: {len(body)}"))
            if number < 2:
                await until_waiting(api, number + 1, "body")
        full = await senders[2].answer()
        assert (full.status, full.code, full.headers["retry-after"]) == (503, "overloaded", "1")
        await api.register(fresh_name())
        for sender, body in list(zip(senders, bodies, strict=True))[:2]:
            sender.send(body)
            assert (await sender.answer()).status == 201
        await until_waiting(api, 0, "body")


async def test_a_body_that_is_on_its_way_at_the_end_is_taken(client, namespace):
    async with api_process(client, namespace) as process:
        api = process.caller
        async with raw(api) as sender:
            body = f'{{"domain_name": "{fresh_name()}"}}'
            sender.send(head("POST /domains", f"Content-Length: {len(body)}"))
            sender.send(body[:5])
            await until_waiting(api, 1, "body")
            process.stop.set()

            async def closed() -> bool:
                try:
                    await asyncio.open_connection("127.0.0.1", process.port)
                except OSError:
                    return True
                return False

            await eventually(closed)
            sender.send(body[5:])
            assert (await sender.answer()).status == 201
