"""One name, wanted in several namespaces: seats by HTTP, on the real API server."""

import pytest
from api import claims
from api.calling import ZONE, api_server, eventually, fresh_name, refusal
from api.standin import condition, prove, standing_in

from customdomains.cluster import NotFound
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.policy import succession

pytestmark = pytest.mark.cluster


async def is_gone(client, name):
    try:
        await client.get(DOMAIN_CLAIMS, name)
    except NotFound:
        return True
    return False


# --- contending -----------------------------------------------------------------------------------


async def test_a_contender_gets_an_identity_and_records_of_its_own(
    api, other, client, namespace, elsewhere
):
    name = fresh_name()
    first = await api.register(name)
    answer = await other("POST", "/domains", json={"domain_name": name.upper()})
    second = answer.body
    assert answer.status == 201
    assert (second["domain_name"], second["status"]) == (name.upper(), "pending")
    assert second["id"] != first["id"]
    assert second["verification_token"] != first["verification_token"]
    assert second["instructions"].endswith(second["verification_token"])
    assert [(r["type"], r["value"]) for r in second["records"]] == [
        ("TXT", second["verification_token"]),
        ("CNAME", f"{second['id']}.{ZONE}."),
    ]
    assert namespace not in answer.text
    assert await claims.owners(client, name) == {first["id"]: namespace, second["id"]: elsewhere}
    claim = await claims.read(client, name)
    assert claims.seat_of(claim, second["id"]).token == second["verification_token"]
    for caller, made, theirs in ((api, first, second), (other, second, first)):
        found = (await caller("GET", f"/domains/{made['id']}")).body
        assert (found["id"], found["records"]) == (made["id"], made["records"])
        assert (await caller("GET", "/domains")).body["domains"] == [found]
        assert await refusal(caller, name) == (500, "domain_already_registered")
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/verify")):
            answer = await caller(method, f"/domains/{theirs['id']}{path}")
            assert (answer.status, answer.code) == (404, "domain_not_found")
    assert len(await claims.owners(client, name)) == 2


async def test_the_holder_s_proof_is_not_the_contender_s(api, other, client):
    name = fresh_name()
    await api.register(name)
    await claims.prove_holder(client, name)
    second = await other.register(name)
    found = (await other("GET", f"/domains/{second['id']}")).body
    assert "verified_at" not in found
    assert [record["state"] for record in found["records"]] == ["Unknown", "Unknown"]
    answer = await other("POST", f"/domains/{second['id']}/issue-certificate")
    assert (answer.status, answer.code) == (400, "domain_not_verified")


async def test_a_replica_that_has_not_heard_of_a_contender_finds_it(client, api, elsewhere):
    async with api_server(client, elsewhere) as one, api_server(client, elsewhere) as two:
        for _ in range(10):
            name = fresh_name()
            await api.register(name)
            made = await one.register(name)
            assert (await two("GET", f"/domains/{made['id']}")).status == 200
            assert (await two("DELETE", f"/domains/{made['id']}")).status == 204
            again = await one.register(name)
            assert (await two("GET", f"/domains/{again['id']}")).status == 200


async def test_a_label_that_somebody_forged_leads_nowhere(api, other, client, elsewhere):
    name = fresh_name()
    made = await api.register(name)
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "CustomDomain",
        "metadata": {
            "namespace": elsewhere,
            "name": "forged",
            "labels": {"customdomains.dev/id": made["id"]},
        },
        "spec": {"domainName": name},
    }
    await client.create(CUSTOM_DOMAINS, body)
    answer = await other("GET", f"/domains/{made['id']}")
    assert (answer.status, answer.code) == (404, "domain_not_found")


# --- deleting -------------------------------------------------------------------------------------


async def test_what_a_deleted_holder_leaves_goes_to_who_waited(api, other, client, elsewhere):
    name = fresh_name()
    first, second = await api.register(name), await other.register(name)
    await claims.prove_holder(client, name)
    before = await claims.read(client, name)
    assert (await api("DELETE", f"/domains/{first['id']}")).status == 204
    claim = await claims.read(client, name)
    assert (claim.uid, claim.id, claim.token) == (
        before.uid,
        second["id"],
        second["verification_token"],
    )
    assert (claim.verification, claim.contenders) == (None, ())
    assert (await api("GET", f"/domains/{first['id']}")).status == 404
    found = await other("GET", f"/domains/{second['id']}")
    assert (found.status, found.body["records"]) == (200, second["records"])
    # Who has gone may come back, behind who is there.
    third = await api.register(name)
    assert list(await claims.owners(client, name)) == [second["id"], third["id"]]
    assert third["id"] != first["id"]
    for caller, made in ((api, third), (other, second)):
        assert (await caller("DELETE", f"/domains/{made['id']}")).status == 204
    assert await is_gone(client, name)


