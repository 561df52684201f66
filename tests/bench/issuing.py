"""From `kubectl apply` to all domains active, the tenants delegating by CNAME meanwhile."""

import asyncio
import time
from typing import Any

import aiohttp

from tests.bench import meters
from tests.bench.report import AT_LEAST, Report, Row
from tests.bench.stage import ZONE, Stage
from tests.bench.watching import changes

DEADLINE = 600.0


async def issue(stage: Stage, report: Report, count: int) -> None:
    """Bring `count` new domains to active and report what it took."""
    scenario = f"issue-{count}"
    report.heading(f"{count} delegated domains from kubectl apply to active")
    manifest = stage.directory / f"{scenario}.yaml"
    manifest.write_text("---\n".join(_manifest(scenario, number) for number in range(count)))
    before = meters.read(stage)
    async with asyncio.timeout(DEADLINE):
        watching = asyncio.create_task(_delegate_until_active(stage, scenario, count))
        apply = ("apply", "-f", str(manifest))
        await asyncio.to_thread(stage.control_plane.run_kubectl, *apply)
        applied = time.monotonic() - before.at
        await watching
    took = time.monotonic() - before.at
    await settled(stage)
    used = meters.read(stage) - before

    def add(figure: str, value: float, unit: str, limit: float | None = None) -> None:
        report.add(Row(scenario, figure, value, unit, limit))

    rate = "rate, apply and delegation included"
    report.add(Row(scenario, rate, count / took, "a second", 20, AT_LEAST))
    add("kubectl apply alone", applied, "s")
    add("API writes, the user's own included", used.writes.total() / count, "a domain", 10)
    add("put into etcd, all revisions, no Events", used.put / count / 1000, "kB a domain", 15)
    add("kept of that once compacted", used.kept / count / 1000, "kB a domain")
    add("Events put into etcd", used.events / count / 1000, "kB a domain")
    add("etcd's database, Events and pages too", used.database / count / 1000, "kB a domain")
    for name, seconds in used.cpu.items():
        limit = 30 if name == "controller" else None
        add(f"CPU: {name}", seconds / count * 1000, "ms a domain", limit)
    for name in ("controller", "dns"):
        add(f"memory, peak: {name}", meters.peak_mib(stage.operator.process(name).pid), "MiB")


def _manifest(scenario: str, number: int) -> str:
    return (
        "apiVersion: customdomains.dev/v1\n"
        "kind: CustomDomain\n"
        f"metadata: {{name: {scenario}-{number}, namespace: tenants}}\n"
        f"spec: {{domainName: d{number}.{scenario}.example.com}}\n"
    )


async def settled(stage: Stage) -> None:
    """Until the API server has served no write for a second: the last Secrets are dropped."""
    before = -1
    while (now := meters.api_writes(stage.control_plane).total()) != before:
        before = now
        await asyncio.sleep(1)


async def _delegate_until_active(stage: Stage, scenario: str, count: int) -> None:
    """What the tenants do: set the CNAME as soon as the status has it."""
    delegated: set[str] = set()
    active: set[str] = set()
    pending: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as session:
        async for body in changes(stage):
            name, status = body["metadata"]["name"], body.get("status", {})
            if not name.startswith(f"{scenario}-"):
                continue
            if status.get("id") and name not in delegated:
                delegated.add(name)
                pending.append(_cname(body))
            if pending and (len(pending) >= 50 or len(delegated) == count):
                await _put(session, stage, pending)
                pending = []
            if status.get("phase") == "active":
                active.add(name)
            if len(active) == count:
                return


def _cname(body: dict[str, Any]) -> dict[str, Any]:
    name = f"_acme-challenge.{body['status']['domain']}."
    return {"name": name, "type": "CNAME", "values": [f"{body['status']['id']}.{ZONE}."]}


async def _put(session: aiohttp.ClientSession, stage: Stage, records: list[dict[str, Any]]) -> None:
    async with session.put(f"{stage.tenant_dns.api_url}/records", json=records) as answer:
        answer.raise_for_status()
