"""Certificates and keys as the API server keeps them: always in pairs, never somebody else's."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta
from itertools import count

import build
import pytest

from customdomains.cluster import ApiClient, Conflict, NotFound
from customdomains.cluster.kinds import SECRETS
from customdomains.cluster.orphans import OwnedSecrets
from customdomains.cluster.secretforms import (
    MANAGED_BY,
    ROLE_CERTIFICATE,
    ROLE_LABEL,
    ROLE_NEXT_KEY,
    ForeignSecretError,
)
from customdomains.cluster.secrets import CertificateSecrets
from customdomains.model.claim import ID_LABEL, Claim, Holder
from customdomains.model.domain import Key
from customdomains.model.kept import StoredPair
from customdomains.model.keys import KeyPair

pytestmark = pytest.mark.cluster

FIRST, SECOND = "https://ca/order/1", "https://ca/order/2"
TLS, NEXT = "shop-tls", "shop-tls-next"


class StaleError(Exception):
    """What a live look says that shows another order."""


async def holds() -> None:
    """The order is still the claim's."""


async def does_not_hold() -> None:
    raise StaleError


@pytest.fixture
def store(client: ApiClient) -> CertificateSecrets:
    return CertificateSecrets(client)


@pytest.fixture
def all_of_ours(client: ApiClient) -> OwnedSecrets:
    return OwnedSecrets(client)


@pytest.fixture
def claim(namespace: str) -> Claim:
    return build.claim(holder=Holder(Key(namespace, "shop"), build.NAMESPACE_UID, build.UID))


@pytest.fixture
def make():
    """Makes keys that are all different."""
    numbers = count(1)

    async def one() -> str:
        return f"key {next(numbers)}"

    return one


async def read(client: ApiClient, claim: Claim, name: str) -> dict[str, str] | None:
    """A Secret's texts; None where there is none."""
    try:
        body = await client.get(SECRETS, name, claim.holder.key.namespace)
    except NotFound:
        return None
    return {key: base64.b64decode(text).decode() for key, text in body["data"].items()}


async def put(client: ApiClient, claim: Claim, name: str, **more: object) -> None:
    """A Secret of somebody else."""
    meta = {"namespace": claim.holder.key.namespace, "name": name}
    await client.create(SECRETS, {"metadata": meta, "type": "Opaque", **more})


async def test_a_key_goes_from_waiting_to_its_certificate(client, store, claim, make):
    key = await store.next_key(claim, FIRST, make, holds)
    assert await read(client, claim, NEXT) == {"tls.key": key}
    assert await store.next_key(claim, FIRST, make, does_not_hold) == key, "not the same again"

    await store.drop_next(claim, TLS)
    assert await read(client, claim, NEXT), "dropped before it has arrived"
    await store.store(claim, TLS, FIRST, key, "chain 1", does_not_hold)
    assert await read(client, claim, TLS) == {"tls.key": key, "tls.crt": "chain 1"}
    body = await client.get(SECRETS, TLS, claim.holder.key.namespace)
    assert body["type"] == "kubernetes.io/tls"
    assert "ownerReferences" not in body["metadata"]

    await store.drop_next(claim, TLS)
    await store.drop_next(claim, TLS)
    assert await read(client, claim, NEXT) is None


async def test_storing_the_same_again_writes_nothing(client, store, claim):
    await store.store(claim, TLS, FIRST, "key", "chain", holds)
    before = await client.get(SECRETS, TLS, claim.holder.key.namespace)
    await store.store(claim, TLS, FIRST, "key", "chain", does_not_hold)
    assert await client.get(SECRETS, TLS, claim.holder.key.namespace) == before


async def test_a_key_of_an_older_order_gives_way_only_to_the_claim_s_order(
    client, store, claim, make
):
    old = await store.next_key(claim, FIRST, make, holds)
    with pytest.raises(StaleError):
        await store.next_key(claim, SECOND, make, does_not_hold)
    assert await read(client, claim, NEXT) == {"tls.key": old}
    new = await store.next_key(claim, SECOND, make, holds)
    assert new != old
    assert await read(client, claim, NEXT) == {"tls.key": new}


async def test_a_job_of_an_older_order_never_parts_a_certificate_from_its_key(
    client, store, claim, make
):
    old = await store.next_key(claim, FIRST, make, holds)
    new = await store.next_key(claim, SECOND, make, holds)
    await store.store(claim, TLS, FIRST, old, f"chain of {old}", holds)
    assert await read(client, claim, TLS) == {"tls.key": old, "tls.crt": f"chain of {old}"}
    await store.drop_next(claim, TLS)
    assert await read(client, claim, NEXT) == {"tls.key": new}, "a key that waits is lost"
    await store.store(claim, TLS, SECOND, new, f"chain of {new}", holds)
    with pytest.raises(StaleError):
        await store.store(claim, TLS, FIRST, old, f"chain of {old}", does_not_hold)
    assert await read(client, claim, TLS) == {"tls.key": new, "tls.crt": f"chain of {new}"}


