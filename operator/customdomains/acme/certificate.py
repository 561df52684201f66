"""Whether a certificate that a CA delivered is the one that was asked for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from customdomains.acme.errors import bounded
from customdomains.acme.keys import PrivateKey, type_of
from customdomains.acme.renewal import ari_id
from customdomains.model.certificate import CertificateFacts, IssuedCertificate, OrderError
from customdomains.model.reasons import Reason

_SKEW = timedelta(minutes=5)
_LONGEST_CHAIN = 10
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def check_certificate(
    body: bytes, names: tuple[str, ...], key: PrivateKey, now: datetime
) -> IssuedCertificate:
    """The chain in `body` (application/pem-certificate-chain, RFC 8555 section 9.1), checked.

    It parses, each certificate is signed by the next, the leaf holds `key`'s public key and
    exactly `names`, and is valid at `now` (give or take five minutes). The chain returned is
    written anew, so that nothing else that stood in `body` is in it.

    Raises OrderError(CERTIFICATE_UNUSABLE), order lost.
    """
    chain = _parse(body)
    leaf = chain[0]
    _check_signatures(chain)
    if _dns_names(leaf) != set(names):
        raise _unusable("is not for exactly the names of the order")
    if leaf.public_key() != key.public_key():
        raise _unusable("is not for the private key that is kept for it")
    if now < leaf.not_valid_before_utc - _SKEW:
        raise _unusable(f"is not valid before {leaf.not_valid_before_utc.isoformat()}")
    if now > leaf.not_valid_after_utc:
        raise _unusable(f"has expired at {leaf.not_valid_after_utc.isoformat()}")
    return IssuedCertificate(
        chain_pem="".join(
            each.public_bytes(serialization.Encoding.PEM).decode("ascii") for each in chain
        ),
        facts=CertificateFacts(
            serial_number=f"{leaf.serial_number:x}",
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
            key_type=type_of(leaf.public_key()),
            ari_id=ari_id(leaf),
        ),
    )


def _unusable(what: str) -> OrderError:
    return OrderError(
        Reason.CERTIFICATE_UNUSABLE,
        bounded(f"The certificate that the CA delivered {what}"),
        order_lost=True,
    )


def _parse(body: bytes) -> list[x509.Certificate]:
    blocks = _BLOCK.findall(body)
    if not blocks or len(blocks) > _LONGEST_CHAIN:
        raise _unusable(f"is a chain of {len(blocks)} certificates")
    try:
        return [x509.load_pem_x509_certificate(block) for block in blocks]
    except ValueError:
        raise _unusable("can't be parsed") from None


def _check_signatures(chain: list[x509.Certificate]) -> None:
    for certificate, issuer in pairwise(chain):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise _unusable("has a chain in which one is not signed by the next") from None


def _dns_names(leaf: x509.Certificate) -> set[str]:
    """The SANs in lower case; a SAN that is no DNS name stands as its own kind of text."""
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return set()
    return {
        name.value.lower() if isinstance(name, x509.DNSName) else repr(name)
        for name in extension.value
    }
