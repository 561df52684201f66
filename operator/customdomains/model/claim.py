"""DomainClaim: who holds a domain, who else wants it, and the operator's own record of the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from customdomains.model.compromise import Compromise, parse_compromise, render_compromise
from customdomains.model.domain import API_VERSION, GROUP, Key
from customdomains.model.handover import Handover, parse_handover, render_handover
from customdomains.model.issuance import (
    CertificateRecord,
    Order,
    parse_certificate,
    parse_order,
    render_certificate,
    render_order,
)
from customdomains.model.progress import (
    Failure,
    Verification,
    parse_failure,
    parse_verification,
    render_failure,
    render_verification,
)
from customdomains.model.rendering import drop_empty
from customdomains.model.seat import (
    NOBODY,
    Contender,
    Holder,
    Standing,
    parse_contender,
    parse_holder,
    parse_standing,
    render_contender,
    render_holder,
    render_standing,
)
from customdomains.model.times import parse_time
from customdomains.model.webhook import Message, parse_message, render_message

__all__ = [
    "ID_LABEL",
    "NOBODY",
    "CertificateRecord",
    "Claim",
    "Contender",
    "Failure",
    "Holder",
    "Order",
    "Standing",
    "Verification",
    "parse_claim",
    "render_claim",
]

ID_LABEL = f"{GROUP}/id"

TRANSFER_TO = f"{GROUP}/transfer-to"
"""An administrator's word that a namespace may take up a seat whose namespace is gone."""

A = TypeVar("A")
B = TypeVar("B")

_EPOCH = datetime.fromtimestamp(0, UTC)
_FRESH = Standing()
_KEPT_METADATA = ("labels", "annotations")


@dataclass(frozen=True, slots=True)
class Claim:
    """A domain's claim; `domain` is its canonical name and the object's own name.

    `reserved_for` is the only namespace that may register the name. A claim that nobody holds
    (yet, or any more: then it may remember its last `failure` for a while) has the holder `NOBODY`
    and neither id nor token. `outbox` is what has happened and is still to be told by webhooks, in
    order. `handed` is what cert-manager has of the certificate. `metadata` is what others keep in
    the object's labels and annotations.
    """

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
    compromise: Compromise | None = None
    standing: Standing = _FRESH
    contenders: tuple[Contender, ...] = ()
    reserved_for: str | None = None
    outbox: tuple[Message, ...] = ()
    handed: Handover | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def since(self) -> datetime:
        """Since when the holder has its seat."""
        return self.standing.since or self.created

    @property
    def holder_seat(self) -> Contender | None:
        """The holder's seat as one among the others; None where nobody holds the claim."""
        if self.holder == NOBODY:
            return None
        standing = replace(self.standing, since=self.since)
        return Contender(self.id, self.token, self.holder, standing, self.certificate, self.handed)

    @property
    def seats(self) -> tuple[Contender, ...]:
        """Every seat, the holder's first."""
        first = self.holder_seat
        return (first, *self.contenders) if first else self.contenders

    @property
    def texts(self) -> tuple[str, ...]:
        """What our responder answers for the holder: the token, then the challenge digests."""
        return (self.token, *self.order.digests) if self.order else (self.token,)

    @property
    def keys(self) -> tuple[Key, ...]:
        """Where the CustomDomains of all seats are, the holder's first."""
        return tuple(dict.fromkeys(seat.holder.key for seat in self.seats))

    def seen_by(self, contender: Contender) -> Claim:
        """The claim as it would be with `contender` as a holder who has proved nothing.

        For everything that looks at one seat alone: what it has to set, and what was found.
        """
        return replace(
            self,
            id=contender.id,
            token=contender.token,
            holder=contender.holder,
            standing=contender.standing,
            certificate=contender.certificate,
            handed=contender.handed,
            verification=None,
            order=None,
            failure=None,
            issue_handled=None,
            compromise=None,
            contenders=(),
        )


def render_claim(claim: Claim) -> dict[str, Any]:
    """The object to create, or to replace the stored one with (then it carries uid and version)."""
    metadata: dict[str, Any] = {"name": claim.domain, **(claim.metadata or {})}
    if claim.uid:
        metadata |= {"uid": claim.uid, "resourceVersion": claim.resource_version}
    spec: dict[str, Any] = {}
    if claim.holder != NOBODY:
        spec = {"id": claim.id, "token": claim.token, "holderRef": render_holder(claim.holder)}
    if claim.reserved_for is not None:
        spec["reservedFor"] = claim.reserved_for
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DomainClaim",
        "metadata": metadata,
        "spec": spec,
    }
    status = drop_empty(
        {
            "verification": _optional(render_verification, claim.verification),
            "order": _optional(render_order, claim.order),
            "certificate": _optional(render_certificate, claim.certificate),
            "failure": _optional(render_failure, claim.failure),
            "issueRequestHandled": claim.issue_handled,
            "keyCompromise": _optional(render_compromise, claim.compromise),
            "handed": _optional(render_handover, claim.handed),
            "standing": render_standing(claim.standing) or None,
            "contenders": [render_contender(contender) for contender in claim.contenders],
            "outbox": [render_message(message) for message in claim.outbox],
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
        status = body.get("status") or {}
        reserved = spec.get("reservedFor")
        vacant = "holderRef" not in spec and (reserved is not None or bool(status))
        return Claim(
            domain=meta["name"],
            id="" if vacant else spec["id"],
            token="" if vacant else spec["token"],
            holder=NOBODY if vacant else parse_holder(spec["holderRef"]),
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            created=parse_time(meta.get("creationTimestamp")) or _EPOCH,
            verification=_optional(parse_verification, status.get("verification")),
            order=_optional(parse_order, status.get("order")),
            certificate=_optional(parse_certificate, status.get("certificate")),
            failure=_optional(parse_failure, status.get("failure")),
            issue_handled=status.get("issueRequestHandled"),
            compromise=_optional(parse_compromise, status.get("keyCompromise")),
            standing=_optional(parse_standing, status.get("standing")) or _FRESH,
            contenders=tuple(parse_contender(each) for each in status.get("contenders") or ()),
            reserved_for=reserved,
            handed=_optional(parse_handover, status.get("handed")),
            outbox=tuple(parse_message(each) for each in status.get("outbox") or ()),
            metadata={k: meta[k] for k in _KEPT_METADATA if meta.get(k)} or None,
        )
    except KeyError as missing:
        raise ValueError(f"DomainClaim {meta.get('name')} lacks {missing}") from missing


def _optional(convert: Callable[[A], B], value: A | None) -> B | None:
    return None if value is None else convert(value)
