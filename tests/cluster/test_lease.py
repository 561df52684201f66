"""Leases as the API server keeps them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from customdomains.cluster import (
    AlreadyExists,
    ApiClient,
    Conflict,
    LeaseRecord,
    NotFound,
    create_lease,
    get_lease,
    replace_lease,
)
from customdomains.cluster.lease import LEASES

pytestmark = pytest.mark.cluster

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 5, UTC)


async def test_a_lease_goes_round(client: ApiClient, namespace: str):
    with pytest.raises(NotFound):
        await get_lease(client, namespace, "l", timeout=5.0)
    wanted = LeaseRecord("me", 15, MOMENT, MOMENT, 0)
    created = await create_lease(client, namespace, "l", wanted, timeout=5.0)
    assert created == replace(wanted, resource_version=created.resource_version)
    assert await get_lease(client, namespace, "l", timeout=5.0) == created
    with pytest.raises(AlreadyExists):
        await create_lease(client, namespace, "l", wanted, timeout=5.0)

    await client.patch(LEASES, "l", {"metadata": {"labels": {"kept": "yes"}}}, namespace)
    with pytest.raises(Conflict):
        await replace_lease(client, namespace, "l", created, timeout=5.0)
    now = await get_lease(client, namespace, "l", timeout=5.0)
    elsewhere = (MOMENT + timedelta(seconds=10)).astimezone(timezone(timedelta(hours=5)))
    taken = replace(now, holder="other", renew_time=elsewhere, transitions=1)
    stored = await replace_lease(client, namespace, "l", taken, timeout=5.0)
    assert stored == replace(taken, resource_version=stored.resource_version)
    assert (await client.get(LEASES, "l", namespace))["metadata"]["labels"] == {"kept": "yes"}


async def test_a_lease_can_be_nobodys(client: ApiClient, namespace: str):
    held = LeaseRecord("me", 15, MOMENT, MOMENT, 3)
    created = await create_lease(client, namespace, "l", held, timeout=5.0)
    free = replace(created, holder="", acquire_time=None, renew_time=None)
    stored = await replace_lease(client, namespace, "l", free, timeout=5.0)
    assert stored == replace(free, resource_version=stored.resource_version)


async def test_a_lease_without_a_spec_is_free(client: ApiClient, namespace: str):
    await client.create(LEASES, {"metadata": {"namespace": namespace, "name": "l"}})
    record = await get_lease(client, namespace, "l", timeout=5.0)
    assert record == LeaseRecord("", 0, None, None, 0, record.resource_version)
