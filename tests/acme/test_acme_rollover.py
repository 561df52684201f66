"""A new key for the account, whatever breaks off: with Pebble, and with a CA that loses answers."""

import asyncio
import secrets

import pytest
from acme_support import CertificateKey, KilledError, MemoryKeyStore, Wire, place
from scripted_ca import NAMES, Reply, problem

from customdomains.acme import generate_private_key_pem
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason


class Ways(MemoryKeyStore):
    """A store that the process dies at: before or after it writes."""

    def __init__(self, die: str | None = None) -> None:
        super().__init__()
        self.die = die

    async def stage(self, known, make):
        self._may_die("before stage")
        staged = await super().stage(known, make)
        self._may_die("after stage")
        return staged

    async def promote(self, known):
        self._may_die("before promote")
        await super().promote(known)
        self._may_die("after promote")

    def _may_die(self, where):
        if self.die == where:
            self.die = None
            raise KilledError


async def refused(engine):
    with pytest.raises(OrderError) as caught:
        await engine.roll_over_key()
    assert len(caught.value.message) <= 300
    return caught.value


# --- with Pebble ---------------------------------------------------------------------------------


@pytest.fixture
def names():
    return (f"{secrets.token_hex(6)}.example.com",)


@pytest.mark.acme
async def test_account_gets_a_new_key_and_stays_the_same(pebble_engine, tenant_dns, names, key):
    store, wire = MemoryKeyStore(), Wire()
    running, another = pebble_engine(store, wire), pebble_engine(store)
    await running.place(names)
    old = store.pem
    account = await another.roll_over_key()
    assert store.pem not in {None, old}
    assert store.waiting is None
    # Who runs on finds the new key when the old one is refused, and is the same account.
    url = await place(running, tenant_dns, names)
    issued = await pebble_engine(store).complete(url, names, key)
    assert issued.facts.serial_number
    assert wire.counts["sign-me-up"] == 2
    assert await another.roll_over_key() == account
    assert store.made == 3


@pytest.mark.acme
@pytest.mark.parametrize(
    "where", ["before stage", "after stage", "before promote", "after promote"]
)
async def test_rollover_that_a_kill_breaks_off(pebble_engine, names, where):
    """Everybody goes on between, with the key that the CA knows; the next call finishes it."""
    store = Ways()
    running = pebble_engine(store)
    await running.place(names)
    old, store.die = store.pem, where
    with pytest.raises(KilledError):
        await pebble_engine(store).roll_over_key()
    for engine in (running, pebble_engine(store)):
        await engine.place(names)
    moved = where in {"before promote", "after promote"}
    assert (old in {store.pem}) is (where != "after promote")
    made = store.made
    await pebble_engine(store).roll_over_key()
    assert store.waiting is None
    assert store.pem != old
    # What was begun is finished, with the key that was made for it.
    assert store.made == made + (where in {"before stage", "after promote"})
    for engine in (running, pebble_engine(store)):
        await engine.place(names)
    assert moved or store.made == 2


@pytest.mark.acme
async def test_kill_when_the_answer_arrives(pebble_engine, names):
    store, wire = MemoryKeyStore(), Wire()
    running = pebble_engine(store)
    await running.place(names)
    old, wire.die_after = store.pem, "rollover-account-key"
    with pytest.raises(KilledError):
        await pebble_engine(store, wire).roll_over_key()
    assert store.pem == old
    assert store.waiting is not None
    new = store.waiting
    await running.place(names)
    await pebble_engine(store).roll_over_key()
    assert (store.pem, store.waiting) == (new, None)


@pytest.mark.acme
async def test_many_roll_over_at_once(pebble_engine, names):
    store = MemoryKeyStore()
    engines = [pebble_engine(store) for _ in range(4)]
    await engines[0].place(names)
    accounts = await asyncio.gather(*(engine.roll_over_key() for engine in engines))
    assert len(set(accounts)) == 1
    assert store.waiting is None
    await asyncio.gather(*(engine.place(names) for engine in engines))


