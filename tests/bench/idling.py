"""10,000 verified domains with nothing to do: what the controller costs then."""

import asyncio
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp

from customdomains.devcluster.usage import cpu_seconds
from customdomains.model.certificate import Method
from customdomains.model.claim import Claim, Holder, Verification, render_claim
from customdomains.model.domain import API_VERSION, Key
from customdomains.model.identity import mint_identity
from tests.bench import meters
from tests.bench.issuing import settled
from tests.bench.report import Report, Row
from tests.bench.stage import Stage

CLIENTS = 16
WATCHED = 60.0
GROUP = "/apis/customdomains.dev/v1"


async def idle(stage: Stage, report: Report, count: int) -> None:
    """Make `count` domains that are verified and want no certificate, and start on them."""
    scenario = f"idle-{count}"
    report.heading(f"{count} verified idle domains")
    await _populate(stage, count)
    stage.operator.start("controller")
    await settled(stage)
    stage.operator.stop("controller")
    started = time.monotonic()
    stage.operator.launch("controller")
    await asyncio.to_thread(stage.operator.wait_ready, "controller")
    synced = time.monotonic() - started
    controller = stage.operator.process("controller").pid
    await _calm(controller)
    writes, used = meters.api_writes(stage.control_plane), cpu_seconds(controller)
    await asyncio.sleep(WATCHED)
    written = (meters.api_writes(stage.control_plane) - writes).total()
    used = cpu_seconds(controller) - used
    report.add(Row(scenario, "start to synced", synced, "s", 15))
    report.add(Row(scenario, "controller memory", meters.resident_mib(controller), "MiB", 220))
    report.add(Row(scenario, "controller memory, peak", meters.peak_mib(controller), "MiB"))
    report.add(Row(scenario, f"API writes in {WATCHED:.0f} s", written, "", 0))
    report.add(Row(scenario, "controller CPU", used / WATCHED * 100, "% of a core", 2))


async def _populate(stage: Stage, count: int) -> None:
    """Claims that are proved and their resources, created bare."""
    plane = stage.control_plane
    namespace_uid = plane.request("GET", "/api/v1/namespaces/tenants")["metadata"]["uid"]
    headers = {"Authorization": f"Bearer {plane.admin_token}"}
    connector = aiohttp.TCPConnector(limit=CLIENTS, ssl=False)
    numbers = iter(range(count))
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def client() -> None:
            for number in numbers:
                domain = f"d{number}.idle.example.org"
                resource = {
                    "apiVersion": API_VERSION,
                    "kind": "CustomDomain",
                    "metadata": {"name": domain, "namespace": "tenants"},
                    "spec": {"domainName": domain, "certificate": {"issuance": "Never"}},
                }
                url = f"{plane.url}{GROUP}/namespaces/tenants/customdomains"
                async with session.post(url, json=resource) as answer:
                    answer.raise_for_status()
                    uid = (await answer.json())["metadata"]["uid"]
                identity = mint_identity(secrets.token_bytes)
                holder = Holder(Key("tenants", domain), namespace_uid, uid)
                proof = Verification(Method.DELEGATED, datetime.now(UTC))
                claim = Claim(domain, identity.id, identity.token, holder)
                body = render_claim(replace(claim, verification=proof))
                async with session.post(f"{plane.url}{GROUP}/domainclaims", json=body) as answer:
                    answer.raise_for_status()

        await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def _calm(pid: int) -> None:
    """Until the process has used less than a tenth of a core for a second."""
    before = -1.0
    while (now := cpu_seconds(pid)) - before > 0.1:
        before = now
        await asyncio.sleep(1)
