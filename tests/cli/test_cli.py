"""The command line: what it says, what it exits with, and how its processes end."""

import json
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from customdomains import cli
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.operatorprocs import LEASE, Operator, Surroundings
from customdomains.devcluster.rundir import free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "config.yaml"
COMMANDS = ("controller", "api", "dns")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command as a person calls it."""
    command = [sys.executable, "-m", "customdomains", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "command", [(), ("account", "rollover"), *((name,) for name in (*COMMANDS, "demo"))]
)
def test_help_says_what_a_command_does(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--kubeconfig" in told if command else "Exit codes" in told


def test_the_version_is_the_package_s(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("customdomains ")


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["dns", "--nonsense"], ["account"], ["account", "rollover"]]
)
def test_a_wrong_call_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: customdomains" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_settings_that_are_missing_are_2_and_named(command, tmp_path, capsys):
    missing = tmp_path / "none.yaml"
    assert cli.main([command, "--config", str(missing)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("customdomains: ")
    assert str(missing) in told


def test_settings_that_are_wrong_are_2_and_said_in_a_line(tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(EXAMPLE.read_text() + "\nnonsense: true\n")
    assert cli.main(["controller", "--config", str(config)]) == 2
    told = capsys.readouterr().err
    assert "nonsense" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("command", COMMANDS)
def test_a_kubeconfig_that_is_missing_is_2_and_named(command, tmp_path):
    ended = run(command, "--config", EXAMPLE, "--kubeconfig", tmp_path / "none")
    assert ended.returncode == 2
    assert str(tmp_path / "none") in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str, tmp_path: Path):
    """The operator's processes, in a namespace of their own; stopped in the end."""
    around = Surroundings(
        kubeconfig=control_plane.kubeconfig,
        zone="delegated.example.net",
        responder=f"127.0.0.1:{free_port()}",
        resolver=f"127.0.0.1:{free_port()}",
        directory_url=f"https://127.0.0.1:{free_port()}/dir",
        ca_file=Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"),
        namespace=namespace,
        api_namespace=namespace,
    )
    operator = Operator(around, tmp_path / "operator")
    try:
        yield operator
    finally:
        operator.stop()


@pytest.mark.cluster
@pytest.mark.parametrize("command", ["controller", "dns"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_in_order(operator, command, number):
    operator.start(command)
    process = operator.process(command)
    process._signal(number)
    assert process.wait(10.0) == 0
    told = operator.log_of(command).read_text()
    assert told.splitlines()[-1].endswith("stopped") or '"stopped"' in told.splitlines()[-1]
    assert "Traceback" not in told
    assert "signals" not in told


@pytest.mark.cluster
def test_a_controller_that_ends_gives_its_lease_back(operator, control_plane, namespace):
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    operator.start("controller")
    operator.process("controller").wait_until(lambda: _holder(control_plane, lease), 10.0)
    operator.stop("controller")
    assert _holder(control_plane, lease) == ""


@pytest.mark.cluster
def test_a_controller_whose_lease_is_taken_ends_and_says_so(operator, control_plane, namespace):
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    operator.start("controller")
    process = operator.process("controller")
    process.wait_until(lambda: _holder(control_plane, lease), 10.0)
    taken = json.dumps({"spec": {"holderIdentity": "somebody-else"}})
    control_plane.run_kubectl("patch", "lease", LEASE, "-n", namespace, "--type=merge", "-p", taken)
    assert process.wait(15.0) == 1
    told = operator.log_of("controller").read_text()
    assert "somebody-else took the Lease" in told
    assert "Traceback" not in told
    assert _holder(control_plane, lease) == "somebody-else"


@pytest.mark.cluster
def test_a_controller_answers_its_probes(operator):
    operator.start("controller")
    # kopf listens a moment after it watches.
    operator.process("controller").wait_until(lambda: _answers(operator.liveness_url), 10.0)
    told = json.loads(_get(operator.liveness_url))
    assert told["controller"]["synced"] is True
    metrics = _get(operator.metrics_url("controller"))
    for name in ("queue_depth", "domains", "verified", "seats", "proofs", "check_seconds"):
        assert f"# TYPE customdomains_{name} ".encode() in metrics


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http, as started above
        return answer.read()


def _answers(url: str) -> bool:
    try:
        return bool(_get(url))
    except urllib.error.URLError:
        return False


def _holder(control_plane: ControlPlane, lease: str) -> str:
    try:
        return control_plane.request("GET", lease)["spec"].get("holderIdentity", "")
    except urllib.error.HTTPError:
        return ""
