"""How soon a record is seen that appears: with nothing else to do, and beside 1,000 dead ones."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import aiohttp

from customdomains.devcluster.rundir import free_port
from customdomains.devcluster.usage import cpu_seconds
from customdomains.model.domain import API_VERSION
from tests.bench import meters
from tests.bench.report import Report, Row
from tests.bench.stage import Stage, stage
from tests.bench.watching import GROUP, changes
from tests.silence import SILENT_HOST, silent_server

CLIENTS = 16
DEADLINE = 600.0
WATCHED = 60.0
WAITING = 30
"""Domains whose records appear one after the other on an idle controller."""
PAUSE = 4.0
GOOD = 20
"""Domains of each of two tenants whose records appear beside those that can't be looked up."""
STEP = WATCHED / GOOD

_BLACKHOLE = "ns1.blackhole.example.org"
_UNANSWERED = "unanswered.example.net"

Body = Mapping[str, Any]


async def lookups(report: Report, dead: int) -> None:
    """All scenarios: `dead` domains of one tenant are on name servers that say nothing."""
    with stage() as parts:
        report.heading(f"{WAITING} waiting domains, a record appears every {PAUSE:.0f} s")
        async with _tenants(parts) as tenants:
            await _seen(tenants, report)
    with stage() as parts, silent_server(parts.tenant_dns.port):
        report.heading(f"{dead} domains whose name servers are silent, and good ones")
        zones = [f"d{number}-silent.com" for number in range(dead)]
        addresses = {"name": _BLACKHOLE, "type": "A", "values": [SILENT_HOST]}
        led = ({"name": zone, "type": "NS", "values": [_BLACKHOLE]} for zone in zones)
        async with _tenants(parts) as tenants:
            await tenants.set_records([addresses, *led])
            await _beside(tenants, report, "lookups-silent", zones)
    port = free_port()
    with silent_server(port) as silent, stage({_UNANSWERED: silent}) as parts:
        report.heading(f"{dead} domains whose zones the resolver can't find, and good ones")
        names = [f"d{number}.{_UNANSWERED}" for number in range(dead)]
        async with _tenants(parts) as tenants:
            await _beside(tenants, report, "lookups-unanswered", names)


async def _seen(tenants: "_Tenants", report: Report) -> None:
    names = [f"w{number}.waiting.example.com" for number in range(WAITING)]
    await tenants.register("others", names)
    took = []
    for name in names:
        await asyncio.sleep(PAUSE)
        took.append(await tenants.prove("others", name))
    _add(report, "lookups-idle", "from record to verified", took, 5)


async def _beside(tenants: "_Tenants", report: Report, scenario: str, dead: Iterable[str]) -> None:
    """Register the `dead` domains, and while they are looked up in vain, good ones."""
    parts = tenants.stage
    dead = list(dead)
    await tenants.register("tenants", dead)
    await asyncio.gather(*(tenants.until("tenants", name, _looked_up_in_vain) for name in dead))
    controller = parts.operator.process("controller").pid
    used, started = cpu_seconds(controller), time.monotonic()

    async def good(namespace: str) -> list[float]:
        took = []
        for number in range(GOOD):
            name = f"g{number}.{namespace}-{scenario}.example.com"
            await tenants.register(namespace, [name])
            await tenants.until(namespace, name, _missed)
            # The next check is some seconds away: it is to be met at every distance.
            await asyncio.sleep(number % 10 * 0.2)
            took.append(await tenants.prove(namespace, name))
            await asyncio.sleep(max(0.0, started + (number + 1) * STEP - time.monotonic()))
        return took

    same, other = await asyncio.gather(good("tenants"), good("others"))
    used, watched = cpu_seconds(controller) - used, time.monotonic() - started
    _add(report, scenario, "another tenant's record to verified", other, 2)
    _add(report, scenario, "the same tenant's record to verified", same, 2)
    cpu = Row(scenario, "controller CPU", used / watched * 100, "% of a core")
    report.add(cpu)
    peak = meters.peak_mib(controller)
    report.add(Row(scenario, "controller memory, peak", peak, "MiB"))
    wrong = sum(not _looked_up_in_vain(tenants.latest["tenants", name]) for name in dead)
    report.add(Row(scenario, "dead ones said to be anything else", wrong, "", 0))