@pytest.mark.acme
async def test_orders_are_placed_while_the_key_changes(pebble_engine, names):
    store = MemoryKeyStore()
    running = pebble_engine(store)
    await running.place(names)
    orders = asyncio.gather(*(running.place((f"{n}.{names[0]}",)) for n in range(20)))
    account = await pebble_engine(store).roll_over_key()
    assert len({order.url for order in await orders}) == 20
    assert await pebble_engine(store).roll_over_key() == account, "no second account was made"


@pytest.mark.acme
async def test_challenge_of_the_old_key_is_not_answered(pebble_engine, tenant_dns, names, key):
    """The CA would look for the new key's value; asking it to would be a failed validation."""
    store, wire = MemoryKeyStore(), Wire()
    engine = pebble_engine(store)
    placed = await engine.place(names)
    await asyncio.to_thread(tenant_dns.set_txt, f"_acme-challenge.{names[0]}", *placed.digests)
    await engine.roll_over_key()
    for again in (engine, pebble_engine(store, wire)):
        with pytest.raises(OrderError) as caught:
            await again.complete(placed.url, names, key, placed.digests)
        assert (caught.value.reason, caught.value.order_lost) == (Reason.ORDER_INVALID, True)
        assert "account's key" in caught.value.message
    assert wire.counts["chalZ"] == key.asked == 0
    placed = await engine.place(names)
    await asyncio.to_thread(tenant_dns.set_txt, f"_acme-challenge.{names[0]}", *placed.digests)
    await engine.complete(placed.url, names, key, placed.digests)


@pytest.mark.acme
async def test_order_that_is_ready_survives_the_change(pebble_engine, tenant_dns, names):
    store, wire = MemoryKeyStore(), Wire(die_after="finalize-order")
    placed = await pebble_engine(store).place(names)
    await asyncio.to_thread(tenant_dns.set_txt, f"_acme-challenge.{names[0]}", *placed.digests)
    key = CertificateKey()
    with pytest.raises(KilledError):
        await pebble_engine(store, wire).complete(placed.url, names, key, placed.digests)
    await pebble_engine(store).roll_over_key()
    await pebble_engine(store).complete(placed.url, names, key, placed.digests)


# --- with a CA that does what it is told ---------------------------------------------------------


async def test_key_change_is_that_of_the_rfc(make_engine, ca):
    store = MemoryKeyStore()
    engine = make_engine(store)
    await engine.place(NAMES)
    account = await engine.roll_over_key()
    assert account == f"{ca.base}/me"
    [(outer, inner)] = ca.key_changes
    assert outer["kid"] == account
    assert "nonce" not in inner
    assert inner["url"] == outer["url"] == f"{ca.base}/rekey"
    assert set(ca.last_key_change) == {"account", "oldKey"}
    assert "d" not in ca.last_key_change["oldKey"], "a private key left the house"
    assert "d" not in inner["jwk"]


@pytest.mark.parametrize("reply", [Reply(500, b""), Reply(200, {"a": "long answer"}, cut=5)])
async def test_answer_that_is_lost(make_engine, ca, reply):
    """It was heard; the request made again is refused, as it is signed by the old key."""
    store = MemoryKeyStore()
    engine = make_engine(store)
    await engine.place(NAMES)
    old = store.pem
    ca.heard_but("/rekey", reply)
    await engine.roll_over_key()
    assert store.pem != old
    assert store.waiting is None
    assert ca.counts["/rekey"] == 2


async def test_answer_that_never_comes(make_engine, ca):
    """Whether it was heard is not known: both keys stay, and the next call finds out."""
    store = MemoryKeyStore()
    engine = make_engine(store)
    await engine.place(NAMES)
    old = store.pem
    ca.stick("/rekey", Reply(500, b""))
    error = await refused(engine)
    assert error.reason is Reason.CA_UNREACHABLE
    assert store.pem == old
    waiting = store.waiting
    assert waiting is not None
    await make_engine(store).place(NAMES)
    ca.unstick("/rekey")
    await engine.roll_over_key()
    assert (store.pem, store.waiting) == (waiting, None)


