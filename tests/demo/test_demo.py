"""The demo, as a person at a terminal has it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import Demo

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.rundir import free_port
from customdomains.devcluster.show import acts

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.acme,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

VARIABLES = {
    "KUBECONFIG",
    "CUSTOMDOMAINS_URL",
    "CUSTOMDOMAINS_TOKEN",
    "CUSTOMDOMAINS_DNS",
    "TENANT_DNS",
    "TENANT_DNS_API",
    "ACME_DIRECTORY",
    "ACME_CA_BUNDLE",
}


def sourced(env_file: Path, command: str) -> str:
    """What `command` prints in a shell that has sourced `env_file`."""
    done = subprocess.run(
        ["sh", "-ec", f". {env_file}; {command}"], capture_output=True, text=True, check=True
    )
    return done.stdout


def demo_objects(control_plane: ControlPlane) -> str:
    kinds = "customdomains,secrets,events"
    left = control_plane.run_kubectl("get", kinds, "-n", "demo-tenant", "-o", "name")
    claims = control_plane.run_kubectl("get", "domainclaims", "-o", "name")
    return left + "".join(line for line in claims.split() if "example" in line)


def test_everything_is_shown_and_really_seen(tmp_path: Path) -> None:
    with Demo(tmp_path) as demo:
        demo.read_until("kubectl apply -n demo-tenant -f examples/delegated.yaml")
        assert demo.env_file.stat().st_mode & 0o077 == 0
        assert demo.end() == 0, demo.output
    said = demo.output
    assert "\x1b" not in said
    assert "  domainName: shop.example.com\n" in said
    assert re.search(r"\+ ?\d+\.\d s  pending .*no record", said)
    assert len(re.findall(r"\+ ?\d+\.\d s  active ", said)) == 3
    assert "> POST /domains\n" in said
    assert "< 201 Created\n" in said
    assert "< 202 Accepted\n" in said
    assert "the DNS panel has appended a zone" in " ".join(said.split())
    assert re.search(r"demo-tenant +shop +shop\.example\.com +active +True +Ready +2", said)
    assert re.search(r"demo-tenant +blog +blog\.example\.com +active +True +Ready +2", said)
    assert len(re.findall(r"chain +verified up to CN=Pebble Root CA", said)) == 3
    assert said.count("\n  ok ") == len(acts.ALL)
    assert not demo.env_file.exists()
    demo.assert_nothing_runs()


def test_killed_outright_it_takes_all_its_processes_along(tmp_path: Path) -> None:
    with Demo(tmp_path) as demo:
        demo.read_until("  pending  ")
        names = " ".join(demo.processes().values())
        for program in ("etcd", "kube-apiserver", "pebble", "tenantdns", "controller", "kubectl"):
            assert program in names
        demo.send(signal.SIGKILL)
        assert demo.end() == -signal.SIGKILL
    demo.assert_nothing_runs()


def test_what_was_not_seen_is_said_with_the_logs(
    tmp_path: Path, control_plane: ControlPlane
) -> None:
    with Demo(tmp_path, "--kubeconfig", str(control_plane.kubeconfig)) as demo:
        demo.read_until("  pending  ")
        demo.kill("customdomains controller")
        assert demo.end() == 1
    assert demo.output.count("\n  missing ") == len(acts.ALL)
    assert "controller has ended" in demo.output
    assert "leading as" in (tmp_path / ".dev" / "demo-logs" / "controller.log").read_text()
    demo.assert_nothing_runs(within=0.0)


def test_ctrl_c_stops_it_in_order_and_tidies_a_cluster_it_was_lent(
    tmp_path: Path, control_plane: ControlPlane
) -> None:
    with Demo(tmp_path, "--kubeconfig", str(control_plane.kubeconfig)) as demo:
        demo.read_until("  pending  ")
        assert "customdomains.dev/shop" in demo_objects(control_plane)
        demo.send(signal.SIGINT)
        assert demo.end() == 128 + signal.SIGINT
    assert "Traceback" not in demo.output
    assert not demo.env_file.exists()
    assert demo_objects(control_plane) == ""
    demo.assert_nothing_runs(within=0.0)


def test_kept_running_it_can_be_used_from_another_shell(
    tmp_path: Path, control_plane: ControlPlane
) -> None:
    lent = ("--keep", "--kubeconfig", str(control_plane.kubeconfig))
    with Demo(tmp_path, *lent) as demo:
        demo.read_until("Ctrl-C ends it all.")
        names = re.findall(r"^export (\w+)=", demo.env_file.read_text(), re.MULTILINE)
        assert set(names) >= VARIABLES
        call = "import os; from urllib.request import *; print(urlopen(Request({})).read())"
        domains = (
            'os.environ["CUSTOMDOMAINS_URL"] + "/domains", '
            'headers={"Authorization": "Bearer " + os.environ["CUSTOMDOMAINS_TOKEN"]}'
        )
        records = 'os.environ["TENANT_DNS_API"] + "/records"'
        for argument, answer in ((domains, '"domains":[]'), (records, "[]")):
            program = call.format(argument)
            assert answer in sourced(demo.env_file, f"{sys.executable} -c '{program}'")

        with Demo(tmp_path, *lent) as another:
            assert another.end() == 1
        assert "runs here already" in another.output
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        with Demo(elsewhere, *lent) as another:
            assert another.end() == 1
        assert "an operator runs in this cluster already" in another.output
        assert demo.env_file.exists()

        demo.send(signal.SIGINT)
        assert demo.end() == 0, demo.output
    assert "Traceback" not in demo.output
    assert not demo.env_file.exists()
    demo.assert_nothing_runs(within=0.0)


def test_a_cluster_with_domains_of_its_own_is_left_alone(
    tmp_path: Path, control_plane: ControlPlane, namespace: str
) -> None:
    manifest = (
        "{apiVersion: customdomains.dev/v1, kind: CustomDomain, metadata: {name: real},"
        " spec: {domainName: real.example.com}}"
    )
    control_plane.run_kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest)
    with Demo(tmp_path, "--kubeconfig", str(control_plane.kubeconfig)) as demo:
        assert demo.end() == 1
    assert f"has domains already (in {namespace})" in demo.output


def test_a_cluster_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with Demo(tmp_path, "--kubeconfig", "missing") as demo:
        assert demo.end() == 2
    assert "missing: there is no such kubeconfig file" in demo.output

    nobody = tmp_path / "kubeconfig"
    nobody.write_text(
        "{apiVersion: v1, kind: Config, current-context: c,"
        " contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}],"
        f" clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{free_port()}'}}}}]}}"
    )
    with Demo(tmp_path, "--kubeconfig", str(nobody)) as demo:
        assert demo.end() == 1
    assert f"the cluster of {nobody} can't be used" in demo.output
    assert "Traceback" not in demo.output
