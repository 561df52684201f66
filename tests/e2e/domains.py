"""A tenant's domain, as its owner and as an administrator see it."""

import itertools
import urllib.error
from collections.abc import Callable, Mapping
from typing import Any

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.tenantdns.handle import TenantDns
from e2e.waiting import PATIENCE, until

API = "/apis/customdomains.dev/v1"
CHECK_REQUESTED = "customdomains.dev/check-requested-at"
ISSUE_REQUESTED = "customdomains.dev/issue-requested-at"

_marks = itertools.count(1)


def found(plane: ControlPlane, path: str) -> dict[str, Any] | None:
    """The object at `path`; None where there is none."""
    try:
        body: dict[str, Any] = plane.request("GET", path)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None
    return body


class Domain:
    """One CustomDomain in `namespace`; `dns` is where its owner sets records."""

    def __init__(
        self,
        plane: ControlPlane,
        dns: TenantDns,
        namespace: str,
        domain: str,
        zone: str,
        *,
        name: str | None = None,
    ) -> None:
        self.plane = plane
        self.namespace = namespace
        self.domain = domain
        self.name = name or domain.split(".", 1)[0]
        self.secret_name = f"{self.name}-tls"
        self._dns = dns
        self._zone = zone
        self._collection = f"{API}/namespaces/{namespace}/customdomains"
        self._path = f"{self._collection}/{self.name}"

    # --- the owner -----------------------------------------------------------------------------

    def create(self, **spec: Any) -> "Domain":
        """Register the domain."""
        self.plane.request("POST", self._collection, self.manifest(**spec))
        return self

    def manifest(self, **spec: Any) -> dict[str, Any]:
        """What `create` sends."""
        return {
            "apiVersion": "customdomains.dev/v1",
            "kind": "CustomDomain",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"domainName": self.domain, **spec},
        }

    def delete(self) -> None:
        """Give the domain up."""
        self.plane.request("DELETE", self._path)

    def annotate(self, annotation: str, value: str | None = None) -> str:
        """Set an annotation to a value never used before, or to `value`; returns it."""
        value = value or f"mark-{next(_marks)}"
        self.patch({"metadata": {"annotations": {annotation: value}}})
        return value

    def patch(self, change: Mapping[str, Any]) -> None:
        """Change the resource."""
        self.plane.request("PATCH", self._path, change)

    def check(self) -> str:
        """Ask for a check now."""
        return self.annotate(CHECK_REQUESTED)

    def issue(self) -> str:
        """Ask for a certificate."""
        return self.annotate(ISSUE_REQUESTED)

    @property
    def challenge_name(self) -> str:
        """Where the records go."""
        return f"_acme-challenge.{self.domain}"

    def delegate(self, registration_id: str | None = None) -> None:
        """Set the CNAME that the status asks for, or the one for this id."""
        wanted = registration_id and f"{registration_id}.{self._zone}"
        self._dns.set_cname(self.challenge_name, wanted or self.record("CNAME")["value"])

    def set_txt(self, *values: str) -> None:
        """Make these the TXT records at the challenge name."""
        self._dns.set_txt(self.challenge_name, *values)

    # --- what is seen --------------------------------------------------------------------------

    def body(self) -> dict[str, Any] | None:
        """The CustomDomain."""
        return found(self.plane, self._path)

    def status(self) -> dict[str, Any]:
        """Its status."""
        status: dict[str, Any] = (self.body() or {}).get("status", {})
        return status

    def records(self, purpose: str) -> list[dict[str, Any]]:
        """The wanted records of one purpose."""
        return [each for each in self.status().get("records", []) if each["purpose"] == purpose]

    def record(self, kind: str) -> dict[str, Any]:
        """The wanted record of one type."""
        (record,) = (each for each in self.status()["records"] if each["type"] == kind)
        return record

    def condition(self, kind: str) -> dict[str, Any]:
        """One condition."""
        return condition_of(self.status(), kind)

    def claim(self) -> dict[str, Any] | None:
        """The claim on the domain."""
        return found(self.plane, f"{API}/domainclaims/{self.domain}")

    def secret(self, suffix: str = "") -> dict[str, Any] | None:
        """The TLS Secret, or with `-next` the one where its key waits."""
        return found(
            self.plane, f"/api/v1/namespaces/{self.namespace}/secrets/{self.secret_name}{suffix}"
        )

    # --- waiting -------------------------------------------------------------------------------

    def wait(
        self, holds: Callable[[dict[str, Any]], Any], what: str, timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """The status as soon as `holds` is true of it."""

        def probe() -> dict[str, Any]:
            status = self.status()
            return status if holds(status) else {}

        return until(probe, f"{self.domain}: {what}", timeout=timeout, explain=self.status)

    def wait_phase(self, phase: str) -> dict[str, Any]:
        """The status as soon as it has this phase."""
        return self.wait(lambda status: status.get("phase") == phase, f"phase {phase}")

    def wait_checked(self) -> dict[str, Any]:
        """The status after a check that is asked for now."""
        mark = self.check()
        return self.wait(
            lambda status: status.get("lastHandledCheckRequest") == mark, "the check's result"
        )

    def bring_to_active(self) -> dict[str, Any]:
        """From registered to active, by the CNAME."""
        self.wait(lambda status: status.get("records"), "records to set")
        self.delegate()
        self.check()
        return self.wait_phase("active")


def condition_of(status: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """One condition of a status; empty where it is not there."""
    for each in status.get("conditions", []):
        if each["type"] == kind:
            return dict(each)
    return {}
