"""Orders that go strange ways, by a fake that takes them (`scripted_ca.py` says why)."""

from datetime import timedelta

import pytest
from acme_support import completing, placing
from scripted_ca import NAMES, PREFIX, TOKEN, Reply, problem

from customdomains.acme.keys import load_private_key
from customdomains.model.reasons import Reason


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


async def test_order_that_the_ca_calls_malformed_is_unknown(engine, ca, key):
    """Reading an order sends nothing that could be malformed; step-ca means: not found."""
    ca.script("/order", problem("malformed"))
    error = await completing(engine, ca, key)
    assert (error.reason, error.order_lost) == (Reason.ORDER_EXPIRED, True)


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
    assert (error.reason, error.order_lost) == (Reason.CAA_FORBIDS, True)
    assert "CAA forbids it" in error.message


async def test_challenge_that_a_caa_record_makes_fail(engine, ca, key):
    error = {"type": PREFIX + "caa", "detail": "CAA forbids it"}
    ca.stick("/challenge", Reply(body=ca.challenge(status="invalid", error=error)))
    found = await completing(engine, ca, key)
    assert (found.reason, found.order_lost) == (Reason.CAA_FORBIDS, True)
    assert "add one that allows it" in found.message


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
    ca.chain = ca.certificate(load_private_key(key.pem).public_key())
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
