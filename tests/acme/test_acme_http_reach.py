"""Whether a domain leads to us: asked of real servers on loopback addresses, as a CA would."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web

from customdomains.acme.reaching import HttpReach
from customdomains.devcluster import certificates
from customdomains.devcluster.rundir import free_port

SHOP = "shop.example.com"
PATH = "/.well-known/acme-challenge/token"
BODY = "token.thumbprint"


class Answerer:
    """A web server; `hosts` are the names that it was asked by."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.hosts: list[str] = []

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.hosts.append(request.headers["Host"])
        return await self.answer(request)


async def right(_: web.Request) -> web.StreamResponse:
    return web.Response(text=f"{BODY}\r\n ")


def saying(text: str, status: int = 200, **headers: str):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, headers=headers)

    return answer


@asynccontextmanager
async def listening(port, answer, address="127.0.0.1", tls=None) -> AsyncIterator[Answerer]:
    answerer = Answerer(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answerer.respond)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, port, ssl_context=tls).start()
    try:
        yield answerer
    finally:
        await runner.cleanup()


@pytest.fixture
def port() -> int:
    return free_port()


async def reached(port, *addresses, patient=False, sleep=asyncio.sleep, path=PATH):
    async def resolve(name):
        assert name == SHOP
        return addresses

    reach = HttpReach(resolve, port=port, sleep=sleep)
    try:
        return await reach.serves(SHOP, path, BODY, patient=patient)
    finally:
        await reach.close()


async def test_the_domain_is_asked_by_its_name(port):
    async with listening(port, right) as server:
        assert await reached(port, "127.0.0.1")
    assert server.hosts == [SHOP]


async def test_an_answer_in_pieces_is_read_to_its_end(port):
    async def piecemeal(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (BODY[:5], BODY[5:]):
            await response.write(piece.encode())
            await asyncio.sleep(0)
        return response

    async with listening(port, piecemeal):
        assert await reached(port, "127.0.0.1")


async def test_every_address_has_to_lead_to_us(port):
    async with listening(port, right), listening(port, right, "127.0.0.2"):
        assert await reached(port, "127.0.0.1", "127.0.0.2")
        async with listening(port, saying("parked"), "127.0.0.3"):
            assert not await reached(port, "127.0.0.1", "127.0.0.3")
        # Nobody listens there any more.
        assert not await reached(port, "127.0.0.1", "127.0.0.3")


async def test_ipv6_as_well(port):
    async with listening(port, right, "::1"):
        assert await reached(port, "::1")


async def test_a_domain_without_addresses_leads_nowhere(port):
    assert not await reached(port)


async def test_no_more_than_eight_addresses_are_asked(port):
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(listening(port, right, f"127.0.1.{n}"))
            for n in range(1, 13)
        ]
        assert await reached(port, *(f"127.0.1.{n}" for n in range(1, 13)))
    assert [len(server.hosts) for server in servers] == [1] * 8 + [0] * 4


@pytest.mark.parametrize(
    "answer",
    [
        saying(BODY, 404),
        saying(BODY, 500),
        saying(f"{BODY}x"),
        saying(""),
        saying(BODY + " " * 10 + "x"),
        saying(BODY + "x" * 10**6),
        saying("", 302, Location=f"http://other.example.com{PATH}"),
        saying("", 302, Location=f"http://{SHOP}:1{PATH}"),
        saying("", 302, Location="http://169.254.169.254/latest/meta-data/"),
        saying("", 302, Location=PATH),
        saying("", 302, Location="http://[/"),
        saying("", 302, Location=""),
        saying("", 302),
    ],
    ids=range(13),
)
async def test_what_is_not_us(port, answer):
    async with listening(port, answer):
        assert not await reached(port, "127.0.0.1")


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::"])
async def test_addresses_that_are_never_asked(port, address):
    """Were they, this would take a time-out: nothing is there."""
    async with listening(port, right) as server:
        assert not await reached(port, "127.0.0.1", address)
    assert server.hosts == []


async def test_redirects_at_the_same_name_are_followed(port):
    async def answer(request: web.Request) -> web.StreamResponse:
        if "moved" in request.query:
            return await right(request)
        return web.Response(status=301, headers={"Location": f"http://{SHOP}{PATH}?moved=1"})

    async with listening(port, answer) as server:
        assert await reached(port, "127.0.0.1")
    assert server.hosts == [SHOP, SHOP]


async def test_https_without_a_certificate_that_anybody_trusts_is_followed(
    port, tmp_path, monkeypatch
):
    files = certificates.server(certificates.authority("nobody")).write(tmp_path, "x")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    secure = free_port()
    monkeypatch.setattr("customdomains.acme.reaching._HTTPS", secure)
    moved = saying("", 308, Location=f"https://{SHOP}{PATH}")
    async with listening(port, moved), listening(secure, right, tls=context) as server:
        assert await reached(port, "127.0.0.1")
    assert server.hosts == [SHOP]
    assert asked == [SHOP]


async def test_it_is_waited_for_with_patience(port):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            server.answer = right

    async with listening(port, saying("not yet", 404)) as server:
        assert await reached(port, "127.0.0.1", patient=True, sleep=sleep)
    assert slept == [0.05, 0.1, 0.2]


async def test_patience_ends(port, monkeypatch):
    monkeypatch.setattr("customdomains.acme.reaching._PATIENCE", 0.1)
    async with listening(port, saying("never", 404)):
        assert not await reached(port, "127.0.0.1", patient=True)


async def test_an_answer_that_does_not_come_is_not_waited_for(port, monkeypatch):
    monkeypatch.setattr("customdomains.acme.reaching._SECONDS", 0.2)

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async with listening(port, never):
        assert not await reached(port, "127.0.0.1")
