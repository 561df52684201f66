"""A CA's faults, by a fake that commits them (`scripted_ca.py` says why it is one)."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime

import pytest
from acme_support import CertificateKey, MemoryKeyStore
from scripted_ca import NAMES, PREFIX, TOKEN, Reply, problem

from customdomains.acme import AcmeEngine, IssuerOptions
from customdomains.acme.keys import load_private_key
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason


@pytest.fixture
def key():
    return CertificateKey()


async def placing(engine):
    """The error of placing an order."""
    with pytest.raises(OrderError) as caught:
        await engine.place(NAMES)
    assert len(caught.value.message) <= 300
    return caught.value


async def completing(engine, ca, key, url=None):
    """The error of completing the order."""
    with pytest.raises(OrderError) as caught:
        await engine.complete(url or f"{ca.base}/order", NAMES, key)
    assert len(caught.value.message) <= 300
    return caught.value


async def test_fast_ca_takes_five_requests_a_certificate(engine, ca, key, clock):
    """newOrder, authorization, challenge, finalize, certificate: nothing is asked twice."""
    placed = await engine.place(NAMES)
    await engine.complete(placed.url, NAMES, key)
    assert ca.seen == [
        "/directory",
        "/nonce",
        "/account",
        "/orders",
        "/authz",
        "/challenge",
        "/finalize",
        "/cert",
    ]
    assert clock.slept == []


async def test_authorized_names_take_three_requests_a_certificate(engine, ca, key):
    """An order that is ready from the start has no challenges to look at."""
    ca.status = "ready"
    placed = await engine.place(NAMES)
    assert placed.digests == ()
    await engine.complete(placed.url, NAMES, key)
    assert ca.seen[3:] == ["/orders", "/finalize", "/cert"]


async def test_payloads_are_those_of_the_rfc(make_engine, ca, key):
    engine = make_engine(contact=("mailto:ops@example.com",))
    await engine.complete((await engine.place(NAMES)).url, NAMES, key)
    sent = dict(ca.payloads)
    assert sent["/account"] == {
        "contact": ["mailto:ops@example.com"],
        "termsOfServiceAgreed": True,
    }
    assert sent["/orders"] == {"identifiers": [{"type": "dns", "value": NAMES[0]}]}
    assert sent["/challenge"] == {}
    assert list(sent["/finalize"]) == ["csr"]
    assert sent["/authz"] is None
    assert sent["/cert"] is None


# Limits and outages


async def test_rate_limit_with_seconds(engine, ca, clock):
    ca.script("/orders", problem("rateLimited", 429, "too many orders", Retry_After="3600"))
    error = await placing(engine)
    assert error.reason is Reason.CA_RATE_LIMITED
    assert not error.order_lost
    assert error.retry_at == clock.now() + timedelta(hours=1)
    assert "too many orders" in error.message
    assert ca.counts["/orders"] == 1


async def test_rate_limit_with_a_date_and_no_429(engine, ca, clock):
    until = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    date = format_datetime(until, usegmt=True)
    ca.script("/finalize", problem("rateLimited", 403, Retry_After=date))
    ca.status = "ready"
    error = await completing(engine, ca, CertificateKey())
    assert error.reason is Reason.CA_RATE_LIMITED
    assert error.retry_at == until
    assert not error.order_lost


async def test_429_without_problem_document(engine, ca):
    ca.script("/orders", Reply(429, b"slow down", content_type="text/plain"))
    error = await placing(engine)
    assert (error.reason, error.retry_at) == (Reason.CA_RATE_LIMITED, None)


async def test_503_that_names_a_time_is_not_asked_again(engine, ca, clock):
    ca.script("/orders", Reply(503, b"", {"Retry-After": "60"}))
    error = await placing(engine)
    assert error.reason is Reason.CA_UNREACHABLE
    assert error.retry_at == clock.now() + timedelta(minutes=1)
    assert ca.counts["/orders"] == 1


async def test_passing_trouble_is_waited_out(engine, ca, clock):
    ca.script("/orders", Reply(500, b"oops"), Reply(503, b"oops"), problem("serverInternal", 500))
    await engine.place(NAMES)
    assert clock.slept == [0.25, 0.5, 1.0]


async def test_lasting_trouble_ends(engine, ca):
    ca.stick("/orders", problem("serverInternal", 500, "database down"))
    error = await placing(engine)
    assert error.reason is Reason.CA_UNREACHABLE
    assert "database down" in error.message
    assert ca.counts["/orders"] == 4


async def test_cut_answers_are_asked_for_again(engine, ca, key):
    ca.script("/authz", Reply(body=ca.authorization(), cut=20))
    placed = await engine.place(NAMES)
    ca.script("/cert", Reply(body=b"-----BEGIN", content_type="x/y", cut=3))
    await engine.complete(placed.url, NAMES, key)
    assert ca.counts["/authz"] == 2
    assert ca.counts["/cert"] == 2
    assert ca.counts["/finalize"] == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(201, b'{"status": "pend'),
        Reply(201, b"[]"),
        Reply(201, {"status": "pending"}),
        Reply(201, {"status": "unheard of", "identifiers": [], "authorizations": []}),
        Reply(201, b"<html>", content_type="text/html"),
        Reply(201, b" " * 300_000),
        Reply(302, b"", {"Location": "https://elsewhere.example/"}),
    ],
    ids=["half", "list", "fields", "status", "type", "large", "redirect"],
)
async def test_answers_that_are_none(engine, ca, reply):
    ca.stick("/orders", reply)
    error = await placing(engine)
    assert error.reason is Reason.CA_UNREACHABLE
    assert not error.order_lost


async def test_answers_that_never_come(make_engine, ca):
    """All attempts end in the one time-out, and the waiters behind a slot too."""
    engine = make_engine(request_timeout=0.05, concurrency=1)
    await engine.place(NAMES)
    ca.hold = asyncio.Event().wait
    errors = await asyncio.gather(*(placing(engine) for _ in range(5)))
    assert {error.reason for error in errors} == {Reason.CA_UNREACHABLE}


async def test_nobody_there(make_engine, ca):
    engine = make_engine()
    await ca.stop()
    error = await placing(engine)
    assert error.reason is Reason.CA_UNREACHABLE
    assert error.message == "The CA 'scripted' can't be connected to"


async def test_untrusted_tls_says_what_to_look_at(pebble):
    engine = AcmeEngine(IssuerOptions("pebble", pebble.directory_url), MemoryKeyStore())
    error = await placing(engine)
    await engine.close()
    assert error.reason is Reason.CA_UNREACHABLE
    assert "CA bundle" in error.message


async def test_no_more_requests_at_a_time_than_allowed(make_engine, ca):
    engine = make_engine(concurrency=3)
    await asyncio.gather(*(engine.place(NAMES) for _ in range(20)))
    assert ca.most_at_once <= 3
    assert ca.counts["/nonce"] <= 3


# Nonces, account, directory


async def test_rejected_nonce_is_replaced_by_the_one_that_came_along(engine, ca):
    ca.script("/orders", *[problem("badNonce")] * 5)
    await engine.place(NAMES)
    assert ca.counts["/orders"] == 6
    assert ca.counts["/nonce"] == 1


async def test_nonces_rejected_for_ever(engine, ca):
    ca.stick("/orders", problem("badNonce"))
    error = await placing(engine)
    assert error.reason is Reason.CA_UNREACHABLE
    assert ca.counts["/orders"] == 6


async def test_answers_with_unusable_nonces(engine, ca):
    ca.script("/account", Reply(201, {}, {"Location": f"{ca.base}/me", "Replay-Nonce": "a+/ b"}))
    await engine.place(NAMES)
    assert ca.counts["/nonce"] == 2


async def test_forgotten_account_is_registered_again_once(make_engine, ca):
    store = MemoryKeyStore()
    engine = make_engine(store)
    await engine.place(NAMES)
    ca.script("/orders", *[problem("accountDoesNotExist")] * 4)
    await asyncio.gather(*(engine.place(NAMES) for _ in range(4)))
    assert ca.counts["/account"] == 2
    assert store.made == 1


async def test_account_that_stays_unknown(engine, ca):
    ca.stick("/orders", problem("accountDoesNotExist"))
    error = await placing(engine)
    assert error.reason is Reason.CA_REFUSED
    assert ca.counts["/account"] == 2


async def test_refused_account_loses_no_order(engine, ca, key):
    ca.stick("/account", problem("externalAccountRequired", 403))
    error = await completing(engine, ca, key)
    assert (error.reason, error.order_lost) == (Reason.CA_REFUSED, False)


async def test_failed_registration_is_shared_and_tried_anew(engine, ca):
    ca.script("/account", problem("userActionRequired", 403))
    errors = await asyncio.gather(*(placing(engine) for _ in range(5)))
    assert {error.reason for error in errors} == {Reason.CA_REFUSED}
    assert ca.counts["/account"] == 1
    await engine.place(NAMES)


async def test_stored_account_key_that_is_none(make_engine):
    store = MemoryKeyStore()
    store.pem = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"
    error = await placing(make_engine(store))
    assert error.reason is Reason.STORAGE_FAILED
    assert "secret" not in error.message


async def test_giving_up_does_not_disturb_the_others(engine, ca):
    arrived, release = asyncio.Event(), asyncio.Event()

    async def hold():
        arrived.set()
        await release.wait()

    ca.hold = hold
    impatient = asyncio.create_task(engine.place(NAMES))
    patient = asyncio.create_task(engine.place(NAMES))
    await arrived.wait()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    release.set()
    assert (await patient).digests
    assert ca.counts["/directory"] == 1


async def test_directory_is_fetched_once_an_hour(engine, ca, clock):
    await engine.place(NAMES)
    clock.passed += 3599
    await engine.place(NAMES)
    assert ca.counts["/directory"] == 1
    clock.passed += 2
    await engine.place(NAMES)
    assert ca.counts["/directory"] == 2


async def test_directory_that_moved_is_fetched_again(engine, ca):
    await engine.place(NAMES)
    ca.script("/orders", Reply(404, b""))
    error = await placing(engine)
    assert (error.reason, error.order_lost) == (Reason.CA_UNREACHABLE, False)
    await engine.place(NAMES)
    assert ca.counts["/directory"] == 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(404, b""), Reason.CA_UNREACHABLE),
        (Reply(200, {"newNonce": "x"}), Reason.CA_UNREACHABLE),
        (
            Reply(200, dict.fromkeys(("newNonce", "newAccount", "newOrder"), "https://a.b/")),
            Reason.CA_REFUSED,
        ),
    ],
)
async def test_directory_that_is_none(engine, ca, reply, reason):
    ca.stick("/directory", reply)
    assert (await placing(engine)).reason is reason


# Orders


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/order",
        "{base}.elsewhere.example/order",
        "{base}@elsewhere.example/order",
        "{base}\\@elsewhere.example/order",
        "{base}/order\r\nX: y",
        "",
    ],
)
async def test_order_of_another_ca_is_not_asked_for(engine, ca, key, url):
    error = await completing(engine, ca, key, url.format(base=ca.base) or "/order")
    assert (error.reason, error.order_lost) == (Reason.ORDER_FOREIGN, True)
    assert ca.seen == []


@pytest.mark.parametrize("field", ["authorizations", "finalize"])
async def test_order_that_leads_elsewhere_is_not_followed(engine, ca, key, field):
    elsewhere = "https://elsewhere.example/x"
    value = [elsewhere] if field == "authorizations" else elsewhere
    ca.status = "pending" if field == "authorizations" else "ready"
    ca.stick("/order", Reply(body=ca.order(**{field: value})))
    error = await completing(engine, ca, key)
    assert (error.reason, error.order_lost) == (Reason.ORDER_FOREIGN, True)


async def test_placed_order_for_other_names(engine, ca):
    ca.names = ("other.example.com",)
    error = await placing(engine)
    assert (error.reason, error.order_lost) == (Reason.ORDER_FOREIGN, True)


async def test_authorization_of_another_name(engine, ca, key):
    other = {"type": "dns", "value": "other.example.com"}
    ca.stick("/authz", Reply(body=ca.authorization(identifier=other)))
    error = await completing(engine, ca, key)
    assert (error.reason, error.order_lost) == (Reason.ORDER_FOREIGN, True)
    assert "/challenge" not in ca.seen


@pytest.mark.parametrize("status", ["pending", "ready"])
async def test_expired_order(engine, ca, key, status):
    ca.status, ca.expires = status, "2020-01-01T00:00:00Z"
    error = await completing(engine, ca, key)
    assert (error.reason, error.order_lost) == (Reason.ORDER_EXPIRED, True)
    assert key.asked == 0


async def test_expired_authorization(engine, ca, key):
    ca.stick("/authz", Reply(body=ca.authorization(status="expired")))
    error = await completing(engine, ca, key)
    assert (error.reason, error.order_lost) == (Reason.ORDER_INVALID, True)


async def test_order_made_invalid_by_the_ca(engine, ca, key):
    reason = {"type": PREFIX + "caa", "detail": "CAA forbids it", "status": 403}
    ca.status = "ready"
    ca.stick("/order", Reply(body=ca.order(status="invalid", error=reason)))
    error = await completing(engine, ca, key)
    assert (error.reason, error.order_lost) == (Reason.ORDER_INVALID, True)
    assert "CAA forbids it" in error.message


async def test_no_dns01_on_offer(engine, ca):
    ca.stick("/authz", Reply(body=ca.authorization(challenges=[ca.challenge(type="http-01")])))
    error = await placing(engine)
    assert (error.reason, error.order_lost) == (Reason.CA_REFUSED, True)


async def test_challenge_that_waits_to_be_asked_again(engine, ca, key):
    """The CA looked too early and says so, but leaves the challenge pending (step-ca does)."""
    error = {"type": PREFIX + "dns", "detail": "not there"}
    ca.script("/challenge", *[Reply(body=ca.challenge(error=error))] * 2)
    await engine.complete(f"{ca.base}/order", NAMES, key)
    assert ca.counts["/challenge"] == 3


async def test_challenge_that_waits_in_vain_loses_no_order(engine, ca, key):
    error = {"type": PREFIX + "rejectedIdentifier", "detail": f"expected {TOKEN}.thumb"}
    ca.stick("/challenge", Reply(body=ca.challenge(error=error)))
    caught = await completing(engine, ca, key)
    assert (caught.reason, caught.order_lost) == (Reason.CHALLENGE_FAILED, False)
    assert TOKEN not in caught.message
    assert ca.counts["/challenge"] == 5


async def test_challenge_that_fails_at_once(engine, ca, key):
    error = {"type": PREFIX + "unauthorized", "detail": "wrong TXT" + " long" * 200}
    ca.stick("/challenge", Reply(body=ca.challenge(status="invalid", error=error)))
    caught = await completing(engine, ca, key)
    assert (caught.reason, caught.order_lost) == (Reason.CHALLENGE_FAILED, True)
    assert "wrong TXT" in caught.message


async def test_answered_challenge_is_not_answered_again(engine, ca, key):
    """It is waited for, at the pace that the CA asks for."""
    looking = ca.authorization(challenges=[ca.challenge(status="processing")])
    ca.script("/authz", Reply(body=looking))
    ca.script("/order", *[Reply(body=ca.order())] * 2)
    ca.status = "ready"
    await engine.complete(f"{ca.base}/order", NAMES, key)
    assert "/challenge" not in ca.seen


async def test_answer_heard_but_not_confirmed(engine, ca, key):
    """The repeated answer is refused; the authorization says that the first one was heard."""
    placed = await engine.place(NAMES)
    ca.status = "ready"
    ca.script("/challenge", Reply(500, b""), problem("malformed", detail="not pending"))
    await engine.complete(placed.url, NAMES, key)
    assert ca.counts["/finalize"] == 1


async def test_finalize_heard_but_not_confirmed(engine, ca, key):
    """The repeated finalize is refused; the order says that the first one was heard."""
    ca.status = "ready"
    order = Reply(body=ca.order())
    ca.chain = ca.certificate(_public(key))
    ca.status = "valid"
    ca.script("/order", order)
    ca.script("/finalize", Reply(500, b""))
    issued = await engine.complete(f"{ca.base}/order", NAMES, key)
    assert issued.chain_pem.encode() == ca.chain


async def test_finalize_that_stays_processing(engine, ca, key, clock):
    ca.status = "ready"
    ca.stick("/finalize", Reply(body=ca.order(status="processing"), headers={"Retry-After": "7"}))
    placed = await engine.place(NAMES)
    ca.status = "processing"
    error = await completing(engine, ca, key, placed.url)
    assert (error.reason, error.order_lost) == (Reason.CA_UNREACHABLE, False)
    assert ca.counts["/finalize"] == 1
    assert clock.slept[0] == 7  # as long as the CA wants, then at a growing pace
    assert clock.slept[1] == 0.2
    assert clock.slept[-1] == 4.0
    assert 110 < sum(clock.slept) <= 120


async def test_retry_after_beyond_the_deadline_is_handed_on(engine, ca, key, clock):
    ca.status = "processing"
    ca.stick("/order", Reply(body=ca.order(), headers={"Retry-After": "3600"}))
    error = await completing(engine, ca, key)
    assert error.reason is Reason.CA_UNREACHABLE
    assert error.retry_at == clock.now() + timedelta(hours=1)
    assert clock.slept == []


# Certificates


def _public(key):
    return load_private_key(key.pem).public_key()


def _other_names(ca, csr):
    return ca.certificate(csr.public_key(), (*NAMES, "more.example.com"))


def _other_key(ca, _csr):
    return ca.certificate(_public(CertificateKey()))


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
