"""The API server goes away before, during and after each request of the contract."""

import asyncio
from dataclasses import replace

import pytest
from api import claims
from api.calling import api_server, eventually, fresh_name
from api.phases import put_phase
from cluster.relay import relayed

from customdomains.api.resources import carries_id
from customdomains.cluster import ApiClient, NotFound, Unavailable, load_connection
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DNS_RECORDS, DOMAIN_CLAIMS
from customdomains.policy import succession
from customdomains.policy.schedule import CLAIM_PATIENCE

pytestmark = pytest.mark.cluster

ZONE = "own.example.org"
NOBODY = "0" * 32
STORAGE = (500, "storage_error")


class Fading(ApiClient):
    """Gone for good after `left` more calls; the one after those is "dropped" or "lost"."""

    left: int | None = None
    how = "dropped"

    async def _call(self, *arguments, **options):
        if self.left is None:
            return await super()._call(*arguments, **options)
        self.left -= 1
        if self.left >= 0 or (self.left == -1 and self.how == "lost"):
            answer = await super()._call(*arguments, **options)
            if self.left >= 0:
                return answer
        raise Unavailable(0, "Timeout", "no answer")


@pytest.fixture
async def fading(control_plane):
    async with Fading(await load_connection(str(control_plane.kubeconfig))) as client:
        yield client


async def stored(client, name, namespace):
    """The claim and the CustomDomain, None for what is not there."""
    try:
        claim = await claims.read(client, name)
    except NotFound:
        claim = None
    try:
        view = await client.get(CUSTOM_DOMAINS, name, namespace)
    except NotFound:
        view = None
    return claim, view


async def age(client, name):
    """Let the seat wait until the sweep would take it."""
    claim = await claims.read(client, name)
    (seat,) = claim.seats
    long_ago = claims.NOW - 2 * CLAIM_PATIENCE
    aged = replace(seat, standing=replace(seat.standing, since=long_ago))
    await claims.rewrite(client, name, lambda known: succession.with_seat(known, aged))


@pytest.mark.parametrize("how", ["dropped", "lost"])
async def test_a_registration_that_is_cut_short_anywhere_is_made_whole(
    fading, client, namespace, how
):
    fading.how = how
    stages = []
    async with api_server(fading, namespace) as api:
        for left in range(20):
            name = fresh_name()
            fading.left = left
            answer = await api("POST", "/domains", json={"domain_name": name})
            fading.left = None
            claim, view = await stored(client, name, namespace)
            stages.append((answer.status, claim is not None, view is not None))
            if answer.status == 201:
                break
            assert (answer.status, answer.code) == STORAGE
            if claim is not None and view is None:
                await age(client, name)
            again = await api("POST", "/domains", json={"domain_name": name})
            if view is not None:
                assert (again.status, again.code) == (500, "domain_already_registered")
                registered = (await api("GET", f"/domains?domain_name={name}")).body["domains"][0]
            else:
                assert again.status == 201
                registered = again.body
            claim, view = await stored(client, name, namespace)
            assert claim.id == registered["id"]
            assert carries_id(view, claim.id)
            assert (await api("GET", f"/domains/{claim.id}")).status == 200
            assert (await api("DELETE", f"/domains/{claim.id}")).status == 204
            assert await stored(client, name, namespace) == (None, None)
    assert stages[-1][0] == 201
    # Each of the states in between has been there.
    assert {each[1:] for each in stages} >= {(True, False), (True, True)}


@pytest.mark.parametrize("how", ["dropped", "lost"])
async def test_a_deletion_that_is_cut_short_anywhere_is_finished_by_the_next(
    fading, client, namespace, how
):
    fading.how = how
    statuses = []
    async with api_server(fading, namespace) as api:
        for left in range(20):
            made = await api.register(fresh_name())
            path, name = f"/domains/{made['id']}", made["domain_name"]
            fading.left = left
            answer = await api("DELETE", path)
            fading.left = None
            statuses.append(answer.status)
            if answer.status == 204:
                break
            assert (answer.status, answer.code) == STORAGE
            claim, _ = await stored(client, name, namespace)
            again = await api("DELETE", path)
            assert again.status == (404 if claim is None else 204)
            assert await stored(client, name, namespace) == (None, None)
            await api.register(name)
    assert len(statuses) > 1
    assert statuses[-1] == 204


