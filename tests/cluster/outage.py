"""Taking the API server away and bringing it back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from cluster.kinds import CONFIG_MAPS, config_map

from customdomains.cluster import ApiClient
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.devcluster.controlplane import ControlPlane


@asynccontextmanager
async def api_server_away(control_plane: ControlPlane, client: ApiClient) -> AsyncIterator[None]:
    """The API server is killed for the time of the block."""
    control_plane.stop_apiserver()
    try:
        yield
    finally:
        await asyncio.to_thread(control_plane.start_apiserver)
        # "Ready" does not wait for custom resources: they answer 429 a little longer.
        for resource in (CUSTOM_DOMAINS, DOMAIN_CLAIMS):
            _ = [item async for item in client.list(resource)]


async def forget_history(control_plane: ControlPlane, client: ApiClient, namespace: str) -> None:
    """Make the API server unable to tell what was before now."""
    newest = await client.create(CONFIG_MAPS, config_map(namespace, "newest"))
    revision = {"revision": newest["metadata"]["resourceVersion"], "physical": True}
    url = f"{control_plane.etcd_url}/v3/kv/compaction"
    async with aiohttp.ClientSession() as etcd, etcd.post(url, json=revision) as answer:
        assert answer.status == 200
    # Its memory of recent changes goes with the process.
    async with api_server_away(control_plane, client):
        pass
