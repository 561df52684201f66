"""Registering again with the same key, whatever became of the first time."""

import asyncio

import pytest
from api import claims
from api.calling import api_server, fresh_name
from api.phases import put_phase
from api.unreliable import CREATE_DOMAIN, DELETE_CLAIM, REPLACE_CLAIM

from customdomains.cluster import Forbidden, NotFound, Unavailable
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

pytestmark = pytest.mark.cluster

CREATE_CLAIM = ("create", DOMAIN_CLAIMS.plural)
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


async def post(api, name, key=KEY, **more):
    headers = {"Idempotency-Key": key}
    return await api("POST", "/domains", json={"domain_name": name, **more}, headers=headers)


async def resources(client, namespace):
    return [item["metadata"]["name"] async for item in client.list(CUSTOM_DOMAINS, namespace)]


@pytest.fixture
async def other_replica(client, namespace):
    async with api_server(client, namespace) as caller:
        yield caller


@pytest.fixture
async def faulty(unreliable, namespace):
    """A replica on the unreliable client."""
    async with api_server(unreliable, namespace) as api:
        yield api


async def test_the_first_answer_comes_again_from_every_replica(
    api, other_replica, client, namespace
):
    name = fresh_name()
    more = {"external_id": "17", "labels": {"team": "blue"}}
    first = await post(api, f" {name.upper()}.", **more)
    assert first.status == 201
    assert first.body["labels"] == {"team": "blue"}
    for each in (api, other_replica):
        again = await post(each, f" {name.upper()}.", **more)
        assert (again.status, again.text) == (201, first.text)
    # Also when it has gone on its way since.
    await put_phase(client, first.body | {"domain_name": name}, namespace, "active")
    async with api_server(client, namespace) as later:
        again = await post(later, f" {name.upper()}.", **more)
        assert (again.status, again.text) == (201, first.text)
        shown = (await later("GET", f"/domains/{first.body['id']}")).body
        assert shown["labels"] == {"team": "blue"}
    assert await resources(client, namespace) == [name]


@pytest.mark.parametrize(
    "change",
    [
        lambda name: {"domain_name": fresh_name()},
        lambda name: {"domain_name": name.upper()},
        lambda name: {"domain_name": name, "external_id": "17"},
        lambda name: {"domain_name": name, "labels": {"team": "blue"}},
    ],
    ids=["name", "spelling", "external_id", "labels"],
)
async def test_a_key_is_for_one_request(api, other_replica, client, namespace, change):
    name = fresh_name()
    assert (await post(api, name)).status == 201
    for each in (api, other_replica):
        answer = await each("POST", "/domains", json=change(name), headers={"Idempotency-Key": KEY})
        assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert await resources(client, namespace) == [name]
    assert (await post(api, fresh_name(), key="another")).status == 201


async def test_another_key_or_none_is_another_request(api):
    name = fresh_name()
    assert (await post(api, name)).status == 201
    answer = await post(api, name, key="another")
    assert (answer.status, answer.code) == (500, "domain_already_registered")
    answer = await api("POST", "/domains", json={"domain_name": name})
    assert (answer.status, answer.code) == (500, "domain_already_registered")


async def test_a_key_is_forgotten_with_the_domain(api, other_replica):
    name = fresh_name()
    first = await post(api, name)
    # Whatever the watches of the one that is asked know by then.
    assert (await other_replica("DELETE", f"/domains/{first.body['id']}")).status == 204
    again = await post(api, name)
    assert again.status == 201
    assert again.body["id"] != first.body["id"]
    assert (await api("DELETE", f"/domains/{again.body['id']}")).status == 204
    assert (await post(api, fresh_name())).status == 201


async def test_keys_of_other_namespaces_are_other_keys(api, other):
    first, second = await post(api, fresh_name()), await post(other, fresh_name())
    assert (first.status, second.status) == (201, 201)
    assert first.body["id"] != second.body["id"]


async def test_a_refusal_is_not_kept(api, client):
    name = fresh_name()
    blocking = await api.register(name)
    assert (await post(api, name)).code == "domain_already_registered"
    assert (await api("DELETE", f"/domains/{blocking['id']}")).status == 204
    assert (await post(api, name)).status == 201


