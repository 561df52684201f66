"""kopf as the watcher: what it hands over, how it ends, and what it leaves alone."""

import asyncio
import json
import logging
import threading
from contextlib import asynccontextmanager, suppress

import kopf
import pytest

from customdomains.cluster import load_connection
from customdomains.controller.watching import DomainWatcher
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.rundir import free_port
from customdomains.model.domain import CustomDomain, Key

pytestmark = pytest.mark.cluster

API = "/apis/customdomains.dev/v1/namespaces"


class Heard:
    """What a watcher hands over."""

    def __init__(self) -> None:
        self.changes: list[object] = []
        self._more = asyncio.Event()

    def deliver(self, change: object) -> None:
        self.changes.append(change)
        self._more.set()

    async def until(self, wanted) -> None:
        async with asyncio.timeout(20):
            while not any(wanted(change) for change in self.changes):
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def watching(control_plane: ControlPlane, alive=dict):
    endpoint = (await load_connection(str(control_plane.kubeconfig))).endpoint
    scheme, _, token = (endpoint.authorization or "").partition(" ")

    async def log_in() -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(
            server=endpoint.base_url,
            ca_path=endpoint.ca_path,
            certificate_path=endpoint.certificate_path,
            private_key_path=endpoint.private_key_path,
            scheme=scheme or None,
            token=token or None,
        )

    heard, probe = Heard(), f"http://127.0.0.1:{free_port()}/healthz"
    watcher = DomainWatcher(log_in, heard.deliver, alive, probe_url=probe)
    task = asyncio.create_task(watcher.run())
    try:
        yield heard, watcher, task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, RuntimeError):
            await task


def create(control_plane: ControlPlane, namespace: str, name: str) -> None:
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "CustomDomain",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"domainName": f"{name}.example.com"},
    }
    control_plane.request("POST", f"{API}/{namespace}/customdomains", body)


def of(key: Key):
    return lambda change: isinstance(change, CustomDomain) and change.key == key


async def test_what_is_there_what_comes_and_what_goes(control_plane, namespace, caplog):
    create(control_plane, namespace, "old")
    with caplog.at_level(logging.WARNING):
        async with watching(control_plane) as (heard, watcher, task):
            await heard.until(of(Key(namespace, "old")))
            create(control_plane, namespace, "new")
            await heard.until(of(Key(namespace, "new")))
            path = f"{API}/{namespace}/customdomains/new"
            uid = control_plane.request("GET", path)["metadata"]["uid"]
            control_plane.request("DELETE", path)
            await heard.until(lambda change: change == (Key(namespace, "new"), uid))
            assert not watcher.unreadable
            assert not task.done()
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_it_leaves_no_trace_on_what_it_watches(control_plane, namespace):
    create(control_plane, namespace, "shop")
    async with watching(control_plane) as (heard, _, _):
        await heard.until(of(Key(namespace, "shop")))
    found = control_plane.request("GET", f"{API}/{namespace}/customdomains/shop")
    assert "kopf" not in json.dumps(found)
    assert "finalizers" not in found["metadata"]


async def test_its_thread_ends_with_it(control_plane, namespace):

    create(control_plane, namespace, "shop")
    async with watching(control_plane) as (heard, _, _):
        await heard.until(of(Key(namespace, "shop")))
    assert "kopf" not in {thread.name for thread in threading.enumerate()}


async def test_a_kopf_whose_login_fails_is_an_error(control_plane):
    async def refused() -> kopf.ConnectionInfo:
        raise kopf.PermanentError("no such user")

    watcher = DomainWatcher(
        refused, lambda _: None, dict, probe_url=f"http://127.0.0.1:{free_port()}/healthz"
    )
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="kopf does not watch any more"):
            await watcher.run()


async def test_a_watch_that_breaks_for_good_is_an_error(control_plane, monkeypatch):
    def broken(**_):
        raise RuntimeError("no way to go on")

    monkeypatch.setattr("kopf._core.reactor.queueing.watching.infinite_watch", broken)
    async with watching(control_plane) as (_, _, task), asyncio.timeout(20):
        await asyncio.wait({task})
        with pytest.raises(RuntimeError, match="no way to go on"):
            task.result()
