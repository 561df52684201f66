"""A clock that jumps, and a cluster on it."""

from collections.abc import Iterator

import pytest
from fake_cluster import NAME, SHOP, FakeCluster
from virtual_time import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """Nothing on it waits in real time."""
    loop = VirtualLoop()
    yield loop
    loop.close()


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """The namespaces `one` and `two`, nothing in them, no controller yet."""
    cluster = FakeCluster()
    yield cluster
    cluster.close()


@pytest.fixture
def issued(cluster: FakeCluster) -> FakeCluster:
    """A controller `a`, and the delegated domain `SHOP`, which is active."""
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(10)
    assert cluster.status(SHOP)["phase"] == "active"
    return cluster
