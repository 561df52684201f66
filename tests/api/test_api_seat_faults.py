"""Seats on a claim that others have too, with an API server that says no or loses its answers."""

from dataclasses import replace
from functools import partial

import pytest
from api import claims
from api.calling import api_server, fresh_name
from api.unreliable import (
    CREATE_DOMAIN,
    DELETE_CLAIM,
    DELETE_DOMAIN,
    REPLACE_CLAIM,
)

from customdomains.cluster import Forbidden
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.policy import succession
from customdomains.policy.schedule import CLAIM_PATIENCE

pytestmark = pytest.mark.cluster

FORBIDDEN = Forbidden(403, "Forbidden", "exceeded quota")


@pytest.fixture
async def faulty(unreliable, namespace):
    """A replica on the unreliable client."""
    async with api_server(unreliable, namespace) as api:
        yield api


async def contended(client, api, other):
    """Somebody else holds the name."""
    name = fresh_name()
    await other.register(name)
    await claims.prove_holder(client, name)
    return name


async def left(client, api, other):
    """The namespace has a vacant seat that holds the claim."""
    name = fresh_name()
    made = await api.register(name)
    await claims.prove_holder(client, name)
    await claims.vacate(client, name, made["id"])
    return name


async def left_contended(client, api, other):
    """The namespace has a vacant seat on a claim that somebody else holds."""
    name = await contended(client, api, other)
    made = await api.register(name)
    await claims.vacate(client, name, made["id"])
    return name


async def reserved(client, api, other):
    """The name is kept for the namespace."""
    name, mine = fresh_name(), fresh_name()
    await api.register(mine)
    (namespace,) = (await claims.owners(client, mine)).values()
    await claims.reserve(client, name, namespace)
    return name


SCENES = pytest.mark.parametrize("scene", [contended, left, left_contended, reserved])


def gist(claim):
    """What a failed registration has to leave as it was."""
    seats = [(seat.id, seat.token, seat.standing.active) for seat in claim.seats]
    return claim.uid, seats, claim.verification, claim.reserved_for


async def post(api, name):
    return await api("POST", "/domains", json={"domain_name": name})


async def annotate(client, name, value):
    """Somebody else's write to the claim."""
    await client.patch(DOMAIN_CLAIMS, name, {"metadata": {"annotations": {"kept": value}}})


async def annotation(client, name):
    return (await client.get(DOMAIN_CLAIMS, name))["metadata"]["annotations"]["kept"]


async def apply(client, namespace, name, domain):
    """A manifest under the name that the api would give."""
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "CustomDomain",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"domainName": domain},
    }
    await client.create(CUSTOM_DOMAINS, body)


@SCENES
@pytest.mark.parametrize("step", [REPLACE_CLAIM, CREATE_DOMAIN], ids=lambda step: step[1])
async def test_a_lost_answer_is_looked_up(unreliable, client, faulty, other, scene, step):
    name = await scene(client, faulty, other)
    unreliable.plan = [(step, "lost")]
    answer = await post(faulty, name)
    assert (answer.status, unreliable.plan) == (201, [])
    assert answer.body["id"] in await claims.owners(client, name)
    assert (await faulty("GET", f"/domains/{answer.body['id']}")).status == 200


@SCENES
@pytest.mark.parametrize(
    "plan",
    [
        [(REPLACE_CLAIM, "dropped")],
        [(CREATE_DOMAIN, "dropped")],
        [(CREATE_DOMAIN, FORBIDDEN)],
    ],
    ids=["claim dropped", "domain dropped", "domain forbidden"],
)
async def test_what_can_t_be_finished_leaves_all_as_it_was(
    unreliable, client, faulty, other, scene, plan
):
    name = await scene(client, faulty, other)
    before = await claims.read(client, name)
    unreliable.plan = list(plan)
    answer = await post(faulty, name)
    assert (answer.status, answer.code, unreliable.plan) == (500, "storage_error", [])
    assert gist(await claims.read(client, name)) == gist(before)
    assert (await faulty("GET", f"/domains?domain_name={name}")).body["domains"] == []
    assert (await post(faulty, name)).status == 201


@SCENES
async def test_a_claim_that_somebody_else_writes_to_first_is_decided_on_anew(
    unreliable, client, faulty, other, scene
):
    name = await scene(client, faulty, other)
    unreliable.plan = [(REPLACE_CLAIM, partial(annotate, client, name, "yes"))]
    assert (await post(faulty, name)).status == 201
    assert await annotation(client, name) == "yes"


async def test_a_claim_that_is_deleted_meanwhile_is_made_anew(unreliable, client, faulty, other):
    name = fresh_name()
    made = await other.register(name)

    async def leave():
        assert (await other("DELETE", f"/domains/{made['id']}")).status == 204

    unreliable.plan = [(REPLACE_CLAIM, leave)]
    mine = (await post(faulty, name)).body["id"]
    assert list(await claims.owners(client, name)) == [mine]


@pytest.mark.parametrize("scene", [contended, left, left_contended])
async def test_a_seat_is_given_back_on_what_others_have_written_since(
    unreliable, client, faulty, other, scene
):
    name = await scene(client, faulty, other)
    before = await claims.read(client, name)
    unreliable.plan = [
        (REPLACE_CLAIM, partial(annotate, client, name, "yes")),
        (CREATE_DOMAIN, FORBIDDEN),
        (REPLACE_CLAIM, partial(annotate, client, name, "still")),
    ]
    answer = await post(faulty, name)
    assert (answer.status, answer.code, unreliable.plan) == (500, "storage_error", [])
    assert gist(await claims.read(client, name)) == gist(before)
    assert await annotation(client, name) == "still"


