"""Many callers at once, and more than one replica."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import pytest
from api import claims
from api.calling import RULES, api_server, eventually, fresh_name, fresh_namespace

from customdomains.cluster import Conflict, NotFound
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.policy.rules import ClaimRules

pytestmark = pytest.mark.cluster


async def test_sixteen_clients_register_and_none_fails(api):
    names = [fresh_name() for _ in range(160)]
    todo = iter(names)

    async def register_some():
        return [await api.register(name) for name in todo]

    parts = await asyncio.gather(*(register_some() for _ in range(16)))
    made = [each for part in parts for each in part]
    assert sorted(each["domain_name"] for each in made) == sorted(names)
    assert len({each["id"] for each in made}) == len(names)
    listed = (await api("GET", "/domains?limit=500")).body["domains"]
    assert [each["domain_name"] for each in listed] == sorted(names)


async def test_of_a_hundred_for_one_name_one_gets_it(api, client, namespace):
    name = fresh_name()
    spellings = (name, name.upper(), f"{name}.", f" {name}")
    async with api_server(client, namespace) as other:
        calls = [
            (api, other)[number % 2](
                "POST", "/domains", json={"domain_name": spellings[number % len(spellings)]}
            )
            for number in range(100)
        ]
        answers = await asyncio.gather(*calls)
    assert Counter(answer.status for answer in answers) == {201: 1, 500: 99}
    won = next(answer for answer in answers if answer.status == 201)
    lost = {answer.code for answer in answers if answer.status == 500}
    assert lost == {"domain_already_registered"}
    assert (await client.get(DOMAIN_CLAIMS, name))["spec"]["id"] == won.body["id"]
    resources = [item async for item in client.list(CUSTOM_DOMAINS, namespace)]
    assert [item["metadata"]["name"] for item in resources] == [name]


async def test_of_many_namespaces_for_one_name_one_holds_it_and_eight_contend(
    client, control_plane
):
    name = fresh_name()
    async with AsyncExitStack() as stack:
        apis = [
            await stack.enter_async_context(api_server(client, fresh_namespace(control_plane)))
            for _ in range(12)
        ]
        calls = [
            each("POST", "/domains", json={"domain_name": name}) for each in apis for _ in range(4)
        ]
        answers = await asyncio.gather(*calls)
        assert Counter(answer.status for answer in answers) == {201: 9, 500: 39}
        lost = {answer.code for answer in answers if answer.status == 500}
        assert lost == {"domain_already_registered"}
        made = {answer.body["id"]: answer.body for answer in answers if answer.status == 201}
        claim = await claims.read(client, name)
        seats = {seat.id: seat.token for seat in claim.seats}
        assert seats == {each["id"]: each["verification_token"] for each in made.values()}
        # All of them go at once, and nothing is left.
        deleted = await asyncio.gather(
            *(each("DELETE", f"/domains/{made_id}") for each in apis for made_id in made)
        )
    assert Counter(answer.status for answer in deleted) == {204: 9, 404: 12 * 9 - 9}
    with pytest.raises(NotFound):
        await client.get(DOMAIN_CLAIMS, name)


async def test_a_vacant_seat_is_taken_up_once(api, client, namespace):
    made = await api.register(fresh_name())
    name = made["domain_name"]
    await claims.vacate(client, name, made["id"])
    async with api_server(client, namespace) as other:
        calls = [
            (api, other)[number % 2]("POST", "/domains", json={"domain_name": name})
            for number in range(20)
        ]
        answers = await asyncio.gather(*calls)
    assert Counter(answer.status for answer in answers) == {201: 1, 500: 19}
    assert {answer.body["id"] for answer in answers if answer.status == 201} == {made["id"]}


async def test_a_quota_is_kept_also_when_all_come_at_once(client, namespace):
    rules = replace(RULES, claims=ClaimRules(per_namespace=5))
    async with api_server(client, namespace, rules=rules) as api:
        calls = [api("POST", "/domains", json={"domain_name": fresh_name()}) for _ in range(20)]
        answers = await asyncio.gather(*calls)
        assert Counter(answer.status for answer in answers) == {201: 5, 403: 15}
        assert {answer.code for answer in answers if answer.status == 403} == {"quota_exceeded"}
        assert len((await api("GET", "/domains")).body["domains"]) == 5


async def test_a_claim_that_the_controller_writes_to_is_contended_and_left(api, other, client):
    name = fresh_name()
    first = await api.register(name)
    writes = 0

    async def write():
        nonlocal writes
        while True:
            with suppress(Conflict):
                await claims.prove_holder(client, name)
                writes += 1

    writing = asyncio.create_task(write())
    for _ in range(10):
        made = await other.register(name)
        assert (await other("DELETE", f"/domains/{made['id']}")).status == 204
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    assert writes > 10
    claim = await claims.read(client, name)
    assert (claim.id, claim.contenders) == (first["id"], ())


async def test_what_one_replica_did_the_other_knows_at_once(client, namespace):
    async with api_server(client, namespace) as one, api_server(client, namespace) as other:
        for _ in range(10):
            made = await one.register(fresh_name())
            assert (await other("GET", f"/domains/{made['id']}")).status == 200
            assert (await other("DELETE", f"/domains/{made['id']}")).status == 204
            again = await one.register(made["domain_name"])
            assert (await other("GET", f"/domains/{again['id']}")).status == 200


async def test_registering_and_deleting_in_turns_leaves_nothing(api, client, namespace):
    async def come_and_go():
        made = await api.register(fresh_name())
        return await api("DELETE", f"/domains/{made['id']}")

    answers = await asyncio.gather(*(come_and_go() for _ in range(50)))
    assert {answer.status for answer in answers} == {204}
    assert [item async for item in client.list(CUSTOM_DOMAINS, namespace)] == []
    left = [json.dumps(item) async for item in client.list(DOMAIN_CLAIMS)]
    assert not any(namespace in claim for claim in left)


async def test_one_domain_deleted_by_many_is_gone_once(api):
    made = await api.register(fresh_name())
    path = f"/domains/{made['id']}"
    answers = await asyncio.gather(*(api("DELETE", path) for _ in range(10)))
    assert {answer.status for answer in answers} <= {204, 404}
    assert 204 in {answer.status for answer in answers}
    assert (await api("GET", path)).status == 404


async def test_what_is_deleted_with_kubectl_is_gone_here_too(api, client, namespace):
    made = await api.register(fresh_name())
    await client.delete(CUSTOM_DOMAINS, made["domain_name"], namespace)

    async def gone() -> bool:
        return (await api("GET", f"/domains/{made['id']}")).status == 404

    await eventually(gone)
    assert (await api("GET", "/domains")).body == {"domains": []}
    # The claim is still there, and its id is still a way to be rid of it.
    assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
    await api.register(made["domain_name"])