@pytest.mark.parametrize("number", [1, 2])
async def test_of_many_at_once_one_registers_and_all_have_its_answer(
    client, namespace, api, other_replica, number
):
    name = fresh_name()
    apis = [api, other_replica][:number]
    answers = await asyncio.gather(*(post(each, name) for each in apis for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert await resources(client, namespace) == [name]


async def test_beside_others_who_have_no_key_one_registers(client, namespace, api, other_replica):
    name = fresh_name()
    plain = [each("POST", "/domains", json={"domain_name": name}) for each in (api, other_replica)]
    keyed = [post(each, name) for each in (api, other_replica) for _ in range(5)]
    answers = await asyncio.gather(*plain, *keyed)
    won = [answer for answer in answers if answer.status == 201]
    assert len({answer.text for answer in won}) == 1
    assert len(won) in {1, len(keyed)}
    assert await resources(client, namespace) == [name]


@pytest.mark.parametrize(
    "key", ["", " ", "x" * 256, "schlüssel", "a\tb", '"open', '"a"b"', '""', '"a\\b"']
)
async def test_a_key_that_is_none_is_refused(api, key):
    answer = await post(api, fresh_name(), key=key)
    assert (answer.status, answer.code) == (400, "invalid_idempotency_key")


async def test_two_keys_are_none(api):
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    body = {"domain_name": fresh_name()}
    answer = await api("POST", "/domains", json=body, headers=headers)
    assert (answer.status, answer.code) == (400, "invalid_idempotency_key")


@pytest.mark.parametrize(("one", "same"), [('"abc"', "abc"), ('"a\\"\\\\b"', 'a"\\b')])
async def test_quotes_are_as_good_as_none(api, one, same):
    name = fresh_name()
    first, again = await post(api, name, key=one), await post(api, name, key=same)
    assert (again.status, again.text) == (201, first.text)


async def test_the_key_itself_is_stored_nowhere(api, client, namespace):
    name = fresh_name()
    await post(api, name, key="a-secret-key")
    stored = await client.get(CUSTOM_DOMAINS, name, namespace)
    claim = await client.get(DOMAIN_CLAIMS, name)
    assert "a-secret-key" not in f"{stored}{claim}"


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [CREATE_CLAIM, CREATE_DOMAIN], ids=lambda step: step[1])
@pytest.mark.parametrize("how", ["lost", "dropped"])
async def test_a_write_whose_answer_is_lost_or_that_is_lost_itself(
    unreliable, client, faulty, namespace, step, how
):
    name = fresh_name()
    unreliable.plan = [(step, how)]
    first = await post(faulty, name)
    assert (first.status, unreliable.plan) == (201 if how == "lost" else 500, [])
    again = await post(faulty, name)
    assert again.status == 201
    if how == "lost":
        assert again.text == first.text
    assert (await claims.read(client, name)).id == again.body["id"]
    assert await resources(client, namespace) == [name]


UNAVAILABLE = Unavailable(0, "Timeout", "no answer")


async def broken_off(unreliable, faulty, name, key=KEY):
    """A registration with a claim and no resource, as after a kill between the two writes."""
    unreliable.plan = [(CREATE_DOMAIN, UNAVAILABLE), (DELETE_CLAIM, UNAVAILABLE)]
    answer = await post(faulty, name, key)
    assert (answer.status, answer.code, unreliable.plan) == (500, "storage_error", [])


async def test_a_claim_without_its_resource_is_gone_on_with(
    unreliable, client, faulty, other_replica, namespace
):
    name = fresh_name()
    await broken_off(unreliable, faulty, name)
    begun = await claims.read(client, name)
    # Nobody else gets it so soon.
    assert (await post(other_replica, name, key="another")).code == "domain_already_registered"
    assert (await post(other_replica, name, external_id="1")).code == "domain_already_registered"
    again = await post(other_replica, name)
    assert (again.status, again.body["id"]) == (201, begun.id)
    assert again.body["verification_token"] == begun.token
    assert (await post(faulty, name)).text == again.text
    assert await resources(client, namespace) == [name]
    assert (await faulty("DELETE", f"/domains/{begun.id}")).status == 204
    with pytest.raises(NotFound):
        await client.get(DOMAIN_CLAIMS, name)


async def test_a_seat_beside_others_too(unreliable, client, faulty, other):
    name = fresh_name()
    await other.register(name)
    await claims.prove_holder(client, name)
    unreliable.plan = [(CREATE_DOMAIN, UNAVAILABLE), (REPLACE_CLAIM, UNAVAILABLE)]
    assert (await post(faulty, name)).code == "storage_error"
    (begun,) = (await claims.read(client, name)).contenders
    again = await post(faulty, name)
    assert (again.status, again.body["id"]) == (201, begun.id)
    assert (await post(faulty, name)).text == again.text


@pytest.mark.parametrize("how", ["lost", "dropped"])
async def test_going_on_may_fail_as_well(unreliable, client, faulty, how):
    name = fresh_name()
    await broken_off(unreliable, faulty, name)
    begun = await claims.read(client, name)
    unreliable.plan = [(REPLACE_CLAIM, how)]
    answer = await post(faulty, name)
    assert (answer.status, unreliable.plan) == (201 if how == "lost" else 500, [])
    again = await post(faulty, name)
    assert (again.status, again.body["id"]) == (201, begun.id)


async def test_who_goes_on_and_fails_gives_back_what_was_fresh(unreliable, client, faulty):
    name = fresh_name()
    await broken_off(unreliable, faulty, name)
    unreliable.plan = [(CREATE_DOMAIN, Forbidden(403, "Forbidden", "exceeded quota"))]
    assert (await post(faulty, name)).code == "storage_error"
    with pytest.raises(NotFound):
        await client.get(DOMAIN_CLAIMS, name)


async def test_and_leaves_vacant_what_was(unreliable, client, faulty):
    name = fresh_name()
    made = await faulty.register(name)
    await claims.prove_holder(client, name)
    await claims.vacate(client, name, made["id"])
    unreliable.plan = [(CREATE_DOMAIN, UNAVAILABLE), (REPLACE_CLAIM, UNAVAILABLE)]
    assert (await post(faulty, name)).code == "storage_error"
    assert unreliable.plan == []
    unreliable.plan = [(CREATE_DOMAIN, Forbidden(403, "Forbidden", "exceeded quota"))]
    assert (await post(faulty, name)).code == "storage_error"
    left = await claims.read(client, name)
    assert (left.id, left.standing.active) == (made["id"], False)
    assert (await post(faulty, name)).body["id"] == made["id"]


@pytest.mark.parametrize("how", [UNAVAILABLE, Forbidden(403, "Forbidden", "exceeded quota")])
async def test_who_fails_late_takes_nothing_from_who_went_on(
    unreliable, client, faulty, other_replica, how
):
    """The first call fails while the second one finishes what it began."""
    name = fresh_name()
    again = []

    async def come_again():
        again.append(await post(other_replica, name))
        raise how

    unreliable.plan = [(CREATE_DOMAIN, come_again)]
    first = await post(faulty, name)
    assert again[0].status == 201
    if isinstance(how, Unavailable):
        assert (first.status, first.text) == (201, again[0].text)
    else:
        assert (first.status, first.code) == (500, "storage_error")
    assert (await claims.read(client, name)).id == again[0].body["id"]
    assert (await post(faulty, name)).text == again[0].text


async def test_who_is_late_has_the_answer_of_who_went_on(
    unreliable, client, faulty, other_replica, namespace
):
    name = fresh_name()
    again = []

    async def come_again():
        again.append(await post(other_replica, name))

    unreliable.plan = [(CREATE_DOMAIN, come_again)]
    first = await post(faulty, name)
    assert (first.status, first.text) == (201, again[0].text)
    assert await resources(client, namespace) == [name]


async def test_a_name_that_is_taken_by_another_resource(
    unreliable, client, faulty, other_replica, namespace
):
    """Then the resource has another name, and both writes are made twice."""
    name = fresh_name()
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "CustomDomain",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"domainName": fresh_name()},
    }
    await client.create(CUSTOM_DOMAINS, body)
    again = []

    async def come_again():
        again.append(await post(other_replica, name))

    unreliable.plan = [(CREATE_DOMAIN, come_again)]
    first = await post(faulty, name)
    assert (first.status, first.text) == (201, again[0].text)
    made = first.body["id"]
    assert sorted(await resources(client, namespace)) == [name, f"{name}-{made[:5]}"]


