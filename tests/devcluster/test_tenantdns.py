"""The customer's DNS server, asked over the network as resolvers and ACME servers ask it."""

import asyncio
import socket
from collections.abc import AsyncIterator

import dns.asyncquery
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from customdomains.devcluster.rundir import free_port
from customdomains.devcluster.tenantdns.records import (
    NAME_SERVER,
    InvalidRecordError,
    Records,
    RecordSet,
)
from customdomains.devcluster.tenantdns.server import TenantDnsServer

LOOPBACK = "127.0.0.1"
NAME = "_acme-challenge.example.com."
DELEGATED = "ab12.zone.example.net."


class Server(TenantDnsServer):
    """A server that knows where it listens."""

    def __init__(self, forward: dict[str, int] | None = None) -> None:
        self.port = free_port()
        zones = {dns.name.from_text(zone): (LOOPBACK, at) for zone, at in (forward or {}).items()}
        super().__init__(listen=(LOOPBACK, self.port), api=(LOOPBACK, free_port()), forward=zones)

    def put(self, name: str, rdtype: str, *values: str) -> None:
        self.records.put([RecordSet(name, rdtype, 5, values)])

    async def ask(
        self,
        name: str,
        rdtype: str = "TXT",
        *,
        tcp: bool = False,
        recurse: bool = True,
        **edns: int,
    ) -> dns.message.Message:
        query = dns.message.make_query(name, rdtype, **edns)
        if not recurse:
            query.flags &= ~dns.flags.RD
        ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await ask(query, LOOPBACK, timeout=5, port=self.port)


@pytest.fixture
async def upstream() -> AsyncIterator[Server]:
    """Stands for the operator's responder."""
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def server(upstream: Server) -> AsyncIterator[Server]:
    server = Server({"zone.example.net": upstream.port})
    await server.start()
    yield server
    await server.stop()


def texts(message: dns.message.Message) -> list[str]:
    return sorted(
        b"".join(data.strings).decode()
        for rrset in message.answer
        if rrset.rdtype == dns.rdatatype.TXT
        for data in rrset
    )


@pytest.mark.parametrize("tcp", [False, True])
async def test_an_own_zone_is_answered_with_authority(server: Server, tcp: bool) -> None:
    server.put(NAME, "TXT", "one", "two words", "x" * 600)
    answer = await server.ask(NAME.upper(), tcp=tcp, use_edns=0)
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.AA
    assert texts(answer) == ["one", "two words", "x" * 600]


async def test_no_data_and_no_such_name_differ_and_carry_the_soa(server: Server) -> None:
    server.put(NAME, "TXT", "one")
    server.put("a.deep.example.com", "A", "192.0.2.1")
    for name, rdtype, rcode in (
        (NAME, "A", dns.rcode.NOERROR),
        ("example.com", "TXT", dns.rcode.NOERROR),
        ("deep.example.com", "TXT", dns.rcode.NOERROR),  # nothing there, but something below
        ("other.example.com", "TXT", dns.rcode.NXDOMAIN),
    ):
        answer = await server.ask(name, rdtype)
        assert (name, answer.rcode()) == (name, rcode)
        assert answer.flags & dns.flags.AA
        assert not answer.answer
        (soa,) = answer.authority
        assert soa.name == dns.name.from_text("example.com")
        assert (soa.ttl, soa[0].minimum) == (1, 1)


async def test_what_nobody_registered_does_not_exist(server: Server) -> None:
    server.put("shop.example.com", "A", "192.0.2.1")
    answer = await server.ask("_acme-challenge.unregistered.com")
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert not answer.flags & dns.flags.AA
    # CAA is looked for at every name above, and a top-level domain does exist.
    assert (await server.ask("com", "CAA")).rcode() == dns.rcode.NOERROR


async def test_a_zone_is_the_registrable_domain(server: Server) -> None:
    server.put("www.shop.co.uk", "A", "192.0.2.1")
    answer = await server.ask("nothing.www.shop.co.uk", "SOA")
    assert answer.authority[0].name == dns.name.from_text("shop.co.uk")
    assert (await server.ask("shop.co.uk", "NS")).answer[0].rdtype == dns.rdatatype.NS


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_delegated_challenge_comes_back_in_one_answer(
    server: Server, upstream: Server, tcp: bool
) -> None:
    server.put(NAME, "CNAME", DELEGATED)
    upstream.put(DELEGATED, "TXT", "token", "digest")
    answer = await server.ask(NAME, tcp=tcp)
    assert [rrset.rdtype for rrset in answer.answer] == [dns.rdatatype.CNAME, dns.rdatatype.TXT]
    assert texts(answer) == ["digest", "token"]
    # Asked for the CNAME itself, or not to recurse, it says only what it holds.
    assert len((await server.ask(NAME, "CNAME")).answer) == 1
    assert len((await server.ask(NAME, recurse=False)).answer) == 1


