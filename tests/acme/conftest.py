"""Engines for the tests, each closed at the test's end."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from acme_support import CertificateKey, MemoryKeyStore, Ticking, Wire
from scripted_ca import ScriptedCa

from customdomains.acme import AcmeEngine, IssuerOptions, Timing
from customdomains.devcluster.pebble import Pebble


@pytest_asyncio.fixture
async def pebble_engine(pebble: Pebble) -> AsyncIterator[Callable[..., AcmeEngine]]:
    """Makes engines for Pebble: `pebble_engine(store, wire)`, both optional; other keywords are
    IssuerOptions."""
    made: list[AcmeEngine] = []

    def make(
        store: MemoryKeyStore | None = None,
        wire: Wire | None = None,
        ca: Pebble = pebble,
        **more,
    ) -> AcmeEngine:
        options = IssuerOptions(
            **{
                "name": "pebble",
                "directory_url": ca.directory_url,
                "contact": ("mailto:ops@example.com",),
                "ca_bundle": ca.ca_file,
                **more,
            }
        )
        factory = None if wire is None else lambda: wire.session(ca.ca_file)
        made.append(AcmeEngine(options, store or MemoryKeyStore(), session_factory=factory))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


@pytest_asyncio.fixture
async def ca() -> AsyncIterator[ScriptedCa]:
    """A CA that does what it is told."""
    server = ScriptedCa()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def clock() -> Ticking:
    """The time of the engine that talks to `ca`."""
    return Ticking()


@pytest_asyncio.fixture
async def make_engine(ca: ScriptedCa, clock: Ticking) -> AsyncIterator[Callable[..., AcmeEngine]]:
    """Makes engines for `ca`; keywords are IssuerOptions."""
    made: list[AcmeEngine] = []
    timing = Timing(clock.now, clock.monotonic, clock.sleep, lambda: 0.5)

    def make(store: MemoryKeyStore | None = None, **options) -> AcmeEngine:
        issuer = IssuerOptions("scripted", f"{ca.base}/directory", **options)
        made.append(AcmeEngine(issuer, store or MemoryKeyStore(), timing=timing))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


@pytest.fixture
def engine(make_engine: Callable[..., AcmeEngine]) -> AcmeEngine:
    """An engine for `ca`."""
    return make_engine()


@pytest.fixture
def key() -> CertificateKey:
    """The source of a certificate's key."""
    return CertificateKey()
