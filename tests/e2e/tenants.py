"""Several tenants who want the same name, each in a namespace of their own."""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from customdomains.devcluster.controlplane import ControlPlane
from e2e.domains import API, Domain, found
from e2e.waiting import until

T = TypeVar("T")


def make_namespace(plane: ControlPlane, name: str | None = None) -> str:
    """A fresh namespace; its name."""
    name = name or f"test-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    plane.request("POST", "/api/v1/namespaces", body)
    return name


def end_namespace(plane: ControlPlane, name: str) -> None:
    """Delete a namespace with all that is in it, as the controller-manager of a cluster does."""
    path = f"/api/v1/namespaces/{name}"
    plane.request("DELETE", path)
    for content in (f"{API}/namespaces/{name}/customdomains", f"{path}/secrets", f"{path}/events"):
        plane.request("DELETE", content)
    ended = plane.request("GET", path)
    ended["spec"]["finalizers"] = []
    plane.request("PUT", f"{path}/finalize", ended)
    until(lambda: found(plane, path) is None, f"the namespace {name} is gone")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What the calls return, each made by a thread of its own, all in the same moment."""
    ready = Barrier(len(calls))

    def make(call: Callable[[], T]) -> T:
        ready.wait(10)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(make, calls))


def statuses(plane: ControlPlane, domain: str) -> dict[str, dict[str, Any]]:
    """By namespace, the status of the CustomDomain that wants `domain`."""
    items = plane.request("GET", f"{API}/customdomains")["items"]
    return {
        item["metadata"]["namespace"]: item.get("status", {})
        for item in items
        if item["spec"]["domainName"] == domain
    }


def statuses_in(plane: ControlPlane, namespace: str) -> dict[str, dict[str, Any]]:
    """By name, the status of each CustomDomain of a namespace."""
    items = plane.request("GET", f"{API}/namespaces/{namespace}/customdomains")["items"]
    return {item["metadata"]["name"]: item.get("status", {}) for item in items}


def events_of(domain: Domain) -> list[tuple[str, str]]:
    """Reason and note of each Event about a CustomDomain, oldest first."""
    path = f"/apis/events.k8s.io/v1/namespaces/{domain.namespace}/events"
    items = domain.plane.request("GET", path)["items"]
    about = [item for item in items if item["regarding"]["name"] == domain.name]
    return [(item["reason"], item["note"]) for item in sorted(about, key=_moment)]


def _moment(event: dict[str, Any]) -> str:
    moment: str = event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return moment
