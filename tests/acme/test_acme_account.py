"""Nonces, account and directory, by a fake that plays tricks with them."""

import asyncio

import pytest
from acme_support import MemoryKeyStore, completing, placing
from scripted_ca import NAMES, Reply, problem

from customdomains.model.reasons import Reason


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
    assert (error.reason, error.order_lost) == (Reason.ISSUER_MISCONFIGURED, False)


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


async def test_what_the_key_store_raises_passes_through(make_engine):
    class Unreadable(MemoryKeyStore):
        async def load_or_create(self, make):
            if self.made == 0:
                self.made = 1
                raise PermissionError("no right to read the Secret")
            return await super().load_or_create(make)

    engine = make_engine(Unreadable())
    with pytest.raises(PermissionError):
        await engine.place(NAMES)
    await engine.place(NAMES)


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
