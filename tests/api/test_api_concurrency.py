"""Many callers at once, and more than one replica."""

import asyncio
import json
from collections import Counter

import pytest
from api.calling import api_server, eventually, fresh_name

from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

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


async def test_of_fifty_for_one_name_one_gets_it(api, client, namespace):
    name = fresh_name()
    spellings = (name, name.upper(), f"{name}.", f" {name}")
    async with api_server(client, namespace) as other:
        calls = [
            (api, other)[number % 2](
                "POST", "/domains", json={"domain_name": spellings[number % len(spellings)]}
            )
            for number in range(50)
        ]
        answers = await asyncio.gather(*calls)
    assert Counter(answer.status for answer in answers) == {201: 1, 500: 49}
    won = next(answer for answer in answers if answer.status == 201)
    lost = {answer.code for answer in answers if answer.status == 500}
    assert lost == {"domain_already_registered"}
    assert (await client.get(DOMAIN_CLAIMS, name))["spec"]["id"] == won.body["id"]
    resources = [item async for item in client.list(CUSTOM_DOMAINS, namespace)]
    assert [item["metadata"]["name"] for item in resources] == [name]


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
