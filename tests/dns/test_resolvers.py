"""Resolvers that are asked over TLS and HTTPS: real connections, certificates that are checked."""

import asyncio
import shutil
import ssl
from contextlib import asynccontextmanager

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from liar import HANG_UP, InPieces, Raw, lying, reply
from webserver import DNS_MESSAGE, Page, web_server

from customdomains.devcluster.certificates import authority, server
from customdomains.dns.encrypted import HttpsResolver, TlsResolver
from customdomains.dns.messages import MAX_MESSAGE, make_query
from customdomains.model.evidence import Outcome

NAME = "_acme-challenge.shop.example"
YES = f"{NAME}. 9 TXT yes"

PATIENT = 5.0
BRIEF = 0.3


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    """A CA's certificate as a file, and what makes a server's TLS with some ALPN protocols."""
    folder = tmp_path_factory.mktemp("tls")
    ca = authority("Test CA")
    ca_file, _ = ca.write(folder, "ca")
    pair = server(ca).write(folder, "server")

    def context(*protocols):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*pair)
        tls.set_alpn_protocols(protocols)
        return tls

    return str(ca_file), context


@asynccontextmanager
async def over_tls(trust, answers, host="127.0.0.1", name=None):
    """A liar over TLS and a resolver that asks it by `name` (its address, if None)."""
    ca_file, tls = trust
    async with lying(answers, tls=tls("dot"), host=host) as liar:
        port = liar.address.rpartition(":")[2]
        resolver = TlsResolver(f"tls://{name or host}:{port}", ca_file)
        try:
            yield liar, resolver
        finally:
            await resolver.close()


@asynccontextmanager
async def over_https(trust, answers, host="127.0.0.1", name=None):
    """A web server and a resolver that asks it by `name` (its address, if None)."""
    ca_file, tls = trust
    async with web_server(answers, tls("h2"), host) as web:
        resolver = HttpsResolver(f"https://{name or host}:{web.port}/dns-query", ca_file)
        try:
            yield web, resolver
        finally:
            await resolver.close()


def question():
    return make_query(dns.name.from_text(NAME), dns.rdatatype.TXT)


async def values(resolver, timeout=PATIENT):
    """What the resolver's answer holds, or how it ended."""
    answer = await resolver.query(question(), timeout)
    if answer.response is None:
        return answer.outcome
    return [text.to_text().strip('"') for rrset in answer.response.answer for text in rrset]


def yes(query, _transport):
    return [reply(query, YES)]


@pytest.mark.parametrize("name", [None, "localhost"])
async def test_over_tls(trust, name):
    async with over_tls(trust, yes, name=name) as (liar, resolver):
        assert await values(resolver) == ["yes"]
        assert resolver.name == f"tls://{name or '127.0.0.1'}:{liar.address.rpartition(':')[2]}"
    assert [transport for transport, *_ in liar.asked] == ["tcp"]


async def test_a_connection_serves_one_question_after_the_other(trust):
    async with over_tls(trust, yes) as (liar, resolver):
        for _ in range(3):
            assert await values(resolver) == ["yes"]
        assert liar.connections == 1
        assert await asyncio.gather(*(values(resolver) for _ in range(20))) == [["yes"]] * 20
        assert 1 < liar.connections <= 20
        before = liar.connections
        assert await values(resolver) == ["yes"]
        assert liar.connections == before


async def test_a_connection_that_was_hung_up_is_replaced(trust):
    def yes_and_bye(query, _transport):
        return [reply(query, YES), HANG_UP]

    async with over_tls(trust, yes_and_bye) as (liar, resolver):
        for _ in range(3):
            assert await values(resolver) == ["yes"]
    assert liar.connections == 3


async def test_a_late_answer_is_not_taken_for_the_next_one(trust):
    late = []

    def one_behind(query, _transport):
        late.append(reply(query, f"{NAME}. 9 TXT v{len(late)}"))
        return [Raw(b"")] if len(late) == 1 else [late[-1]]

    async with over_tls(trust, one_behind) as (liar, resolver):
        assert await values(resolver, BRIEF) is Outcome.TIMED_OUT
        assert await values(resolver) == ["v1"]
    assert liar.connections == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(lambda query: HANG_UP, Outcome.UNREACHABLE, id="hangs up"),
        pytest.param(lambda query: b"\xff" * 40, Outcome.MALFORMED, id="garbage"),
        pytest.param(
            lambda query: reply(query, question="other.example."),
            Outcome.MALFORMED,
            id="another question",
        ),
        pytest.param(
            lambda query: Raw((MAX_MESSAGE + 1).to_bytes(2)), Outcome.MALFORMED, id="too long"
        ),
        pytest.param(lambda query: Raw(b"\x00\x63abc"), Outcome.TIMED_OUT, id="half of it"),
        pytest.param(
            lambda query: reply(query, rcode=dns.rcode.REFUSED), Outcome.REFUSED, id="refused"
        ),
    ],
)
async def test_trouble_over_tls_is_an_outcome(trust, answer, outcome):
    timeout = BRIEF if outcome is Outcome.TIMED_OUT else PATIENT
    async with over_tls(trust, lambda query, _: [answer(query)]) as (_, resolver):
        assert (await resolver.query(question(), timeout)).outcome is outcome


