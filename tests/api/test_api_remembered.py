"""A name that a CA has just failed for, and that nobody has registered any more."""

from dataclasses import replace
from datetime import timedelta

import pytest
from api import claims
from api.calling import fresh_name

from customdomains.cluster.errors import NotFound
from customdomains.model.claim import NOBODY, Failure
from customdomains.model.reasons import Reason

pytestmark = pytest.mark.cluster

FAILURE = Failure(
    Reason.CHALLENGE_FAILED,
    "no answer",
    claims.NOW,
    3,
    claims.NOW + timedelta(hours=1),
    heard="7 - -",
    unplaced=True,
    issuer="main",
)


async def test_its_wait_outlives_the_registration(api, other, client):
    name = fresh_name()
    made = await api.register(name)
    await claims.adopt(client, name, made["id"])
    await claims.rewrite(client, name, lambda claim: replace(claim, failure=FAILURE))
    assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
    left = await claims.read(client, name)
    assert (left.holder, left.id) == (NOBODY, "")
    assert left.failure is not None
    assert left.failure.retry_at == FAILURE.retry_at
    assert (await api("GET", f"/domains/{made['id']}")).status == 404
    again = await other.register(name)
    assert again["id"] != made["id"]
    held = await claims.read(client, name)
    assert (held.id, held.failure) == (again["id"], left.failure)


async def test_without_a_wait_nothing_is_left(api, client):
    name = fresh_name()
    made = await api.register(name)
    await claims.adopt(client, name, made["id"])
    over = replace(FAILURE, retry_at=claims.NOW)
    await claims.rewrite(client, name, lambda claim: replace(claim, failure=over))
    assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
    with pytest.raises(NotFound):
        await claims.read(client, name)
