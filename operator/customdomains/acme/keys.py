"""Keys, certificate requests and challenge digests."""

from __future__ import annotations

from acme import challenges
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwk import JWKEC

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def generate_private_key_pem() -> str:
    """A new ECDSA P-256 private key as unencrypted PKCS#8 PEM.

    Serves for certificates and for ACME accounts (ES256).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")


def load_private_key(pem: str) -> PrivateKey:
    """The ECDSA or RSA private key in `pem`.

    Raises ValueError for anything else, in words that hold nothing of the input.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's message is not passed on: it may quote what it was given.
        raise ValueError("not an unencrypted PEM private key") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise ValueError("neither an ECDSA nor an RSA private key")  # noqa: TRY004 - bad input
    return key


def account_key(pem: str) -> JWKEC:
    """The account key in `pem`; raises ValueError where that is no ECDSA P-256 key."""
    key = load_private_key(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("not an ECDSA P-256 private key")
    return JWKEC(key=key)


def certificate_request(key: PrivateKey, names: tuple[str, ...]) -> x509.CertificateSigningRequest:
    """A CSR for `names` (A-labels, `*.` in front for a wildcard), all of them as SANs.

    There is no common name: the CA picks one if it wants one (RFC 8555 section 7.4), and a
    name of more than 64 characters would not fit.
    """
    sans = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(sans, critical=False)
        .sign(key, hashes.SHA256())
    )


def dns01_digest(challenge: challenges.DNS01, key: JWKEC) -> str:
    """The TXT value that answers `challenge` for the account of `key` (section 8.4)."""
    return challenge.validation(key)
