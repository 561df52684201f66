"""Servers of the HTTP API on the real API server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from api.calling import Caller, api_server, empty_namespaces, fresh_namespace
from api.teams import operator_kubeconfig
from api.unreliable import Unreliable

from customdomains.cluster import ApiClient, load_connection
from customdomains.devcluster.controlplane import ControlPlane


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[ApiClient]:
    """The administrator's client."""
    connection = await load_connection(str(control_plane.kubeconfig))
    async with ApiClient(connection) as client:
        yield client


@pytest.fixture
async def api(client: ApiClient, namespace: str) -> AsyncIterator[Caller]:
    """One replica, that asks nobody for a token."""
    async with api_server(client, namespace) as caller:
        yield caller


@pytest.fixture
async def unreliable(control_plane: ControlPlane) -> AsyncIterator[Unreliable]:
    """The administrator's client, on bad days."""
    async with Unreliable(await load_connection(str(control_plane.kubeconfig))) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def emptied(control_plane: ControlPlane) -> Iterator[None]:
    """Nothing is left in namespaces beside `namespace`."""
    yield
    empty_namespaces(control_plane)


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane) -> Path:
    """The kubeconfig of the api's own account, with the roles of deploy/rbac."""
    return operator_kubeconfig(control_plane)


@pytest.fixture
def elsewhere(control_plane: ControlPlane) -> str:
    """Another namespace than `namespace`."""
    return fresh_namespace(control_plane)


@pytest.fixture
async def other(client: ApiClient, elsewhere: str) -> AsyncIterator[Caller]:
    """A replica that registers in `elsewhere`."""
    async with api_server(client, elsewhere) as caller:
        yield caller