async def test_the_forwarded_zone_can_be_asked_directly(server: Server, upstream: Server) -> None:
    upstream.put(DELEGATED, "TXT", "token")
    answer = await server.ask(DELEGATED)
    assert texts(answer) == ["token"]
    assert not answer.flags & dns.flags.AA
    refused = await server.ask(DELEGATED, recurse=False)
    assert refused.rcode() == dns.rcode.REFUSED


async def test_a_dangling_alias_says_so(server: Server, upstream: Server) -> None:
    upstream.put(DELEGATED, "TXT", "token")
    server.put(NAME, "CNAME", "other.zone.example.net")
    answer = await server.ask(NAME)
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert answer.answer[0].rdtype == dns.rdatatype.CNAME
    assert answer.authority[0].rdtype == dns.rdatatype.SOA


async def test_a_silent_or_failing_upstream_is_servfail(server: Server, upstream: Server) -> None:
    server.put(NAME, "CNAME", DELEGATED)
    upstream.records.fail(DELEGATED, failing=True)
    assert (await server.ask(NAME)).rcode() == dns.rcode.SERVFAIL
    await upstream.stop()
    assert (await server.ask(NAME)).rcode() == dns.rcode.SERVFAIL


async def test_a_loop_is_servfail_and_shown_to_who_follows_it_himself(server: Server) -> None:
    server.put("a.example.com", "CNAME", "b.example.com")
    server.put("b.example.com", "CNAME", "a.example.com")
    answer = await server.ask("a.example.com")
    assert answer.rcode() == dns.rcode.SERVFAIL
    assert not answer.answer
    shown = await server.ask("a.example.com", recurse=False)
    assert shown.rcode() == dns.rcode.NOERROR
    assert {str(rrset.name) for rrset in shown.answer} == {"a.example.com.", "b.example.com."}


async def test_a_name_can_be_made_to_fail(server: Server) -> None:
    server.put(NAME, "TXT", "one")
    server.records.fail(NAME, failing=True)
    assert (await server.ask(NAME)).rcode() == dns.rcode.SERVFAIL
    server.records.fail(NAME, failing=False)
    assert texts(await server.ask(NAME)) == ["one"]


async def test_a_wildcard_answers_for_what_does_not_exist(server: Server) -> None:
    server.put("*.example.com", "TXT", "wild")
    server.put("here.example.com", "A", "192.0.2.1")
    assert texts(await server.ask("a.b.example.com")) == ["wild"]
    assert texts(await server.ask("here.example.com")) == []
    assert texts(await server.ask("below.here.example.com")) == []


async def test_what_is_too_long_for_udp_is_truncated(server: Server) -> None:
    server.put(NAME, "TXT", *(f"{number:03}" * 30 for number in range(20)))
    short = await server.ask(NAME, use_edns=0, payload=4096)
    assert short.flags & dns.flags.TC
    assert not short.answer
    assert len((await server.ask(NAME, tcp=True)).answer[0]) == 20
    server.put(NAME, "TXT", "x" * 250, "y" * 250)
    assert (await server.ask(NAME)).flags & dns.flags.TC  # 512 bytes without EDNS
    assert texts(await server.ask(NAME, use_edns=0, payload=1232)) == ["x" * 250, "y" * 250]


async def test_a_deleted_record_takes_its_name_but_not_the_zone(server: Server) -> None:
    server.put(NAME, "TXT", "one")
    server.records.delete(NAME, "A")
    assert texts(await server.ask(NAME)) == ["one"]
    server.records.delete(NAME)
    assert (await server.ask(NAME)).rcode() == dns.rcode.NXDOMAIN
    assert (await server.ask("example.com")).rcode() == dns.rcode.NOERROR


