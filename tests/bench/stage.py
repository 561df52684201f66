"""The parts that benchmarks run on: a control plane, a CA that bears load, the customer's DNS."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from customdomains.devcluster.binaries import find_binaries, find_step_ca
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.operatorprocs import Operator, Surroundings
from customdomains.devcluster.rundir import free_port, run_directory
from customdomains.devcluster.stepca import StepCa
from customdomains.devcluster.tenantdns.handle import TenantDns

REPOSITORY = Path(__file__).parents[2]
ZONE = "delegated.example.net"


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs."""

    control_plane: ControlPlane
    tenant_dns: TenantDns
    ca: StepCa
    operator: Operator
    directory: Path

    @property
    def pids(self) -> dict[str, list[int]]:
        """The processes by what they do."""
        parts = {
            "API server and etcd": self.control_plane.processes,
            "CA": self.ca.processes,
            "tenants' DNS": self.tenant_dns.processes,
        }
        pids = {name: [process.pid for process in part] for name, part in parts.items()}
        for name in ("controller", "dns", "api"):
            if self.operator.runs(name):
                pids[name] = [self.operator.process(name).pid]
        return pids


@contextmanager
def stage(
    forward: Mapping[str, str] | None = None, lifetime: timedelta = timedelta(days=90)
) -> Iterator[Stage]:
    """Everything but the operator's processes is started; all is stopped in the end.

    The tenants' resolver asks the servers (host:port) in `forward` about the zones there;
    certificates have the `lifetime`.
    """
    binaries = find_binaries()
    with run_directory() as directory, ExitStack() as stack:
        responder = f"127.0.0.1:{free_port()}"
        plane = ControlPlane(binaries, directory / "controlplane", audit=False)
        stack.callback(plane.stop)
        plane.start()
        plane.apply_crds(REPOSITORY / "crds")
        for namespace in ("customdomains", "tenants", "others"):
            plane.run_kubectl("create", "namespace", namespace)
        dns = TenantDns(
            directory / "tenantdns",
            forward={ZONE: responder, **(forward or {})},
            zones=("example.com", "example.org"),
        )
        stack.callback(dns.stop)
        dns.start()
        ca = StepCa(find_step_ca(), directory / "stepca", resolver=dns.address, lifetime=lifetime)
        stack.callback(ca.stop)
        ca.start()
        operator = Operator(
            Surroundings(
                kubeconfig=plane.kubeconfig,
                zone=ZONE,
                responder=responder,
                resolver=dns.address,
                directory_url=ca.directory_url,
                ca_file=ca.ca_file,
                api_namespace="tenants",
                changes={"controller": {"leaseDuration": "15s"}},
            ),
            directory / "operator",
        )
        stack.callback(operator.stop)
        yield Stage(plane, dns, ca, operator, directory)
