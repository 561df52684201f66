"""The whole way with Pebble, which rejects nonces, and with real DNS in front of it."""

import asyncio
import secrets

import pytest
from acme_support import CertificateKey, KilledError, MemoryKeyStore, Wire, place
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from customdomains.devcluster.pebble import Pebble
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

pytestmark = pytest.mark.acme


@pytest.fixture
def names():
    return (f"{secrets.token_hex(6)}.example.com",)


def assert_issued(issued, names, key, ca):
    """The chain ends at the CA's root, for these names and this key, and nothing else is in it."""
    chain = x509.load_pem_x509_certificates(issued.chain_pem.encode())
    root = x509.load_pem_x509_certificate(ca.roots())
    for certificate, issuer in zip(chain, [*chain[1:], root], strict=True):
        certificate.verify_directly_issued_by(issuer)
    sans = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(sans.get_values_for_type(x509.DNSName)) == sorted(names)
    private = serialization.load_pem_private_key(key.pem.encode(), None)
    assert chain[0].public_key() == private.public_key()
    assert issued.chain_pem.endswith("-----END CERTIFICATE-----\n")
    assert issued.facts.serial_number == f"{chain[0].serial_number:x}"
    assert issued.facts.not_after == chain[0].not_valid_after_utc
    assert "BEGIN" not in repr(issued)


async def test_one_name_takes_each_request_once(pebble, pebble_engine, tenant_dns, names, key):
    wire = Wire()
    engine = pebble_engine(wire=wire)
    placed = await engine.place(names)
    assert len(placed.digests) == 1
    assert len(placed.digests[0]) == 43
    assert placed.expires is not None
    await asyncio.to_thread(tenant_dns.set_txt, f"_acme-challenge.{names[0]}", *placed.digests)
    issued = await engine.complete(placed.url, names, key)
    assert_issued(issued, names, key, pebble)
    assert key.asked == 1
    polls = wire.counts.pop("my-order")
    wire.counts.pop("nonce-plz")
    assert polls >= 2  # Pebble validates and issues in the background
    assert wire.counts == {
        "dir": 1,
        "sign-me-up": 1,
        "order-plz": 1,
        "authZ": 1,
        "chalZ": 1,
        "finalize-order": 1,
        "certZ": 1,
    }


async def test_wildcard_and_base_have_two_digests_at_one_name(
    pebble, pebble_engine, tenant_dns, names, key
):
    both = (names[0], f"*.{names[0]}")
    engine = pebble_engine()
    placed = await engine.place(both)
    assert len(set(placed.digests)) == 2
    await asyncio.to_thread(tenant_dns.set_txt, f"_acme-challenge.{names[0]}", *placed.digests)
    assert_issued(await engine.complete(placed.url, both, key), both, key, pebble)


@pytest.mark.parametrize(
    "last", [None, "authZ", "chalZ", "my-order", "finalize-order", "certZ"], ids=str
)
async def test_order_is_taken_up_where_a_kill_left_it(
    pebble, pebble_engine, tenant_dns, names, key, last
):
    """Killed when the answer to `last` arrives; a new engine knows the URL and nothing else."""
    store, wire = MemoryKeyStore(), Wire()
    url = await place(pebble_engine(store), tenant_dns, names)
    if last is not None:
        wire.die_after = last
        with pytest.raises(KilledError):
            await pebble_engine(store, wire).complete(url, names, key)
    wire.die_after = None
    issued = await pebble_engine(store, wire).complete(url, names, key)
    assert_issued(issued, names, key, pebble)
    assert wire.counts["finalize-order"] == 1
    assert wire.counts["chalZ"] == 1
    assert store.made == 1


async def test_what_the_key_source_raises_passes_through(pebble_engine, tenant_dns, names, key):
    async def refuse():
        raise PermissionError("the proof is gone")

    engine = pebble_engine()
    url = await place(engine, tenant_dns, names)
    with pytest.raises(PermissionError, match="the proof is gone"):
        await engine.complete(url, names, refuse)
    await engine.complete(url, names, key)  # the order is as good as before


async def test_certificate_for_a_lost_key_is_refused(pebble_engine, tenant_dns, names, key):
    engine = pebble_engine()
    url = await place(engine, tenant_dns, names)
    await engine.complete(url, names, key)
    with pytest.raises(OrderError) as caught:
        await engine.complete(url, names, CertificateKey())
    assert caught.value.reason is Reason.CERTIFICATE_UNUSABLE
    assert caught.value.order_lost


