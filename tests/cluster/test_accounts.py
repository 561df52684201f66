"""Account keys as the API server keeps them: never lost, whoever else is at work."""

import asyncio
from itertools import count

import pytest

from customdomains.cluster.accounts import AccountKeys
from customdomains.cluster.kinds import SECRETS
from customdomains.cluster.secretforms import ForeignSecretError

pytestmark = pytest.mark.cluster


@pytest.fixture
def make():
    """Makes keys that are all different."""
    numbers = count(1)
    return lambda: f"key {next(numbers)}"


@pytest.fixture
def keys(client, namespace):
    return AccountKeys(client, namespace, "main")


async def test_a_key_is_made_once(client, namespace, make):
    stores = [AccountKeys(client, namespace, "main") for _ in range(8)]
    assert await stores[0].load() is None
    stored = await asyncio.gather(*(store.load_or_create(make) for store in stores))
    assert len({each.current for each in stored}) == 1
    assert await stores[0].load_or_create(make) == stored[0] == await stores[1].load()
    other = await AccountKeys(client, namespace, "other").load_or_create(make)
    assert other.current != stored[0].current


async def test_a_key_waits_and_takes_its_place(client, namespace, keys, make):
    before = await keys.load_or_create(make)
    staged = await keys.stage(before, make)
    assert staged.current == before.current
    assert staged.waiting not in {None, before.current}
    await keys.promote(staged)
    after = await keys.load()
    assert (after.current, after.waiting) == (staged.waiting, None)
    body = await client.get(SECRETS, "acme-account-main", namespace)
    assert set(body["data"]) == {"account.key"}
    await keys.promote(after)
    assert await keys.load() == after, "nothing waits: nothing is written"


async def test_of_many_that_stage_one_wins(client, namespace, keys, make):
    before = await keys.load_or_create(make)
    stores = [AccountKeys(client, namespace, "main") for _ in range(8)]
    staged = await asyncio.gather(*(store.stage(before, make) for store in stores))
    assert len({each.waiting for each in staged}) == 1
    await asyncio.gather(*(store.promote(staged[0]) for store in stores))
    after = await keys.load()
    assert (after.current, after.waiting) == (staged[0].waiting, None)


async def test_what_others_annotate_is_no_change_of_keys(client, namespace, keys, make):
    before = await keys.load_or_create(make)
    note = {"metadata": {"annotations": {"theirs": "yes"}}}
    await client.patch(SECRETS, "acme-account-main", note, namespace)
    staged = await keys.stage(before, make)
    assert staged.waiting is not None
    await client.patch(SECRETS, "acme-account-main", {"data": {"theirs": "eA=="}}, namespace)
    await keys.promote(staged)
    assert (await keys.load()).current == staged.waiting


async def test_a_key_that_is_late_moves_nothing(keys, make):
    staged = await keys.stage(await keys.load_or_create(make), make)
    await keys.promote(staged)
    newer = await keys.stage(await keys.load(), make)
    await keys.promote(staged)
    assert await keys.load() == newer
    assert await keys.stage(staged, make) == newer


async def test_keys_that_are_gone(client, namespace, keys, make):
    staged = await keys.stage(await keys.load_or_create(make), make)
    await client.delete(SECRETS, "acme-account-main", namespace)
    with pytest.raises(ForeignSecretError, match="comes and goes"):
        await keys.promote(staged)


async def test_a_secret_that_is_not_ours_is_not_used(client, namespace, keys, make):
    meta = {"namespace": namespace, "name": "acme-account-main"}
    await client.create(SECRETS, {"metadata": meta, "stringData": {"account.key": "theirs"}})
    for call in (keys.load(), keys.load_or_create(make)):
        with pytest.raises(ForeignSecretError, match="not made by this operator"):
            await call


async def test_keys_are_not_shown(keys, make):
    staged = await keys.stage(await keys.load_or_create(make), make)
    assert "key" not in repr(staged).replace("StoredKeys", "")