@SCENES
async def test_a_seat_that_can_t_be_given_back_waits_for_the_sweep(
    unreliable, client, faulty, other, scene, caplog
):
    name = await scene(client, faulty, other)
    unreliable.plan = [(CREATE_DOMAIN, FORBIDDEN), (REPLACE_CLAIM, "dropped")]
    answer = await post(faulty, name)
    assert (answer.status, answer.code, unreliable.plan) == (500, "storage_error", [])
    assert "stays until the sweep" in caplog.text
    # It may be another replica's, that is about to make its CustomDomain.
    again = await post(faulty, name)
    assert (again.status, again.code) == (500, "domain_already_registered")
    # After the sweep's patience it is nobody's.
    (waiting,) = [s for s in (await claims.read(client, name)).seats if s.holder.uid is None][-1:]
    long_ago = claims.NOW - 2 * CLAIM_PATIENCE
    aged = replace(waiting, standing=replace(waiting.standing, since=long_ago))
    await claims.rewrite(client, name, lambda claim: succession.with_seat(claim, aged))
    unreliable.plan = [(REPLACE_CLAIM, "dropped")]
    assert (await post(faulty, name)).code == "storage_error"
    assert (await post(faulty, name)).body["id"] == waiting.id


@SCENES
async def test_who_applied_a_resource_meanwhile_was_first(
    unreliable, client, faulty, other, namespace, scene
):
    """The controller will find the seat for it, or make one."""
    name = await scene(client, faulty, other)
    before = await claims.read(client, name)
    unreliable.plan = [(CREATE_DOMAIN, partial(apply, client, namespace, name, name))]
    answer = await post(faulty, name)
    assert (answer.status, answer.code) == (500, "domain_already_registered")
    claim = await claims.read(client, name)
    if scene in {left, left_contended}:
        assert {seat.id for seat in claim.seats} == {seat.id for seat in before.seats}
        assert all(seat.standing.active for seat in claim.seats)
    else:
        assert gist(claim) == gist(before)


@SCENES
async def test_a_seat_for_a_name_that_is_taken_is_renamed_in_spite_of_others(
    unreliable, client, faulty, other, namespace, scene
):
    name = await scene(client, faulty, other)
    await apply(client, namespace, name, fresh_name("another"))
    unreliable.plan = [
        (REPLACE_CLAIM, None),  # this one gets the seat, the next would rename it
        (REPLACE_CLAIM, partial(annotate, client, name, "still")),
    ]
    made = (await post(faulty, name)).body
    assert unreliable.plan == []
    seat = claims.seat_of(await claims.read(client, name), made["id"])
    assert seat.holder.key.name == f"{name}-{made['id'][:5]}"
    assert await annotation(client, name) == "still"
    assert (await faulty("GET", f"/domains/{made['id']}")).status == 200


@pytest.mark.parametrize("scene", [contended, left_contended])
@pytest.mark.parametrize(
    "fault",
    [
        (DELETE_DOMAIN, "lost"),
        (DELETE_DOMAIN, "dropped"),
        (REPLACE_CLAIM, "lost"),
        (REPLACE_CLAIM, "dropped"),
    ],
    ids=["domain lost", "domain dropped", "seat lost", "seat dropped"],
)
async def test_a_deletion_that_was_cut_short_can_be_asked_for_again(
    unreliable, client, faulty, other, scene, fault
):
    name = await scene(client, faulty, other)
    made = (await post(faulty, name)).body
    unreliable.plan = [fault]
    first = await faulty("DELETE", f"/domains/{made['id']}")
    if fault == (REPLACE_CLAIM, "lost"):
        assert first.status == 204
    else:
        assert (first.status, first.code) == (500, "storage_error")
        assert (await faulty("DELETE", f"/domains/{made['id']}")).status == 204
    assert made["id"] not in await claims.owners(client, name)
    assert (await faulty("GET", f"/domains/{made['id']}")).status == 404


@pytest.mark.parametrize("how", ["lost", "dropped"])
async def test_the_deletion_of_a_whole_claim_too(unreliable, client, faulty, how):
    name = fresh_name()
    made = (await post(faulty, name)).body
    unreliable.plan = [(DELETE_CLAIM, how)]
    first = await faulty("DELETE", f"/domains/{made['id']}")
    assert first.status == (204 if how == "lost" else 500)
    second = await faulty("DELETE", f"/domains/{made['id']}")
    assert second.status == (404 if how == "lost" else 204)
    assert (await post(faulty, name)).status == 201


@pytest.mark.parametrize("scene", [contended, left, left_contended])
async def test_who_comes_back_while_a_deletion_is_under_way_stays(
    unreliable, client, faulty, other, namespace, scene
):
    name = await scene(client, faulty, other)
    made = (await post(faulty, name)).body
    await claims.adopt(client, name, made["id"])
    again = []

    async def come_back():
        again.append(await post(faulty, name))

    claim_write = DELETE_CLAIM if scene is left else REPLACE_CLAIM
    unreliable.plan = [(claim_write, come_back)]
    assert (await faulty("DELETE", f"/domains/{made['id']}")).status == 204
    assert (again[0].status, unreliable.plan) == (201, [])
    found = await faulty("GET", f"/domains/{again[0].body['id']}")
    assert found.status == 200
    assert again[0].body["id"] in await claims.owners(client, name)
    assert (await faulty("DELETE", f"/domains/{again[0].body['id']}")).status == 204
