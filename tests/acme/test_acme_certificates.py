"""Certificates that a CA should not deliver, by a fake that does."""

import pytest
from acme_support import CertificateKey, completing
from scripted_ca import NAMES, Reply, problem

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


# --- chains --------------------------------------------------------------------------------------


async def _download(make_engine, ca, key, link, wanted="other"):
    ca.status = "ready"
    ca.link = link.format(base=ca.base)
    engine = make_engine(preferred_chain=wanted)
    issued = await engine.complete(f"{ca.base}/order", NAMES, key)
    assert issued.chain_pem.encode() == ca.chain
    return [path for path in ca.seen if path.startswith("/alternate")]


@pytest.mark.parametrize(
    "link",
    [
        "",
        "nonsense, alternate",
        '<{base}/index>;rel="index"',
        '<https://elsewhere.example/alternate>;rel="alternate"',
        '<https://[::1/alternate>;rel="alternate"',
    ],
    ids=["none", "nonsense", "index", "elsewhere", "no-url"],
)
async def test_no_other_chain_that_could_be_asked_for(make_engine, ca, key, link, caplog):
    assert await _download(make_engine, ca, key, link) == []
    assert "no chain to 'other', only to 'authority'" in caplog.text


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, b""),
        Reply(body=b"junk", content_type="application/pem-certificate-chain"),
        Reply(body={}, content_type="text/html"),
        problem("rateLimited", 429),
    ],
    ids=["gone", "junk", "html", "limited"],
)
async def test_other_chain_that_is_none(make_engine, ca, key, reply, caplog):
    ca.stick("/alternate", reply)
    asked = await _download(make_engine, ca, key, '<{base}/alternate>;rel="alternate"')
    assert asked == ["/alternate"]
    assert "no chain to 'other'" in caplog.text


async def test_no_chain_is_asked_for_where_the_first_is_right(make_engine, ca, key, caplog):
    link = '<{base}/alternate>;rel="alternate"'
    assert await _download(make_engine, ca, key, link, "authority") == []
    assert not caplog.records


async def test_chains_without_end(make_engine, ca, key):
    link = ", ".join(f'<{{base}}/alternate{n}>;rel="alternate"' for n in range(40))
    for number in range(40):
        ca.stick(f"/alternate{number}", Reply(404, b""))
    assert len(await _download(make_engine, ca, key, link)) == 8
