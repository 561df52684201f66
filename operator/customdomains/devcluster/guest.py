"""A cluster that somebody else runs, as a host of the demo: looked at first, tidied up last."""

from __future__ import annotations

import json
import time
from typing import Any

from customdomains.cluster.secretforms import MANAGED_BY, MANAGER
from customdomains.devcluster.kubectl import Kubectl, KubectlError
from customdomains.devcluster.operatorprocs import ACCOUNT_SECRET, LEASE

_REACH_SECONDS = 10
_POLL_SECONDS = 0.5


class UnsuitableClusterError(RuntimeError):
    """The cluster can't be used for the demo; the message says why."""


def check_reachable(kubectl: Kubectl) -> None:
    """Raises UnsuitableClusterError unless the API server answers this user."""
    try:
        kubectl.run("get", "namespaces", f"--request-timeout={_REACH_SECONDS}s", "-o", "name")
    except KubectlError as error:
        reason = str(error).splitlines()[-1] if str(error) else "kubectl says nothing"
        raise UnsuitableClusterError(
            f"the cluster of {kubectl.kubeconfig} can't be used: {reason}"
        ) from error


def check_unused(kubectl: Kubectl, operator_namespace: str, tenant_namespace: str) -> None:
    """Raises UnsuitableClusterError where the demo's operator would meddle with real domains.

    That is where there are domains outside `tenant_namespace`, or where another operator holds the
    Lease in `operator_namespace` (which takes as long to tell as the Lease is for).
    """
    claims = _items(kubectl, "domainclaims")
    places = {item["metadata"]["namespace"] for item in _items(kubectl, "customdomains", "-A")}
    places |= {_whose(claim) for claim in claims}
    foreign = sorted(places - {tenant_namespace})
    if foreign:
        raise UnsuitableClusterError(
            f"the cluster has domains already (in {', '.join(foreign)}), and the demo's operator "
            "would work on them; use a cluster without any"
        )
    if _held(kubectl, operator_namespace):
        raise UnsuitableClusterError(
            f"an operator runs in this cluster already: it renews the Lease {LEASE} in "
            f"{operator_namespace}; use a cluster without one"
        )


def tidy_up(kubectl: Kubectl, operator_namespace: str, tenant_namespace: str) -> None:
    """Remove what a demo's users and its operator left there; CRDs and namespaces stay."""
    kubectl.run("delete", "customdomains", "--all", "-n", tenant_namespace)
    for claim in _items(kubectl, "domainclaims"):
        if claim["spec"].get("holderRef", {}).get("namespace") == tenant_namespace:
            kubectl.run("delete", "domainclaim", claim["metadata"]["name"], "--ignore-not-found")
    kubectl.run("delete", "secrets", "-l", f"{MANAGED_BY}={MANAGER}", "-n", tenant_namespace)
    kubectl.run("delete", "events", "--all", "-n", tenant_namespace)
    # By name: the namespace may hold what an operator that is only stopped will need again.
    for what in (f"secret/{ACCOUNT_SECRET}", f"lease/{LEASE}"):
        kubectl.run("delete", what, "-n", operator_namespace, "--ignore-not-found")


def _whose(claim: dict[str, Any]) -> str:
    """The namespace that has the domain, or that it is reserved for."""
    spec = claim["spec"]
    place: str = spec.get("holderRef", {}).get("namespace") or spec["reservedFor"]
    return place


def _items(kubectl: Kubectl, kind: str, *more: str) -> list[dict[str, Any]]:
    """All objects of a kind; none where the cluster doesn't know it."""
    try:
        items: list[dict[str, Any]] = kubectl.get(kind, *more)["items"]
    except KubectlError as error:
        if "doesn't have a resource type" in str(error):
            return []
        raise
    return items


def _held(kubectl: Kubectl, namespace: str) -> bool:
    """Whether somebody renews the Lease. Clocks may differ, so it is watched, not dated."""
    first = _lease(kubectl, namespace)
    if not first.get("holderIdentity"):
        return False
    end = time.monotonic() + first.get("leaseDurationSeconds", 15)
    while time.monotonic() < end:
        if _lease(kubectl, namespace) != first:
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _lease(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    found = kubectl.run(
        "get", "lease", LEASE, "-n", namespace, "--ignore-not-found", "-o", "jsonpath={.spec}"
    )
    spec: dict[str, Any] = json.loads(found) if found else {}
    return spec