def _add(report: Report, scenario: str, figure: str, took: list[float], limit: float) -> None:
    report.add(Row(scenario, f"{figure}, median", sorted(took)[len(took) // 2], "s"))
    report.add(Row(scenario, f"{figure}, longest", max(took), "s", limit))


def _looked_up_in_vain(body: Body) -> bool:
    status = body.get("status", {})
    said = {each["type"]: each["reason"] for each in status.get("conditions", [])}
    return status.get("phase") == "pending" and said["Verified"] in {
        "ServersUnreachable",
        "LookupFailed",
    }


def _verified(body: Body) -> bool:
    return bool(body.get("status", {}).get("phase") == "verified")


class _Tenants:
    """What tenants do and see; `latest` is each CustomDomain by namespace and name."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession) -> None:
        self.stage = stage
        self.latest: dict[tuple[str, str], Body] = {}
        self._session = session
        self._waiting: dict[tuple[str, str], tuple[Callable[[Body], bool], asyncio.Event]] = {}

    async def follow(self) -> None:
        async for body in changes(self.stage):
            key = body["metadata"]["namespace"], body["metadata"]["name"]
            self.latest[key] = body
            if key in self._waiting and self._waiting[key][0](body):
                self._waiting.pop(key)[1].set()

    async def until(self, namespace: str, name: str, holds: Callable[[Body], bool]) -> Body:
        key = namespace, name
        if not holds(self.latest.get(key, {})):
            event = asyncio.Event()
            self._waiting[key] = holds, event
            await event.wait()
        return self.latest[key]

    async def register(self, namespace: str, domains: Iterable[str]) -> None:
        """Make CustomDomains that want no certificate."""
        url = f"{self.stage.control_plane.url}{GROUP}/namespaces/{namespace}/customdomains"
        left = iter(list(domains))

        async def client() -> None:
            for domain in left:
                body = {
                    "apiVersion": API_VERSION,
                    "kind": "CustomDomain",
                    "metadata": {"name": domain},
                    "spec": {"domainName": domain, "certificate": {"issuance": "Never"}},
                }
                async with self._session.post(url, json=body) as answer:
                    answer.raise_for_status()

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    async def prove(self, namespace: str, domain: str) -> float:
        """Set the record that was looked for in vain; seconds from there to verified."""
        body = await self.until(namespace, domain, _missed)
        name, token = f"_acme-challenge.{domain}", body["status"]["verificationToken"]
        appeared = time.monotonic()
        await self.set_records([{"name": name, "type": "TXT", "values": [token]}])
        await self.until(namespace, domain, _verified)
        return time.monotonic() - appeared

    async def set_records(self, records: list[dict[str, Any]]) -> None:
        url = f"{self.stage.tenant_dns.api_url}/records"
        async with self._session.put(url, json=records) as answer:
            answer.raise_for_status()


def _missed(body: Body) -> bool:
    return bool(body.get("status", {}).get("verification", {}).get("lastCheckedAt"))


@contextlib.asynccontextmanager
async def _tenants(stage: Stage) -> AsyncIterator[_Tenants]:
    stage.operator.start("dns", "controller")
    headers = {"Authorization": f"Bearer {stage.control_plane.admin_token}"}
    connector = aiohttp.TCPConnector(limit=2 * CLIENTS, ssl=False)
    async with (
        asyncio.timeout(DEADLINE),
        aiohttp.ClientSession(headers=headers, connector=connector) as session,
        asyncio.TaskGroup() as group,
    ):
        tenants = _Tenants(stage, session)
        following = group.create_task(tenants.follow())
        yield tenants
        following.cancel()