async def test_two_that_ask_for_a_key_at_once_get_the_same(store, claim, make):
    keys = await asyncio.gather(
        *(store.next_key(claim, FIRST, make, does_not_hold) for _ in range(8))
    )
    assert len(set(keys)) == 1


async def test_a_renewal_keeps_what_others_have_set(client, store, all_of_ours, claim):
    namespace = claim.holder.key.namespace
    await store.store(claim, TLS, FIRST, "key 1", "chain 1", holds)
    [owned] = [each for each in await all_of_ours.owned() if each.namespace == namespace]
    await all_of_ours.mark_orphaned(owned, build.NOW)
    theirs = {"metadata": {"labels": {"team": "a"}, "annotations": {"mirror": "yes"}}}
    await client.patch(SECRETS, TLS, theirs, namespace)
    await store.store(claim, TLS, SECOND, "key 2", "chain 2", holds)
    meta = (await client.get(SECRETS, TLS, namespace))["metadata"]
    assert (meta["labels"]["team"], meta["annotations"]["mirror"]) == ("a", "yes")
    [owned] = [each for each in await all_of_ours.owned() if each.namespace == namespace]
    assert owned.orphaned_at is None


async def test_what_is_there_to_be_used_again(client, store, claim, make):
    await store.store(claim, TLS, FIRST, "key 1", "chain 1", holds)
    assert await store.current(claim) is None, "no certificate is recorded"
    recorded = replace(claim, certificate=build.certificate(secret_name=TLS))
    assert await store.current(recorded) == KeyPair("key 1", "chain 1")
    assert await store.current(replace(recorded, id="f" * 32)) is None
    elsewhere = replace(claim, certificate=build.certificate(secret_name="none"))
    assert await store.current(elsewhere) is None
    await put(client, claim, "theirs", stringData={"tls.key": "x", "tls.crt": "y"})
    theirs = replace(claim, certificate=build.certificate(secret_name="theirs"))
    assert await store.current(theirs) is None


async def test_a_key_that_is_used_again_waits_for_its_certificate_all_the_same(
    client, store, claim
):
    async def again() -> str:
        return "key 1"

    await store.store(claim, TLS, FIRST, "key 1", "chain 1", holds)
    assert await store.next_key(claim, SECOND, again, holds) == "key 1"
    await store.drop_next(claim, TLS)
    assert await read(client, claim, NEXT) == {"tls.key": "key 1"}
    await store.store(claim, TLS, SECOND, "key 1", "chain 2", holds)
    await store.drop_next(claim, TLS)
    assert await read(client, claim, NEXT) is None


# --- what has become of it -----------------------------------------------------------------------


async def test_a_look_tells_what_was_changed_since_it_was_written(client, store, claim):
    namespace = claim.holder.key.namespace
    recorded = replace(claim, certificate=build.certificate(secret_name=TLS))
    assert await store.look(claim) is None
    assert await store.look(recorded) is None
    version = await store.store(claim, TLS, FIRST, "key", "chain", holds)
    stored = await store.look(recorded)
    assert stored == StoredPair(KeyPair("key", "chain"), version, FIRST, altered=False)
    await client.patch(SECRETS, TLS, {"metadata": {"labels": {"team": "a"}}}, namespace)
    harmless = await store.look(recorded)
    assert harmless == replace(stored, version=harmless.version)
    assert harmless.version > version
    other = base64.b64encode(b"chain of somebody").decode()
    await client.patch(SECRETS, TLS, {"data": {"tls.crt": other}}, namespace)
    changed = await store.look(recorded)
    assert (changed.altered, changed.pair.chain_pem) == (True, "chain of somebody")
    assert await store.store(claim, TLS, SECOND, "key 2", "chain 2", holds) > changed.version
    assert not (await store.look(recorded)).altered


async def test_labels_are_put_back_as_long_as_others_tell_whose_it_is(client, store, claim):
    namespace = claim.holder.key.namespace
    recorded = replace(claim, certificate=build.certificate(secret_name=TLS))
    version = await store.store(claim, TLS, FIRST, "key", "chain", holds)
    before = await client.get(SECRETS, TLS, namespace)
    gone = {ROLE_LABEL: None, ID_LABEL: "f" * 32}
    await client.patch(SECRETS, TLS, {"metadata": {"labels": gone}}, namespace)
    mended = await store.look(recorded)
    after = await client.get(SECRETS, TLS, namespace)
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert mended.version == int(after["metadata"]["resourceVersion"]) > version
    assert await store.look(recorded) == mended, "written again"

    await client.patch(SECRETS, TLS, {"metadata": {"labels": {MANAGED_BY: None}}}, namespace)
    with pytest.raises(ForeignSecretError, match="not made by this operator"):
        await store.look(recorded)
    with pytest.raises(ForeignSecretError):
        await store.mark_for_revocation(recorded, "pebble")


