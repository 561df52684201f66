"""One set of the operator's processes for all end-to-end tests; what a test kills is started anew.

API server and CA are behind relays, and every process runs as its own service account under
exactly the roles of `deploy/rbac`.
"""

import json
import secrets
import ssl
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from customdomains.devcluster import certificates
from customdomains.devcluster.binaries import Binaries
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.pebble import Pebble
from customdomains.devcluster.rundir import free_port
from customdomains.devcluster.tenantdns.handle import TenantDns
from e2e.backend import Backend
from e2e.domains import API, Domain
from e2e.relay import Relay
from e2e.stage import OPERATOR_NAMESPACE, Stage

REPOSITORY = Path(__file__).parents[2]
DELEGATION_ZONE = "delegated.example.net"  # as in the fixtures of the whole run


@contextmanager
def relay_to_apiserver(plane: ControlPlane) -> Iterator[Relay]:
    """In front of the API server, in plain HTTP on the loopback interface."""
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    relay = Relay(plane.url, trust, free_port())
    relay.start()
    try:
        yield relay
    finally:
        relay.close()


@contextmanager
def running_pebble(binaries: Binaries, directory: Path, dns: TenantDns) -> Iterator[Pebble]:
    """An ACME server that rejects some nonces and re-uses no authorization."""
    server = Pebble(
        binaries.pebble, directory / "pebble", resolver=dns.address, retry_after_seconds=0
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def relay_to_ca(pebble: Pebble, files: tuple[Path, Path]) -> Iterator[Relay]:
    """In front of Pebble, which makes its URLs from the Host header; ACME is HTTPS only."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(*files)
    relay = Relay(
        pebble.directory_url.removesuffix("/dir"),
        ssl.create_default_context(cafile=str(pebble.ca_file)),
        free_port(),
        serve_tls=serving,
        keep_host=True,
    )
    relay.start()
    try:
        yield relay
    finally:
        relay.close()


@pytest.fixture(scope="package")
def shared_stage(
    control_plane: ControlPlane,
    tenant_dns: TenantDns,
    binaries: Binaries,
    responder_address: str,
    run_dir: Path,
) -> Iterator[Stage]:
    """The service accounts with their roles, the relays, a CA, and a running dns process.

    The CA is not that of the whole run: a test restarts it, and it asks for no pauses.
    """
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR_NAMESPACE}}
    control_plane.run_kubectl("apply", "-f", "-", stdin=json.dumps(namespace))
    control_plane.run_kubectl("apply", "-f", REPOSITORY / "deploy" / "rbac")
    directory = run_dir / "e2e"
    directory.mkdir()
    authority = certificates.authority("relay")
    ca_file = directory / "relay-ca.crt"
    ca_file.write_bytes(authority.certificate_pem)
    files = certificates.server(authority).write(directory, "relay")
    with (
        running_pebble(binaries, directory, tenant_dns) as pebble,
        relay_to_apiserver(control_plane) as apiserver,
        relay_to_ca(pebble, files) as ca,
    ):
        stage = Stage(
            plane=control_plane,
            dns=tenant_dns,
            pebble=pebble,
            apiserver=apiserver,
            ca=ca,
            ca_file=ca_file,
            zone=DELEGATION_ZONE,
            responder=responder_address,
            directory=directory,
        )
        try:
            stage.responders.start("dns")
            yield stage
        finally:
            stage.controller.stop()
            stage.api.stop()
            stage.responders.stop()


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    """The shared processes, the controller among them, all running."""
    shared_stage.ensure_controller()
    yield shared_stage
    shared_stage.apiserver.disarm()
    shared_stage.ca.disarm()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace. What is left in it is deleted afterwards, also by the controller."""
    name = f"test-{secrets.token_hex(4)}"
    metadata = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    control_plane.request("POST", "/api/v1/namespaces", metadata)
    yield name
    control_plane.request("DELETE", f"{API}/namespaces/{name}/customdomains")
    for claim in control_plane.request("GET", f"{API}/domainclaims")["items"]:
        if claim["spec"].get("holderRef", {}).get("namespace") == name:
            try:
                control_plane.request("DELETE", f"{API}/domainclaims/{claim['metadata']['name']}")
            except urllib.error.HTTPError as error:
                assert error.code == 404, error  # noqa: PT017 - the controller was faster


@pytest.fixture
def backend(stage: Stage) -> Iterator[Backend]:
    """The api process, under its own service account."""
    stage.api.start("api")
    yield Backend(stage.api.api_url, stage.api.api_token)
    stage.api.stop()
    assert "Traceback" not in stage.api.log_of("api").read_text()


@pytest.fixture
def domain(stage: Stage, namespace: str) -> Domain:
    """A domain that nobody has registered yet."""
    return stage.domain(namespace)
