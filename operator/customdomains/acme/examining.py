"""Whether what is in a TLS Secret is what was put there."""

from __future__ import annotations

import asyncio
import base64
import re
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from customdomains.model.certificate import CertificateFacts
from customdomains.model.kept import Examined, Leaf
from customdomains.model.keys import KeyPair

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_LARGEST = 64 * 1024
_LONGEST_CHAIN = 10


class PemExaminer:
    """Looks at certificates and keys in PEM. Nothing of a key is in what it says."""

    async def examine(self, pair: KeyPair, facts: CertificateFacts) -> Examined:
        """Hold `pair` against what is known of the certificate.

        The chain begins with that certificate, each is signed by the next, and the key is the
        certificate's. What is no certificate or no key is a fault.
        """
        return await asyncio.to_thread(_examine, pair, facts)

    def leaf(self, chain_pem: str) -> Leaf | None:
        """The chain's first certificate; None where there is none."""
        chain = _chain(chain_pem)
        return Leaf(_encoded(chain[0]), chain[0].not_valid_after_utc) if chain else None


def _examine(pair: KeyPair, facts: CertificateFacts) -> Examined:
    chain = _chain(pair.chain_pem)
    if not chain:
        return Examined("its tls.crt can't be read as a chain of certificates")
    if chain[0].fingerprint(hashes.SHA256()).hex() != facts.fingerprint:
        return Examined("its tls.crt does not begin with the certificate that was issued")
    leaf = _encoded(chain[0])
    if not _is_signed(chain):
        return Examined("the certificates in its tls.crt are not signed by one another", leaf)
    if not _is_key_of(pair.key_pem, chain[0]):
        return Examined("its tls.key is not the certificate's", leaf)
    return Examined(None, leaf)


def _chain(pem: str) -> list[x509.Certificate]:
    blocks = _BLOCK.findall(pem.encode()) if len(pem) <= _LARGEST else []
    if len(blocks) > _LONGEST_CHAIN:
        return []
    try:
        return [x509.load_pem_x509_certificate(block) for block in blocks]
    except ValueError:
        return []


def _encoded(leaf: x509.Certificate) -> str:
    return base64.b64encode(leaf.public_bytes(serialization.Encoding.DER)).decode()


def _is_signed(chain: list[x509.Certificate]) -> bool:
    try:
        for certificate, issuer in pairwise(chain):
            certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_key_of(pem: str, leaf: x509.Certificate) -> bool:
    """The checks of an RSA key's numbers take a tenth of a second, and don't say whose it is."""
    if len(pem) > _LARGEST:
        return False
    try:
        key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
        return key.public_key() == leaf.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
