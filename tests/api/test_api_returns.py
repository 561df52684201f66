"""Who was away and registers again by HTTP: what it gets back, and what it does not."""

import pytest
from api import claims
from api.calling import fresh_name, refusal

from customdomains.cluster.kinds import CUSTOM_DOMAINS

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("contends", [False, True])
@pytest.mark.parametrize("leave", [claims.vacate, claims.desert])
async def test_who_comes_back_gets_the_same_identity(
    api, other, client, namespace, leave, contends
):
    name = fresh_name()
    if contends:
        await other.register(name)
        await claims.prove_holder(client, name)
    made = await api.register(name)
    await leave(client, name, made["id"])
    again = await api.register(name)
    same = ("id", "verification_token", "instructions", "records")
    assert {key: again[key] for key in same} == {key: made[key] for key in same}
    seat = claims.seat_of(await claims.read(client, name), made["id"])
    assert (seat.standing.vacant_since, seat.holder.uid) == (None, None)
    resource = await client.get(CUSTOM_DOMAINS, name, namespace)
    assert resource["metadata"]["labels"]["customdomains.dev/id"] == made["id"]
    assert (await api("GET", f"/domains/{made['id']}")).status == 200
    assert await refusal(api, name) == (500, "domain_already_registered")


async def test_who_comes_back_to_a_proof_has_it_again(api, client):
    name = fresh_name()
    made = await api.register(name)
    await claims.prove_holder(client, name)
    await claims.vacate(client, name, made["id"])
    again = await api.register(name)
    assert (again["id"], again["status"]) == (made["id"], "pending")
    assert (await claims.read(client, name)).verification == claims.PROOF


async def test_a_seat_is_taken_up_under_another_name(api, client, namespace):
    """It was a manifest's before, and its name has become another domain's resource."""
    name = fresh_name()
    made = await api.register(name)
    await claims.vacate(client, name, made["id"])
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "CustomDomain",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"domainName": fresh_name("other")},
    }
    await client.create(CUSTOM_DOMAINS, body)
    again = await api.register(name)
    assert again["id"] == made["id"]
    seat = claims.seat_of(await claims.read(client, name), made["id"])
    assert seat.holder.key.name == f"{name}-{made['id'][:5]}"
    await client.get(CUSTOM_DOMAINS, seat.holder.key.name, namespace)


@pytest.mark.parametrize("contends", [False, True])
async def test_what_was_to_be_released_does_not_come_back(api, other, client, contends):
    name = fresh_name()
    if contends:
        await other.register(name)
    made = await api.register(name)
    await claims.adopt(client, name, made["id"], release=True)
    await claims.desert(client, name, made["id"])
    again = await api.register(name)
    assert again["id"] != made["id"]
    assert again["id"] in await claims.owners(client, name)
    assert made["id"] not in await claims.owners(client, name)


@pytest.mark.parametrize("asleep", ["expired_at", "lost_at"])
async def test_who_sleeps_is_registered_still(api, other, client, asleep):
    name = fresh_name()
    await other.register(name)
    made = await api.register(name)
    await claims.adopt(client, name, made["id"], **{asleep: claims.NOW})
    assert await refusal(api, name) == (500, "domain_already_registered")
    assert (await api("GET", f"/domains/{made['id']}")).status == 200
    # And who was deleted and comes back starts over.
    await claims.desert(client, name, made["id"])
    assert (await api.register(name))["id"] == made["id"]
    standing = claims.seat_of(await claims.read(client, name), made["id"]).standing
    assert (standing.expired_at, standing.lost_at) == (None, None)