async def test_a_contender_that_is_deleted_leaves_the_holder_alone(api, other, client):
    name = fresh_name()
    first, second = await api.register(name), await other.register(name)
    await claims.prove_holder(client, name)
    assert (await other("DELETE", f"/domains/{second['id']}")).status == 204
    assert (await other("GET", f"/domains/{second['id']}")).status == 404
    claim = await claims.read(client, name)
    assert (claim.id, claim.verification, claim.contenders) == (first["id"], claims.PROOF, ())
    await other.register(name)


@pytest.mark.parametrize("contends", [False, True])
async def test_an_id_whose_resource_is_gone_can_still_be_given_up(api, other, client, contends):
    name = fresh_name()
    if contends:
        await other.register(name)
    made = await api.register(name)
    await claims.vacate(client, name, made["id"])

    async def hidden() -> bool:
        return (await api("GET", f"/domains/{made['id']}")).status == 404

    await eventually(hidden)
    assert (await api("GET", "/domains")).body == {"domains": []}
    assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
    again = await api.register(name)
    assert again["id"] != made["id"]


# --- transfers ------------------------------------------------------------------------------------


async def test_ids_stay_good_when_a_claim_is_taken_over(api, other, client, namespace, elsewhere):
    name = fresh_name()
    first, second = await api.register(name), await other.register(name)
    await claims.take_over(client, name, second["id"])
    assert list(await claims.owners(client, name)) == [second["id"], first["id"]]

    async def verified() -> bool:
        await other("GET", f"/domains/{second['id']}")
        async with standing_in(client, elsewhere, on_check=prove):
            return (await other("POST", f"/domains/{second['id']}/verify")).status == 200

    await eventually(verified)
    assert (await api("GET", f"/domains/{first['id']}")).body["id"] == first["id"]

    async def lose(stand_in, view):
        lost = condition("Claimed", holds=False, reason="Lost", message="somebody has proved it")
        expired = condition(
            "Verified", holds=False, reason="RecordMissing", message="there is no record"
        )
        await stand_in.write_status(
            view,
            phase="failed",
            lastHandledCheckRequest=view.check_requested,
            conditions=[lost, expired],
        )

    async with standing_in(client, namespace, on_check=lose):
        answer = await api("POST", f"/domains/{first['id']}/verify")
    assert (answer.status, answer.code) == (400, "record_missing")
    assert (await api("DELETE", f"/domains/{first['id']}")).status == 204
    assert list(await claims.owners(client, name)) == [second["id"]]


@pytest.mark.parametrize("asleep", ["expired_at", "lost_at"])
async def test_who_sleeps_is_woken_by_asking(api, client, namespace, asleep):
    made = await api.register(fresh_name())
    name = made["domain_name"]
    await claims.adopt(client, name, made["id"], **{asleep: claims.NOW})

    async def wake(stand_in, view):
        seat = (await claims.read(client, name)).holder_seat
        assert succession.is_woken(seat, view.check_requested)
        await claims.rewrite(client, name, lambda c: succession.revive(c, seat, claims.NOW))
        await prove(stand_in, view)

    async with standing_in(client, namespace, on_check=wake):
        answer = await api("POST", f"/domains/{made['id']}/verify")
    assert (answer.status, answer.body["status"]) == (200, "verified")


async def test_a_record_beside_a_good_proof_is_said_to_be_no_use(api, other, client, elsewhere):
    name = fresh_name()
    await api.register(name)
    await claims.prove_holder(client, name)
    made = await other.register(name)

    async def contend(stand_in, view):
        contending = condition(
            "Claimed", holds=False, reason="Contending", message="it is held by others"
        )
        found = condition("Verified", holds=True, reason="Proved", message="it is there")
        await stand_in.write_status(
            view,
            phase="pending",
            lastHandledCheckRequest=view.check_requested,
            conditions=[contending, found],
        )

    async with standing_in(client, elsewhere, on_check=contend):
        answer = await other("POST", f"/domains/{made['id']}/verify")
    assert (answer.status, answer.code, answer.body["error"]) == (
        400,
        "contending",
        "it is held by others",
    )
    issue = await other("POST", f"/domains/{made['id']}/issue-certificate")
    assert (issue.status, issue.code) == (400, "domain_not_verified")
    assert issue.body["error"].endswith("is not: it is held by others")


async def test_who_loses_the_claim_while_it_waits_for_an_order_is_told(
    api, other, client, namespace
):
    name = fresh_name()
    made, second = await api.register(name), await other.register(name)
    async with standing_in(client, namespace, on_check=prove):
        assert (await api("POST", f"/domains/{made['id']}/verify")).status == 200

    async def lose(_stand_in, _view):
        await claims.take_over(client, name, second["id"])

    async with standing_in(client, namespace, on_issue=lose):
        answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (answer.status, answer.code) == (400, "domain_not_verified")
