"""Whatever comes by the socket: an answer in the contract's form or the end, and nothing breaks."""

import asyncio
import json
import logging
import socket
from contextlib import ExitStack, suppress

import pytest
from api.calling import api_server
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from customdomains.api.listening import Bounds

pytestmark = pytest.mark.cluster

AT_ONCE = 24  # connections, since each may last as long as patience does
HANGS = 20.0  # seconds, much more than patience
SHORT = Bounds(patience=0.25, keepalive=0.25)

OFTEN = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),  # what fails is told; shrinking would take minutes
    database=None,
)

ID = "0123456789abcdef" * 2
PATHS = st.sampled_from(
    [
        "/domains",
        f"/domains/{ID}",
        f"/domains/{ID}/verify",
        f"/domains/{ID}/issue-certificate",
        f"/domains/{ID}/certificate",
        f"/domains/{ID}/events",
        "/dns/records",
        "/dns/resolve",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/",
        "//",
        "/%00%ff%2f..",
        "http://x/domains",
    ]
)
VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"))
QUERIES = st.one_of(
    st.just(""),
    st.builds(
        "?{}={}".format,
        st.sampled_from(["limit", "continue", "status", "domain_name", "label", "wait", "name"]),
        st.one_of(VISIBLE, st.sampled_from(["active", "-1", "9" * 30, "%00", "%ff", "%"])),
    ),
)
METHODS = st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS"])
HEADERS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "Content-Encoding: gzip",
                "Content-Encoding: br",
                "Expect: 100-continue",
                "Connection: close",
                "Connection: upgrade",
                "Upgrade: h2c",
                "Upgrade: websocket",
                "Idempotency-Key: a",
                "Last-Event-ID: 1-1",
            ]
        ),
        st.builds("{}: {}".format, st.from_regex(r"[A-Za-z-]{1,20}", fullmatch=True), VISIBLE),
    ),
    max_size=3,
)
WRONG_HEADERS = st.sampled_from(
    [
        "Host: x",
        "Content-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Expect: 5",
        " folded",
        "no colon",
        "X: \x00",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["domain_name", "external_id", "labels", "name", "type", "value", "values", "ttl"]
    ),
    JSON | st.sampled_from(["a.example.com", "A", "TXT", "www.own.example.org", "192.0.2.1"]),
)
BODIES = st.one_of(
    st.binary(max_size=60),
    FIELDS.map(lambda fields: json.dumps(fields).encode()),
    st.sampled_from([b"5\r\n12345\r\n0\r\n\r\n", b"zz\r\n", b"ffffffffffffffff\r\n", b"0\r\n\r\n"]),
)


@st.composite
def requests(draw) -> bytes:
    """A request, in which one thing may be wrong."""
    body = draw(BODIES)
    headers = ["Host: x", *draw(HEADERS)]
    if draw(st.booleans()):
        headers.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        headers.append(f"Content-Length: {len(body)}")
    wrong = draw(st.integers(0, 9))
    version = "HTTP/1.1"
    if wrong == 0:
        headers.append(draw(WRONG_HEADERS))
    elif wrong == 1:
        headers.pop(draw(st.sampled_from([0, -1])))
    elif wrong == 2:
        version = draw(st.sampled_from(["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/9", ""]))
    lines = [f"{draw(METHODS)} {draw(PATHS)}{draw(QUERIES)} {version}", *headers, "", ""]
    whole = "\r\n".join(lines).encode("latin-1") + body
    if wrong != 3:
        return whole
    place = draw(st.integers(0, len(whole)))
    return whole[:place] + draw(st.binary(max_size=3)) + whole[place + draw(st.integers(0, 2)) :]


@st.composite
def conversations(draw) -> list[bytes]:
    """What comes in pieces by one connection."""
    some = requests() if draw(st.integers(0, 9)) else st.binary(max_size=40)
    whole = b"".join(draw(st.lists(some, min_size=1, max_size=3)))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=2)))
    return [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


def converse(port: int, several: list[list[bytes]]) -> list[bytes]:
    """Send all that at once, a connection each; what came back. Raises TimeoutError for a hang."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), HANGS))
            for _ in several
        ]
        for connection, pieces in zip(connections, several, strict=True):
            with suppress(ConnectionError):
                for piece in pieces:
                    connection.sendall(piece)
        return [read_all(connection) for connection in connections]


def read_all(connection: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while more := connection.recv(65536):
            found += more
    return found


@pytest.fixture
def bounds():
    return SHORT


@pytest.fixture
async def port(client, namespace, monkeypatch, bounds):
    monkeypatch.setattr("customdomains.api.receiving.PATIENCE", 0.25)
    monkeypatch.setattr("customdomains.api.streams.LIFETIME", 0.25)
    more = {"zones": ("own.example.org",), "records_namespace": namespace}
    async with api_server(
        client, namespace, bounds=bounds, controller_timeout=0.25, **more
    ) as caller:
        yield caller.session._base_url.port


async def test_bytes_on_the_socket(port, caplog):
    @seed(20260102)
    @OFTEN
    @given(st.lists(conversations(), min_size=AT_ONCE, max_size=AT_ONCE))
    def speak(several):
        for sent, answer in zip(several, converse(port, several), strict=True):
            assert b'"code":"internal_error"' not in answer, (sent, answer)
            assert answer == b"" or answer.startswith(b"HTTP/"), (sent, answer)

    await asyncio.to_thread(speak)
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.parametrize("bounds", [Bounds()], ids=["patient"])
async def test_bodies(port, caplog):
    @seed(20260102)
    @OFTEN
    @given(st.lists(BODIES, min_size=AT_ONCE, max_size=AT_ONCE), st.booleans())
    def speak(bodies, about_domains):
        path = b"/domains" if about_domains else b"/dns/records"
        several = [
            [
                b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                % (path, len(body), body)
            ]
            for body in bodies
        ]
        for body, answer in zip(bodies, converse(port, several), strict=True):
            head, _, said = answer.partition(b"\r\n\r\n")
            assert head, body
            status = int(head.split()[1])
            assert status in {200, 201, 400, 403, 500}, (body, answer)
            parsed = json.loads(said)
            if status >= 400:
                assert set(parsed) == {"error", "code"}
            if status == 500:
                assert parsed["code"] == "domain_already_registered", body

    await asyncio.to_thread(speak)
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