async def test_who_revokes_it_is_written_on_it(client, store, all_of_ours, claim):
    namespace = claim.holder.key.namespace
    recorded = replace(claim, certificate=build.certificate(secret_name=TLS))

    async def told() -> str | None:
        [owned] = [each for each in await all_of_ours.owned() if each.namespace == namespace]
        return owned.revoke_by

    assert await store.mark_for_revocation(recorded, "pebble") is None
    await store.store(claim, TLS, FIRST, "key", "chain", holds, revoke_by="pebble")
    assert await told() == "pebble"
    version = await store.mark_for_revocation(recorded, None)
    assert await told() is None
    assert await store.mark_for_revocation(recorded, None) == version, "written unchanged"
    await store.mark_for_revocation(recorded, "other")
    assert await told() == "other"
    await store.store(claim, TLS, SECOND, "key 2", "chain 2", holds)
    assert await told() is None


async def test_the_chain_of_exactly_the_version_that_was_listed(client, store, all_of_ours, claim):
    namespace = claim.holder.key.namespace
    await store.store(claim, TLS, FIRST, "key", "chain", holds)
    [listed] = [each for each in await all_of_ours.owned() if each.namespace == namespace]
    assert await all_of_ours.chain(listed) == "chain"
    await store.store(claim, TLS, SECOND, "key 2", "chain 2", holds)
    assert await all_of_ours.chain(listed) is None
    await client.delete(SECRETS, TLS, namespace)
    assert await all_of_ours.chain(listed) is None


# --- what is not ours ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [TLS, NEXT])
async def test_a_secret_that_is_not_ours_is_never_touched(client, store, claim, make, name):
    await put(client, claim, name, stringData={"mine": "precious"})
    for call in (
        store.refuse_foreign(claim, TLS),
        store.next_key(claim, FIRST, make, holds)
        if name == NEXT
        else store.store(claim, TLS, FIRST, "key", "chain", holds),
    ):
        with pytest.raises(ForeignSecretError, match="not made by this operator"):
            await call
    await store.drop_next(claim, TLS)
    assert await read(client, claim, name) == {"mine": "precious"}


async def test_nor_one_of_another_domain(client, store, claim, make):
    other = replace(claim, id="f" * 32, domain="other.example.com")
    await store.store(other, TLS, FIRST, "key", "chain", holds)
    await store.next_key(other, FIRST, make, holds)
    with pytest.raises(ForeignSecretError, match="belongs to another domain"):
        await store.refuse_foreign(claim, TLS)
    with pytest.raises(ForeignSecretError):
        await store.next_key(claim, FIRST, make, holds)
    with pytest.raises(ForeignSecretError):
        await store.store(claim, TLS, SECOND, "key 2", "chain 2", holds)
    await store.drop_next(claim, TLS)
    assert await read(client, claim, NEXT)


async def test_nor_is_our_own_certificate_taken_for_a_place_to_wait(client, store, claim, make):
    await store.store(claim, NEXT, FIRST, "key", "chain", holds)
    with pytest.raises(ForeignSecretError, match="another type"):
        await store.next_key(claim, SECOND, make, holds)
    with pytest.raises(ForeignSecretError, match="another type"):
        await store.refuse_foreign(claim, TLS)
    assert await read(client, claim, NEXT) == {"tls.key": "key", "tls.crt": "chain"}


# --- the sweep's view ----------------------------------------------------------------------------


async def test_owned_marked_and_removed(client, store, all_of_ours, claim, make):
    namespace = claim.holder.key.namespace
    await put(client, claim, "theirs")
    await store.next_key(claim, FIRST, make, holds)
    await store.store(claim, TLS, FIRST, "key", "chain", holds)
    found = {each.name: each for each in await all_of_ours.owned() if each.namespace == namespace}
    assert {name: each.role for name, each in found.items()} == {
        TLS: ROLE_CERTIFICATE,
        NEXT: ROLE_NEXT_KEY,
    }
    secret = found[TLS]
    assert (secret.id, secret.domain, secret.orphaned_at) == (claim.id, claim.domain, None)
    await all_of_ours.mark_orphaned(secret, build.NOW)
    with pytest.raises(Conflict):
        await all_of_ours.mark_orphaned(secret, build.NOW + timedelta(days=1))
    with pytest.raises(Conflict):
        await all_of_ours.remove(secret)
    [marked] = [each for each in await all_of_ours.owned() if each.uid == secret.uid]
    assert marked.orphaned_at == build.NOW
    await all_of_ours.remove(marked)
    await all_of_ours.remove(marked)
    assert await read(client, claim, TLS) is None
