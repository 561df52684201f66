"""Registrations by `POST /domains` from 16 clients, beside the same objects created bare."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable

import aiohttp

from customdomains.model.claim import Claim, Holder, render_claim
from customdomains.model.domain import API_VERSION, Key
from customdomains.model.identity import mint_identity
from tests.bench import meters
from tests.bench.report import AT_LEAST, Report, Row
from tests.bench.stage import Stage

CLIENTS = 16
COUNT = 1600
GROUP = "/apis/customdomains.dev/v1"


async def register(stage: Stage, report: Report, scenario: str) -> None:
    """Bare and through the api in turns, three times each, so that both see the same machine."""
    bare, posted, failed = [], [], 0
    for turn in range(3):
        bare.append(await _bare(stage, f"{scenario}-bare{turn}"))
        rate, failures = await _posted(stage, f"{scenario}-post{turn}")
        posted.append(rate)
        failed += failures
    limit, rate = sorted(bare)[1], sorted(posted)[1]
    api = stage.operator.process("api").pid
    wanted = 0.6 if scenario == "register-alone" else None
    report.add(Row(scenario, "bare: the same two objects", limit, "registrations/s"))
    report.add(Row(scenario, "POST /domains", rate, "registrations/s"))
    report.add(Row(scenario, "failed", failed, "registrations", 0))
    report.add(Row(scenario, "ratio to bare", rate / limit, "", wanted, AT_LEAST))
    report.add(Row(scenario, "api memory", meters.resident_mib(api), "MiB"))


async def _drive(one: Callable[[int], Awaitable[None]], count: int) -> float:
    """Run `one(0)` to `one(count - 1)` from 16 clients; how many a second."""
    numbers = itertools.count()

    async def client() -> None:
        while (number := next(numbers)) < count:
            await one(number)

    started = time.monotonic()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count / (time.monotonic() - started)


async def _bare(stage: Stage, label: str) -> float:
    plane = stage.control_plane
    headers = {"Authorization": f"Bearer {plane.admin_token}"}
    connector = aiohttp.TCPConnector(limit=CLIENTS, ssl=False)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def one(number: int) -> None:
            domain = f"d{number}.{label}.example.org"
            holder = Holder(Key("tenants", domain), "none", None)
            identity = mint_identity(secrets.token_bytes)
            claim = Claim(domain, identity.id, identity.token, holder)
            resource = {
                "apiVersion": API_VERSION,
                "kind": "CustomDomain",
                "metadata": {"name": domain, "namespace": "tenants"},
                "spec": {"domainName": domain},
            }
            for path, body in (
                ("domainclaims", render_claim(claim)),
                ("namespaces/tenants/customdomains", resource),
            ):
                async with session.post(f"{plane.url}{GROUP}/{path}", json=body) as answer:
                    await answer.read()
                    answer.raise_for_status()

        return await _drive(one, COUNT)


async def _posted(stage: Stage, label: str) -> tuple[float, int]:
    headers = {"Authorization": f"Bearer {stage.operator.api_token}"}
    connector = aiohttp.TCPConnector(limit=CLIENTS)
    failures = 0
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def one(number: int) -> None:
            nonlocal failures
            body = {"domain_name": f"d{number}.{label}.example.org"}
            async with session.post(f"{stage.operator.api_url}/domains", json=body) as answer:
                await answer.read()
                failures += answer.status != 201

        return await _drive(one, COUNT), failures
