"""Platform teams over HTTP, each with its ServiceAccount, up to the certificate of one of them."""

import secrets
from collections.abc import Iterator

import pytest
from api.teams import account, let_in, token_of

from customdomains.devcluster.controlplane import ControlPlane
from e2e.backend import Backend
from e2e.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.acme]


@pytest.fixture
def teams(
    stage: Stage, control_plane: ControlPlane, namespace: str
) -> Iterator[tuple[Backend, Backend]]:
    """Two, at one api process that runs under its own roles; the first one's is `namespace`."""
    other = f"{namespace}-other"
    metadata = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}
    control_plane.request("POST", "/api/v1/namespaces", metadata)
    for each in (namespace, other):
        let_in(control_plane, each)
        account(control_plane, each)
    settings = {"namespaces": [namespace, other], "authentication": {"mode": "Kubernetes"}}
    api = stage.operator("api", changes={"api": settings})
    api.start("api")
    try:
        yield tuple(
            Backend(api.api_url, token_of(control_plane, each), each) for each in (namespace, other)
        )
        assert "Traceback" not in api.log_of("api").read_text()
    finally:
        api.stop()


def test_the_team_that_proves_a_name_gets_it_and_the_other_learns_nothing_of_it(
    teams: tuple[Backend, Backend], stage: Stage, namespace: str
) -> None:
    blue, red = teams
    name = f"shop-{secrets.token_hex(4)}.example.com"
    _, first = blue.register(name)
    status, second = red.register(name)
    assert status == 201
    stage.dns.set_cname(f"_acme-challenge.{name}", f"{second['id']}.{stage.zone}")
    path = f"/domains/{second['id']}"
    assert red.call("POST", f"{path}/verify")[0] == 200
    status, domain = red.call("GET", f"{path}?wait=active&timeout=60s")
    assert (status, domain["status"]) == (200, "active")
    assert red.call("GET", f"{path}/certificate")[0] == 200

    status, lost = blue.call("GET", f"/domains/{first['id']}?wait=failed&timeout=30s")
    assert (status, lost["status"]) == (200, "failed")
    assert "certificate" not in lost
    for call in (f"/domains/{first['id']}", "/domains"):
        told = str(blue.call("GET", call))
        assert second["verification_token"] not in told
        assert f"{namespace}-other" not in told
    for method, rest in (("GET", ""), ("POST", "/verify"), ("GET", "/certificate"), ("DELETE", "")):
        status, answer = blue.call(method, f"{path}{rest}")
        assert (status, answer["code"]) == (404, "domain_not_found")

    assert red.call("DELETE", path) == (204, None)
    assert blue.call("DELETE", f"/domains/{first['id']}") == (204, None)
    assert stage.refused_writes() == []
