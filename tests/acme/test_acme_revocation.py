"""Revoking at Pebble, which says what it has heard, and at a CA that refuses."""

import base64
import secrets

import pytest
from acme_support import CertificateKey, MemoryKeyStore, place
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from scripted_ca import Reply, problem

from customdomains.model.certificate import OrderError, RevocationReason
from customdomains.model.reasons import Reason


def der(chain_pem: str) -> str:
    """The leaf as the engine takes it."""
    leaf = x509.load_pem_x509_certificates(chain_pem.encode())[0]
    return base64.b64encode(leaf.public_bytes(serialization.Encoding.DER)).decode()


CERTIFICATE = base64.b64encode(b"any certificate").decode()


@pytest.mark.acme
@pytest.mark.parametrize("reason", list(RevocationReason))
async def test_the_ca_hears_which_and_why(pebble, pebble_engine, tenant_dns, reason):
    engine, names = pebble_engine(), (f"{secrets.token_hex(6)}.example.com",)
    issued = await engine.complete(await place(engine, tenant_dns, names), names, CertificateKey())
    serial = issued.facts.serial_number
    assert pebble.certificate_status(serial)["Status"] == "Valid"
    await engine.revoke(der(issued.chain_pem), reason)
    told = pebble.certificate_status(serial)
    assert (told["Status"], told["Reason"]) == ("Revoked", int(reason))
    await engine.revoke(der(issued.chain_pem), reason)


@pytest.mark.acme
async def test_another_account_s_certificate_is_none_of_ours_to_revoke(
    pebble, pebble_engine, tenant_dns
):
    engine, names = pebble_engine(), (f"{secrets.token_hex(6)}.example.com",)
    issued = await engine.complete(await place(engine, tenant_dns, names), names, CertificateKey())
    other = pebble_engine(MemoryKeyStore())
    with pytest.raises(OrderError):
        await other.revoke(der(issued.chain_pem), RevocationReason.KEY_COMPROMISE)
    assert pebble.certificate_status(issued.facts.serial_number)["Status"] == "Valid"


async def revoking(engine) -> OrderError:
    """The error of revoking at the scripted CA."""
    with pytest.raises(OrderError) as caught:
        await engine.revoke(CERTIFICATE, RevocationReason.KEY_COMPROMISE)
    return caught.value


async def test_what_is_sent_is_what_rfc_8555_says(ca, engine):
    ca.entries["revokeCert"] = "revoke"
    await engine.revoke(CERTIFICATE, RevocationReason.KEY_COMPROMISE)
    sent = dict(ca.payloads)["/revoke"]
    unpadded = base64.urlsafe_b64encode(b"any certificate").rstrip(b"=").decode()
    assert sent == {"certificate": unpadded, "reason": 1}


async def test_one_that_is_revoked_already_is_fine(ca, engine):
    ca.entries["revokeCert"] = "revoke"
    ca.script("/revoke", problem("alreadyRevoked"))
    await engine.revoke(CERTIFICATE, RevocationReason.CESSATION_OF_OPERATION)


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        (problem("badRevocationReason"), Reason.CA_REFUSED, "reason of the revocation"),
        (problem("unauthorized", 403), Reason.CA_REFUSED, "not authorized"),
        (problem("rateLimited", 429, Retry_After="60"), Reason.CA_RATE_LIMITED, "rate limit"),
        (Reply(404), Reason.CA_UNREACHABLE, "has it moved?"),
    ],
    ids=["reason", "account", "limit", "moved"],
)
async def test_a_refusal_is_told_in_words(ca, engine, reply, reason, words):
    ca.entries["revokeCert"] = "revoke"
    ca.script("/revoke", reply)
    error = await revoking(engine)
    assert error.reason is reason
    assert words in error.message


@pytest.mark.parametrize("url", [None, "https://elsewhere.example/revoke"])
async def test_a_ca_that_has_no_url_of_its_own_for_it_is_not_asked(ca, engine, url):
    urls = {name: f"{ca.base}/{path}" for name, path in ca.entries.items()}
    ca.script("/directory", Reply(body=urls if url is None else {**urls, "revokeCert": url}))
    error = await revoking(engine)
    assert (error.reason, ca.seen) == (Reason.CA_REFUSED, ["/directory"])
