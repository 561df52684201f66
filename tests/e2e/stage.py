"""The operator's processes under the roles of `deploy/rbac`, behind relays, for a whole run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from customdomains.devcluster.audit import Write
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.kubeconfig import write_kubeconfig
from customdomains.devcluster.operatorprocs import Operator, Surroundings
from customdomains.devcluster.pebble import Pebble
from customdomains.devcluster.tenantdns.handle import TenantDns
from e2e.domains import Domain, found
from e2e.relay import Call, Relay, Trap
from e2e.waiting import until

OPERATOR_NAMESPACE = "customdomains"
LEASE = (
    f"/apis/coordination.k8s.io/v1/namespaces/{OPERATOR_NAMESPACE}/leases/customdomains-controller"
)
ACCOUNTS = {
    name: f"system:serviceaccount:{OPERATOR_NAMESPACE}:customdomains-{name}"
    for name in ("controller", "api", "dns")
}


@dataclass
class Stage:
    """What the tests share. The controller reaches API server and CA through relays."""

    plane: ControlPlane
    dns: TenantDns
    pebble: Pebble
    apiserver: Relay
    ca: Relay
    ca_file: Path
    zone: str
    responder: str
    directory: Path

    def __post_init__(self) -> None:
        self._count = 0
        self.controller = self.operator("controller")
        self.responders = self.operator("dns")
        self.api = self.operator("api")

    def operator(
        self, account: str, *, relayed: bool = True, changes: Mapping[str, Any] | None = None
    ) -> Operator:
        """Processes of the operator's own that run as one of its service accounts."""
        self._count += 1
        directory = self.directory / f"{account}-{self._count}"
        directory.mkdir()
        relayed = relayed and account == "controller"
        kubeconfig = write_kubeconfig(
            directory / "kubeconfig",
            server=self.apiserver.url if relayed else self.plane.url,
            ca_pem=self.plane.ca_file.read_bytes(),
            user=account,
            identity=self.plane.service_account_token(
                OPERATOR_NAMESPACE, f"customdomains-{account}"
            ),
        )
        surroundings = Surroundings(
            kubeconfig=kubeconfig,
            zone=self.zone,
            responder=self.responder,
            resolver=self.dns.address,
            directory_url=f"{self.ca.url}/dir",
            ca_file=self.ca_file,
            namespace=OPERATOR_NAMESPACE,
            changes={"controller": {"leaseDuration": "3s"}} if changes is None else changes,
        )
        return Operator(surroundings, directory)

    def domain(self, namespace: str, label: str = "shop", parent: str = "example.com") -> Domain:
        """A domain that no other test has."""
        own = namespace.removeprefix("test-")
        return Domain(self.plane, self.dns, namespace, f"{label}-{own}.{parent}", self.zone)

    # --- the controller ------------------------------------------------------------------------

    def ensure_controller(self) -> None:
        """Start the shared controller where an earlier test has left none."""
        if not is_running(self.controller, "controller"):
            self.start_controller()

    def start_controller(self) -> None:
        """Start the shared controller, and return when it leads.

        The Lease of one that was killed is taken away: nobody has to wait until it expires.
        """
        self.free_lease()
        self.controller.start("controller")
        self.wait_leading()

    def stop_controller(self) -> None:
        """Stop the shared controller in order."""
        self.controller.stop("controller")

    @contextmanager
    def another_controller(self, **changes: Mapping[str, Any]) -> Iterator[Operator]:
        """While the body runs, one with other settings in the shared one's place."""
        self.stop_controller()
        lease = {"controller": {"leaseDuration": "3s"}}
        controller = self.operator("controller", changes={**lease, **changes})
        self.free_lease()
        controller.start("controller")
        self.wait_leading()
        try:
            yield controller
            assert "Traceback" not in controller.log_of("controller").read_text()
        finally:
            controller.stop()

    def kill_controller(self) -> None:
        """kill -9 of the shared controller."""
        self.controller.kill("controller")

    def trap_controller(self, matches: Callable[[Call], bool], *, before: bool) -> Trap:
        """Kill the controller at a write to the API server."""
        return self.apiserver.arm(matches, self.kill_controller, before=before)

    def forget_account(self) -> None:
        """Delete the key of the account at the CA."""
        path = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/secrets/acme-account-demo"
        if found(self.plane, path):
            self.plane.request("DELETE", path)

    def restart_pebble(self) -> None:
        """The CA forgets everything."""
        self.pebble.stop()
        self.pebble.start()

    def free_lease(self) -> None:
        """As if the Lease had expired."""
        if found(self.plane, LEASE):
            self.plane.request("DELETE", LEASE)

    def leader(self) -> str:
        """Who holds the Lease; "" where nobody does."""
        lease = found(self.plane, LEASE) or {}
        holder: str = lease.get("spec", {}).get("holderIdentity") or ""
        return holder

    def wait_leading(self) -> str:
        """Who leads, as soon as somebody does."""
        return until(self.leader, "somebody leads", explain=self.log)

    def allows(self, account: str, verb: str, **resource: str) -> bool:
        """Whether the roles let a process do that to a `resource` (a SubjectAccessReview's
        resourceAttributes)."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": ACCOUNTS[account],
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {"verb": verb, **resource},
            },
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        verdict: bool = self.plane.request("POST", path, review)["status"]["allowed"]
        return verdict

    def refused_writes(self) -> list[Write]:
        """What the roles have kept a process from: they lack nothing that it needs."""
        ours = set(ACCOUNTS.values())
        return [write for write in self.plane.writes() if write.user in ours and write.code == 403]

    def log(self) -> str:
        """What the shared controller has logged."""
        return self.controller.log_of("controller").read_text()


def is_running(operator: Operator, name: str) -> bool:
    """Whether that process was started and has not ended."""
    try:
        return operator.process(name).running
    except KeyError:
        return False
