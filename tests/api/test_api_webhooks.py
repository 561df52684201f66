"""What is deleted over HTTP is told by webhooks; until then its claim stays, and is free."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from api import claims
from api.calling import RULES, Caller, api_server, fresh_name

from customdomains.cluster import ApiClient, NotFound
from customdomains.model.claim import NOBODY

pytestmark = pytest.mark.cluster

TOLD = replace(RULES, claims=replace(RULES.claims, webhooks=True))


@pytest.fixture
async def teller(client: ApiClient, namespace: str) -> AsyncIterator[Caller]:
    """A replica with the same settings as a controller that tells."""
    async with api_server(client, namespace, rules=TOLD) as caller:
        yield caller


async def test_a_deletion_is_left_in_a_claim_that_nobody_holds(teller, client):
    name = fresh_name()
    made = await teller.register(name)
    await claims.adopt(client, name, made["id"])
    assert (await teller("DELETE", f"/domains/{made['id']}")).status == 204
    left = await claims.read(client, name)
    assert (left.holder, left.seats) == (NOBODY, ())
    assert [(m.type, m.subject) for m in left.outbox] == [("domain.deleted", made["id"])]
    assert (await teller("GET", f"/domains/{made['id']}")).status == 404
    assert (await teller("GET", "/domains")).body["domains"] == []

    again = await teller.register(name)
    assert again["id"] != made["id"]
    kept = await claims.read(client, name)
    assert (kept.id, kept.outbox) == (again["id"], left.outbox)
    assert (await teller("GET", f"/domains/{again['id']}")).status == 200


async def test_what_waits_is_kept_also_by_a_replica_that_tells_nothing(teller, api, client):
    name = fresh_name()
    made = await teller.register(name)
    await claims.adopt(client, name, made["id"])
    await teller("DELETE", f"/domains/{made['id']}")
    waiting = (await claims.read(client, name)).outbox
    again = await api.register(name)
    assert (await api("DELETE", f"/domains/{again['id']}")).status == 204
    left = await claims.read(client, name)
    assert (left.seats, left.outbox[: len(waiting)]) == ((), waiting)


async def test_whoever_deletes_without_webhooks_leaves_nothing(api, client):
    name = fresh_name()
    made = await api.register(name)
    await claims.adopt(client, name, made["id"])
    assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
    with pytest.raises(NotFound):
        await claims.read(client, name)
