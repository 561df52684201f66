"""Requests, limits and outages, by a fake that has them (`scripted_ca.py` says why)."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime

import pytest
from acme_support import CertificateKey, MemoryKeyStore, completing, placing
from scripted_ca import NAMES, Reply, problem

from customdomains.acme import AcmeEngine, IssuerOptions
from customdomains.acme.reach import EVERYTHING
from customdomains.model.reasons import Reason
from customdomains.model.scope import Scope, ScopeKind


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


async def test_rate_limit_with_seconds(engine, ca, clock):
    ca.script("/orders", problem("rateLimited", 429, "too many orders", Retry_After="3600"))
    error = await placing(engine)
    assert error.reason is Reason.CA_RATE_LIMITED
    assert not error.order_lost
    assert error.retry_at == clock.now() + timedelta(hours=1)
    assert error.scope is None
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
    assert error.scope == EVERYTHING


async def test_a_limit_of_the_account_is_told_as_one(engine, ca):
    ca.script("/orders", problem("rateLimited", 429, "too many new orders (300) from this account"))
    assert (await placing(engine)).scope == Scope(ScopeKind.ACCOUNT)


async def test_who_gets_no_account_can_order_nothing(engine, ca):
    ca.script("/account", problem("rateLimited", 429, "enough for now"))
    error = await placing(engine)
    assert (error.reason, error.scope) == (Reason.CA_RATE_LIMITED, EVERYTHING)


async def test_503_that_names_a_time_is_not_asked_again(engine, ca, clock):
    ca.script("/orders", Reply(503, b"", {"Retry-After": "60"}))
    error = await placing(engine)
    assert error.reason is Reason.CA_UNREACHABLE
    assert error.retry_at == clock.now() + timedelta(minutes=1)
    assert error.scope == EVERYTHING
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


@pytest.mark.acme
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
