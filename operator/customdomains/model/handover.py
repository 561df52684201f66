"""What is handed to cert-manager: a Certificate of its kind, and what it says of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customdomains.model.keys import KeyType
from customdomains.model.reasons import Reason
from customdomains.model.rendering import drop_empty
from customdomains.model.times import format_optional, format_time, parse_time, read_time

CERT_MANAGER = "cert-manager.io"


@dataclass(frozen=True, slots=True)
class IssuerRef:
    """An issuer of cert-manager's, or one of another `group` that works with it."""

    name: str
    kind: str = "Issuer"
    group: str = CERT_MANAGER

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class WantedCertificate:
    """What a Certificate has to say. `owner` is the uid of the CustomDomain, which has the same
    name; `id` that of its seat on the claim; `key_type` None leaves the key to cert-manager."""

    namespace: str
    name: str
    owner: str
    id: str
    issuer: IssuerRef
    secret_name: str
    names: tuple[str, ...]
    key_type: KeyType | None


@dataclass(frozen=True, slots=True)
class CertificateState:
    """What cert-manager says of a Certificate as it is wanted; `since` is since when."""

    ready: bool
    since: datetime | None = None
    reason: str = ""
    message: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    renewal_time: datetime | None = None


class HandoverRefusedError(Exception):
    """A domain can't be handed to cert-manager."""

    def __init__(self, reason: Reason, message: str) -> None:
        """`message` says why, and what to do about it."""
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Fault:
    """Why what is wanted can't be handed over, and since when."""

    reason: Reason
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Handover:
    """The Certificate `name` beside the CustomDomain, which is there or about to be.

    `issuer`, `secret_name` and `names` are what it says, the rest is what cert-manager says of it;
    `since` is since when it is ready, or is not. With a `fault` it may be as it was before.
    """

    name: str
    issuer: IssuerRef
    secret_name: str
    names: tuple[str, ...]
    since: datetime
    ready: bool = False
    reason: str = ""
    message: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    renewal_time: datetime | None = None
    fault: Fault | None = None


def parse_issuer(body: Mapping[str, Any]) -> IssuerRef:
    """From the JSON form, in which what is the default may be missing. Raises `KeyError`."""
    return IssuerRef(body["name"], body.get("kind", "Issuer"), body.get("group", CERT_MANAGER))


def render_handover(value: Handover) -> dict[str, Any]:
    """The JSON form."""
    ref, fault = value.issuer, value.fault
    return drop_empty(
        {
            "name": value.name,
            "issuerRef": {"name": ref.name, "kind": ref.kind, "group": ref.group},
            "secretName": value.secret_name,
            "names": list(value.names),
            "since": format_time(value.since),
            "ready": value.ready or None,
            "reason": value.reason,
            "message": value.message,
            "notBefore": format_optional(value.not_before),
            "notAfter": format_optional(value.not_after),
            "renewalTime": format_optional(value.renewal_time),
            "fault": fault
            and {"reason": fault.reason, "message": fault.message, "at": format_time(fault.at)},
        }
    )


def parse_handover(body: Mapping[str, Any]) -> Handover:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    fault = body.get("fault")
    return Handover(
        name=body["name"],
        issuer=parse_issuer(body["issuerRef"]),
        secret_name=body["secretName"],
        names=tuple(body["names"]),
        since=read_time(body["since"]),
        ready=body.get("ready", False),
        reason=body.get("reason", ""),
        message=body.get("message", ""),
        not_before=parse_time(body.get("notBefore")),
        not_after=parse_time(body.get("notAfter")),
        renewal_time=parse_time(body.get("renewalTime")),
        fault=fault and Fault(Reason(fault["reason"]), fault["message"], read_time(fault["at"])),
    )
