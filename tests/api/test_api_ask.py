"""What edge proxies are answered, and that none of them can keep the others waiting."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import aiohttp
import build
import pytest
from api.calling import RULES, eventually, fresh_name
from api.claims import NOW, PROOF, prove_holder
from cluster.outage import api_server_away
from cluster.relay import relayed
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from customdomains.api import ApiOptions, serving
from customdomains.api.ask import Known, answering_edges, canonical
from customdomains.api.listening import Bounds
from customdomains.api.metrics import PublicMetrics
from customdomains.cluster import ApiClient, load_connection
from customdomains.cluster.kinds import DOMAIN_CLAIMS
from customdomains.model.claim import Claim, Holder, render_claim
from customdomains.model.domain import Key
from customdomains.model.names import NameRefusedError, a_labels

DAY = timedelta(days=1)
SHOP = "shop.example.com"


@dataclass
class Edge:
    """An edge proxy, and what is known where it asks."""

    url: str
    port: int
    session: aiohttp.ClientSession
    registry: CollectorRegistry
    claims: dict[str, Claim]
    synced: bool = True

    async def __call__(self, domain: str | None, method: str = "GET", path: str = "/ask") -> int:
        return (await self.ask(domain, method, path))[0]

    async def ask(self, domain, method="GET", path="/ask"):
        query = {} if domain is None else {"domain": domain}
        async with self.session.request(method, self.url + path, params=query) as answer:
            return answer.status, await answer.read(), answer.headers

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"customdomains_ask_{name}", labels) or 0


BOUNDS = Bounds()


@asynccontextmanager
async def asking(bounds: Bounds = BOUNDS) -> AsyncIterator[Edge]:
    claims: dict[str, Claim] = {}
    registry = CollectorRegistry()
    known = Known(claims.get, lambda: edge.synced, RULES)
    async with (
        answering_edges(
            "127.0.0.1", 0, known, PublicMetrics(registry, "ask", "Questions"), bounds
        ) as port,
        aiohttp.ClientSession() as session,
    ):
        edge = Edge(f"http://127.0.0.1:{port}", port, session, registry, claims)
        edge.claims[SHOP] = build.claim(domain=SHOP, verification=PROOF)
        yield edge


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with asking() as edge:
        yield edge


@pytest.mark.parametrize("spelling", [SHOP, "SHOP.Example.COM", f"{SHOP}.", "shop。example.com"])
async def test_any_spelling_of_a_name_that_is_proved(edge, spelling):
    status, body, _ = await edge.ask(spelling)
    assert (status, body) == (200, b'{"domain":"shop.example.com"}')


@pytest.mark.parametrize("name", ["other.example.com", "a.shop.example.com", "example.com", "com"])
async def test_names_that_are_not_held(edge, name):
    status, body, _ = await edge.ask(name)
    assert status == 404
    assert b'"code":"not_verified"' in body
    assert name.encode() in body


NO_NAMES = [
    *(None, "", " ", "*.example.com", "192.0.2.1", "::1", "a..b", "-a.com", "a b.com", "a" * 64),
    *(f"{'a.' * 130}com", "a" * 2000, "https://shop.example.com/", "shop.example.com:443", "\0"),
]


@pytest.mark.parametrize("name", NO_NAMES)
async def test_what_is_no_name_is_400(edge, name):
    status, body, _ = await edge.ask(name)
    assert status == 400
    assert b'"code":"invalid_domain_name"' in body


def canonical_or_none(spell: Callable[[str], str], text: str) -> str | None:
    try:
        return spell(text)
    except NameRefusedError:
        return None


LABELS = st.one_of(
    st.text("aZ09-_xn", max_size=8),
    st.sampled_from(["xn--bcher-kva", "xn--a", "ab--c", "1", "0x1", "a" * 63, "a" * 64, "é", "K"]),
)


@given(st.lists(LABELS, min_size=1, max_size=6), st.sampled_from(["", ".", "..", " "]))
@example(["a" * 63] * 3 + ["a" * 61], "")
@example(["a" * 63] * 3 + ["a" * 61], ".")
@example(["a" * 63] * 3 + ["a" * 62], "")
def test_the_short_way_to_the_canonical_form_is_the_long_one(labels, end):
    text = ".".join(labels) + end
    assert canonical_or_none(canonical, text) == canonical_or_none(a_labels, text)


async def test_two_names_at_once_are_400(edge):
    assert await edge(None, path=f"/ask?domain={SHOP}&domain=x.example.com") == 400


async def test_bytes_that_are_no_text_are_400(edge):
    async with edge.session.get(f"{edge.url}/ask?domain=%ff%fe.com") as answer:
        assert answer.status == 400


async def test_before_everything_is_read_nothing_is_denied(edge):
    edge.synced = False
    status, body, headers = await edge.ask("unknown.example.com")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert b'"code":"not_ready"' in body


async def test_other_paths_and_methods(edge):
    assert await edge(SHOP, path="/") == 404
    assert await edge(SHOP, path="/metrics") == 404
    status, _, headers = await edge.ask(SHOP, method="POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert (await edge.ask(SHOP, method="HEAD"))[:2] == (200, b"")


async def test_a_defect_costs_one_answer(edge, monkeypatch, caplog):
    monkeypatch.setattr("customdomains.api.ask.may_be_served", None)
    status, body, _ = await edge.ask(SHOP)
    assert status == 500
    assert b'"code":"internal_error"' in body
    assert "/ask failed" in caplog.text


async def test_what_is_counted(edge):
    for name in (SHOP, SHOP, "other.example.com", ""):
        await edge(name)
    codes = {code: edge.counted("requests_total", code=code) for code in ("200", "404", "400")}
    assert codes == {"200": 2, "404": 1, "400": 1}
    assert edge.counted("seconds_count") == 4
    assert 0 < edge.counted("seconds_sum") < 4
    assert edge.counted("connections") == 1, "kept for all of them"


# --- bounds -----------------------------------------------------------------------------------


class Client:
    """A connection that is written to by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def of(cls, edge: Edge) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", edge.port))

    def send(self, text: str) -> None:
        self.writer.write(text.encode())

    async def status(self) -> int:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self.reader.readexactly(length)
        return int(head.split()[1])

    async def ended(self) -> bool:
        """Whether the server hangs up without another word."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


ASK = f"GET /ask?domain={SHOP} HTTP/1.1\r\nHost: x\r\n"
SHORT = Bounds(patience=0.2, keepalive=30)


async def test_half_a_request_is_waited_for_no_longer_than_patience():
    async with asking(SHORT) as edge:
        silent, half = await Client.of(edge), await Client.of(edge)
        half.send(ASK)
        assert await silent.ended()
        assert await half.ended()
        assert edge.counted("connections") == 0


async def test_one_that_sends_byte_by_byte_gains_no_time():
    async with asking(SHORT) as edge:
        slow = await Client.of(edge)
        ended = asyncio.create_task(slow.ended())
        slow.send("GET /ask?domain=")
        while not ended.done():
            slow.send("a")
            await asyncio.wait({ended}, timeout=0.02)
        assert await ended


async def test_a_connection_is_kept_between_requests_but_not_with_half_a_request():
    async with asking(SHORT) as edge:
        client = await Client.of(edge)
        client.send(f"{ASK}\r\n")
        assert await client.status() == 200
        other = await Client.of(edge)
        assert await other.ended(), "longer than patience has passed"
        client.send(f"{ASK}\r\n")
        assert await client.status() == 200
        client.send(ASK)
        assert await client.ended()


async def test_idle_connections_end():
    async with asking(Bounds(patience=30, keepalive=0.2)) as edge:
        client = await Client.of(edge)
        client.send(f"{ASK}\r\n")
        assert await client.status() == 200
        assert await client.ended()


async def test_a_client_that_takes_no_answers_is_cut():
    async with asking(SHORT) as edge:
        greedy = await Client.of(edge)

        async def ask_without_end() -> None:
            while True:
                greedy.send(f"{ASK}\r\n" * 100)
                await greedy.writer.drain()

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(ask_without_end(), 20)


async def test_of_too_many_connections_the_longest_idle_makes_room():
    async with asking(Bounds(connections=3)) as edge:
        clients = [await Client.of(edge) for _ in range(3)]
        for client in clients:
            client.send(f"{ASK}\r\n")
            assert await client.status() == 200
        first, second, third = clients
        first.send(f"{ASK}\r\n")
        assert await first.status() == 200
        newest = await Client.of(edge)
        newest.send(f"{ASK}\r\n")
        assert await newest.status() == 200
        assert await second.ended()
        for client in (first, third, newest):
            client.send(f"{ASK}\r\n")
            assert await client.status() == 200


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (f"GET /ask?domain={'a' * 9000} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (f"{ASK}X: {'a' * 17000}\r\n\r\n", 431),
        (ASK + "".join(f"X-{n}: a\r\n" for n in range(120)) + "\r\n", 431),
        ("\x16\x03\x01 TLS on a port of HTTP\r\n\r\n", 400),
    ],
)
async def test_requests_that_are_too_large_or_malformed_end_the_connection(
    edge, request_text, status, caplog
):
    client = await Client.of(edge)
    client.send(request_text)
    assert await client.status() == status
    assert await client.ended()
    assert caplog.text == ""


async def test_a_body_is_not_waited_for(edge):
    client = await Client.of(edge)
    client.send(f"{ASK}Content-Length: 1000000\r\n\r\n")
    assert await client.status() == 200
    assert await client.ended()


async def test_requests_in_one_piece_are_answered_in_order(edge):
    client = await Client.of(edge)
    unknown = ASK.replace(SHOP, "other.example.com")
    client.send(f"{ASK}\r\n{unknown}\r\n{ASK}\r\n")
    assert [await client.status() for _ in range(3)] == [200, 404, 200]


async def test_the_end_closes_what_is_idle_at_once():
    async with asyncio.timeout(10):
        async with asking() as edge:
            client = await Client.of(edge)
            client.send(f"{ASK}\r\n")
            assert await client.status() == 200
        assert await client.ended()


# --- with the watch of the claims -----------------------------------------------------------------


async def create(client: ApiClient, name: str, **changed) -> Claim:
    holder = Holder(Key("somewhere", name), "uid", None)
    bare = Claim(name, secrets.token_hex(16), secrets.token_hex(32), holder)
    await client.create(DOMAIN_CLAIMS, render_claim(replace(bare, **changed)))
    return bare


@asynccontextmanager
async def replica(client: ApiClient, namespace: str) -> AsyncIterator[Callable[[str], Any]]:
    """An api process; what is yielded asks it about a name."""
    options = ApiOptions(
        host="127.0.0.1",
        port=0,
        namespace=namespace,
        rules=RULES,
        authentication=None,
        ask=("127.0.0.1", 0),
    )
    async with (
        serving(options, client, CollectorRegistry()) as server,
        aiohttp.ClientSession() as session,
    ):

        async def ask(name: str) -> int:
            url = f"http://127.0.0.1:{server.ask_port}/ask"
            async with session.get(url, params={"domain": name}) as answer:
                return answer.status

        yield ask


def status_is(ask, name, wanted):
    async def reached() -> bool:
        return await ask(name) == wanted

    return reached


@pytest.mark.cluster
async def test_names_of_all_namespaces_as_their_proofs_come_and_go(client, namespace):
    name = fresh_name("asked")
    lapsed, gone = f"lapsed.{name}", f"gone.{name}"
    async with replica(client, namespace) as ask:
        await eventually(status_is(ask, name, 404))
        await create(client, name)
        await create(client, lapsed, verification=replace(PROOF, gone_since=NOW - 4 * DAY))
        await create(client, gone, verification=replace(PROOF, gone_since=NOW - 2 * DAY))
        await eventually(status_is(ask, gone, 200))
        assert await ask(lapsed) == 404
        assert await ask(name) == 404
        await prove_holder(client, name)
        await eventually(status_is(ask, name, 200))
        await client.delete(DOMAIN_CLAIMS, name)
        await eventually(status_is(ask, name, 404))
    for each in (lapsed, gone):
        await client.delete(DOMAIN_CLAIMS, each)


@pytest.mark.cluster
async def test_answers_go_on_while_the_api_server_is_away(client, namespace, control_plane):
    name, later = fresh_name("asked"), fresh_name("later")
    await create(client, name, verification=PROOF)
    async with replica(client, namespace) as ask:
        await eventually(status_is(ask, name, 200))
        async with api_server_away(control_plane, client):
            for _ in range(50):
                assert await ask(name) == 200
                assert await ask(f"no-{name}") == 404
        await create(client, later, verification=PROOF)
        await eventually(status_is(ask, later, 200))
    for each in (name, later):
        await client.delete(DOMAIN_CLAIMS, each)


@pytest.mark.cluster
async def test_503_until_the_claims_are_read(control_plane, namespace):
    target = await load_connection(str(control_plane.kubeconfig))
    async with relayed(target) as (relay, connection), ApiClient(connection) as through:
        relay.hold()
        async with replica(through, namespace) as ask:
            assert await ask("x.example.com") == 503
            relay.open.set()
            await eventually(status_is(ask, "x.example.com", 404))
