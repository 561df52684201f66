"""How the processes end, and what they say when they can't start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from customdomains.devcluster.rundir import free_port
from e2e.stage import Stage

pytestmark = pytest.mark.cluster

STOP_SECONDS = 15.0
SETTINGS = {
    "apiVersion": "config.customdomains.dev/v1",
    "kind": "OperatorConfiguration",
    "delegation": {"zone": "delegated.example.net"},
    "api": {"authentication": {"mode": "Disabled"}},
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_each_process_ends_in_order(stage: Stage, domain, number):
    # With something to list a controller is ready only when its watch is at work.
    domain.create()
    said_before = stage.log()
    # A responder of its own address: the shared one is not stopped.
    address = {"listen": f"127.0.0.1:{free_port()}"}
    started = {
        "dns": stage.operator("dns", changes={"dns": address}),
        "api": stage.operator("api"),
        "waiting": stage.operator("controller"),
    }
    names = {"dns": "dns", "api": "api", "waiting": "controller"}
    try:
        for key, operator in started.items():
            operator.launch(names[key])
        for key, operator in started.items():
            operator.wait_ready(names[key])
        processes = {key: operator.process(names[key]) for key, operator in started.items()}
        processes["leading"] = stage.controller.process("controller")
        for process in processes.values():
            os.kill(process.pid, number)
        codes = {key: process.wait(STOP_SECONDS) for key, process in processes.items()}
        assert codes == dict.fromkeys(processes, 0)
        assert not stage.leader(), "the Lease is given back"
        for process in processes.values():
            log = process.log.read_text().removeprefix(said_before)
            assert "Traceback" not in log, log
            assert " error " not in log, log
            assert log.rstrip().endswith("stopped"), log
    finally:
        for operator in started.values():
            operator.stop()


@pytest.mark.parametrize(
    ("change", "environment", "said"),
    [
        ({"delegation": {"zone": "-"}}, {}, ["delegation.zone", "-"]),
        ({"dns": {"listen": 53}}, {}, ["dns.listen", "53", "127.0.0.1:8080"]),
        ({"logging": {"format": "xml"}}, {}, ["logging.format", "'xml'"]),
        ({"colour": "blue"}, {}, ["colour"]),
        (
            {},
            {"CUSTOMDOMAINS_CONTROLLER_LEASEDURATION": "soon"},
            ["controller.leaseDuration", "'soon'", "30s"],
        ),
        (
            {},
            {"CUSTOMDOMAINS_CONTROLER_NAMESPACE": "x"},
            ["CUSTOMDOMAINS_CONTROLER_NAMESPACE", "CUSTOMDOMAINS_CONTROLLER"],
        ),
    ],
    ids=["zone", "listen", "format", "unknown", "environment", "unknown-variable"],
)
def test_wrong_setting_stops_the_start(tmp_path, change, environment, said):
    done = run(write_settings(tmp_path, SETTINGS | change), environment)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for text in said:
        assert text in done.stderr


def test_settings_that_are_not_there_stop_the_start(tmp_path):
    done = run(tmp_path / "nowhere.yaml", {})
    assert done.returncode == 2
    assert f"{tmp_path / 'nowhere.yaml'}" in done.stderr
    assert "Traceback" not in done.stderr


def test_cluster_that_is_not_known_stops_the_start(tmp_path):
    config = write_settings(tmp_path, SETTINGS)
    done = run(config, {}, "--kubeconfig", str(tmp_path / "no-kubeconfig"))
    assert done.returncode == 2
    assert "no-kubeconfig" in done.stderr
    assert "Traceback" not in done.stderr


def write_settings(directory: Path, settings: dict) -> Path:
    """A settings file."""
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def run(config: Path, environment: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    """The dns process, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "customdomains", "dns", "--config", str(config), *more],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
