"""The operator's three processes, as they run in a cluster, on this machine."""

from __future__ import annotations

import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from customdomains.devcluster.processes import Process
from customdomains.devcluster.rundir import free_port
from customdomains.settings import API_VERSION, KIND

START_SECONDS = 60.0
STOP_SECONDS = 15.0
PROBE_SECONDS = 2.0

NAMES = ("dns", "api", "controller")
"""The processes, in the order in which they are started."""
LEASE = "customdomains-controller"
"""The Lease that the controller works under, in the operator's namespace."""
ISSUER = "demo"
"""The one issuer in the settings."""
ACCOUNT_SECRET = f"acme-account-{ISSUER}"
"""The Secret with its account key, in the operator's namespace."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the operator is to work with.

    `responder` is where its dns process is to listen; `resolver` also is the authoritative server
    of the tenants' zones, and every other such server has the same port.
    """

    kubeconfig: Path
    zone: str
    responder: str
    resolver: str
    directory_url: str
    ca_file: Path
    api_namespace: str = "default"
    namespace: str = "customdomains"
    changes: Mapping[str, Any] = field(default_factory=dict)


class Operator:
    """Controller, api and dns as processes of their own, with one settings file.

    `api_url` and `api_token` lead to the HTTP API, `ask_url` is what edge proxies ask. `changes`
    in the surroundings are merged into the settings, section by section.
    """

    def __init__(self, surroundings: Surroundings, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._kubeconfig = surroundings.kubeconfig
        self._processes: dict[str, Process] = {}
        self._probes = {
            "controller": f"127.0.0.1:{free_port()}/readyz",
            "dns": f"127.0.0.1:{free_port()}/readyz",
            "api": f"127.0.0.1:{free_port()}/readyz",
        }
        self.api_token = secrets.token_hex(16)
        self.ask_url = f"http://127.0.0.1:{free_port()}/ask"
        self.liveness_url = f"http://127.0.0.1:{free_port()}/healthz"
        self.config = directory / "config.yaml"
        self.config.write_text(yaml.safe_dump(self._settings(surroundings), sort_keys=False))

    @property
    def api_url(self) -> str:
        """The HTTP API."""
        return f"http://{self._listen('api')}"

    def metrics_url(self, name: str) -> str:
        """Where a process' metrics are."""
        return f"http://{self._listen(name)}/metrics"

    def runs(self, name: str) -> bool:
        """Whether a process was started and not stopped."""
        return name in self._processes

    def process(self, name: str) -> Process:
        """The running `controller`, `api` or `dns`."""
        return self._processes[name]

    def start(self, *names: str) -> None:
        """Start the processes named, or all, and wait until they are ready. `ProcessError`."""
        started = names or NAMES
        for name in started:
            self.launch(name)
        for name in started:
            self.wait_ready(name)

    def launch(self, name: str, **environment: str) -> None:
        """Start one process and don't wait."""
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "customdomains",
            name,
            "--config",
            self.config,
        ]
        self._processes[name] = Process(
            name,
            [*command, "--kubeconfig", self._kubeconfig],
            log=self._directory / f"{name}.log",
            environment=environment,
        )

    def wait_ready(self, name: str) -> None:
        """Wait until a process says that it is ready."""
        self._processes[name].wait_until(lambda: _answers(self._probes[name]), START_SECONDS)

    def stop(self, *names: str) -> None:
        """Stop the processes named, or all, in order. Stopping what is stopped is no error."""
        for name in names or NAMES[::-1]:
            process = self._processes.pop(name, None)
            if process is not None:
                process.stop(STOP_SECONDS)

    def kill(self, name: str) -> None:
        """kill -9."""
        self._processes.pop(name).kill()

    def log_of(self, name: str) -> Path:
        """A process' log file."""
        return self._directory / f"{name}.log"

    def _listen(self, name: str) -> str:
        return self._probes[name].split("/", 1)[0]

    def _settings(self, around: Surroundings) -> dict[str, Any]:
        tokens = self._directory / "tokens"
        tokens.write_text(f"{self.api_token}\n")
        tokens.chmod(0o600)
        link_keys = self._directory / "link-keys"
        link_keys.write_text(f"{secrets.token_hex(32)}\n")
        link_keys.chmod(0o600)
        settings: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "delegation": {"zone": around.zone, "responders": [around.responder]},
            "lookups": {
                "resolvers": [around.resolver],
                "authoritativePort": int(around.resolver.rpartition(":")[2]),
            },
            "issuers": [
                {
                    "name": ISSUER,
                    "directoryURL": around.directory_url,
                    "contact": ["mailto:ops@example.com"],
                    "caBundle": str(around.ca_file),
                }
            ],
            "controller": {
                "namespace": around.namespace,
                "probeListen": self.liveness_url.removeprefix("http://").removesuffix("/healthz"),
                "metricsListen": self._listen("controller"),
                "leaseDuration": "5s",
            },
            "api": {
                "listen": self._listen("api"),
                "askListen": self.ask_url.removeprefix("http://").removesuffix("/ask"),
                "namespace": around.api_namespace,
                "authentication": {"mode": "Token", "tokenFile": str(tokens)},
                "setup": {"keyFile": str(link_keys), "publicURL": self.api_url},
            },
            "dns": {"listen": around.responder, "probeListen": self._listen("dns")},
            "logging": {"format": "text"},
        }
        for section, values in around.changes.items():
            merged = isinstance(values, Mapping)
            settings[section] = {**settings.get(section, {}), **values} if merged else values
        return settings


def _answers(probe: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{probe}", timeout=PROBE_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
