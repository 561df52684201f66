"""The embedded control plane: what other tests rely on."""

import urllib.error
from pathlib import Path

import pytest

from customdomains.devcluster.binaries import Binaries
from customdomains.devcluster.controlplane import ControlPlane, KubectlError

pytestmark = pytest.mark.cluster


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
