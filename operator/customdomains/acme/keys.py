"""Keys, certificate requests and challenge digests."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwk import JWKEC

from customdomains.model.keys import DEFAULT_KEY, Algorithm, KeyPair, KeyType, key_type

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


_CURVES: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1()}


def generate_private_key_pem(kind: KeyType = DEFAULT_KEY) -> str:
    """A new private key as unencrypted PKCS#8 PEM; accounts have ECDSA P-256 (ES256).

    A long RSA key takes a second; the interpreter is free meanwhile.
    """
    key: PrivateKey
    if kind.algorithm is Algorithm.RSA:
        key = rsa.generate_private_key(public_exponent=65537, key_size=kind.size)
    else:
        key = ec.generate_private_key(_CURVES[kind.size])
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


def type_of(key: object) -> KeyType | None:
    """The kind of a private or public key; None for one that is not made here."""
    try:
        if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
            return key_type(Algorithm.RSA, key.key_size)
        if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
            kind = key_type(Algorithm.ECDSA, key.key_size)
            return kind if key.curve.name == _CURVES[kind.size].name else None
    except ValueError:
        pass
    return None


def is_reusable(pair: KeyPair, kind: KeyType) -> bool:
    """Whether the key is of `kind`, and the certificate's beside it."""
    try:
        key = load_private_key(pair.key_pem)
        leaf = x509.load_pem_x509_certificate(pair.chain_pem.encode())
        return type_of(key) == kind and leaf.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


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
