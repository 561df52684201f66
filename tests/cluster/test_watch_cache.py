"""The watch cache against the real API server: changes, outages, lost history."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cluster.background import running
from cluster.kinds import CONFIG_MAPS, NAMESPACES, config_map
from cluster.outage import api_server_away, forget_history
from cluster.relay import relayed

from customdomains.cluster import ApiClient, Connection, WatchCache
from customdomains.devcluster.controlplane import ControlPlane

pytestmark = pytest.mark.cluster

DEADLINE = 30.0


class Seen:
    """A cache of ConfigMaps' data with the changes it reported."""

    def __init__(self, client: ApiClient, namespace: str, **options: Any) -> None:
        self.changes: list[tuple[str, Any, Any]] = []
        self._changed = asyncio.Condition()
        self.cache: WatchCache[dict[str, str]] = WatchCache(
            client,
            CONFIG_MAPS,
            namespace=namespace,
            parse=options.pop("parse", lambda item: item.get("data", {})),
            on_change=lambda key, old, new: self.changes.append((key.partition("/")[2], old, new)),
            **options,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The cache runs, and has everything, for the time of the block."""
        async with running(self.cache):
            await self.cache.wait_synced(DEADLINE)
            yield


def is_data(**data: str) -> Callable[[dict[str, str] | None], bool]:
    return lambda value: value == data


def is_absent(value: object) -> bool:
    return value is None


async def test_it_follows_every_change_once(client: ApiClient, namespace: str):
    await client.create(CONFIG_MAPS, config_map(namespace, "before", a="1"))
    seen = Seen(client, namespace)
    assert not seen.cache.synced
    assert seen.cache.last_event_age == float("inf")
    async with seen.running():
        assert seen.cache.get(f"{namespace}/before") == {"a": "1"}

        await client.create(CONFIG_MAPS, config_map(namespace, "new", a="1"))
        await client.patch(CONFIG_MAPS, "new", {"data": {"a": "2"}}, namespace)
        # Nothing that `parse` keeps differs: no change.
        await client.patch(CONFIG_MAPS, "new", {"metadata": {"labels": {"x": "y"}}}, namespace)
        await client.delete(CONFIG_MAPS, "before", namespace)
        await client.delete(CONFIG_MAPS, "new", namespace)
        await seen.cache.wait_for(f"{namespace}/new", is_absent, DEADLINE)
        # The deletion may not have been seen yet when nothing has: make sure with a last one.
        await client.create(CONFIG_MAPS, config_map(namespace, "last"))
        await seen.cache.wait_for(f"{namespace}/last", is_data(), DEADLINE)
        assert seen.cache.last_event_age < DEADLINE

    assert seen.changes == [
        ("before", None, {"a": "1"}),
        ("new", None, {"a": "1"}),
        ("new", {"a": "1"}, {"a": "2"}),
        ("before", {"a": "1"}, None),
        ("new", {"a": "2"}, None),
        ("last", None, {}),
    ]
    assert len(seen.cache) == 1
    assert list(seen.cache.items()) == [(f"{namespace}/last", {})]
    assert seen.cache.lists == 1


async def test_objects_of_the_cluster_are_keyed_by_name(client: ApiClient, namespace: str):
    cache = WatchCache(
        client, NAMESPACES, parse=lambda item: item["metadata"]["uid"], on_change=lambda *_: None
    )
    async with running(cache):
        await cache.wait_synced(DEADLINE)
        assert cache.get(namespace)
        assert cache.get("default") in cache.values()


async def test_it_watches_only_what_is_selected(client: ApiClient, namespace: str):
    seen = Seen(client, namespace, field_selector="metadata.name=wanted")
    async with seen.running():
        await client.create(CONFIG_MAPS, config_map(namespace, "other"))
        await client.create(CONFIG_MAPS, config_map(namespace, "wanted"))
        await seen.cache.wait_for(f"{namespace}/wanted", is_data(), DEADLINE)
    assert [name for name, _, _ in seen.changes] == ["wanted"]


async def test_what_loses_its_label_is_gone_and_comes_back_with_it(
    client: ApiClient, namespace: str
):
    async def label(value: str | None) -> None:
        await client.patch(CONFIG_MAPS, "one", {"metadata": {"labels": {"ours": value}}}, namespace)

    await client.create(CONFIG_MAPS, config_map(namespace, "one"))
    seen = Seen(client, namespace, label_selector="ours=yes", metadata_only=True, parse=str)
    async with seen.running():
        assert len(seen.cache) == 0
        for value, there in (("yes", True), ("no", False), ("yes", True), (None, False)):
            await label(value)
            await seen.cache.wait_for(
                f"{namespace}/one",
                lambda found, there=there: (found is not None) is there,
                DEADLINE,
            )


async def test_metadata_only_brings_no_content(client: ApiClient, namespace: str):
    def parse(item: dict[str, Any]) -> dict[str, str]:
        assert "data" not in item
        return item["metadata"].get("labels", {})

    await client.create(CONFIG_MAPS, config_map(namespace, "one", secret="x"))
    seen = Seen(client, namespace, metadata_only=True, parse=parse)
    async with seen.running():
        await client.patch(CONFIG_MAPS, "one", {"metadata": {"labels": {"a": "b"}}}, namespace)
        await seen.cache.wait_for(f"{namespace}/one", is_data(a="b"), DEADLINE)


async def test_lists_longer_than_a_page_come_whole(
    client: ApiClient, namespace: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("customdomains.cluster.client.PAGE_SIZE", 2)
    for number in range(5):
        await client.create(CONFIG_MAPS, config_map(namespace, f"c{number}"))
    seen = Seen(client, namespace)
    async with seen.running():
        assert len(seen.cache) == 5


async def test_what_can_not_be_read_is_skipped_and_said_once(
    client: ApiClient, namespace: str, caplog: pytest.LogCaptureFixture
):
    def parse(item: dict[str, Any]) -> dict[str, str]:
        if item["data"].get("bad"):
            raise ValueError("bad data")
        return item["data"]

    await client.create(CONFIG_MAPS, config_map(namespace, "bad", bad="1"))
    await client.create(CONFIG_MAPS, config_map(namespace, "good", a="1"))
    seen = Seen(client, namespace, parse=parse)
    async with seen.running():
        assert seen.cache.get(f"{namespace}/bad") is None
        await client.patch(CONFIG_MAPS, "good", {"data": {"bad": "1"}}, namespace)
        await client.patch(CONFIG_MAPS, "bad", {"data": {"bad": None, "a": "2"}}, namespace)
        await seen.cache.wait_for(f"{namespace}/bad", is_data(a="2"), DEADLINE)
        # What it was when it could be read: never as if it were deleted.
        assert seen.cache.get(f"{namespace}/good") == {"a": "1"}
        await client.delete(CONFIG_MAPS, "good", namespace)
        await seen.cache.wait_for(f"{namespace}/good", is_absent, DEADLINE)
    assert seen.cache.skipped == 2
    said = [record for record in caplog.records if "can't be read" in record.message]
    assert len(said) == 2


async def test_waiting_ends_with_the_change_or_the_deadline(client: ApiClient, namespace: str):
    seen = Seen(client, namespace)
    key = f"{namespace}/one"

    def broken(value: object) -> bool:
        if value is not None:
            raise RuntimeError("of the condition")
        return False

    async with seen.running():
        waiting = [
            asyncio.create_task(seen.cache.wait_for(key, condition, DEADLINE))
            for condition in (is_data(a="1"), is_data(a="2"), broken)
        ]
        with pytest.raises(TimeoutError):
            await seen.cache.wait_for(key, is_data(a="2"), 0.01)
        await client.create(CONFIG_MAPS, config_map(namespace, "one", a="1"))
        await client.patch(CONFIG_MAPS, "one", {"data": {"a": "2"}}, namespace)
        assert await waiting[0] == {"a": "1"}
        assert await waiting[1] == {"a": "2"}
        with pytest.raises(RuntimeError, match="of the condition"):
            await waiting[2]


async def test_it_serves_while_the_server_is_away_and_catches_up(
    client: ApiClient,
    connection: Connection,
    namespace: str,
    control_plane: ControlPlane,
    caplog: pytest.LogCaptureFixture,
):
    failures = asyncio.Semaphore(0)

    def count(verb: str, resource: str, code: int) -> None:
        if (verb, resource, code) == ("watch", "configmaps", 0):
            failures.release()

    await client.create(CONFIG_MAPS, config_map(namespace, "one", a="1"))
    async with ApiClient(connection, on_request=count) as watching:
        seen = Seen(watching, namespace)
        async with seen.running():
            async with api_server_away(control_plane, client), asyncio.timeout(DEADLINE):
                for _ in range(3):
                    await failures.acquire()
                assert seen.cache.synced
                assert seen.cache.get(f"{namespace}/one") == {"a": "1"}
            await client.patch(CONFIG_MAPS, "one", {"data": {"a": "2"}}, namespace)
            await seen.cache.wait_for(f"{namespace}/one", is_data(a="2"), DEADLINE)
    assert seen.changes == [("one", None, {"a": "1"}), ("one", {"a": "1"}, {"a": "2"})]
    trouble = [record.message for record in caplog.records if "don't come in" in record.message]
    assert len(trouble) == 1


async def test_lost_history_is_made_good_by_a_new_list(
    client: ApiClient, connection: Connection, namespace: str, control_plane: ControlPlane
):
    for name in ("stays", "changes", "goes"):
        await client.create(CONFIG_MAPS, config_map(namespace, name, a="1"))
    async with relayed(connection) as (relay, through), ApiClient(through) as watching:
        seen = Seen(watching, namespace)
        async with seen.running():
            relay.hold()
            relay.cut()
            await client.patch(CONFIG_MAPS, "changes", {"data": {"a": "2"}}, namespace)
            await client.delete(CONFIG_MAPS, "goes", namespace)
            await client.create(CONFIG_MAPS, config_map(namespace, "comes", a="1"))
            await forget_history(control_plane, client, namespace)
            seen.changes.clear()
            relay.open.set()
            await seen.cache.wait_for(f"{namespace}/goes", is_absent, DEADLINE)
            assert seen.cache.lists == 2
            # And it goes on watching from there.
            await client.create(CONFIG_MAPS, config_map(namespace, "later", a="1"))
            await seen.cache.wait_for(f"{namespace}/later", is_data(a="1"), DEADLINE)
    assert sorted(seen.changes, key=lambda change: change[0]) == [
        ("changes", {"a": "1"}, {"a": "2"}),
        ("comes", None, {"a": "1"}),
        ("goes", {"a": "1"}, None),
        ("later", None, {"a": "1"}),
        ("newest", None, {}),
    ]


async def test_silence_makes_it_connect_again(
    client: ApiClient, connection: Connection, namespace: str
):
    async with relayed(connection) as (relay, through), ApiClient(through) as watching:
        seen = Seen(watching, namespace, silence=1.0)
        async with seen.running():
            await client.create(CONFIG_MAPS, config_map(namespace, "one"))
            await seen.cache.wait_for(f"{namespace}/one", is_data(), DEADLINE)
            relay.hold()
            await client.create(CONFIG_MAPS, config_map(namespace, "unheard"))
            relay.accepted.clear()
            async with asyncio.timeout(DEADLINE):
                await relay.accepted.wait()
            assert seen.cache.get(f"{namespace}/unheard") is None
            relay.open.set()
            await seen.cache.wait_for(f"{namespace}/unheard", is_data(), DEADLINE)
    assert seen.cache.lists == 1


async def test_objects_of_any_size_come_through_the_watch(client: ApiClient, namespace: str):
    seen = Seen(
        client, namespace, parse=lambda item: {k: str(len(v)) for k, v in item["data"].items()}
    )
    async with seen.running():
        await client.create(CONFIG_MAPS, config_map(namespace, "large", a="x" * 1_000_000))
        await seen.cache.wait_for(f"{namespace}/large", is_data(a="1000000"), DEADLINE)
    assert seen.cache.lists == 1


async def test_a_line_beyond_the_bound_leads_to_a_list(
    client: ApiClient, namespace: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("customdomains.cluster.watch._MAX_LINE", 10_000)
    seen = Seen(client, namespace)
    async with seen.running():
        await client.create(CONFIG_MAPS, config_map(namespace, "large", a="x" * 1_000_000))
        await seen.cache.wait_for(f"{namespace}/large", is_data(a="x" * 1_000_000), DEADLINE)
        assert seen.cache.lists == 2
