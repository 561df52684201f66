"""A server of the delegation zone on loopback."""

import pytest
import pytest_asyncio
from delegation import ZONE, Texts

from customdomains.dns.server import DnsServer


@pytest.fixture
def texts():
    """What the zone holds; a test may change it while the server runs."""
    return Texts()


@pytest.fixture
def counted():
    """What the server counted, in order."""
    return []


@pytest_asyncio.fixture
async def server(texts, counted):
    server = DnsServer(ZONE, texts, serial=lambda: 7, on_query=lambda *query: counted.append(query))
    await server.start("127.0.0.1:0")
    yield server
    await server.stop()
