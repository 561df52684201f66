"""One small internet for all tests of this folder."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from build import ZONE
from programs.debian import SERVERS, why_not

from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.caa import CaaLookup
from customdomains.dns.lookup import QuorumLookup, RecursiveLookup
from customdomains.dns.resolvers import PlainResolver
from realdns.internet import Internet
from realdns.judging import Lookup
from realdns.processes import Knot, Nsd
from realdns.zones import ADDRESSES, KNOT, SECOND_KNOT, SECOND_NSD

TIMEOUT = 1.0
"""Seconds for one question to a name server, who answers in milliseconds or not at all."""

PATIENCE = 4.0
"""Seconds for one question to a resolver, who may have to go past a dead name server first."""


def _bindable(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def internet(run_dir: Path) -> Iterator[Internet]:
    """Knot, BIND, NSD and Unbound with the zones of `country`."""
    if (reason := why_not(SERVERS, "DNS servers")) is not None:
        pytest.skip(reason)
    if not _bindable(*ADDRESSES[KNOT]):
        pytest.skip("127.0.0.0/8 is not all loopback here: no addresses for the DNS servers")
    net = Internet(run_dir / "realdns", ipv6=_bindable("::1"))
    try:
        net.start()
        yield net
    finally:
        net.stop()


@pytest.fixture
def ipv6(internet: Internet) -> None:
    """Skips where there is no ::1."""
    if not _bindable("::1"):
        pytest.skip("this machine has no IPv6 loopback address (::1)")


@pytest.fixture
def seconds(internet: Internet, tmp_path: Path) -> Iterator[tuple[Knot, Nsd]]:
    """A Knot and an NSD of the test's own, which it may stop."""
    knot = Knot(tmp_path / "knot", ADDRESSES[SECOND_KNOT], internet.port)
    nsd = Nsd(tmp_path / "nsd", ADDRESSES[SECOND_NSD], internet.port)
    zones = {knot: internet.files(SECOND_KNOT), nsd: internet.files(SECOND_NSD)}
    try:
        for server, files in zones.items():
            server.configure(files)
            server.launch()
        for server, files in zones.items():
            server.wait(files)
        yield knot, nsd
    finally:
        knot.stop()
        nsd.stop()


@pytest.fixture
def authoritative(internet: Internet) -> AuthoritativeLookup:
    """Asks the name servers themselves; Unbound tells where they are."""
    return AuthoritativeLookup(
        [PlainResolver(internet.unbound.address)],
        own_zone=ZONE,
        port=internet.port,
        timeout=TIMEOUT,
    )


@pytest.fixture
def hasty(internet: Internet) -> AuthoritativeLookup:
    """As `authoritative`, for where most of the time goes by in silence."""
    return AuthoritativeLookup(
        [PlainResolver(internet.unbound.address)],
        own_zone=ZONE,
        port=internet.port,
        timeout=TIMEOUT / 2,
    )


@pytest.fixture
def recursive(internet: Internet) -> RecursiveLookup:
    """Takes the word of Unbound."""
    return RecursiveLookup([PlainResolver(internet.unbound.address)], timeout=PATIENCE)


@pytest.fixture
def quorum(internet: Internet) -> QuorumLookup:
    """Takes the word of Unbound and BIND, where they agree."""
    resolvers = (internet.unbound, internet.resolver)
    return QuorumLookup([PlainResolver(r.address) for r in resolvers], needed=2, timeout=PATIENCE)


@pytest.fixture(params=["authoritative", "recursive", "quorum"])
def caa(request: pytest.FixtureRequest, recursive: RecursiveLookup) -> CaaLookup:
    """The way to CAA records in each of the three modes."""
    lookup = request.getfixturevalue(request.param)
    registries = recursive if request.param == "authoritative" else lookup
    return CaaLookup(lookup, registries, deadline=20.0)


@pytest.fixture(params=["authoritative", "recursive", "quorum"])
def lookup(request: pytest.FixtureRequest) -> Lookup:
    """Each of the three modes."""
    return request.getfixturevalue(request.param)