async def test_an_answer_over_tls_in_pieces(trust):
    async with over_tls(trust, lambda query, _: [InPieces(reply(query, YES))]) as (_, resolver):
        assert await values(resolver) == ["yes"]


async def test_a_certificate_for_another_host_is_no_answer(trust):
    async with over_tls(trust, yes, host="127.0.0.2") as (liar, resolver):
        answer = await resolver.query(question(), PATIENT)
    assert (answer.outcome, answer.response) == (Outcome.UNREACHABLE, None)
    assert "certificate: IP address mismatch" in answer.trouble
    assert liar.asked == []


async def test_a_certificate_that_nobody_vouches_for_is_no_answer(trust):
    async with over_tls(trust, yes) as (liar, resolver):
        doubting = TlsResolver(resolver.name)
        answer = await doubting.query(question(), PATIENT)
    assert answer.outcome is Outcome.UNREACHABLE
    assert answer.trouble.startswith("certificate: ")
    assert liar.asked == []


async def test_who_speaks_no_tls_is_no_resolver(trust):
    async with lying(yes) as liar:
        for resolver in (
            TlsResolver(f"tls://{liar.address}", trust[0]),
            HttpsResolver(f"https://{liar.address}/dns-query", trust[0]),
        ):
            assert await values(resolver, BRIEF) in {Outcome.UNREACHABLE, Outcome.TIMED_OUT}
            await resolver.close()
    assert liar.asked == []


