"""What a watch of the CustomDomains says."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.bench.stage import Stage

GROUP = "/apis/customdomains.dev/v1"


async def changes(stage: Stage) -> AsyncIterator[dict[str, Any]]:
    """Each CustomDomain as it was after a change, those that are there first; without end.

    The API server drops whoever reads too slowly; then all are told once more.
    """
    plane = stage.control_plane
    url = f"{plane.url}{GROUP}/customdomains"
    headers = {"Authorization": f"Bearer {plane.admin_token}"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        headers=headers, timeout=timeout, read_bufsize=2**21
    ) as session:
        while True:
            async with session.get(url, params={"watch": "1"}, ssl=False) as stream:
                stream.raise_for_status()
                async for line in stream.content:
                    yield json.loads(line)["object"]
