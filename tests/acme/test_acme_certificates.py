"""Certificates that a CA should not deliver, by a fake that does."""

import pytest
from acme_support import CertificateKey, completing
from scripted_ca import NAMES

from customdomains.acme.keys import load_private_key
from customdomains.model.reasons import Reason


def _other_names(ca, csr):
    return ca.certificate(csr.public_key(), (*NAMES, "more.example.com"))


def _other_key(ca, _csr):
    return ca.certificate(load_private_key(CertificateKey().pem).public_key())


def _expired(ca, csr):
    return ca.certificate(csr.public_key(), days=(-10, -1))


def _not_yet_valid(ca, csr):
    return ca.certificate(csr.public_key(), days=(0.1, 10))


def _wrong_issuer(ca, csr):
    leaf = ca.good_chain(csr).split(b"-----END")[0] + b"-----END CERTIFICATE-----\n"
    return leaf + leaf


def _nothing(_ca, _csr):
    return b"sorry"


def _junk(_ca, _csr):
    return b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "issue",
    [_other_names, _other_key, _expired, _not_yet_valid, _wrong_issuer, _nothing, _junk],
)
async def test_unusable_certificates(engine, ca, key, issue):
    ca.status = "ready"
    ca.issue = lambda csr: issue(ca, csr)
    error = await completing(engine, ca, key)
    assert (error.reason, error.order_lost) == (Reason.CERTIFICATE_UNUSABLE, True)


async def test_chain_is_written_anew(engine, ca, key):
    ca.status = "ready"
    ca.issue = lambda csr: b"junk\r\n" + ca.good_chain(csr).replace(b"\n", b"\r\n") + b"\n\n\n"
    issued = await engine.complete(f"{ca.base}/order", NAMES, key)
    assert issued.chain_pem.startswith("-----BEGIN CERTIFICATE-----\n")
    assert issued.chain_pem.endswith("-----END CERTIFICATE-----\n")
    assert "\r" not in issued.chain_pem
    assert issued.facts.serial_number == "abc"


async def test_stored_key_that_is_none(engine, ca):
    ca.status = "ready"
    error = await completing(engine, ca, CertificateKey("-----BEGIN PRIVATE KEY-----\nsecret"))
    assert (error.reason, error.order_lost) == (Reason.STORAGE_FAILED, False)
    assert "secret" not in error.message
    assert "/finalize" not in ca.seen
