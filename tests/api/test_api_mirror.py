"""One's own writes before the watch has them: what is shown, and that nothing stays behind."""

import pytest
from api.calling import fresh_name
from cluster.background import running

from customdomains.api.claims import Claims
from customdomains.api.directory import Directory
from customdomains.api.mirror import Mirror
from customdomains.api.namespaces import Namespaces
from customdomains.api.resources import parse_view, render_resource
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.model.claim import Claim, Holder, parse_claim, render_claim
from customdomains.model.domain import Key

pytestmark = pytest.mark.cluster


@pytest.fixture
def changes():
    return []


@pytest.fixture
def mirror(client, namespace, changes):
    """Its watch begins when a test runs `mirror.cache`."""
    return Mirror(
        client, CUSTOM_DOMAINS, namespace=namespace, parse=parse_view, on_change=changes.append
    )


async def create(client, namespace, name):
    claim = Claim("x.example.com", "0" * 32, "", Holder(Key(namespace, name), "", None))
    body = render_resource(claim, "x.example.com", {}, {})
    return parse_view(await client.create(CUSTOM_DOMAINS, body))


async def catch_up(client, namespace, mirror):
    """Wait until the watch has seen all that was written before."""
    last = await create(client, namespace, fresh_name("last"))
    await mirror.cache.wait_for(str(last.key), lambda value: value is not None, 20)


async def test_a_write_is_there_before_the_watch_and_once_after(client, namespace, mirror, changes):
    made = await create(client, namespace, "one")
    key = str(made.key)
    mirror.put(key, made)
    assert mirror.get(key) == made
    assert changes == [key]
    async with running(mirror.cache):
        await catch_up(client, namespace, mirror)
        assert mirror.get(key) == made
        assert mirror._written == {}
        mirror.put(key, made)
        assert mirror._written == {}


async def test_of_two_writes_the_newer_counts_whichever_comes_first(client, namespace, mirror):
    made = await create(client, namespace, "one")
    body = {"metadata": {"labels": {"a": "b"}}}
    changed = parse_view(await client.patch(CUSTOM_DOMAINS, "one", body, namespace))
    key = str(made.key)
    mirror.put(key, changed)
    mirror.put(key, made)
    assert mirror.get(key) == changed


async def test_what_was_deleted_is_hidden_until_the_watch_knows(client, namespace, mirror):
    async with running(mirror.cache):
        made = await create(client, namespace, "one")
        key = str(made.key)
        await catch_up(client, namespace, mirror)
        await client.delete(CUSTOM_DOMAINS, "one", namespace)
        mirror.remove(key, made.uid)
        assert mirror.get(key) is None
        again = await create(client, namespace, "one")
        mirror.put(key, again)
        assert mirror.get(key) == again
        await catch_up(client, namespace, mirror)
        assert mirror.get(key) == again
        assert (mirror._written, mirror._deleted) == ({}, {})


async def test_what_came_and_went_before_the_watch_leaves_nothing(client, namespace, mirror):
    made = await create(client, namespace, "one")
    key = str(made.key)
    mirror.put(key, made)
    await client.delete(CUSTOM_DOMAINS, "one", namespace)
    mirror.remove(key, made.uid)
    other = await create(client, namespace, "two")
    mirror.put(str(other.key), other)
    await client.delete(CUSTOM_DOMAINS, "two", namespace)
    async with running(mirror.cache):
        await catch_up(client, namespace, mirror)
        assert mirror.get(key) is None
        assert mirror.get(str(other.key)) is None
        mirror.put(key, made)
        assert mirror.get(key) is None
        assert mirror._written == {}


async def test_a_live_read_that_finds_nothing_is_believed(client, namespace):
    """While the watches say nothing, as here, where none runs."""
    directory = Directory(client, Claims(client), Namespaces(client, [namespace]), namespace)
    made = await create(client, namespace, "one")
    directory.domains.put(str(made.key), made)
    holder = Holder(made.key, "uid", None)
    body = render_claim(Claim(fresh_name(), "0" * 32, "0" * 64, holder))
    claim = parse_claim(await client.create(DOMAIN_CLAIMS, body))
    directory.claims.put(claim.domain, claim)
    assert await directory.read_claim(claim.domain) == claim
    assert await directory.read_domain("one") == made
    await client.delete(CUSTOM_DOMAINS, "one", namespace)
    await client.delete(DOMAIN_CLAIMS, claim.domain)
    assert await directory.read_claim(claim.domain) is None
    assert await directory.read_domain("one") is None
    assert directory.claims.get(claim.domain) is None
    assert directory.domains.get(str(made.key)) is None
