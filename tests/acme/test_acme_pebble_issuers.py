"""What an issuer's settings ask for, with a Pebble that has it."""

import base64
import dataclasses
import secrets

import pytest
import pytest_asyncio
from acme_support import CertificateKey, MemoryKeyStore, Wire, place, placing
from cryptography import x509
from cryptography.x509.oid import NameOID

from customdomains.acme import AcmeEngine, ExternalAccount, IssuerOptions, generate_private_key_pem
from customdomains.acme.keys import load_private_key, type_of
from customdomains.devcluster.pebble import Pebble
from customdomains.model.keys import SIZES, KeyPair, KeyType
from customdomains.model.reasons import Reason

pytestmark = pytest.mark.acme

MAC_KEY = secrets.token_bytes(32)
KEY_ID = "customer-1"


@pytest.fixture(scope="module")
def strict(binaries, run_dir, tenant_dns):
    """A Pebble that binds accounts and offers three chains."""
    encoded = base64.urlsafe_b64encode(MAC_KEY).decode().rstrip("=")
    server = Pebble(
        binaries.pebble,
        run_dir / "strict-pebble",
        resolver=tenant_dns.address,
        retry_after_seconds=0,
        mac_keys={KEY_ID: encoded},
        alternate_roots=2,
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def names():
    return (f"{secrets.token_hex(6)}.example.com",)


def bound(tmp_path, text=None, key_id=KEY_ID):
    """The binding, its key in a file as people save it."""
    file = tmp_path / "hmac"
    if text is None:
        text = base64.urlsafe_b64encode(MAC_KEY).decode().rstrip("=") + "\n"
    file.write_text(text)
    return ExternalAccount(key_id, file)


@pytest_asyncio.fixture
async def strict_engine(strict, pebble_engine, tmp_path):
    """Makes engines for `strict` with its binding."""
    account = bound(tmp_path)

    def make(store=None, wire=None, **more):
        return pebble_engine(store, wire, strict, external_account=account, **more)

    return make


# --- external account binding --------------------------------------------------------------------


async def test_account_is_bound_once(strict_engine, names):
    store, wire = MemoryKeyStore(), Wire()
    await strict_engine(store, wire).place(names)
    assert wire.counts["sign-me-up"] == 1
    # Known by its key from then on, with nothing said of the binding.
    await strict_engine(store, wire).place(names)
    assert wire.counts["sign-me-up"] == 2
    assert store.made == 1


async def test_account_that_is_there_needs_its_binding_s_key_no_more(
    strict, strict_engine, pebble_engine, names, tmp_path
):
    store = MemoryKeyStore()
    await strict_engine(store).place(names)
    engine = pebble_engine(store, ca=strict, external_account=bound(tmp_path, "AAAA", "used-up"))
    await engine.place(names)


@pytest.mark.parametrize("spelling", ["padded", "plain"])
async def test_keys_in_other_spellings(strict, pebble_engine, names, tmp_path, spelling):
    encode = base64.urlsafe_b64encode if spelling == "padded" else base64.b64encode
    account = bound(tmp_path, f"  {encode(MAC_KEY).decode()}\r\n")
    await pebble_engine(ca=strict, external_account=account).place(names)


async def test_binding_that_is_missing(strict, pebble_engine):
    error = await placing(pebble_engine(ca=strict))
    assert error.reason is Reason.ISSUER_MISCONFIGURED
    assert "externalAccountBinding" in error.message


@pytest.mark.parametrize(("text", "key_id"), [("AAAA", KEY_ID), (None, "nobody")])
async def test_binding_that_is_wrong(strict, pebble_engine, tmp_path, text, key_id):
    error = await placing(pebble_engine(ca=strict, external_account=bound(tmp_path, text, key_id)))
    assert (error.reason, error.order_lost) == (Reason.CA_REFUSED, False)
    assert "(unauthorized)" in error.message


async def test_key_that_went_away_meanwhile(strict, pebble_engine, tmp_path):
    account = bound(tmp_path)
    engine = pebble_engine(ca=strict, external_account=account)
    account.key_file.write_text("not a secret!")
    error = await placing(engine)
    assert error.reason is Reason.ISSUER_MISCONFIGURED
    assert "secret" not in error.message
    account.key_file.unlink()
    error = await placing(engine)
    assert error.reason is Reason.ISSUER_MISCONFIGURED
    assert str(account.key_file) in error.message


@pytest.mark.parametrize("text", ["", "sec ret", "sécret", "secre", "-----BEGIN KEY-----"])
def test_key_that_is_none_stops_the_start(tmp_path, text):
    options = IssuerOptions("a", "https://ca/dir", external_account=bound(tmp_path, text))
    with pytest.raises(ValueError, match="holds no key in base64url") as caught:
        AcmeEngine(options, MemoryKeyStore())
    assert "secre" not in str(caught.value)


def test_key_that_is_not_there_stops_the_start(tmp_path):
    options = IssuerOptions("a", "https://ca/dir", external_account=bound(tmp_path))
    options.external_account.key_file.unlink()
    with pytest.raises(FileNotFoundError):
        AcmeEngine(options, MemoryKeyStore())


# --- profiles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "days"), [("default", 90), ("shortlived", 6)])
async def test_profile_is_asked_for(pebble_engine, tenant_dns, names, key, profile, days):
    engine = pebble_engine(profile=profile)
    issued = await engine.complete(await place(engine, tenant_dns, names), names, key)
    assert (issued.facts.not_after - issued.facts.not_before).days in {days - 1, days}


async def test_profile_that_there_is_not(pebble_engine):
    wire = Wire()
    engine = pebble_engine(wire=wire, profile="longlived")
    error = await placing(engine)
    assert (error.reason, error.order_lost) == (Reason.ISSUER_MISCONFIGURED, False)
    assert error.message == (
        "The CA 'pebble' does not offer the profile 'longlived'; it offers: default, shortlived"
    )
    assert set(wire.counts) == {"dir"}
    await placing(engine)
    assert wire.counts["dir"] == 2, "the CA may offer it by now"


# --- chains --------------------------------------------------------------------------------------


def root_name(ca, chain):
    root = x509.load_pem_x509_certificate(ca.roots(chain))
    return root.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


@pytest.mark.parametrize("chain", [0, 1, 2])
async def test_preferred_chain(strict, strict_engine, tenant_dns, chain, caplog):
    wire, names = Wire(), (f"{secrets.token_hex(6)}.example.com",)
    engine = strict_engine(wire=wire, preferred_chain=root_name(strict, chain))
    url = await place(engine, tenant_dns, names)
    issued = await engine.complete(url, names, CertificateKey())
    last = x509.load_pem_x509_certificates(issued.chain_pem.encode())[-1]
    last.verify_directly_issued_by(x509.load_pem_x509_certificate(strict.roots(chain)))
    assert wire.counts["certZ"] == chain + 1
    assert not caplog.records


async def test_chain_that_is_not_offered(strict, strict_engine, tenant_dns, names, key, caplog):
    engine = strict_engine(preferred_chain="Unheard-of Root")
    issued = await engine.complete(await place(engine, tenant_dns, names), names, key)
    last = x509.load_pem_x509_certificates(issued.chain_pem.encode())[-1]
    last.verify_directly_issued_by(x509.load_pem_x509_certificate(strict.roots()))
    [record] = caplog.records
    assert "no chain to 'Unheard-of Root'" in record.message
    assert all(root_name(strict, chain) in record.message for chain in range(3))


# --- certificate keys ----------------------------------------------------------------------------


async def nothing():
    return None


@pytest.mark.parametrize(
    "kind", [KeyType(a, s) for a, sizes in SIZES.items() for s in sizes], ids=str
)
async def test_certificate_for_every_kind_of_key(pebble_engine, tenant_dns, names, kind):
    engine = pebble_engine(key_type=kind)
    key = CertificateKey(await engine.make_key(None, nothing))
    assert type_of(load_private_key(key.pem)) == kind
    issued = await engine.complete(await place(engine, tenant_dns, names), names, key)
    assert issued.facts.key_type == kind


async def test_what_is_wanted_comes_before_what_the_issuer_has(pebble_engine):
    engine = pebble_engine(key_type=KeyType("RSA", 2048))
    pem = await engine.make_key(KeyType("ECDSA", 384), nothing)
    assert type_of(load_private_key(pem)) == KeyType("ECDSA", 384)


async def test_key_is_used_again_where_it_is_right(pebble_engine, tenant_dns, names):
    engine = pebble_engine(reuse_key=True)
    key = CertificateKey()
    issued = await engine.complete(await place(engine, tenant_dns, names), names, key)
    pair = KeyPair(key.pem, issued.chain_pem)

    def returning(found):
        async def current():
            return found

        return current

    assert await engine.make_key(None, returning(pair)) == key.pem
    other_kind = await engine.make_key(KeyType("ECDSA", 384), returning(pair))
    assert type_of(load_private_key(other_kind)) == KeyType("ECDSA", 384)
    for wrong in (
        None,
        dataclasses.replace(pair, key_pem=generate_private_key_pem()),
        dataclasses.replace(pair, key_pem="x"),
        dataclasses.replace(pair, chain_pem="x"),
    ):
        made = await engine.make_key(None, returning(wrong))
        assert made not in {key.pem, wrong and wrong.key_pem}
    always = pebble_engine()
    assert await always.make_key(None, returning(pair)) != key.pem


# --- contact -------------------------------------------------------------------------------------


async def test_contact_that_changed_is_told_once(pebble_engine, names):
    store, wire = MemoryKeyStore(), Wire()
    await pebble_engine(store, wire).place(names)
    assert wire.counts["my-account"] == 0
    engine = pebble_engine(store, wire, contact=("mailto:new@example.com",))
    await engine.place(names)
    await engine.place(names)
    assert wire.counts["my-account"] == 1
    await pebble_engine(store, wire, contact=("mailto:new@example.com",)).place(names)
    assert wire.counts["my-account"] == 1


async def test_contact_that_is_refused_stops_nothing(pebble_engine, names, caplog):
    store = MemoryKeyStore()
    await pebble_engine(store).place(names)
    await pebble_engine(store, contact=("mailto:me@localhost:1",)).place(names)
    assert "the account's contact can't be changed" in caplog.text