async def test_wrong_record_fails_in_the_words_of_the_ca(pebble_engine, tenant_dns, names, key):
    engine = pebble_engine()
    placed = await engine.place(names)
    await asyncio.to_thread(tenant_dns.set_txt, f"_acme-challenge.{names[0]}", "wrong")
    for _ in range(2):  # the second time the order is invalid from the start
        with pytest.raises(OrderError) as caught:
            await engine.complete(placed.url, names, key)
        assert caught.value.reason is Reason.CHALLENGE_FAILED
        assert caught.value.order_lost
        assert names[0] in caught.value.message
        assert "unauthorized" in caught.value.message
    assert key.asked == 0


async def test_order_for_other_names_is_not_touched(pebble_engine, tenant_dns, names, key):
    store, wire = MemoryKeyStore(), Wire()
    url = await place(pebble_engine(store), tenant_dns, names)
    with pytest.raises(OrderError) as caught:
        await pebble_engine(store, wire).complete(url, ("other.example.com",), key)
    assert caught.value.reason is Reason.ORDER_FOREIGN
    assert caught.value.order_lost
    assert wire.counts["chalZ"] == 0


async def test_order_of_another_account_is_foreign(pebble_engine, tenant_dns, names, key):
    url = await place(pebble_engine(), tenant_dns, names)
    with pytest.raises(OrderError) as caught:
        await pebble_engine().complete(url, names, key)
    assert caught.value.reason is Reason.ORDER_FOREIGN
    assert caught.value.order_lost


async def test_order_that_the_ca_does_not_know_has_expired(pebble, pebble_engine, names, key):
    url = pebble.directory_url.replace("/dir", "/my-order/unknown")
    with pytest.raises(OrderError) as caught:
        await pebble_engine().complete(url, names, key)
    assert caught.value.reason is Reason.ORDER_EXPIRED
    assert caught.value.order_lost


async def test_many_first_users_register_once(pebble_engine, names):
    wire = Wire()
    engine = pebble_engine(wire=wire)
    orders = await asyncio.gather(*(engine.place((f"{n}.{names[0]}",)) for n in range(8)))
    assert len({order.url for order in orders}) == 8
    assert wire.counts["sign-me-up"] == 1
    assert wire.counts["dir"] == 1


async def test_two_engines_share_an_account(pebble, pebble_engine, tenant_dns, names, key):
    store = MemoryKeyStore()
    first, second = pebble_engine(store), pebble_engine(store)
    url, _ = await asyncio.gather(
        place(first, tenant_dns, names), place(second, tenant_dns, (f"b.{names[0]}",))
    )
    assert store.made == 1
    assert_issued(await second.complete(url, names, key), names, key, pebble)


async def test_forgetful_ca_that_rejects_many_nonces(
    binaries, tmp_path, pebble_engine, tenant_dns, names, key
):
    """After its restart it knows neither account nor order; a new order goes well."""
    ca = Pebble(
        binaries.pebble,
        tmp_path,
        resolver=tenant_dns.address,
        nonce_reject_percent=15,
        authz_reuse_percent=100,
        retry_after_seconds=0,
    )
    try:
        ca.start()
        wire = Wire()
        engine = pebble_engine(wire=wire, ca=ca)
        url = await place(engine, tenant_dns, names)
        await engine.complete(url, names, key)
        again = await engine.place(names)
        assert again.digests == ()  # the authorization is used again
        assert_issued(await engine.complete(again.url, names, key), names, key, ca)
        ca.stop()
        ca.start()
        with pytest.raises(OrderError) as caught:
            await engine.complete(url, names, key)
        assert caught.value.reason is Reason.ORDER_EXPIRED
        assert caught.value.order_lost
        url = await place(engine, tenant_dns, names)
        assert_issued(await engine.complete(url, names, key), names, key, ca)
        assert wire.counts["sign-me-up"] == 2
    finally:
        ca.stop()


async def test_slow_ca_that_rejects_nonces_and_uses_some_authorizations_again(
    binaries, tmp_path, pebble_engine, tenant_dns
):
    """All that Pebble does to find clients that rely on luck, at once, and many orders."""
    ca = Pebble(
        binaries.pebble,
        tmp_path,
        resolver=tenant_dns.address,
        nonce_reject_percent=15,
        authz_reuse_percent=50,
        sleep_seconds=3,
    )

    async def issue(names: tuple[str, ...]) -> None:
        for _ in range(2):
            key = CertificateKey()
            url = await place(engine, tenant_dns, names)
            assert_issued(await engine.complete(url, names, key), names, key, ca)

    try:
        ca.start()
        engine = pebble_engine(ca=ca)
        several = [(f"{secrets.token_hex(6)}.example.com",) for _ in range(8)]
        await asyncio.gather(*(issue(names) for names in several))
    finally:
        ca.stop()
