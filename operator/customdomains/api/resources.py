"""CustomDomains as the api keeps and makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from customdomains.api.idempotency import KEY_LABEL
from customdomains.model.claim import ID_LABEL, Claim
from customdomains.model.domain import (
    API_VERSION,
    CHECK_REQUESTED,
    EXTERNAL_ID,
    GROUP,
    ISSUE_REQUESTED,
    Issuance,
    Key,
)
from customdomains.model.names import NameRefusedError, canonical_name
from customdomains.model.reasons import Phase

AS_SUPPLIED = f"{GROUP}/domain-name-as-supplied"
"""Annotation: the name as the caller wrote it, where `spec.domainName` can't hold that."""

_OUR_LABELS = frozenset({ID_LABEL, KEY_LABEL})
_REQUEST_LENGTH = 64  # characters of a request's mark, as the controller compares them


@dataclass(frozen=True, slots=True)
class DomainView:
    """What the api keeps of a CustomDomain; there may be tens of thousands.

    `records` and `conditions` are the status' lists as compact JSON, empty where the controller
    has not written any; `labels` are the platform's own; `created` is in RFC 3339, in UTC.
    """

    key: Key
    uid: str
    resource_version: str
    domain_name: str
    supplied: str | None
    external_id: str | None
    labels: Mapping[str, str]
    suspend: bool
    issuance: str
    check_requested: str | None
    check_handled: str | None
    issue_requested: str | None
    phase: str
    created: str
    records: bytes = field(repr=False)
    conditions: bytes = field(repr=False)

    @property
    def domain(self) -> str | None:
        """The canonical name that this resource wants; None where its name is none."""
        try:
            return canonical_name(self.domain_name)
        except NameRefusedError:
            return None

    def is_for(self, domain: str) -> bool:
        """Whether this resource wants the canonical name `domain`."""
        if self.domain_name == domain:
            return True  # as nearly always, and canonical_name takes its time
        return self.domain == domain


@dataclass(frozen=True, slots=True)
class Registration:
    """A seat on a domain: the claim as it is for that seat alone, never to be written, and the
    resource that has the seat.
    """

    claim: Claim
    domain: DomainView


def parse_view(body: Mapping[str, Any]) -> DomainView:
    """Parse a CustomDomain that passed the CRD's schema."""
    meta, spec = body["metadata"], body["spec"]
    status = body.get("status") or {}
    annotations = meta.get("annotations") or {}
    certificate = spec.get("certificate") or {}
    return DomainView(
        key=Key(meta["namespace"], meta["name"]),
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        domain_name=spec["domainName"],
        supplied=annotations.get(AS_SUPPLIED),
        external_id=annotations.get(EXTERNAL_ID),
        labels={k: v for k, v in (meta.get("labels") or {}).items() if k not in _OUR_LABELS},
        suspend=bool(spec.get("suspend", False)),
        issuance=certificate.get("issuance", Issuance.AUTOMATIC),
        check_requested=_mark(annotations.get(CHECK_REQUESTED)),
        check_handled=status.get("lastHandledCheckRequest"),
        issue_requested=_mark(annotations.get(ISSUE_REQUESTED)),
        phase=status.get("phase", Phase.PENDING),
        created=meta.get("creationTimestamp") or "",
        records=_compact(status.get("records")),
        conditions=_compact(status.get("conditions")),
    )


def render_resource(
    claim: Claim, spelling: str, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """The CustomDomain to create for `claim`, under the name that the claim gives its holder.

    It carries the id as a label: after a create whose answer was lost, that tells whose it is.
    """
    key = claim.holder.key
    metadata: dict[str, Any] = {
        "namespace": key.namespace,
        "name": key.name,
        "labels": {**labels, ID_LABEL: claim.id},
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": API_VERSION,
        "kind": "CustomDomain",
        "metadata": metadata,
        "spec": {"domainName": spelling},
    }


def carries_id(body: Mapping[str, Any], registration_id: str) -> bool:
    """Whether a CustomDomain was made by `render_resource` for this id."""
    return (body["metadata"].get("labels") or {}).get(ID_LABEL) == registration_id


def _mark(value: str | None) -> str | None:
    return value[:_REQUEST_LENGTH] if value else None


def _compact(value: list[Any] | None) -> bytes:
    return msgspec.json.encode(value) if value else b""