async def test_a_mark_that_is_left_gives_nobody_the_seat_of_another(unreliable, client, faulty):
    """The key is forgotten with the domain, also where its seat is taken up again."""
    name = fresh_name()
    made = (await post(faulty, name)).body
    await claims.prove_holder(client, name)
    await claims.vacate(client, name, made["id"])
    retried = []

    async def old_key():
        retried.append(await post(faulty, name))

    unreliable.plan = [(CREATE_DOMAIN, old_key)]
    plain = await faulty("POST", "/domains", json={"domain_name": name})
    assert (plain.status, plain.body["id"]) == (201, made["id"])
    assert retried[0].code == "domain_already_registered"


async def test_a_domain_whose_claim_is_gone_is_said_to_get_it(api, client):
    name = fresh_name()
    await post(api, name)
    await client.delete(DOMAIN_CLAIMS, name)
    answer = await post(api, name)
    assert (answer.status, answer.code) == (500, "storage_error")


async def test_a_copy_of_a_resource_is_not_what_was_registered(api, client, namespace):
    name = fresh_name()
    first = await post(api, name)
    copy = await client.get(CUSTOM_DOMAINS, name, namespace)
    kept = {key: copy["metadata"][key] for key in ("labels", "annotations", "namespace")}
    copy["metadata"] = {**kept, "name": "a-copy"}
    await client.create(CUSTOM_DOMAINS, copy)
    assert (await post(api, name)).text == first.text


async def test_keys_reserve_nothing_among_labels(api):
    labels = {"customdomains.dev/idempotency-key": "0" * 32}
    answer = await api("POST", "/domains", json={"domain_name": fresh_name(), "labels": labels})
    assert (answer.status, answer.code) == (400, "invalid_labels")


async def test_marks_of_seats_that_are_gone_don_t_pile_up(api, other, client):
    name = fresh_name()
    await other.register(name)
    await claims.prove_holder(client, name)
    for number in range(3):
        made = await post(api, name, key=f"key {number}")
        claim = await claims.read(client, name)
        assert len(claim.metadata["annotations"]) == 1
        await claims.adopt(client, name, made.body["id"])
        assert (await api("DELETE", f"/domains/{made.body['id']}")).status == 204
