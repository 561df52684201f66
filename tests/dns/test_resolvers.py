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
from aiohttp import web
from liar import HANG_UP, InPieces, Raw, lying, reply

from customdomains.devcluster.certificates import authority, server
from customdomains.dns.encrypted import HttpsResolver, TlsResolver
from customdomains.dns.messages import MAX_MESSAGE, make_query
from customdomains.model.evidence import Outcome

NAME = "_acme-challenge.shop.example"
YES = f"{NAME}. 9 TXT yes"
DNS_MESSAGE = "application/dns-message"

PATIENT = 5.0
BRIEF = 0.3


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    """A CA's certificate as a file, and what a server of it proves itself with."""
    folder = tmp_path_factory.mktemp("tls")
    ca = authority("Test CA")
    ca_file, _ = ca.write(folder, "ca")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*server(ca).write(folder, "server"))
    return str(ca_file), tls


@asynccontextmanager
async def over_tls(trust, answers, host="127.0.0.1", name=None):
    """A liar over TLS and a resolver that asks it by `name` (its address, if None)."""
    ca_file, tls = trust
    async with lying(answers, tls=tls, host=host) as liar:
        port = liar.address.rpartition(":")[2]
        resolver = TlsResolver(f"tls://{name or host}:{port}", ca_file)
        try:
            yield liar, resolver
        finally:
            await resolver.close()


@asynccontextmanager
async def over_https(trust, handle, host="127.0.0.1", name=None):
    """A web server that answers POSTs at /dns-query by `handle`, and a resolver that asks it."""
    ca_file, tls = trust
    application = web.Application()
    application.router.add_route("*", "/dns-query", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    resolver = HttpsResolver(f"https://{name or host}:{port}/dns-query", ca_file)
    try:
        yield resolver
    finally:
        await resolver.close()
        await runner.cleanup()


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


def answering(*records, **more):
    async def handle(request):
        assert request.method == "POST"
        assert request.headers["Accept"] == request.content_type == DNS_MESSAGE
        query = dns.message.from_wire(await request.read())
        return web.Response(body=reply(query, *records, **more), content_type=DNS_MESSAGE)

    return handle


@pytest.mark.parametrize("name", [None, "localhost"])
async def test_over_https(trust, name):
    async with over_https(trust, answering(YES), name=name) as resolver:
        assert await values(resolver) == ["yes"]
        assert await asyncio.gather(*(values(resolver) for _ in range(9))) == [["yes"]] * 9


async def test_connections_over_https_are_kept(trust):
    ports = set()

    async def handle(request):
        ports.add(request.transport.get_extra_info("peername")[1])
        return await answering(YES)(request)

    async with over_https(trust, handle) as resolver:
        for _ in range(3):
            assert await values(resolver) == ["yes"]
    assert len(ports) == 1


@pytest.mark.parametrize(("times", "outcome"), [(1, ["yes"]), (2, Outcome.UNREACHABLE)])
async def test_who_hangs_up_is_asked_once_more(trust, times, outcome):
    hung_up = []

    async def handle(request):
        if len(hung_up) < times:
            hung_up.append(request)
            request.transport.abort()
        return await answering(YES)(request)

    async with over_https(trust, handle) as resolver:
        assert await values(resolver) == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (301, Outcome.REFUSED),
        (307, Outcome.REFUSED),
        (403, Outcome.REFUSED),
        (429, Outcome.REFUSED),
        (500, Outcome.SERVER_FAILURE),
        (503, Outcome.SERVER_FAILURE),
    ],
)
async def test_another_status_is_no_answer_and_redirects_lead_nowhere(trust, status, outcome):
    asked = []

    async def handle(request):
        asked.append(request)
        return web.Response(status=status, headers={"Location": "/dns-query"})

    async with over_https(trust, handle) as resolver:
        answer = await resolver.query(question(), PATIENT)
    assert (answer.outcome, answer.response) == (outcome, None)
    assert answer.trouble == f"HTTP {status}"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(b"\xff" * 40, DNS_MESSAGE, id="garbage"),
        pytest.param(b"", DNS_MESSAGE, id="nothing"),
        pytest.param(b"\x00" * (MAX_MESSAGE + 1), DNS_MESSAGE, id="too long"),
        pytest.param(b"<html>", "text/html", id="a page"),
    ],
)
async def test_another_body_is_no_answer(trust, body, kind):
    async def handle(_request):
        return web.Response(body=body, content_type=kind)

    async with over_https(trust, handle) as resolver:
        assert await values(resolver) is Outcome.MALFORMED


async def test_a_body_without_end_is_not_read_to_its_end(trust):
    sent = []

    async def handle(request):
        response = web.StreamResponse(headers={"Content-Type": DNS_MESSAGE})
        await response.prepare(request)
        while True:
            sent.append(await response.write(b"\x00" * 4096))

    async with over_https(trust, handle) as resolver:
        assert await values(resolver) is Outcome.MALFORMED


async def test_a_packed_body_is_not_unpacked(trust):
    async def handle(request):
        assert request.headers["Accept-Encoding"] == "identity"
        response = await answering(YES)(request)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with over_https(trust, handle) as resolver:
        assert await values(resolver) is Outcome.MALFORMED


async def test_https_that_says_nothing_times_out(trust):
    async def handle(_request):
        await asyncio.Event().wait()

    async with over_https(trust, handle) as resolver:
        assert await values(resolver, BRIEF) is Outcome.TIMED_OUT


async def test_https_with_a_certificate_for_another_host_is_no_answer(trust):
    async with over_https(trust, answering(YES), host="127.0.0.2") as resolver:
        answer = await resolver.query(question(), PATIENT)
    assert answer.outcome is Outcome.UNREACHABLE
    assert "certificate: IP address mismatch" in answer.trouble


@pytest.mark.parametrize("url", ["tls://", "https://x/", "dns.example:853"])
def test_what_is_no_tls_resolver(url):
    with pytest.raises(ValueError, match="tls://host:port"):
        TlsResolver(url)


@pytest.mark.parametrize("url", ["https://", "http://x/", "tls://x"])
def test_what_is_no_https_resolver(url):
    with pytest.raises(ValueError, match="https://host/path"):
        HttpsResolver(url)
