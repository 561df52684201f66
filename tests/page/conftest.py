"""Servers with setup pages on the real API server, and a real browser to look at them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from api.calling import Caller, api_server, empty_namespaces
from page.browsing import Browser, chromium, why_no_browser
from page.setting import KEY, setup_options

from customdomains.cluster import ApiClient, load_connection
from customdomains.devcluster.controlplane import ControlPlane


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[ApiClient]:
    """The administrator's client."""
    connection = await load_connection(str(control_plane.kubeconfig))
    async with ApiClient(connection) as client:
        yield client


@pytest.fixture(scope="module")
def emptied(control_plane: ControlPlane) -> Iterator[None]:
    """Nothing is left in namespaces beside `namespace`."""
    yield
    empty_namespaces(control_plane)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """One key."""
    path = tmp_path / "keys"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
async def api(
    client: ApiClient, namespace: str, key_file: Path, emptied: None
) -> AsyncIterator[Caller]:
    """One replica with setup pages, that asks nobody for a token."""
    async with api_server(client, namespace, setup=setup_options(key_file)) as caller:
        yield caller


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    if (reason := why_no_browser()) is not None:
        pytest.skip(reason)
    async with chromium() as started:
        yield started
