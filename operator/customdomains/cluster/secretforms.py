"""What the operator's Secrets look like, and how it tells that one is its own.

A Secret that does not carry our labels is somebody else's and is never touched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from customdomains.model.claim import ID_LABEL, Claim
from customdomains.model.domain import GROUP, default_secret_name

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "customdomain-operator"
ROLE_LABEL = f"{GROUP}/role"
ROLE_CERTIFICATE = "certificate"
ROLE_NEXT_KEY = "next-key"
ORDER_ANNOTATION = f"{GROUP}/order"
DOMAIN_ANNOTATION = f"{GROUP}/domain"
CHAIN_ANNOTATION = f"{GROUP}/chain"
"""The SHA-256 of `tls.crt` as it was written."""
REVOKE_ANNOTATION = f"{GROUP}/revoke-on-delete"
"""The issuer that is to revoke the certificate before its Secret is removed."""
ORPHANED_ANNOTATION = f"{GROUP}/orphaned-at"

TLS = "kubernetes.io/tls"
OPAQUE = "Opaque"

CERTIFICATES = f"{MANAGED_BY}={MANAGER},{ROLE_LABEL}={ROLE_CERTIFICATE}"
"""Selects the Secrets of certificates."""

Body = Mapping[str, Any]


class ForeignSecretError(Exception):
    """A Secret of the wanted name is there and is not this domain's."""


def next_name(claim: Claim) -> str:
    """Where the key of a claim's order waits for its certificate.

    Whatever the spec says meanwhile about where that goes: a finalized order needs its own key.
    """
    return f"{default_secret_name(claim.holder.key.name)}-next"


def secret_body(
    claim: Claim,
    name: str,
    role: str,
    kind: str,
    data: Mapping[str, str],
    annotations: Mapping[str, str | None],
) -> dict[str, Any]:
    """A Secret of ours, to create or to merge into one that is there; an annotation that is None
    is not there."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {
            "name": name,
            "namespace": claim.holder.key.namespace,
            "labels": labels_of(claim, role),
            "annotations": {DOMAIN_ANNOTATION: claim.domain, **annotations},
        },
        "data": encoded(data),
    }


def labels_of(claim: Claim, role: str) -> dict[str, str]:
    """The labels that make a Secret ours."""
    return {MANAGED_BY: MANAGER, ROLE_LABEL: role, ID_LABEL: claim.id}


def encoded(data: Mapping[str, str]) -> dict[str, str]:
    """Text as a Secret's `data`."""
    return {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}


def decoded(body: Body, key: str) -> str:
    """A value of a Secret. What is no text is no key either; who uses it will say so."""
    return base64.b64decode((body.get("data") or {}).get(key, "")).decode(errors="replace")


def key_of(body: Body) -> str | None:
    """The private key as it is stored."""
    key: str | None = (body.get("data") or {}).get("tls.key")
    return key


def digest_of(chain_pem: str) -> str:
    """What `CHAIN_ANNOTATION` says of a chain."""
    return hashlib.sha256(chain_pem.encode()).hexdigest()


def version_of(body: Body) -> int:
    """A resourceVersion as a number."""
    return int(body["metadata"]["resourceVersion"])


def annotation(body: Body, key: str) -> str | None:
    """One annotation."""
    value: str | None = (body["metadata"].get("annotations") or {}).get(key)
    return value


def owner_of(body: Body) -> str | None:
    """The id of the seat that a Secret of ours was made for."""
    labels = body["metadata"].get("labels") or {}
    owner: str | None = labels.get(ID_LABEL) if labels.get(MANAGED_BY) == MANAGER else None
    return owner


def refuse_foreign(body: Body, claim: Claim, kind: str) -> None:
    """Raise unless `body` is this claim's and of the type `kind`, which can't be changed.

    One of an earlier registration of the same domain in the same namespace is too: a domain that
    is deleted and registered again gets another id.
    """
    owner = owner_of(body)
    ours = owner == claim.id or (owner and annotation(body, DOMAIN_ANNOTATION) == claim.domain)
    if ours and body.get("type") == kind:
        return
    if ours:
        whose = f"is of another type than {kind}"
    else:
        whose = "belongs to another domain" if owner else "was not made by this operator"
    way_out = ", or choose another name in spec.certificate.secretName" if kind == TLS else ""
    raise ForeignSecretError(
        f"the Secret {body['metadata']['name']} is there already and {whose}, so it is not "
        f"touched; delete it{way_out}"
    )
