"""DomainClaim: who holds a domain, and the operator's own record of the work on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from customdomains.model.domain import API_VERSION, GROUP, Key
from customdomains.model.progress import (
    CertificateRecord,
    Failure,
    Order,
    Verification,
    drop_empty,
    parse_certificate,
    parse_failure,
    parse_order,
    parse_verification,
    render_certificate,
    render_failure,
    render_order,
    render_verification,
)
from customdomains.model.times import parse_time

__all__ = [
    "ID_LABEL",
    "CertificateRecord",
    "Claim",
    "Failure",
    "Holder",
    "Order",
    "Verification",
    "parse_claim",
    "render_claim",
]

ID_LABEL = f"{GROUP}/id"

A = TypeVar("A")
B = TypeVar("B")

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim. `uid` is None between the two writes of a registration by HTTP."""

    key: Key
    namespace_uid: str
    uid: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A domain's claim; `domain` is its canonical name and the object's own name."""

    domain: str
    id: str
    token: str = field(repr=False)
    holder: Holder
    uid: str = ""
    resource_version: str = ""
    created: datetime = _EPOCH
    verification: Verification | None = None
    order: Order | None = None
    certificate: CertificateRecord | None = None
    failure: Failure | None = None
    issue_handled: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """What our responder answers for this claim: the token, then the challenge digests."""
        return (self.token, *self.order.digests) if self.order else (self.token,)


def render_claim(claim: Claim) -> dict[str, Any]:
    """The object to create, or to replace the stored one with (then it carries uid and version)."""
    metadata: dict[str, Any] = {"name": claim.domain}
    if claim.uid:
        metadata |= {"uid": claim.uid, "resourceVersion": claim.resource_version}
    holder: dict[str, Any] = {
        "namespace": claim.holder.key.namespace,
        "namespaceUID": claim.holder.namespace_uid,
        "name": claim.holder.key.name,
    }
    if claim.holder.uid:
        holder["uid"] = claim.holder.uid
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DomainClaim",
        "metadata": metadata,
        "spec": {"id": claim.id, "token": claim.token, "holderRef": holder},
    }
    status = drop_empty(
        {
            "verification": _optional(render_verification, claim.verification),
            "order": _optional(render_order, claim.order),
            "certificate": _optional(render_certificate, claim.certificate),
            "failure": _optional(render_failure, claim.failure),
            "issueRequestHandled": claim.issue_handled,
        }
    )
    if status:
        body["status"] = status
    return body


def parse_claim(body: Mapping[str, Any]) -> Claim:
    """Parse a DomainClaim. Raises `ValueError` (or `KeyError`'s text in one) on a broken object."""
    meta = body["metadata"]
    try:
        spec = body["spec"]
        holder = spec["holderRef"]
        status = body.get("status") or {}
        return Claim(
            domain=meta["name"],
            id=spec["id"],
            token=spec["token"],
            holder=Holder(
                key=Key(holder["namespace"], holder["name"]),
                namespace_uid=holder["namespaceUID"],
                uid=holder.get("uid"),
            ),
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            created=parse_time(meta.get("creationTimestamp")) or _EPOCH,
            verification=_optional(parse_verification, status.get("verification")),
            order=_optional(parse_order, status.get("order")),
            certificate=_optional(parse_certificate, status.get("certificate")),
            failure=_optional(parse_failure, status.get("failure")),
            issue_handled=status.get("issueRequestHandled"),
        )
    except KeyError as missing:
        raise ValueError(f"DomainClaim {meta.get('name')} lacks {missing}") from missing


def _optional(convert: Callable[[A], B], value: A | None) -> B | None:
    return None if value is None else convert(value)
