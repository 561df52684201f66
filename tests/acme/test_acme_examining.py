"""What is taken for the certificate that was issued, and what is not."""

import datetime
from dataclasses import dataclass, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from customdomains.acme import PemExaminer, generate_private_key_pem
from customdomains.acme.keys import load_private_key
from customdomains.model.certificate import CertificateFacts
from customdomains.model.keys import DEFAULT_KEY, Algorithm, KeyPair, KeyType

NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
AFTER = NOW + datetime.timedelta(days=90)


@dataclass
class Issued:
    key_pem: str
    leaf: x509.Certificate
    issuer: x509.Certificate

    @property
    def pair(self) -> KeyPair:
        return KeyPair(self.key_pem, pem(self.leaf) + pem(self.issuer))

    @property
    def facts(self) -> CertificateFacts:
        fingerprint = self.leaf.fingerprint(hashes.SHA256()).hex()
        return CertificateFacts(f"{self.leaf.serial_number:x}", NOW, AFTER, fingerprint)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def issue(kind: KeyType = DEFAULT_KEY) -> Issued:
    """A leaf below an issuer of its own."""
    issuer_key = load_private_key(generate_private_key_pem())
    key_pem = generate_private_key_pem(kind)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])

    def make(public_key) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(NOW).not_valid_after(AFTER)
        return builder.sign(issuer_key, hashes.SHA256())

    return Issued(
        key_pem, make(load_private_key(key_pem).public_key()), make(issuer_key.public_key())
    )


ISSUED, OTHER = issue(), issue()
EXAMINER = PemExaminer()


@pytest.mark.parametrize("kind", [DEFAULT_KEY, KeyType(Algorithm.RSA, 2048)], ids=str)
async def test_what_was_issued_has_no_fault(kind):
    issued = issue(kind)
    examined = await EXAMINER.examine(issued.pair, issued.facts)
    assert examined.fault is None
    assert EXAMINER.leaf(issued.pair.chain_pem).certificate == examined.leaf
    assert EXAMINER.leaf(issued.pair.chain_pem).not_after == AFTER
    assert examined.leaf not in repr(examined)


@pytest.mark.parametrize(
    ("pair", "fault", "is_known"),
    [
        (replace(ISSUED.pair, key_pem=OTHER.key_pem), "tls.key is not", True),
        (replace(ISSUED.pair, key_pem=""), "tls.key is not", True),
        (replace(ISSUED.pair, key_pem="x" * 100_000), "tls.key is not", True),
        (replace(ISSUED.pair, key_pem=pem(ISSUED.leaf)), "tls.key is not", True),
        (OTHER.pair, "does not begin with", False),
        (replace(ISSUED.pair, chain_pem=pem(ISSUED.issuer)), "does not begin with", False),
        (
            replace(ISSUED.pair, chain_pem=pem(ISSUED.leaf) + pem(OTHER.issuer)),
            "not signed by one another",
            True,
        ),
        (replace(ISSUED.pair, chain_pem=""), "can't be read", False),
        (replace(ISSUED.pair, chain_pem="\x00\ufffd" * 9), "can't be read", False),
        (replace(ISSUED.pair, chain_pem=ISSUED.pair.chain_pem[:300]), "can't be read", False),
        (replace(ISSUED.pair, chain_pem=pem(ISSUED.leaf) * 11), "can't be read", False),
        (replace(ISSUED.pair, chain_pem=pem(ISSUED.leaf) * 200), "can't be read", False),
    ],
)
async def test_what_is_not_has_one_in_words(pair, fault, is_known):
    examined = await EXAMINER.examine(pair, ISSUED.facts)
    assert fault in (examined.fault or "")
    assert bool(examined.leaf) is is_known
    assert "PRIVATE" not in (examined.fault or "")


def test_no_certificate_has_no_leaf():
    assert EXAMINER.leaf("nothing") is None
