"""The embedded control plane: what other tests rely on."""

import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from customdomains.devcluster import usage
from customdomains.devcluster.binaries import Binaries
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.kubectl import KubectlError

pytestmark = pytest.mark.cluster


def assert_soon(observe: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + 10
    while (seen := observe()) != wanted:
        assert time.monotonic() < deadline, seen


def test_the_administrator_may_do_everything(control_plane: ControlPlane, namespace: str) -> None:
    assert control_plane.run_kubectl("auth", "can-i", "*", "*").strip() == "yes"
    assert namespace in control_plane.run_kubectl("get", "namespaces", "-o", "name")


def test_a_user_has_the_rights_it_was_granted_and_no_others(
    control_plane: ControlPlane, namespace: str
) -> None:
    tenant = control_plane.user_kubeconfig("tina", ["tenants"])
    with pytest.raises(KubectlError, match=r'User "tina" cannot list resource "configmaps"'):
        control_plane.run_kubectl("get", "configmaps", "-n", namespace, kubeconfig=tenant)
    here = ("-n", namespace)
    control_plane.run_kubectl("create", "role", "r", "--verb=list", "--resource=configmaps", *here)
    control_plane.run_kubectl("create", "rolebinding", "b", "--role=r", "--group=tenants", *here)
    control_plane.run_kubectl("get", "configmaps", "-n", namespace, kubeconfig=tenant)
    with pytest.raises(KubectlError, match="Forbidden"):
        control_plane.run_kubectl("get", "secrets", "-n", namespace, kubeconfig=tenant)


def test_a_service_account_is_known_by_its_token(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.run_kubectl("create", "serviceaccount", "controller", "-n", namespace)
    account = control_plane.service_account_kubeconfig(namespace, "controller")
    who = control_plane.run_kubectl("auth", "whoami", kubeconfig=account)
    assert f"system:serviceaccount:{namespace}:controller" in who


def test_an_answer_that_is_no_success_is_raised(control_plane: ControlPlane) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        control_plane.request("GET", "/api/v1/namespaces/nowhere")


def test_every_write_is_counted_with_its_author(
    control_plane: ControlPlane, namespace: str
) -> None:
    before = usage.write_requests(control_plane)
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    control_plane.request("POST", path, {"metadata": {"name": "c"}})
    control_plane.request("PATCH", f"{path}/c", {"data": {"key": "value"}})
    control_plane.request("GET", f"{path}/c")
    control_plane.request("DELETE", f"{path}/c")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        control_plane.request("DELETE", f"{path}/c")

    def audited() -> list[tuple[str, str, int]]:
        written = [write for write in control_plane.writes() if write.namespace == namespace]
        return [(w.user, w.verb, w.code) for w in written if w.resource == "configmaps"]

    def counted() -> dict[tuple[str, str], int]:
        now = usage.write_requests(control_plane) - before
        return {(k.verb, k.code): n for k, n in now.items() if k.resource == "configmaps"}

    # Both are written when the answer is on its way already.
    assert_soon(
        audited,
        [
            ("admin", "create", 201),
            ("admin", "patch", 200),
            ("admin", "delete", 200),
            ("admin", "delete", 404),
        ],
    )
    assert_soon(
        counted,
        {("POST", "201"): 1, ("PATCH", "200"): 1, ("DELETE", "200"): 1, ("DELETE", "404"): 1},
    )


def test_what_it_costs_can_be_read(control_plane: ControlPlane) -> None:
    assert usage.etcd_bytes(control_plane) > 0
    for process in control_plane.processes:
        assert usage.cpu_seconds(process.pid) > 0
        current = usage.resident_bytes(process.pid)
        assert 10_000_000 < current <= usage.resident_bytes(process.pid, peak=True)


def test_data_and_address_outlive_a_restart_of_the_api_server(
    binaries: Binaries, run_dir: Path
) -> None:
    plane = ControlPlane(binaries, run_dir / "restarted")
    try:
        plane.start()
        plane.run_kubectl("create", "namespace", "kept")
        plane.stop_apiserver()
        assert not plane.ready()
        plane.start_apiserver()
        plane.run_kubectl("get", "namespace", "kept")
    finally:
        plane.stop()
    assert not plane.ready()
    assert plane.processes == ()