@pytest.mark.skipif(not shutil.which("kdig"), reason="kdig is not installed")
async def test_what_we_take_for_dns_over_tls_kdig_takes_for_it_too(trust):
    async with over_tls(trust, yes) as (liar, _):
        port = liar.address.rpartition(":")[2]
        kdig = await asyncio.create_subprocess_exec(
            *("kdig", "+short", f"+tls-ca={trust[0]}", "+tls-hostname=localhost"),
            *("@127.0.0.1", "-p", port, NAME, "TXT"),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await kdig.communicate()
    assert out.decode().strip() == '"yes"'


def saying_yes(request):
    return [Page(reply(dns.message.from_wire(request.body), YES))]


@pytest.mark.parametrize("name", [None, "localhost"])
async def test_over_https(trust, name):
    async with over_https(trust, saying_yes, name=name) as (web, resolver):
        assert await values(resolver) == ["yes"]
    (request,) = web.requests
    assert request.headers == {
        ":method": "POST",
        ":scheme": "https",
        ":authority": f"{name or '127.0.0.1'}:{web.port}",
        ":path": "/dns-query",
        "accept": DNS_MESSAGE,
        "content-type": DNS_MESSAGE,
        "content-length": str(len(request.body)),
    }


async def test_connections_over_https_are_kept(trust):
    async with over_https(trust, saying_yes) as (web, resolver):
        for _ in range(3):
            assert await values(resolver) == ["yes"]
        assert web.connections == 1
        assert await asyncio.gather(*(values(resolver) for _ in range(20))) == [["yes"]] * 20
        assert web.connections <= 20


async def test_a_connection_of_many_questions_does_not_run_dry(trust):
    long = [f"{NAME}. 9 TXT {'x' * 250}{number}" for number in range(30)]

    def much(request):
        return [Page(reply(dns.message.from_wire(request.body), *long))]

    async with over_https(trust, much) as (web, resolver):
        for _ in range(30):
            assert len(await values(resolver)) == 30
    assert web.connections == 1


@pytest.mark.parametrize("farewell", ["goaway", "hangup"])
async def test_a_connection_over_https_that_ends_is_replaced(trust, farewell):
    async with over_https(trust, lambda request: [*saying_yes(request), farewell]) as (
        web,
        resolver,
    ):
        for _ in range(3):
            assert await values(resolver) == ["yes"]
    assert web.connections == 3


@pytest.mark.parametrize("farewell", ["goaway", "hangup", "reset"])
async def test_a_kept_connection_that_fails_is_replaced(trust, farewell):
    def once(request):
        return [farewell] if len(web.requests) == 2 else saying_yes(request)

    async with over_https(trust, once) as (web, resolver):
        assert await values(resolver) == ["yes"]
        assert await values(resolver) == ["yes"]
    assert web.connections == 2


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Outcome.REFUSED),
        (301, Outcome.REFUSED),
        (307, Outcome.REFUSED),
        (403, Outcome.REFUSED),
        (429, Outcome.REFUSED),
        (500, Outcome.SERVER_FAILURE),
        (503, Outcome.SERVER_FAILURE),
    ],
)
async def test_another_status_is_no_answer_and_redirects_lead_nowhere(trust, status, outcome):
    moved = Page(status=status, more={"location": "/dns-query"})
    async with over_https(trust, lambda _: [moved]) as (web, resolver):
        answer = await resolver.query(question(), PATIENT)
    assert (answer.outcome, answer.response) == (outcome, None)
    assert answer.trouble == f"HTTP {status}"
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(Page(b"\xff" * 40), Outcome.MALFORMED, id="garbage"),
        pytest.param(Page(), Outcome.MALFORMED, id="nothing"),
        pytest.param(
            Page(b"\x00" * (MAX_MESSAGE - 9), end=False), Outcome.TIMED_OUT, id="without end"
        ),
        pytest.param(
            Page(b"\x00" * (MAX_MESSAGE + 1), end=False), Outcome.MALFORMED, id="too long"
        ),
        pytest.param(Page(b"<html>", kind="text/html"), Outcome.MALFORMED, id="a page"),
        pytest.param(
            Page(b"a", more={"content-length": "2"}), Outcome.MALFORMED, id="another length"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", Outcome.TIMED_OUT, id="another HTTP"),
        pytest.param(b"\xff" * 9 * MAX_MESSAGE, Outcome.MALFORMED, id="a frame without end"),
        pytest.param(
            b"\x00\x00\x00\x77" + 5 * b"\x00", Outcome.TIMED_OUT, id="a frame of no known type"
        ),
        pytest.param(
            20_000 * (b"\x00\x00\x00\x77" + 5 * b"\x00"), Outcome.MALFORMED, id="many of these"
        ),
        pytest.param(b"\x00" * 999, Outcome.MALFORMED, id="no HTTP"),
        pytest.param("reset", Outcome.UNREACHABLE, id="broken off"),
        pytest.param("goaway", Outcome.UNREACHABLE, id="sent away"),
        pytest.param("hangup", Outcome.UNREACHABLE, id="hung up"),
        pytest.param(None, Outcome.TIMED_OUT, id="silent"),
    ],
)
async def test_trouble_over_https_is_an_outcome(trust, answer, outcome):
    timeout = BRIEF if outcome is Outcome.TIMED_OUT else PATIENT
    async with over_https(trust, lambda _: [answer]) as (_, resolver):
        assert await values(resolver, timeout) is outcome


async def test_another_type_of_the_same_name_is_the_same(trust):
    def loud(request):
        (page,) = saying_yes(request)
        return [Page(page.body, kind="Application/DNS-Message; charset=x")]

    async with over_https(trust, loud) as (_, resolver):
        assert await values(resolver) == ["yes"]


async def test_https_with_a_certificate_for_another_host_is_no_answer(trust):
    async with over_https(trust, saying_yes, host="127.0.0.2") as (web, resolver):
        answer = await resolver.query(question(), PATIENT)
    assert answer.outcome is Outcome.UNREACHABLE
    assert "certificate: IP address mismatch" in answer.trouble
    assert web.requests == []


@pytest.mark.parametrize("protocols", [["http/1.1"], []])
async def test_who_does_not_speak_http_2_is_told_so(trust, protocols):
    ca_file, tls = trust
    async with lying(yes, tls=tls(*protocols)) as liar:
        resolver = HttpsResolver(f"https://{liar.address}/dns-query", ca_file)
        answer = await resolver.query(question(), PATIENT)
    assert (answer.outcome, answer.response) == (Outcome.UNREACHABLE, None)
    assert answer.trouble in {
        "it does not speak HTTP/2",
        "TLS: TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
    }


@pytest.mark.parametrize("url", ["tls://", "https://x/", "dns.example:853"])
def test_what_is_no_tls_resolver(url):
    with pytest.raises(ValueError, match="tls://host:port"):
        TlsResolver(url)


@pytest.mark.parametrize("url", ["https://", "http://x/", "tls://x"])
def test_what_is_no_https_resolver(url):
    with pytest.raises(ValueError, match="https://host/path"):
        HttpsResolver(url)
