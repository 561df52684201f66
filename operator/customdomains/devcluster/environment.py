"""Everything the operator needs to work for tenants, on one machine, with the operator itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from customdomains.devcluster import guest
from customdomains.devcluster.binaries import Binaries, find_binaries
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.kubectl import Kubectl
from customdomains.devcluster.operatorprocs import NAMES, Operator, Surroundings
from customdomains.devcluster.pebble import Pebble
from customdomains.devcluster.progress import step
from customdomains.devcluster.rundir import free_port, run_directory
from customdomains.devcluster.tenantdns.handle import TenantDns

PROJECT = Path(__file__).resolve().parents[3]
"""The checkout: CRDs and examples are in it."""

ZONE = "delegated.example.net"
OPERATOR_NAMESPACE = "customdomains"
TENANT_NAMESPACE = "demo-tenant"
TENANT_ZONES = ("example.com", "example.org")

Step = Callable[[str, str], AbstractContextManager[None]]
"""Shows a step (its name, and its usual duration in words) while the body runs."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What runs, and the ways to it. `responder` is our dns process (host:port); the logs of all
    processes are below `directory`.
    """

    directory: Path
    kubectl: Kubectl
    tenant_dns: TenantDns
    pebble: Pebble
    operator: Operator
    responder: str

    @property
    def variables(self) -> Mapping[str, str]:
        """The same for programs, as environment variables."""
        return {
            "KUBECONFIG": str(self.kubectl.kubeconfig),
            "CUSTOMDOMAINS_URL": self.operator.api_url,
            "CUSTOMDOMAINS_TOKEN": self.operator.api_token,
            "CUSTOMDOMAINS_DNS": self.responder,
            "TENANT_DNS": self.tenant_dns.address,
            "TENANT_DNS_API": self.tenant_dns.api_url,
            "ACME_DIRECTORY": self.pebble.directory_url,
            "ACME_CA_BUNDLE": str(self.pebble.ca_file),
        }

    @property
    def program_path(self) -> Path | None:
        """Where kubectl is, unless there is one on the PATH already."""
        return None if shutil.which("kubectl") else self.kubectl.program.parent

    @property
    def logs(self) -> list[Path]:
        """The log files of all processes."""
        return sorted(self.directory.rglob("*.log"))

    def ended(self) -> set[str]:
        """Which of the operator's processes don't run any more."""
        return {name for name in NAMES if not self.operator.process(name).running}

    def check_running(self) -> None:
        """Raises ProcessError, with its log's end, when one of the operator's processes ended."""
        for name in self.ended():
            self.operator.process(name).fail("has ended")


@contextmanager
def environment(kubeconfig: Path | None, show: Step = step) -> Iterator[Environment]:
    """Start everything, and stop it when the body ends.

    Without `kubeconfig` there is an embedded control plane; with it, that cluster is used: its
    CRDs are brought up to date and stay, what the demo's tenants and the operator made is removed.

    Raises ProcessError, KubectlError, UnsuitableClusterError, and what `find_binaries` raises.
    """
    binaries = find_binaries()
    with run_directory() as directory, ExitStack() as running:
        kubectl = _cluster(binaries, directory, kubeconfig, running, show)
        with show("CRDs and namespaces", "1-2 s"):
            kubectl.apply_crds(PROJECT / "crds")
            for namespace in (OPERATOR_NAMESPACE, TENANT_NAMESPACE):
                _make_namespace(kubectl, namespace)
        if kubeconfig is not None:
            guest.tidy_up(kubectl, OPERATOR_NAMESPACE, TENANT_NAMESPACE)
            running.callback(guest.tidy_up, kubectl, OPERATOR_NAMESPACE, TENANT_NAMESPACE)
        responder = f"127.0.0.1:{free_port()}"
        with show("the tenant's DNS server", "1 s"):
            tenant_dns = TenantDns(
                directory / "tenantdns", forward={ZONE: responder}, zones=TENANT_ZONES
            )
            running.callback(tenant_dns.stop)
            tenant_dns.start()
        with show("an ACME server (Pebble)", "1 s"):
            pebble = Pebble(binaries.pebble, directory / "pebble", resolver=tenant_dns.address)
            running.callback(pebble.stop)
            pebble.start()
        with show("the operator: dns, api and controller", "3-5 s"):
            around = Surroundings(
                kubeconfig=kubectl.kubeconfig,
                zone=ZONE,
                responder=responder,
                resolver=tenant_dns.address,
                directory_url=pebble.directory_url,
                ca_file=pebble.ca_file,
                api_namespace=TENANT_NAMESPACE,
                namespace=OPERATOR_NAMESPACE,
            )
            operator = Operator(around, directory / "operator")
            running.callback(operator.stop)
            operator.start()
        try:
            yield Environment(directory, kubectl, tenant_dns, pebble, operator, responder)
        finally:
            with show("stopping everything", "1-3 s"):
                running.close()


def _cluster(
    binaries: Binaries, directory: Path, kubeconfig: Path | None, running: ExitStack, show: Step
) -> Kubectl:
    if kubeconfig is not None:
        kubectl = Kubectl(binaries.kubectl, kubeconfig, directory / "kubectl-cache")
        with show(f"a look at the cluster of {kubeconfig}", "1 s"):
            guest.check_reachable(kubectl)
            guest.check_unused(kubectl, OPERATOR_NAMESPACE, TENANT_NAMESPACE)
        return kubectl
    with show("a control plane: etcd and kube-apiserver", "5-10 s"):
        plane = ControlPlane(binaries, directory / "controlplane")
        running.callback(plane.stop)
        plane.start()
    return plane.kubectl


def _make_namespace(kubectl: Kubectl, name: str) -> None:
    if not kubectl.run("get", "namespace", name, "--ignore-not-found", "-o", "name"):
        kubectl.run("create", "namespace", name)
