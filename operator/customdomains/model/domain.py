"""The CustomDomain resource as the controller keeps it: a slim copy of what decides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from customdomains.model.handover import IssuerRef, parse_issuer
from customdomains.model.keys import KeyType, key_type
from customdomains.model.names import NameRefusedError, canonical_name
from customdomains.model.status import StatusMark, mark_of
from customdomains.model.times import parse_time

GROUP = "customdomains.dev"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"

CHECK_REQUESTED = f"{GROUP}/check-requested-at"
ISSUE_REQUESTED = f"{GROUP}/issue-requested-at"
EXTERNAL_ID = f"{GROUP}/external-id"
RELEASE_ON_DELETE = f"{GROUP}/release-on-delete"
KEY_COMPROMISED = f"{GROUP}/key-compromised"

_EPOCH = datetime.fromtimestamp(0, UTC)
_REQUEST_LENGTH = 64
_SECRET_NAME_LENGTH = 248
"""So that `-next` fits behind it."""


class Key(NamedTuple):
    """Where a CustomDomain lives."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Issuance(StrEnum):
    """When a certificate is ordered."""

    AUTOMATIC = "Automatic"
    ON_REQUEST = "OnRequest"
    NEVER = "Never"


@dataclass(frozen=True, slots=True)
class CustomDomain:
    """What a tenant wants. `domain` is the canonical name, or None with `refusal` saying why;
    `key_type` is that of the certificate's key, None where the issuer chooses;
    `release` tells that the name is to be free at once when this is deleted, `revoke` that its
    certificate is to be revoked then; `compromised` names the certificate whose key somebody else
    may have; `handed_to` is who is to issue instead, by way of cert-manager."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    created: datetime
    domain_name: str
    domain: str | None
    refusal: NameRefusedError | None
    wildcard: bool
    suspend: bool
    issuance: Issuance
    issuer: str | None
    secret_name: str
    key_type: KeyType | None
    check_requested: str | None
    issue_requested: str | None
    release: bool
    revoke: bool
    compromised: str | None
    status: StatusMark
    handed_to: IssuerRef | None = None


def parse_domain(body: Mapping[str, Any]) -> CustomDomain:
    """Parse a CustomDomain that passed the CRD's schema.

    Raises `ValueError` for a word that the schema's enums don't have, and for a key's size that
    there is not.
    """
    meta = body["metadata"]
    spec = body.get("spec") or {}
    typed = str(spec.get("domainName") or "")
    certificate = spec.get("certificate") or {}
    annotations = meta.get("annotations") or {}
    domain, refusal = _canonical(typed)
    name: str = meta["name"]
    return CustomDomain(
        key=Key(meta["namespace"], name),
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        generation=meta.get("generation", 0),
        created=parse_time(meta.get("creationTimestamp")) or _EPOCH,
        domain_name=typed,
        domain=domain,
        refusal=refusal,
        wildcard=bool(spec.get("wildcard", False)),
        suspend=bool(spec.get("suspend", False)),
        issuance=Issuance(certificate.get("issuance", Issuance.AUTOMATIC)),
        issuer=certificate.get("issuer"),
        secret_name=certificate.get("secretName") or default_secret_name(name),
        key_type=_key_type(certificate.get("privateKey")),
        check_requested=_request(annotations.get(CHECK_REQUESTED)),
        issue_requested=_request(annotations.get(ISSUE_REQUESTED)),
        release=annotations.get(RELEASE_ON_DELETE) == "true",
        revoke=bool(certificate.get("revokeOnDelete", False)),
        compromised=_request(annotations.get(KEY_COMPROMISED)),
        status=mark_of(body.get("status") or {}),
        handed_to=_handed_to(certificate.get("certManager")),
    )


def default_secret_name(name: str) -> str:
    """The Secret of the CustomDomain `name`; a name too long for that is cut, with its hash."""
    if len(name) + len("-tls") <= _SECRET_NAME_LENGTH:
        return f"{name}-tls"
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: _SECRET_NAME_LENGTH - 17].rstrip('-.')}-{mark}-tls"


def _key_type(private_key: Mapping[str, Any] | None) -> KeyType | None:
    if not private_key:
        return None
    return key_type(private_key["algorithm"], private_key.get("size"))


def _handed_to(cert_manager: Mapping[str, Any] | None) -> IssuerRef | None:
    return parse_issuer(cert_manager["issuerRef"]) if cert_manager else None


def _request(value: str | None) -> str | None:
    """A request's mark is compared, kept and echoed, so its length is bounded."""
    return value[:_REQUEST_LENGTH] if value else None


def _canonical(typed: str) -> tuple[str | None, NameRefusedError | None]:
    try:
        return canonical_name(typed), None
    except NameRefusedError as refusal:
        return None, refusal.with_traceback(None)
