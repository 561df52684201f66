"""Clients of the real API server."""

from collections.abc import AsyncIterator

import pytest

from customdomains.cluster import ApiClient, Connection, load_connection
from customdomains.devcluster.controlplane import ControlPlane


@pytest.fixture
async def connection(control_plane: ControlPlane) -> Connection:
    """The administrator's."""
    return await load_connection(str(control_plane.kubeconfig))


@pytest.fixture
async def client(connection: Connection) -> AsyncIterator[ApiClient]:
    """The administrator's client."""
    async with ApiClient(connection) as client:
        yield client
