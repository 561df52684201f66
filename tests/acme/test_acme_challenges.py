"""Every kind of challenge with Pebble, which looks for real; and CAs that offer something else."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from acme_support import CertificateKey, MemoryKeyStore, Wire, placing
from aiohttp import web
from scripted_ca import NAMES, Reply

from customdomains.acme.challenges import account_label
from customdomains.model.certificate import Challenge, OrderError
from customdomains.model.challengerecords import (
    account_challenge_name,
    persistent_name,
    persistent_value,
)
from customdomains.model.reasons import Reason

DNS, ACCOUNT, PERSIST, HTTP = (
    Challenge.DNS,
    Challenge.DNS_ACCOUNT,
    Challenge.DNS_PERSIST,
    Challenge.HTTP,
)


@pytest.fixture
def name():
    return f"{secrets.token_hex(6)}.example.com"


@asynccontextmanager
async def web_server(port: int, answers: dict[str, str]) -> AsyncIterator[list[str]]:
    """Who answers http-01 by token; yields the paths asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        text = answers.get(request.path.removeprefix("/.well-known/acme-challenge/"))
        return web.Response(status=404 if text is None else 200, text=text or "")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


async def finish(engine, placed, names, key, ready=None):
    """Bring an order that was placed to its certificate."""
    answered = (*placed.digests, *placed.responses)
    return await engine.complete(
        placed.url, names, key, answered, challenge=placed.challenge, ready=ready
    )


async def put(dns, name, *texts):
    await asyncio.to_thread(dns.set_txt, name, *texts)


# --- Pebble --------------------------------------------------------------------------------------


@pytest.mark.acme
@pytest.mark.parametrize("wildcard", [False, True])
async def test_a_persistent_record_is_enough_for_every_order(
    pebble_engine, tenant_dns, name, key, wildcard
):
    engine, names = pebble_engine(), (name, f"*.{name}") if wildcard else (name,)
    identity = await engine.identity()
    value = persistent_value(identity.domains[0], identity.account, wildcard=wildcard)
    await put(tenant_dns, persistent_name(name), "v=spf1 -all", value)
    for _ in range(2):
        placed = await engine.place(names, challenges=(PERSIST,))
        assert (placed.challenge, placed.digests, placed.label) == (PERSIST, (), None)
        assert placed.responses == (value,)
        issued = await finish(engine, placed, names, key)
        assert issued.facts.serial_number


@pytest.mark.acme
async def test_a_persistent_record_outlives_a_rollover_of_the_account_s_key(
    pebble_engine, tenant_dns, name, key
):
    store = MemoryKeyStore()
    engine = pebble_engine(store)
    before = await engine.identity()
    value = persistent_value(before.domains[0], before.account, wildcard=False)
    await put(tenant_dns, persistent_name(name), value)
    placed = await engine.place((name,), challenges=(PERSIST,))
    await pebble_engine(store).roll_over_key()
    assert await pebble_engine(store).identity() == before
    # The order that was placed before is not lost by it either: its record hangs on the account.
    assert (await finish(engine, placed, (name,), key)).chain_pem


@pytest.mark.acme
@pytest.mark.parametrize(
    "wrong", ["nothing", "another account", "without the wildcard's policy", "expired"]
)
async def test_a_ca_looks_for_the_persistent_record(pebble_engine, tenant_dns, name, key, wrong):
    """What it does not take, we don't either (tests/model/test_challenge_records.py)."""
    engine, names = pebble_engine(), (name, f"*.{name}")
    identity = await engine.identity()
    value = persistent_value(identity.domains[0], identity.account, wildcard=True)
    texts = {
        "nothing": (),
        "another account": (value.replace(identity.account, f"{identity.account}x"),),
        "without the wildcard's policy": (value.removesuffix("; policy=wildcard"),),
        "expired": (f"{value}; persistUntil=1",),
    }[wrong]
    if texts:
        await put(tenant_dns, persistent_name(name), *texts)
    placed = await engine.place(names, challenges=(PERSIST,))
    with pytest.raises(OrderError) as caught:
        await finish(engine, placed, names, key)
    assert caught.value.reason is Reason.CHALLENGE_FAILED
    assert caught.value.order_lost


@pytest.mark.acme
@pytest.mark.parametrize("wildcard", [False, True])
@pytest.mark.parametrize("by_cname", [False, True], ids=["by hand", "by CNAME"])
async def test_the_account_s_label(pebble_engine, tenant_dns, name, key, wildcard, by_cname):
    engine, names = pebble_engine(), (name, f"*.{name}") if wildcard else (name,)
    placed = await engine.place(names, challenges=(ACCOUNT,))
    assert placed.challenge is ACCOUNT
    assert len(placed.digests) == len(names)
    assert placed.label == (await engine.identity()).label
    where = account_challenge_name(placed.label, name)
    if by_cname:
        target = f"{secrets.token_hex(6)}.example.org"
        await asyncio.to_thread(tenant_dns.set_cname, where, target)
        where = target
    await put(tenant_dns, where, *placed.digests)
    assert (await finish(engine, placed, names, key)).chain_pem


@pytest.mark.acme
async def test_over_http(pebble, pebble_engine, tenant_dns, name, key):
    engine = pebble_engine()
    await asyncio.to_thread(tenant_dns.put, [{"name": name, "type": "A", "values": ["127.0.0.1"]}])
    placed = await engine.place((name,), challenges=(HTTP,))
    (response,) = placed.responses
    assert placed.digests == ()
    assert response not in repr(placed)
    token = response.partition(".")[0]
    async with web_server(pebble.http_port, {token: response}) as asked:
        issued = await finish(engine, placed, (name,), key)
    assert issued.chain_pem
    assert set(asked) == {f"/.well-known/acme-challenge/{token}"}


