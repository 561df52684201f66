"""Events as the API server keeps them."""

import asyncio

import pytest
from cluster.background import running

from customdomains.cluster import ApiClient, EventSink, ObjectReference, WatchCache
from customdomains.cluster.events import EVENTS

pytestmark = pytest.mark.cluster

DEADLINE = 30.0


class Posted:
    """The Events of one namespace as they come in."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._queue: asyncio.Queue[dict] = asyncio.Queue()
        self.cache = WatchCache(
            client,
            EVENTS,
            namespace=namespace,
            parse=lambda item: item,
            on_change=lambda key, old, new: self._queue.put_nowait(new),
        )

    async def next(self) -> dict:
        async with asyncio.timeout(DEADLINE):
            return await self._queue.get()


async def test_an_event_tells_what_was_done(client: ApiClient, namespace: str):
    sink = EventSink(client, instance="controller-0")
    posted = Posted(client, namespace)
    about = ObjectReference("customdomains.dev/v1", "CustomDomain", namespace, "shop", "1-2-3")
    async with running(sink), running(posted.cache):
        sink.emit(about, reason="Verified", action="Verify", note="The record is there.")
        event = await posted.next()
        sink.emit(about, reason="Failed", action="Issue", note="ü" * 1000, type="Warning")
        long = await posted.next()
    assert event["regarding"] == {
        "apiVersion": "customdomains.dev/v1",
        "kind": "CustomDomain",
        "namespace": namespace,
        "name": "shop",
        "uid": "1-2-3",
    }
    assert (event["reason"], event["action"]) == ("Verified", "Verify")
    assert (event["note"], event["type"]) == ("The record is there.", "Normal")
    assert event["reportingController"] == "customdomains.dev/controller"
    assert event["reportingInstance"] == "controller-0"
    assert long["type"] == "Warning"
    assert 1020 <= len(long["note"].encode()) <= 1024
    assert (sink.dropped, sink.failed) == (0, 0)


async def test_of_what_has_no_namespace_it_is_told_in_default(client: ApiClient):
    sink = EventSink(client, instance="controller-0")
    posted = Posted(client, "default")
    claim = ObjectReference("customdomains.dev/v1", "DomainClaim", "", "a" * 63 + ".example")
    async with running(posted.cache), running(sink):
        sink.emit(claim, reason="Released", action="Release", note="Its holder is gone.")
        while (await posted.next())["regarding"].get("name") != claim.name:
            pass
    assert sink.failed == 0


async def test_the_longest_name_fits(client: ApiClient):
    sink = EventSink(client, instance="x" * 500)
    posted = Posted(client, "default")
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 40 + "." + "e" * 20])
    assert len(name) == 253
    async with running(posted.cache), running(sink):
        sink.emit(ObjectReference("v1", "Node", "", name), reason="R", action="A", note="n")
        while (await posted.next())["regarding"].get("name") != name:
            pass
    assert sink.failed == 0


async def test_a_full_queue_drops_the_oldest(client: ApiClient, namespace: str):
    sink = EventSink(client, instance="controller-0", capacity=2)
    posted = Posted(client, namespace)
    about = ObjectReference("v1", "ConfigMap", namespace, "one")
    for number in range(5):
        sink.emit(about, reason="R", action="A", note=str(number))
    assert sink.dropped == 3
    async with running(posted.cache), running(sink):
        notes = {(await posted.next())["note"] for _ in range(2)}
    assert notes == {"3", "4"}


async def test_what_is_refused_is_counted_and_the_next_is_posted(
    client: ApiClient, namespace: str, caplog: pytest.LogCaptureFixture
):
    sink = EventSink(client, instance="controller-0")
    posted = Posted(client, namespace)
    about = ObjectReference("v1", "ConfigMap", namespace, "one")
    async with running(posted.cache), running(sink):
        sink.emit(about, reason="R" * 200, action="A", note="refused: the reason is too long")
        sink.emit(about, reason="R", action="A", note="taken")
        assert (await posted.next())["note"] == "taken"
    assert sink.failed == 1
    assert "was not posted" in caplog.text
