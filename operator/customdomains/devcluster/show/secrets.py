"""The certificates that the operator left in Secrets, looked at as a TLS client would."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from customdomains.devcluster.show.checks import NotSeenError

_TLS = "kubernetes.io/tls"


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate, its chain verified up to `root`; names as in RFC 4514, times in UTC."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    serial_number: str
    root: str


def examine(secret: Mapping[str, Any], names: tuple[str, ...], roots: bytes) -> Found:
    """What is in `secret`, a Secret as the API server gives it.

    Raises NotSeenError unless it is a TLS Secret with a certificate for exactly `names`, valid
    now, with its private key, and a chain that leads to one of `roots` (PEM).
    """
    where = f"the Secret {secret['metadata']['namespace']}/{secret['metadata']['name']}"
    if secret.get("type") != _TLS:
        raise NotSeenError(f"{where} is of type {secret.get('type')}, not {_TLS}")
    data = secret.get("data") or {}
    try:
        leaf, *between = x509.load_pem_x509_certificates(base64.b64decode(data["tls.crt"]))
        key = load_pem_private_key(base64.b64decode(data["tls.key"]), None)
    except (KeyError, ValueError) as error:
        raise NotSeenError(f"{where} holds no certificate with its key: {error!r}") from error
    if key.public_key() != leaf.public_key():
        raise NotSeenError(f"the private key in {where} is not the certificate's")
    found = _names(leaf)
    if set(found) != set(names):
        raise NotSeenError(f"the certificate in {where} is for {found}, not for {names}")
    verifier = (
        PolicyBuilder()
        .store(Store(x509.load_pem_x509_certificates(roots)))
        .time(datetime.now(UTC))
        .build_server_verifier(x509.DNSName(names[0]))
    )
    try:
        chain = verifier.verify(leaf, between)
    except VerificationError as error:
        raise NotSeenError(f"the chain in {where} can't be verified: {error}") from error
    return Found(
        subject=leaf.subject.rfc4514_string(),
        names=found,
        issuer=leaf.issuer.rfc4514_string(),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        serial_number=f"{leaf.serial_number:x}",
        root=chain[-1].subject.rfc4514_string(),
    )


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))
