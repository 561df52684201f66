"""Rooms for namespaces: what is watched for them, and which right each call needs."""

import asyncio

import pytest
from api.calling import api_server, eventually, fresh_name
from api.teams import OPERATOR, grant, let_in, two_namespaces

from customdomains.api.claims import Claims
from customdomains.api.document import load
from customdomains.api.rights import RIGHTS
from customdomains.cluster import ApiClient, load_connection
from customdomains.cluster.kinds import DOMAIN_CLAIMS

pytestmark = pytest.mark.cluster

UNKNOWN = "0" * 32


def test_every_call_with_credentials_has_its_right_in_the_table():
    documented = {
        (each.method.upper(), each.path)
        for each in load().operations()
        if each.content.get("security") != []
    }
    assert set(RIGHTS) == documented


async def test_another_s_id_takes_as_many_questions_as_one_that_nobody_has(
    control_plane, client, namespace
):
    """Else the time to the answer would tell that there is one."""
    asked: list[tuple[str, str]] = []
    connection = await load_connection(str(control_plane.kubeconfig))
    blue, red = two_namespaces(control_plane)
    async with (
        ApiClient(connection, on_request=lambda *what: asked.append(what[:2])) as counted,
        api_server(client, namespace, namespaces=(blue, red)) as elsewhere,
        api_server(counted, namespace, namespaces=(blue, red)) as api,
    ):
        headers = {"Customdomains-Namespace": blue}
        answer = await elsewhere(
            "POST", "/domains", json={"domain_name": fresh_name()}, headers=headers
        )
        questions = []
        for number in (answer.body["id"], UNKNOWN):
            asked.clear()
            headers = {"Customdomains-Namespace": red}
            assert (await api("GET", f"/domains/{number}", headers=headers)).status == 404
            questions.append([each for each in asked if each[0] != "watch"])
    assert questions[0] == questions[1]
    assert len(questions[0]) == 2


async def test_a_namespace_that_can_t_be_read_holds_up_the_others_for_a_while_only(
    control_plane, operator, namespace, elsewhere, monkeypatch
):
    let_in(control_plane, namespace)
    grant(control_plane, namespace, "customdomains-api", "dnsrecords", ("list", "watch"), OPERATOR)
    options = {"namespaces": (elsewhere,), "records_namespace": namespace}
    there = {"Customdomains-Namespace": elsewhere}
    async with (
        ApiClient(await load_connection(str(operator))) as own,
        api_server(own, namespace, wait_ready=False, **options) as api,
    ):

        async def served() -> bool:
            return (await api("GET", "/domains")).status == 200

        await eventually(served)
        assert (await api("GET", "/readyz")).status == 503
        monkeypatch.setattr("customdomains.api.rooms.PATIENCE", 0.0)
        assert (await api("GET", "/readyz")).status == 200
        unread = await api("GET", "/domains", headers=there)
        assert (unread.status, unread.code) == (503, "not_ready")
        await api.register(fresh_name())
        let_in(control_plane, elsewhere)

        async def read() -> bool:
            return (await api("GET", "/domains", headers=there)).status == 200

        await eventually(read)


async def test_a_namespace_that_comes_later_is_served_from_then_on(
    control_plane, client, namespace, elsewhere
):
    later = f"later-{namespace}"
    there = {"Customdomains-Namespace": later}
    async with api_server(client, namespace, namespaces=(elsewhere, later)) as api:
        call = ("POST", "/domains")
        answer = await api(*call, json={"domain_name": fresh_name()}, headers=there)
        assert (answer.status, answer.code) == (500, "storage_error")
        assert f"the namespace {later}, where domains are kept, does not exist" in answer.text
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": later}}
        control_plane.request("POST", "/api/v1/namespaces", body)

        async def registered() -> bool:
            body = {"domain_name": fresh_name()}
            return (await api(*call, json=body, headers=there)).status == 201

        await eventually(registered)
        listed = (await api("GET", "/domains", headers=there)).body["domains"]
        assert len(listed) == 1
        assert (await api("DELETE", f"/domains/{listed[0]['id']}", headers=there)).status == 204


async def test_a_claim_is_looked_at_where_somebody_has_a_seat_on_it(client, namespace, elsewhere):
    """And where somebody had one: so many namespaces cost little."""
    looked = []

    class Index:
        def __init__(self, namespace: str) -> None:
            self.namespace = namespace
            self.domains = set()

        def has(self, domain: str) -> bool:
            return domain in self.domains

        def index(self, domain: str) -> None:
            looked.append((self.namespace, domain))

    claims = Claims(client)
    indexes = [Index(each) for each in (namespace, elsewhere, "another")]
    for each in indexes:
        claims.follow(each)
    watching = asyncio.create_task(claims.mirror.cache.run())
    async with api_server(client, namespace, namespaces=(elsewhere,)) as api:
        name = (await api.register(fresh_name()))["domain_name"]
        await claims.mirror.wait_for(name, lambda claim: claim is not None, 20)
        assert {of for of, domain in looked if domain == name} == {namespace}
        headers = {"Customdomains-Namespace": elsewhere}
        await api("POST", "/domains", json={"domain_name": name}, headers=headers)
        await claims.mirror.wait_for(name, lambda claim: len(claim.contenders) == 1, 20)
        assert {of for of, domain in looked if domain == name} == {namespace, elsewhere}
        looked.clear()
        indexes[2].domains.add(name)
        await client.delete(DOMAIN_CLAIMS, name)
        await claims.mirror.wait_for(name, lambda claim: claim is None, 20)
        assert {of for of, domain in looked if domain == name} == {"another"}
    watching.cancel()