async def test_change_that_is_refused(make_engine, ca):
    store = MemoryKeyStore()
    engine = make_engine(store)
    await engine.place(NAMES)
    old = store.pem
    ca.stick("/rekey", problem("unauthorized", 403, "no changes today"))
    error = await refused(engine)
    assert error.reason is Reason.CA_REFUSED
    assert "no changes today" in error.message
    assert store.pem == old
    await make_engine(store).place(NAMES)


async def test_change_that_is_only_said_to_be_made(make_engine, ca):
    store = MemoryKeyStore()
    engine = make_engine(store)
    await engine.place(NAMES)
    old = store.pem
    ca.stick("/rekey", Reply(200, b""))
    error = await refused(engine)
    assert "does not know the account's new key" in error.message
    assert store.pem == old


async def test_ca_without_key_changes(make_engine, ca):
    store = MemoryKeyStore()
    engine = make_engine(store)
    await engine.place(NAMES)
    directory = {n: f"{ca.base}/{p}" for n, p in ca.entries.items() if n != "keyChange"}
    ca.stick("/directory", Reply(body=directory))
    error = await refused(make_engine(store))
    assert "offers no change of account keys" in error.message
    assert store.waiting is None


async def test_key_change_of_another_host(make_engine, ca):
    entries = {name: f"{ca.base}/{path}" for name, path in ca.entries.items()}
    entries["keyChange"] = "https://elsewhere.example/rekey"
    ca.stick("/directory", Reply(body=entries))
    store = MemoryKeyStore()
    await store.load_or_create(generate_private_key_pem)
    error = await refused(make_engine(store))
    assert "names URLs of another host" in error.message
    assert store.waiting is None


async def test_nothing_to_roll_over(make_engine, ca):
    error = await refused(make_engine())
    assert error.message == "There is no account at the CA 'scripted' yet"
    assert ca.seen == []
    store = MemoryKeyStore()
    await store.load_or_create(generate_private_key_pem)
    error = await refused(make_engine(store))
    assert error.message == "The CA 'scripted' does not know our account"
    assert store.waiting is None


async def test_refusals_that_are_not_about_the_key_are_not_asked_twice(make_engine, ca):
    store = MemoryKeyStore()
    engine = make_engine(store)
    await engine.place(NAMES)
    ca.stick("/orders", problem("malformed"))
    with pytest.raises(OrderError):
        await engine.place(NAMES)
    assert ca.counts["/orders"] == 2
    assert ca.counts["/account"] == 1
    # With a key that waits it may be, but the CA says that it is not.
    await store.stage(await store.load(), generate_private_key_pem)
    with pytest.raises(OrderError):
        await engine.place(NAMES)
    assert ca.counts["/orders"] == 3
    assert ca.counts["/account"] == 3


async def test_no_account_is_made_for_a_key_that_was_changed_just_now(make_engine, ca):
    """The store was read before the change, the CA asked after it."""
    store = MemoryKeyStore()
    await make_engine(store).place(NAMES)

    class Late(MemoryKeyStore):
        """Another process changes the key right after the first reading."""

        async def load_or_create(self, make):
            before = await store.load_or_create(make)
            if not self.made:
                self.made = 1
                await make_engine(store).roll_over_key()
            return before

        async def load(self):
            return await store.load()

    await make_engine(Late()).place(NAMES)
    assert ca.kids[-1] == f"{ca.base}/me"


async def test_answer_that_comes_too_late_needs_no_keys(make_engine, ca, key):
    """The repeated answer is refused as if by a wrong key; the keys may be out of reach then."""

    class Down(MemoryKeyStore):
        async def load(self):
            if self.made and ca.counts["/challenge"]:
                raise PermissionError("the API server has just started")
            return await super().load()

    engine = make_engine(Down())
    placed = await engine.place(NAMES)
    ca.status = "ready"
    ca.script("/challenge", Reply(500, b""), problem("malformed", detail="not pending"))
    await engine.complete(placed.url, NAMES, key, placed.digests)
    assert ca.counts["/finalize"] == 1
