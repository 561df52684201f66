"""Leases as a record: read, created, and replaced on the version that was read.

Who may hold one, and for how long, is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from customdomains.cluster.client import ApiClient, Json
from customdomains.cluster.resource import Resource

LEASES = Resource("coordination.k8s.io", "v1", "leases", namespaced=True)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease's spec. `holder` is "" when nobody holds it; times are in UTC, to the microsecond.

    `resource_version` is that of the Lease it was read from, "" for one yet to be created.
    """

    holder: str
    duration_seconds: int
    acquire_time: datetime | None
    renew_time: datetime | None
    transitions: int
    resource_version: str = ""


async def get_lease(client: ApiClient, namespace: str, name: str, *, timeout: float) -> LeaseRecord:
    """The Lease as it is now. NotFound when there is none."""
    return _parse(await client.get(LEASES, name, namespace, timeout=timeout))


async def create_lease(
    client: ApiClient, namespace: str, name: str, record: LeaseRecord, *, timeout: float
) -> LeaseRecord:
    """Create it and return it as stored. AlreadyExists when another was faster."""
    body = {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": {"namespace": namespace, "name": name},
        "spec": _render(record),
    }
    return _parse(await client.create(LEASES, body, timeout=timeout))


async def replace_lease(
    client: ApiClient, namespace: str, name: str, record: LeaseRecord, *, timeout: float
) -> LeaseRecord:
    """Replace the spec and return it as stored; labels and annotations of others stay.

    Conflict unless `record.resource_version` is the newest.
    """
    body = {
        "metadata": {"resourceVersion": record.resource_version},
        "spec": _render(record),
    }
    return _parse(await client.patch(LEASES, name, body, namespace, timeout=timeout))


def format_micro_time(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000000Z`: `metav1.MicroTime` has six digits, always."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _parse(lease: Json) -> LeaseRecord:
    """Lenient: a Lease written by hand may lack anything, and is then as good as free."""
    spec: dict[str, Any] = lease.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        duration_seconds=spec.get("leaseDurationSeconds") or 0,
        acquire_time=_parse_time(spec.get("acquireTime")),
        renew_time=_parse_time(spec.get("renewTime")),
        transitions=spec.get("leaseTransitions") or 0,
        resource_version=lease["metadata"]["resourceVersion"],
    )


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _render(record: LeaseRecord) -> dict[str, Any]:
    """Null removes: the API server refuses an empty holder."""
    acquired, renewed = record.acquire_time, record.renew_time
    return {
        "holderIdentity": record.holder or None,
        "leaseDurationSeconds": record.duration_seconds,
        "acquireTime": format_micro_time(acquired) if acquired else None,
        "renewTime": format_micro_time(renewed) if renewed else None,
        "leaseTransitions": record.transitions,
    }
