"""Edge proxies that ask about names at a steady rate, whatever the answers take."""

import asyncio
import gc
import itertools
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlsplit

import aiohttp

from customdomains.devcluster.usage import cpu_seconds
from customdomains.model.certificate import CertificateFacts, Method
from customdomains.model.claim import CertificateRecord, Claim, Holder, Verification, render_claim
from customdomains.model.domain import Key
from customdomains.model.names import certificate_names
from tests.bench import meters
from tests.bench.report import AT_LEAST, Report, Row
from tests.bench.stage import Stage

CLIENTS = 16
CLAIMS = 5000
RATE = 2000
SECONDS = 20
CONNECTIONS = 32
TICK = 0.0005  # seconds between two looks at what is due
GROUP = "/apis/customdomains.dev/v1"


async def ask(stage: Stage, report: Report) -> None:
    """With the API server there, and away."""
    await _populate(stage)
    stage.operator.start("api")
    names = [*_questions()]
    await _steady(stage, names, 1)  # what is compiled and allocated once
    report.heading(f"{RATE} questions of edge proxies a second, {CLAIMS} claims")
    await _measure(stage, report, "ask", names)
    report.heading("the same while the API server is away")
    stage.control_plane.stop_apiserver()
    await _measure(stage, report, "ask-away", names)


async def _measure(
    stage: Stage, report: Report, scenario: str, names: Sequence[tuple[str, int]]
) -> None:
    api = stage.operator.process("api").pid
    used, started = cpu_seconds(api), time.monotonic()
    told = await _steady(stage, names, SECONDS)
    used, took = cpu_seconds(api) - used, time.monotonic() - started
    times = sorted(told.seconds)

    def at(share: float) -> float:
        return times[int(share * (len(times) - 1))] * 1000

    report.add(Row(scenario, "answers", len(times) / took, "a second", RATE * 0.97, AT_LEAST))
    report.add(Row(scenario, "wrong answers", told.wrong, "", 0))
    report.add(Row(scenario, "median", at(0.5), "ms"))
    report.add(Row(scenario, "99th percentile", at(0.99), "ms", 2))
    report.add(Row(scenario, "99.9th percentile", at(0.999), "ms"))
    report.add(Row(scenario, "slowest", at(1), "ms"))
    report.add(Row(scenario, "api CPU", used / took * 100, "% of a core"))
    report.add(Row(scenario, "api memory", meters.resident_mib(api), "MiB"))


@dataclass(slots=True)
class _Told:
    """Seconds from each question to its answer, and how many answers were not the right one."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0


class _Edge(asyncio.Protocol):
    """One connection; a client's own work has to be small beside what it measures."""

    def __init__(self, told: _Told) -> None:
        self._told = told
        self._asked: deque[tuple[float, int]] = deque()
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, wanted: int) -> None:
        self._asked.append((time.perf_counter(), wanted))
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        *answers, self._rest = (self._rest + data).split(b"}")  # each has one object as its body
        for answer in answers:
            sent, wanted = self._asked.popleft()
            self._told.seconds.append(now - sent)
            self._told.wrong += not answer.startswith(b"HTTP/1.1 %d " % wanted)

    def close(self) -> None:
        self._transport.close()


async def _steady(stage: Stage, names: Sequence[tuple[str, int]], seconds: float) -> _Told:
    """Ask at the rate for so long. A question that is late is sent at once, with all others due."""
    url = urlsplit(stage.operator.ask_url)
    requests = itertools.cycle(
        (f"GET {url.path}?domain={name} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode(), wanted)
        for name, wanted in names
    )
    told = _Told()
    loop = asyncio.get_running_loop()
    edges = [
        (await loop.create_connection(lambda: _Edge(told), url.hostname, url.port))[1]
        for _ in range(CONNECTIONS)
    ]
    turns = itertools.cycle(edges)
    gc.collect()
    gc.disable()
    try:
        started, sent, total = time.perf_counter(), 0, int(RATE * seconds)
        while sent < total:
            due = min(total, int((time.perf_counter() - started) * RATE))
            for _ in range(due - sent):
                next(turns).ask(*next(requests))
            sent = due
            await asyncio.sleep(TICK)
        async with asyncio.timeout(10):
            while len(told.seconds) < total:  # noqa: ASYNC110 - nobody tells of the last one
                await asyncio.sleep(TICK)
    finally:
        gc.enable()
        for edge in edges:
            edge.close()
    return told


def _questions() -> Iterator[tuple[str, int]]:
    """Names, and what is to be answered: half are proved, a quarter is under a wildcard, a quarter
    nobody has registered."""
    for number in range(0, CLAIMS, 2):
        yield f"d{number}.edge.example.org", 200
        yield f"any.d{number}.edge.example.org", 200 if number % 4 == 0 else 404
        yield f"D{number + 1}.edge.example.ORG", 200
        yield f"n{number}.edge.example.org" if number % 4 == 0 else "example.org", 404


async def _populate(stage: Stage) -> None:
    """Claims that are proved; every fourth has a wildcard."""
    plane = stage.control_plane
    headers = {"Authorization": f"Bearer {plane.admin_token}"}
    connector = aiohttp.TCPConnector(limit=CLIENTS, ssl=False)
    numbers = iter(range(CLAIMS))
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def client() -> None:
            for number in numbers:
                body = render_claim(_claim(f"d{number}.edge.example.org", number % 4 == 0))
                async with session.post(f"{plane.url}{GROUP}/domainclaims", json=body) as answer:
                    answer.raise_for_status()

        await asyncio.gather(*(client() for _ in range(CLIENTS)))


def _claim(domain: str, wildcard: bool) -> Claim:
    now = datetime.now(UTC)
    certificate = CertificateRecord(
        issuer="ca",
        secret_name=f"{domain}-tls",
        names=certificate_names(domain, wildcard=wildcard),
        issued_at=now,
        facts=CertificateFacts("0a", now, now, "f" * 64),
    )
    bare = Claim(
        domain,
        secrets.token_hex(16),
        secrets.token_hex(32),
        Holder(Key("tenants", domain), "none", None),
    )
    return replace(bare, verification=Verification(Method.DELEGATED, now), certificate=certificate)
