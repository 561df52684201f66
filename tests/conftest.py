"""What the whole run shares: one control plane, one customer's DNS server, one ACME server.

These fixtures run processes, not coroutines: every async test has an event loop of its own.
"""

import contextlib
import os
import secrets
import signal
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from customdomains.devcluster.binaries import Binaries, find_binaries
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.pebble import Pebble
from customdomains.devcluster.rundir import PORTS_VARIABLE, free_port, run_directory
from customdomains.devcluster.tenantdns.handle import TenantDns

# A shell that starts this in the background has it ignore Ctrl-C, and every program that a test
# starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# By default an example that takes longer than 0.2 s fails: a busy machine is no fault of the code.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

# Each of several workers has a control plane, a CA and so on of its own, and so ports of its own.
WORKERS = 4
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) is not None:
    number, share = int(worker.removeprefix("gw")), 12_000 // WORKERS
    first = 20_000 + number * share
    os.environ[PORTS_VARIABLE] = f"{first}-{first + share - 1}"

ALONE = {"demo"}
"""Folders whose tests share something of the checkout: one worker runs them all."""

REPOSITORY = Path(__file__).parents[1]
DELEGATION_ZONE = "delegated.example.net"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests stay together: they share what is slow to start."""
    for item in items:
        folder = item.path.parent.name
        group = folder if folder in ALONE else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def run_dir() -> Iterator[Path]:
    """Data, keys and logs of this run's processes."""
    with run_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """Programs of the control plane, built first if need be."""
    return find_binaries()


@pytest.fixture(scope="session")
def control_plane(binaries: Binaries, run_dir: Path) -> Iterator[ControlPlane]:
    """etcd and kube-apiserver with the project's CRDs."""
    plane = ControlPlane(binaries, run_dir / "controlplane")
    try:
        plane.start()
        plane.apply_crds(REPOSITORY / "crds")
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace. Its domains and their claims are deleted afterwards.

    The namespace itself stays: nothing here would finish deleting it.
    """
    name = f"test-{secrets.token_hex(4)}"
    metadata = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    control_plane.request("POST", "/api/v1/namespaces", metadata)
    yield name
    api = "/apis/customdomains.dev/v1"
    control_plane.request("DELETE", f"{api}/namespaces/{name}/customdomains")
    for claim in control_plane.request("GET", f"{api}/domainclaims")["items"]:
        if claim["spec"].get("holderRef", {}).get("namespace") == name:
            # A controller under test may have released it meanwhile.
            with contextlib.suppress(urllib.error.HTTPError):
                control_plane.request("DELETE", f"{api}/domainclaims/{claim['metadata']['name']}")


@pytest.fixture(scope="session")
def responder_address() -> str:
    """Where this run's delegation zone (`DELEGATION_ZONE`) is asked for; a test may listen there.

    host:port on the loopback interface, for UDP and TCP.
    """
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="session")
def tenant_dns(run_dir: Path, responder_address: str) -> Iterator[TenantDns]:
    """The customer's DNS server; it asks `responder_address` for the delegation zone."""
    server = TenantDns(
        run_dir / "tenantdns",
        forward={DELEGATION_ZONE: responder_address},
        zones=("example.com", "example.org"),
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def pebble(binaries: Binaries, run_dir: Path, tenant_dns: TenantDns) -> Iterator[Pebble]:
    """An ACME server that validates by `tenant_dns` and rejects 5 % of the nonces."""
    server = Pebble(binaries.pebble, run_dir / "pebble", resolver=tenant_dns.address)
    try:
        server.start()
        yield server
    finally:
        server.stop()
