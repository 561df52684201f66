"""What engines of a test are given: a key store, a clock, and a wire that counts."""

import asyncio
import datetime
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from scripted_ca import NAMES

from customdomains.acme import AcmeEngine, Timing, generate_private_key_pem
from customdomains.devcluster.tenantdns.handle import TenantDns
from customdomains.model.certificate import OrderError
from customdomains.model.keys import StoredKeys


class MemoryKeyStore:
    """Keeps account keys as a Secret would; `made` counts the keys that were stored."""

    def __init__(self) -> None:
        self.pem: str | None = None
        self.waiting: str | None = None
        self.made = 0

    async def load(self) -> StoredKeys | None:
        if self.pem is None:
            return None
        return StoredKeys(self.pem, self.waiting, f"{hash((self.pem, self.waiting))}")

    async def load_or_create(self, make: Callable[[], str]) -> StoredKeys:
        if self.pem is None:
            self.pem, self.made = make(), self.made + 1
        return StoredKeys(self.pem, self.waiting, f"{hash((self.pem, self.waiting))}")

    async def stage(self, known: StoredKeys, make: Callable[[], str]) -> StoredKeys:
        if await self.load() == known:
            self.waiting, self.made = make(), self.made + 1
        return await self.load_or_create(make)

    async def promote(self, known: StoredKeys) -> None:
        if await self.load() == known:
            self.pem, self.waiting = known.waiting, None


class KilledError(Exception):
    """Stands for a kill at the moment an answer arrives."""


@dataclass
class Wire:
    """The requests that went well, by the first part of their path; dies after `die_after`."""

    counts: Counter[str] = field(default_factory=Counter)
    die_after: str | None = None

    async def ended(self, _session, _context, params) -> None:
        if params.response.ok:
            part = params.url.path.split("/")[1]
            self.counts[part] += 1
            if part == self.die_after:
                raise KilledError

    def session(self, ca_file) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self.ended)
        context = ssl.create_default_context(cafile=ca_file)
        connector = aiohttp.TCPConnector(ssl=context)
        return aiohttp.ClientSession(connector=connector, trace_configs=[trace])


class Ticking:
    """A clock of the test's own: sleeping moves it on at once. `slept` are the pauses."""

    def __init__(self) -> None:
        self.started = datetime.datetime.now(datetime.UTC)
        self.passed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime.datetime:
        """The start and what was slept since."""
        return self.started + datetime.timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        """Seconds slept."""
        return self.passed

    async def sleep(self, seconds: float) -> None:
        """Move the clock on."""
        self.slept.append(seconds)
        self.passed += seconds
        await asyncio.sleep(0)


class Hasty:
    """The time of a client for whom every pause is over at once."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self.timing = Timing(self._now, self._monotonic, self._sleep)

    def _now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self._skipped)

    def _monotonic(self) -> float:
        return time.monotonic() + self._skipped

    async def _sleep(self, seconds: float) -> None:
        self._skipped += seconds
        await asyncio.sleep(0.01)


class CertificateKey:
    """The source of a certificate's key: `asked` says how often it was asked for."""

    def __init__(self, pem: str | None = None) -> None:
        self.pem = pem or generate_private_key_pem()
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        return self.pem


async def place(engine: AcmeEngine, dns: TenantDns, names: tuple[str, ...]) -> str:
    """Place an order and set its records; the order's URL."""
    placed = await engine.place(names)
    if placed.digests:  # none where an authorization is used again
        await asyncio.to_thread(dns.set_txt, f"_acme-challenge.{names[0]}", *placed.digests)
    return placed.url


async def placing(engine):
    """The error of placing the scripted CA's order."""
    with pytest.raises(OrderError) as caught:
        await engine.place(NAMES)
    assert len(caught.value.message) <= 300
    return caught.value


async def completing(engine, ca, key, url=None):
    """The error of completing the scripted CA's order."""
    with pytest.raises(OrderError) as caught:
        await engine.complete(url or f"{ca.base}/order", NAMES, key)
    assert len(caught.value.message) <= 300
    return caught.value
