"""Renewal: while the controller was away all certificates have become due; then it comes back."""

import asyncio
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench import meters
from tests.bench.issuing import issue, settled
from tests.bench.report import Report, Row
from tests.bench.stage import Stage
from tests.bench.watching import changes

LIFETIME = timedelta(minutes=6)
"""Long enough for the last certificate to be due before the first one has expired."""

DEADLINE = 600.0

LEAST_REQUESTS = 5
"""RFC 8555 section 7.4: the order, its authorization, the challenge's answer, the order finalized,
the certificate. Nonces come with the answers, and this CA does everything within the request."""

_REQUEST = re.compile(r"method=(?:GET|POST|HEAD) .*?path=/acme/acme/(\S+)")


async def renew(stage: Stage, report: Report, count: int) -> None:
    """Have `count` certificates renewed by a controller that has just started."""
    scenario = f"renew-{count}"
    await issue(stage, Report(quiet=True), count)
    stage.operator.stop("controller")
    known = await _certificates(stage, count)
    due = max(_renewal_time(body) for body in known.values())
    report.heading(f"{count} certificates that are due renewed after the controller's start")
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()) + 1)
    before, asked = meters.read(stage), _requests(stage)
    serials = {name: _serial(body) for name, body in known.items()}
    began = time.monotonic()
    async with asyncio.timeout(DEADLINE):
        renewing = asyncio.create_task(_until_renewed(stage, serials))
        await asyncio.to_thread(stage.operator.start, "controller")
        await renewing
    took = time.monotonic() - began
    await settled(stage)
    # The controller's processor time is all its own: it was not there before.
    used, requests = meters.read(stage) - before, _requests(stage) - asked

    def add(figure: str, value: float, unit: str, limit: float | None = None) -> None:
        report.add(Row(scenario, figure, value, unit, limit))

    add("rate, the start included", count / took, "a second")
    add("API writes", used.writes.total() / count, "a certificate")
    add("put into etcd, all revisions, no Events", used.put / count / 1000, "kB a certificate")
    add("ACME requests", requests.total() / count, "a certificate", LEAST_REQUESTS)
    for kind, number in sorted(requests.items()):
        add(f"of these: {kind}", number / count, "a certificate")
    for name, seconds in used.cpu.items():
        add(f"CPU: {name}", seconds / count * 1000, "ms a certificate")
    add(
        "memory, peak: controller", meters.peak_mib(stage.operator.process("controller").pid), "MiB"
    )


def _requests(stage: Stage) -> Counter[str]:
    """What the CA was asked so far, by kind, from its own log."""
    found: Counter[str] = Counter()
    for path in _REQUEST.findall(stage.ca.log.read_text()):
        parts = path.split("/")
        found["finalize" if parts[-1] == "finalize" else parts[0]] += 1
    return found


async def _certificates(stage: Stage, count: int) -> dict[str, dict[str, Any]]:
    """All domains as they are."""
    found: dict[str, dict[str, Any]] = {}
    async for body in changes(stage):
        found[body["metadata"]["name"]] = body
        if len(found) >= count:
            return found
    raise AssertionError


async def _until_renewed(stage: Stage, serials: dict[str, str]) -> None:
    left = dict(serials)
    async for body in changes(stage):
        name = body["metadata"]["name"]
        if name in left and _serial(body) != left[name]:
            del left[name]
        if not left:
            return


def _serial(body: dict[str, Any]) -> str:
    serial: str = body["status"]["certificate"]["serialNumber"]
    return serial


def _renewal_time(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["status"]["certificate"]["renewalTime"])
