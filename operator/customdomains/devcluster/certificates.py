"""Keys and certificates for the servers on the loopback interface: no openssl program needed."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BACKDATED = datetime.timedelta(minutes=5)
_VALID = datetime.timedelta(days=365)


@dataclass(frozen=True)
class KeyPair:
    """A P-256 key with its certificate."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone, in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PKCS #8 PEM."""
        return private_pem(self.key)

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write `<name>.crt` and `<name>.key`; returns both paths."""
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_bytes(self.certificate_pem)
        write_private(key, self.key_pem)
        return certificate, key


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """`key` as unencrypted PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a file only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def authority(name: str, *, issuer: KeyPair | None = None) -> KeyPair:
    """A certificate authority: a root, or an intermediate of `issuer`."""
    key = new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, key, issuer).add_extension(
        x509.BasicConstraints(ca=True, path_length=0 if issuer else 1), critical=True
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return _sign(builder.add_extension(usage, critical=True), key, issuer)


def server(issuer: KeyPair, names: Sequence[str] = ()) -> KeyPair:
    """A server's certificate for `localhost`, the loopback address and more DNS `names`."""
    key = new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    dns = [x509.DNSName(name) for name in ("localhost", *names)]
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = (
        _builder(subject, key, issuer)
        .add_extension(x509.SubjectAlternativeName([*dns, address]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return _sign(builder, key, issuer)


def client(issuer: KeyPair, user: str, groups: Sequence[str] = ()) -> KeyPair:
    """A client's certificate as Kubernetes reads it: user in CN, groups in O."""
    key = new_key()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, user),
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
        ]
    )
    builder = _builder(subject, key, issuer).add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
    )
    return _sign(builder, key, issuer)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: KeyPair | None
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    signer = issuer.key if issuer else key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALID)
        # Go refuses no chain for lack of these two, but Python's strict verification does.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, issuer: KeyPair | None
) -> KeyPair:
    return KeyPair(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)