async def test_each_request_while_the_api_server_is_away(control_plane, client, namespace):
    target = await load_connection(str(control_plane.kubeconfig))
    more = {"zones": (ZONE,), "records_namespace": namespace, "controller_timeout": 1}
    async with (
        relayed(target) as (relay, connection),
        ApiClient(connection) as through,
        api_server(through, namespace, **more) as api,
    ):
        pending = await api.register(fresh_name("pending"))
        active = await api.register(fresh_name("active"))
        await put_phase(client, active, namespace, "active")
        www = {"name": f"www.{ZONE}", "type": "A", "value": "192.0.2.1"}
        assert (await api("POST", "/dns/records", json=www)).status == 201

        async def seen() -> bool:
            found = await api("GET", f"/domains/{active['id']}")
            return found.body["status"] == "active" and "certificate" in found.body

        await eventually(seen)
        names = [fresh_name("offered") for _ in range(2)]
        offers = [{"json": {"domain_name": each}} for each in names]
        offers[1]["headers"] = {"Idempotency-Key": "once"}
        of, known, unknown = "/domains/{}".format, pending["id"], NOBODY
        other = {**www, "value": "192.0.2.2"}
        away = [
            ("POST", "/domains", offers[0]),
            ("POST", "/domains", offers[1]),
            ("GET", of(unknown), {}),
            ("GET", of(f"{unknown}?wait=active&timeout=60s"), {}),
            ("GET", of(f"{unknown}/events"), {}),
            ("GET", of(f"{unknown}/certificate"), {}),
            ("DELETE", of(known), {}),
            ("DELETE", of(unknown), {}),
            ("POST", of(f"{known}/verify"), {}),
            ("POST", of(f"{unknown}/verify"), {}),
            ("POST", of(f"{active['id']}/issue-certificate"), {}),
            ("POST", of(f"{unknown}/issue-certificate"), {}),
            ("POST", "/dns/records", {"json": other}),
            ("DELETE", "/dns/records", {"json": www}),
        ]
        from_memory = [
            ("POST", "/domains", {"json": {"domain_name": pending["domain_name"]}}, 500),
            ("GET", "/domains", {}, 200),
            ("GET", of(known), {}, 200),
            ("GET", of(f"{known}?wait=pending"), {}, 200),
            ("GET", of(f"{known}/certificate"), {}, 404),
            ("GET", of(f"{active['id']}/certificate"), {}, 200),
            ("POST", of(f"{known}/issue-certificate"), {}, 400),
            ("GET", "/dns/records", {}, 200),
            ("GET", f"/dns/resolve?name=www.{ZONE}", {}, 200),
            ("GET", "/healthz", {}, 200),
            ("GET", "/readyz", {}, 200),
            ("GET", "/metrics", {}, 200),
            ("GET", "/openapi.json", {}, 200),
        ]
        relay.hold()
        relay.cut()
        cutting = asyncio.create_task(relay.cut_whoever_comes())
        for method, path, options in away:
            answer = await api(method, path, **options)
            assert (answer.status, answer.code) == STORAGE, (method, path)
        for method, path, options, status in from_memory:
            assert (await api(method, path, **options)).status == status, (method, path)
        cutting.cancel()
        relay.open.set()
        relay.cut()

        async def registers() -> bool:
            return (await api("POST", "/domains", json={"domain_name": names[0]})).status == 201

        await eventually(registers)
        left = {each["metadata"]["name"] async for each in client.list(CUSTOM_DOMAINS, namespace)}
        assert left == {names[0], pending["domain_name"], active["domain_name"]}
        found = {each["metadata"]["name"] async for each in client.list(DOMAIN_CLAIMS)}
        assert {each for each in found if each in (*names, *left)} == left
        (record,) = [each async for each in client.list(DNS_RECORDS, namespace)]
        assert record["spec"]["values"] == ["192.0.2.1"]
        assert (await api("GET", of(known))).body["status"] == "pending"
