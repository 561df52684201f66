"""Claims, CustomDomains and the Lease as the API server keeps them."""

import secrets
from dataclasses import replace

import build
import pytest
from scripted import answer, scripted

from customdomains.cluster import AlreadyExists, ApiClient, Conflict, NotFound, Unavailable
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DNS_RECORDS, DOMAIN_CLAIMS
from customdomains.cluster.stores import ClaimStore, DomainStore, LeaseStore, Unreadable
from customdomains.model.claim import Claim, Holder
from customdomains.model.domain import API_VERSION, Key

pytestmark = pytest.mark.cluster


def a_claim(namespace: str) -> Claim:
    """One nobody has."""
    unique = secrets.token_hex(4)
    holder = Holder(Key(namespace, "shop"), build.NAMESPACE_UID, build.UID)
    bare = build.claim(domain=f"{unique}.example.com", holder=holder)
    return replace(bare, uid="", resource_version="")


@pytest.fixture
async def domain(client: ApiClient, namespace: str):
    """A CustomDomain as it is stored."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "CustomDomain",
        "metadata": {"namespace": namespace, "name": "shop"},
        "spec": {"domainName": "Shop.Example.COM"},
    }
    await client.create(CUSTOM_DOMAINS, body)
    return await DomainStore(client).read(Key(namespace, "shop"))


async def test_a_claim_goes_round(client, namespace):
    store, claim = ClaimStore(client), a_claim(namespace)
    assert await store.read(claim.domain) is None
    created = await store.create(claim)
    assert (created.id, created.token, created.holder) == (claim.id, claim.token, claim.holder)
    with pytest.raises(AlreadyExists):
        await store.create(claim)

    full = replace(
        created,
        verification=build.proof(),
        order=build.order(),
        certificate=build.certificate(),
        failure=build.failure(),
        issue_handled="1",
    )
    written = await store.replace(full)
    assert written == replace(full, resource_version=written.resource_version)
    assert await store.read(claim.domain) == written
    with pytest.raises(Conflict):
        await store.replace(full)
    with pytest.raises(Conflict):
        await store.delete(full)
    await store.delete(written)
    await store.delete(written)
    assert await store.read(claim.domain) is None
    with pytest.raises((Conflict, NotFound)):
        await store.replace(written)


async def test_a_claim_of_the_same_name_made_anew_is_not_the_one_that_was(client, namespace):
    store, claim = ClaimStore(client), a_claim(namespace)
    first = await store.create(claim)
    await store.delete(first)
    second = await store.create(claim)
    for write in (store.replace, store.delete):
        with pytest.raises(Conflict):
            await write(replace(first, resource_version=second.resource_version))
    assert await store.read(claim.domain) == second


async def test_the_status_is_replaced_on_the_version_it_was_decided_on(client, domain):
    store = DomainStore(client)
    status = {"observedGeneration": 1, "phase": "pending", "id": build.ID}
    written = await store.write_status(domain, status)
    assert written.status.phase == "pending"
    assert written.generation == domain.generation
    with pytest.raises(Conflict):
        await store.write_status(domain, status)
    again = await store.write_status(written, {"observedGeneration": 1, "phase": "failed"})
    body = await client.get(CUSTOM_DOMAINS, "shop", domain.key.namespace)
    assert body["status"] == {"observedGeneration": 1, "phase": "failed"}
    await client.delete(CUSTOM_DOMAINS, "shop", domain.key.namespace)
    with pytest.raises(NotFound):
        await store.write_status(again, status)
    assert await store.read(domain.key) is None


async def test_the_status_of_one_made_anew_is_not_written(client, domain):
    store, namespace = DomainStore(client), domain.key.namespace
    body = await client.get(CUSTOM_DOMAINS, "shop", namespace)
    await client.delete(CUSTOM_DOMAINS, "shop", namespace)
    body["metadata"] = {"namespace": namespace, "name": "shop"}
    await client.create(CUSTOM_DOMAINS, body)
    now = await store.read(domain.key)
    with pytest.raises(Conflict):
        await store.write_status(replace(domain, resource_version=now.resource_version), {})


async def test_names_and_namespaces(client, domain):
    store = DomainStore(client)
    assert (await store.names())[domain.key] == domain.uid
    namespace = await client.request("GET", f"/api/v1/namespaces/{domain.key.namespace}")
    assert await store.namespace_uid(domain.key.namespace) == namespace["metadata"]["uid"]
    assert await store.namespace_uid("no-such-namespace") is None


async def test_a_lease_with_a_deadline(client, namespace):
    store = LeaseStore(client, namespace, "leader")
    with pytest.raises(NotFound):
        await store.read(5.0)
    with pytest.raises(Unavailable):
        await store.read(0.0001)


async def test_a_404_that_is_not_the_api_server_s_word_says_nothing():
    page = answer(404, "404 page not found", "Content-Type: text/plain")
    async with scripted(*[page] * 6) as (_, connection), ApiClient(connection) as client:
        claims, domains = ClaimStore(client), DomainStore(client)
        for call in (
            claims.read("a.example.com"),
            claims.replace(build.claim()),
            claims.delete(build.claim()),
            domains.read(build.KEY),
            domains.write_status(build.domain(), {}),
            domains.namespace_uid("one"),
        ):
            with pytest.raises(Unavailable):
                await call


async def test_what_cannot_be_read_is_not_what_is_not_there():
    broken = answer(200, '{"metadata": {"name": "a.example.com"}}')
    async with scripted(broken, broken) as (_, connection), ApiClient(connection) as client:
        with pytest.raises(Unreadable, match=r"a\.example\.com"):
            await ClaimStore(client).read("a.example.com")
        with pytest.raises(Unreadable):
            await DomainStore(client).read(build.KEY)


def test_kinds_are_the_crds(control_plane):
    served = control_plane.request("GET", f"/apis/{API_VERSION}")["resources"]
    kinds = {kind["name"]: kind["namespaced"] for kind in served}
    for resource in (CUSTOM_DOMAINS, DNS_RECORDS, DOMAIN_CLAIMS):
        assert kinds[resource.plural] is resource.namespaced