@pytest.mark.acme
async def test_an_answer_over_http_that_is_not_there(pebble, pebble_engine, tenant_dns, name, key):
    engine = pebble_engine()
    await asyncio.to_thread(tenant_dns.put, [{"name": name, "type": "A", "values": ["127.0.0.1"]}])
    placed = await engine.place((name,), challenges=(HTTP,))
    async with web_server(pebble.http_port, {}):
        with pytest.raises(OrderError) as caught:
            await finish(engine, placed, (name,), key)
    assert caught.value.reason is Reason.CHALLENGE_FAILED
    assert placed.responses[0] not in str(caught.value)
    assert placed.responses[0].partition(".")[0] not in str(caught.value)


@pytest.mark.acme
async def test_the_first_kind_that_is_offered_for_all_names(pebble_engine, name):
    engine, both = pebble_engine(), (name, f"*.{name}")
    placed = await engine.place((name,), challenges=(HTTP, DNS))
    assert placed.challenge is HTTP
    # Pebble offers no http-01 for the wildcard.
    placed = await engine.place(both, challenges=(HTTP, DNS))
    assert (placed.challenge, len(placed.digests)) == (DNS, 2)
    with pytest.raises(OrderError, match=r"offers no http-01 challenge for .*, only dns-01"):
        await engine.place(both, challenges=(HTTP,))


@pytest.mark.acme
async def test_the_ca_is_told_only_when_the_answer_is_there(pebble_engine, tenant_dns, name, key):
    engine = pebble_engine(wire=(wire := Wire()))
    placed = await engine.place((name,))
    gone = OrderError(Reason.CHALLENGE_GONE, "it is gone")

    async def not_ready() -> None:
        raise gone

    with pytest.raises(OrderError) as caught:
        await finish(engine, placed, (name,), key, not_ready)
    assert caught.value is gone
    assert wire.counts["chalZ"] == 0
    # No failed validation came of it, so the order is as good as before.
    await put(tenant_dns, f"_acme-challenge.{name}", *placed.digests)
    asked: list[None] = []

    async def ready() -> None:
        asked.append(None)

    assert (await finish(engine, placed, (name,), key, ready)).chain_pem
    assert len(asked) == 1
    # What the CA has heard already is not looked at again.
    assert (await finish(engine, placed, (name,), key, not_ready)).chain_pem


@pytest.mark.acme
async def test_an_account_is_asked_for_its_name_once(pebble_engine):
    engine = pebble_engine(wire=(wire := Wire()))
    first = await engine.identity()
    assert first == await engine.identity()
    assert first.domains == ("pebble.letsencrypt.org",)
    assert first.label == account_label(first.account)
    assert (wire.counts["dir"], wire.counts["sign-me-up"]) == (1, 1)


def test_the_label_is_that_of_the_draft():
    """The example of draft-ietf-acme-dns-account-label."""
    assert account_label("https://example.com/acme/acct/ExampleAccount") == "_ujmmovf2vn55tgye"


# --- a CA that offers something else -------------------------------------------------------------


async def test_what_no_authorization_offers_is_said(ca, engine):
    ca.stick("/authz", Reply(body=ca.authorization(challenges=[
        {"type": "tls-alpn-01", "url": f"{ca.base}/challenge", "status": "pending", "token": "x"},
    ])))  # fmt: skip
    error = await placing(engine)
    assert (error.reason, error.order_lost) == (Reason.CA_REFUSED, True)
    assert error.message == (f"The CA offers no dns-01 challenge for {NAMES[0]}, only tls-alpn-01")


@pytest.mark.parametrize("names", [[], None, "ca.example.net", [f"{n}.net" for n in range(11)]])
async def test_a_malformed_persistent_challenge_is_refused(ca, engine, names):
    """The draft wants one to ten names (section 3.1)."""
    persistent = {"type": "dns-persist-01", "url": f"{ca.base}/challenge", "status": "pending"}
    if names is not None:
        persistent["issuer-domain-names"] = names
    ca.stick("/authz", Reply(body=ca.authorization(challenges=[persistent])))
    with pytest.raises(OrderError) as caught:
        await engine.place(NAMES, challenges=(PERSIST,))
    assert caught.value.reason is Reason.CA_REFUSED
    assert "does not say by what name" in caught.value.message


async def test_an_order_that_wants_another_answer_by_now_is_lost(ca, engine):
    key = CertificateKey()
    ca.stick("/authz", Reply(body=ca.authorization(challenges=[ca.challenge(type="http-01")])))
    placed = await engine.place(NAMES, challenges=(HTTP,))
    with pytest.raises(OrderError) as caught:
        await engine.complete(placed.url, NAMES, key, ("old.answer",), challenge=HTTP)
    assert (caught.value.reason, caught.value.order_lost) == (Reason.ORDER_INVALID, True)
    assert ca.counts["/challenge"] == 0


async def test_an_order_whose_kind_is_not_offered_any_more_is_lost(ca, engine):
    key = CertificateKey()
    with pytest.raises(OrderError) as caught:
        await engine.complete(f"{ca.base}/order", NAMES, key, ("a.b",), challenge=HTTP)
    assert (caught.value.reason, caught.value.order_lost) == (Reason.CA_REFUSED, True)
    assert ca.counts["/challenge"] == 0