async def test_several_queries_share_a_connection(server: Server) -> None:
    server.put(NAME, "TXT", "one")
    reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
    queries = [dns.message.make_query(NAME, "TXT").to_wire() for _ in range(3)]
    writer.write(b"".join(len(wire).to_bytes(2) + wire for wire in queries))
    async with asyncio.timeout(5):
        for wire in queries:
            size = int.from_bytes(await reader.readexactly(2))
            assert (await reader.readexactly(size))[:2] == wire[:2]
    writer.close()


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", dns.rcode.FORMERR),
        (b"\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", dns.rcode.FORMERR),
        (b"\x12\x34\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00", dns.rcode.NOTIMP),
        (dns.message.make_query("example.com", "AXFR", id=1).to_wire(), dns.rcode.REFUSED),
        (
            dns.message.make_query("example.com", "TXT", rdclass="CH", id=1).to_wire(),
            dns.rcode.REFUSED,
        ),
        (
            dns.message.make_query("example.com", "TXT", use_edns=1, id=1).to_wire(),
            dns.rcode.BADVERS,
        ),
    ],
)
async def test_what_is_no_proper_question_gets_the_fitting_code(
    server: Server, wire: bytes, rcode: dns.rcode.Rcode
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((LOOPBACK, server.port))
        loop = asyncio.get_running_loop()
        # A fragment and a response get no answer at all; the server goes on.
        await loop.sock_sendall(client, b"\x12\x34")
        await loop.sock_sendall(client, b"\x12\x34\x80" + wire[3:])
        await loop.sock_sendall(client, wire)
        async with asyncio.timeout(5):
            answer = dns.message.from_wire(await loop.sock_recv(client, 1232))
    assert answer.rcode() == rcode
    assert answer.id == int.from_bytes(wire[:2])


async def test_a_zone_leads_to_this_server_as_a_resolver_says_and_as_it_says_itself(
    server: Server,
) -> None:
    server.put("shop.example.com", "A", "192.0.2.1")
    for recurse in (True, False):
        (names,) = (await server.ask("example.com", "NS", recurse=recurse)).answer
        (host,) = (record.target.to_text() for record in names)
        (addresses,) = (await server.ask(host, "A", recurse=recurse)).answer
        assert [record.address for record in addresses] == [LOOPBACK]
        assert not (await server.ask(host, "AAAA", recurse=recurse)).answer
        # A name below is in that zone: the SOA says so.
        (soa,) = (await server.ask("shop.example.com", "NS", recurse=recurse)).authority
        assert soa.name == dns.name.from_text("example.com")
    with pytest.raises(InvalidRecordError, match="own name"):
        server.put(host, "A", "192.0.2.1")
    with pytest.raises(InvalidRecordError, match="own name"):
        server.records.delete(host)
    assert [found.name for found in server.records.listing()] == ["shop.example.com."]


async def test_to_who_desires_no_recursion_it_says_what_it_holds_alone(server: Server) -> None:
    server.put(NAME, "CNAME", "elsewhere.example.org")
    for name in ("elsewhere.example.org", "com", DELEGATED):
        answer = await server.ask(name, recurse=False)
        assert (answer.rcode(), answer.flags & dns.flags.AA) == (dns.rcode.REFUSED, 0)
    alias = await server.ask(NAME, recurse=False)
    assert (alias.rcode(), len(alias.answer), alias.authority) == (dns.rcode.NOERROR, 1, [])
    assert alias.flags & dns.flags.AA
    # Recursion goes on to the end, and there is nothing.
    assert (await server.ask(NAME)).rcode() == dns.rcode.NXDOMAIN


async def test_name_servers_of_ones_own_lead_elsewhere(server: Server) -> None:
    server.put("example.com", "NS", "ns1.example.net")
    server.put("ns1.example.net", "A", "127.0.0.2")
    (names,) = (await server.ask("example.com", "NS")).answer
    assert [record.target.to_text() for record in names] == ["ns1.example.net."]
    (addresses,) = (await server.ask("ns1.example.net", "A")).answer
    assert [record.address for record in addresses] == ["127.0.0.2"]


async def test_a_zone_can_be_there_from_the_start() -> None:
    records = Records("::1", ["www.example.com"])
    name = dns.name.from_text("new.example.com")
    assert records.find(name, dns.rdatatype.TXT).authoritative
    assert records.find(name, dns.rdatatype.TXT).soa.name == dns.name.from_text("example.com")
    host = dns.name.from_text(NAME_SERVER)
    assert records.find(host, dns.rdatatype.AAAA).answer
    assert not records.find(host, dns.rdatatype.A).answer
    assert records.listing() == []
