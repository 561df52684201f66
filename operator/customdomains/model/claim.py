"""DomainClaim: who holds a domain, and the operator's own record of the work on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from customdomains.model.certificate import CertificateFacts, Method
from customdomains.model.domain import API_VERSION, GROUP, Key
from customdomains.model.reasons import Reason
from customdomains.model.times import format_optional, format_time, parse_time

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
class Verification:
    """The proof: how and when it was found, what was seen, since when it is gone (or None)."""

    method: Method
    verified_at: datetime
    seen: tuple[str, ...] = ()
    gone_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An ACME order under way; `digests` are the TXT values that answer its challenges."""

    url: str
    issuer: str
    names: tuple[str, ...]
    method: Method
    digests: tuple[str, ...]
    placed_at: datetime
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """The certificate that is in the Secret now."""

    issuer: str
    secret_name: str
    names: tuple[str, ...]
    issued_at: datetime
    facts: CertificateFacts

    @property
    def renewal_time(self) -> datetime:
        """Two thirds into the lifetime."""
        facts = self.facts
        return facts.not_before + (facts.not_after - facts.not_before) * 2 / 3


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failed try for a certificate; `count` is how many failed in a row."""

    reason: Reason
    message: str
    at: datetime
    count: int
    retry_at: datetime


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

    def without_progress(self) -> Claim:
        """The bare identity, as it was minted."""
        return replace(
            self, verification=None, order=None, certificate=None, failure=None, issue_handled=None
        )


def render_claim(claim: Claim) -> dict[str, Any]:
    """The object to create, or to replace the stored one with (then it carries uid and version)."""
    metadata: dict[str, Any] = {"name": claim.domain, "labels": {ID_LABEL: claim.id}}
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
    status = _drop_empty(
        {
            "verification": _optional(_render_verification, claim.verification),
            "order": _optional(_render_order, claim.order),
            "certificate": _optional(_render_certificate, claim.certificate),
            "failure": _optional(_render_failure, claim.failure),
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
            verification=_optional(_parse_verification, status.get("verification")),
            order=_optional(_parse_order, status.get("order")),
            certificate=_optional(_parse_certificate, status.get("certificate")),
            failure=_optional(_parse_failure, status.get("failure")),
            issue_handled=status.get("issueRequestHandled"),
        )
    except KeyError as missing:
        raise ValueError(f"DomainClaim {meta.get('name')} lacks {missing}") from missing


def _render_verification(value: Verification) -> dict[str, Any]:
    return _drop_empty(
        {
            "method": value.method,
            "verifiedAt": format_time(value.verified_at),
            "seen": list(value.seen),
            "goneSince": format_optional(value.gone_since),
        }
    )


def _parse_verification(body: Mapping[str, Any]) -> Verification:
    return Verification(
        method=Method(body["method"]),
        verified_at=_time(body["verifiedAt"]),
        seen=tuple(body.get("seen", ())),
        gone_since=parse_time(body.get("goneSince")),
    )


def _render_order(value: Order) -> dict[str, Any]:
    return _drop_empty(
        {
            "url": value.url,
            "issuer": value.issuer,
            "names": list(value.names),
            "method": value.method,
            "digests": list(value.digests),
            "placedAt": format_time(value.placed_at),
            "expires": format_optional(value.expires),
        }
    )


def _parse_order(body: Mapping[str, Any]) -> Order:
    return Order(
        url=body["url"],
        issuer=body["issuer"],
        names=tuple(body["names"]),
        method=Method(body["method"]),
        digests=tuple(body.get("digests", ())),
        placed_at=_time(body["placedAt"]),
        expires=parse_time(body.get("expires")),
    )


def _render_certificate(value: CertificateRecord) -> dict[str, Any]:
    return {
        "issuer": value.issuer,
        "secretName": value.secret_name,
        "names": list(value.names),
        "issuedAt": format_time(value.issued_at),
        "serialNumber": value.facts.serial_number,
        "notBefore": format_time(value.facts.not_before),
        "notAfter": format_time(value.facts.not_after),
        "fingerprint": value.facts.fingerprint,
    }


def _parse_certificate(body: Mapping[str, Any]) -> CertificateRecord:
    return CertificateRecord(
        issuer=body["issuer"],
        secret_name=body["secretName"],
        names=tuple(body["names"]),
        issued_at=_time(body["issuedAt"]),
        facts=CertificateFacts(
            serial_number=body["serialNumber"],
            not_before=_time(body["notBefore"]),
            not_after=_time(body["notAfter"]),
            fingerprint=body["fingerprint"],
        ),
    )


def _render_failure(value: Failure) -> dict[str, Any]:
    return {
        "reason": value.reason,
        "message": value.message,
        "at": format_time(value.at),
        "count": value.count,
        "retryAt": format_time(value.retry_at),
    }


def _parse_failure(body: Mapping[str, Any]) -> Failure:
    return Failure(
        reason=Reason(body["reason"]),
        message=body["message"],
        at=_time(body["at"]),
        count=body["count"],
        retry_at=_time(body["retryAt"]),
    )


def _optional(convert: Callable[[A], B], value: A | None) -> B | None:
    return None if value is None else convert(value)


def _time(text: str) -> datetime:
    moment = parse_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    return moment


def _drop_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, [], "")}
