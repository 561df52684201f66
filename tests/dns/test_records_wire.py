"""The platform's records on the wire: the quick way equals the long one, and real tools read it."""

import asyncio
import shutil
from functools import cache

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
import pytest_asyncio
from delegation import ONE, ORIGIN, ZONE, Texts
from hypothesis import given, settings
from hypothesis import strategies as st
from recordzones import INNER, NAMES, OTHER, PLATFORM, RECORDS, book, holdings, record, zone
from wires import mostly, queries, shown

from customdomains.dns.addresses import split_server
from customdomains.dns.hosts import HostLookup
from customdomains.dns.resolvers import make_resolvers
from customdomains.dns.responder import Responder
from customdomains.dns.server import DnsServer

PATIENT = 10.0
TYPES = ["A", "AAAA", "TXT", "MX", "SRV", "CNAME", "HTTPS", "NS", "SOA", "CAA", "DS", "ANY", "AXFR"]
ASKED = sorted(
    {each.name for each in RECORDS}
    | {f"x.{each.name}" for each in RECORDS}
    | {each.name.partition(".")[2] for each in RECORDS}
    | {*NAMES, ORIGIN, f"{ONE}.{ORIGIN}", f"x.{ONE}.{ORIGIN}", f"{ONE}.{PLATFORM}"}
    | {"elsewhere.example", f"x{PLATFORM}", "."}
)


@cache
def responder(*, texts=True, records=True):
    source = Texts()
    source.synced = texts
    return Responder(holdings(texts=source, synced=lambda: records), lambda: 7)


@settings(max_examples=1500, deadline=None)
@given(
    queries(st.sampled_from(ASKED), TYPES),
    st.booleans(),
    mostly((True, True), (True, False), (False, True)),
)
def test_the_quick_way_says_what_the_long_way_says(wire, udp, synced):
    answering = responder(texts=synced[0], records=synced[1])
    if wire[2] & 0x80:
        return
    quick = answering._quick.reply(wire, udp=udp)
    if quick is not None:
        assert shown(quick) == shown(answering._long_way(wire, udp=udp))
        assert len(quick.wire) <= (1232 if udp else 65535)


@pytest.mark.parametrize("edns", [False, True])
@pytest.mark.parametrize(
    ("name", "rdtype", "quick"),
    [
        (f"edge.{PLATFORM}", "A", True),
        (f"edge.{PLATFORM}", "HTTPS", True),
        (f"b.c.{PLATFORM}", "A", True),
        (f"nowhere.{INNER}", "A", True),
        (f"www.{PLATFORM}", "CNAME", True),
        (f"edge.{ORIGIN}", "A", True),
        (f"www.{PLATFORM}", "A", True),
        (f"gone.{PLATFORM}", "A", True),
        (f"away.{PLATFORM}", "A", True),
        (f"zone.{PLATFORM}", "A", True),
        (f"alias.{ORIGIN}", "TXT", False),
        (PLATFORM, "A", False),
        (f"x.{ONE}.{ORIGIN}", "A", False),
        ("elsewhere.example", "A", False),
        (f"edge.{PLATFORM}", "DS", False),
    ],
)
def test_plain_questions_go_the_quick_way(name, rdtype, quick, edns):
    query = dns.message.make_query(name, rdtype, use_edns=edns)
    assert (responder()._quick.reply(query.to_wire(), udp=True) is not None) is quick


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(min_size=12, max_size=600), queries(st.sampled_from(ASKED), TYPES)))
def test_no_bytes_do_the_quick_way_any_harm(wire):
    responder()._quick.reply(wire, udp=True)


def test_the_order_of_addresses_changes_from_one_question_to_the_next():
    held = responder()
    query = dns.message.make_query(f"many.{OTHER}", "A", use_edns=0)
    first = set()
    for number in range(32):
        query.id = number
        reply = held._quick.reply(query.to_wire(), udp=True)
        first.add(dns.message.from_wire(reply.wire, one_rr_per_rrset=True).answer[0].to_text())
    assert len(first) == 32


@pytest.mark.parametrize(("payload", "whole"), [(None, False), (512, False), (4096, True)])
def test_what_does_not_fit_is_truncated(payload, whole):
    edns = {} if payload is None else {"use_edns": 0, "payload": payload}
    query = dns.message.make_query(f"many.{OTHER}", "A", **edns).to_wire()
    reply = dns.message.from_wire(responder().reply(query, udp=True).wire)
    assert (not reply.flags & dns.flags.TC) is whole
    assert len(responder().reply(query, udp=True).wire) <= (payload or 512)
    over_tcp = dns.message.from_wire(responder().reply(query, udp=False).wire)
    assert len(over_tcp.answer[0]) == 32


@pytest_asyncio.fixture
async def records():
    return book()


@pytest_asyncio.fixture
async def server(records):
    others = tuple(zone(name) for name in NAMES)
    server = DnsServer(ZONE, Texts(), serial=lambda: 7, others=others, records=records)
    await server.start("127.0.0.1:0")
    yield server
    await server.stop()


async def ask(server, name, rdtype="A"):
    host, port = split_server(server.addresses[0])
    query = dns.message.make_query(name, rdtype)
    response, _ = await dns.asyncquery.udp_with_fallback(query, host, PATIENT, port)
    return response


async def test_a_change_is_seen_at_once(server, records):
    new = record(f"new.{OTHER}", "A", "192.0.2.77")
    assert (await ask(server, new.name)).rcode() == dns.rcode.NXDOMAIN
    records.changed(new.key, None, new)
    assert "192.0.2.77" in (await ask(server, new.name)).answer[0].to_text()
    records.changed(new.key, new, None)
    assert (await ask(server, new.name)).rcode() == dns.rcode.NXDOMAIN


async def test_a_large_set_is_whole_over_tcp(server):
    assert len((await ask(server, f"big.{OTHER}", "TXT")).answer[0]) == 30


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ("dig", ("+time=5", "+tries=1")),
        ("dig", ("+time=5", "+tries=1", "+tcp", "+dnssec")),
        ("kdig", ("+time=5", "+retry=0", "+edns")),
        ("kdig", ("+time=5", "+retry=0", "+tcp")),
    ],
)
async def test_real_tools_read_the_answers(server, tool, options):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    host, port = split_server(server.addresses[0])

    async def run(rdtype, name):
        process = await asyncio.create_subprocess_exec(
            *(tool, f"@{host}", "-p", str(port), *options, "-t", rdtype, name),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENT):
            output, _ = await process.communicate()
        said = output.decode()
        complaints = [line for line in said.splitlines() if "WARNING" in line.upper()]
        assert all("recursion requested but not available" in line for line in complaints)
        return said

    chain = await run("A", f"www.{PLATFORM}")
    assert "CNAME\tedge.platform.example." in chain
    assert "192.0.2.10" in chain
    assert "0 5 443 edge.platform.example." in await run("SRV", f"_sip._tcp.{PLATFORM}")
    assert "10 mail.platform.example." in await run("MX", PLATFORM)
    assert "2001:db8::10" in await run("AAAA", f"edge.{PLATFORM}")
    nothing = await run("TXT", f"b.c.{PLATFORM}")
    assert "NOERROR" in nothing
    assert "hostmaster.platform.example" in nothing
    assert "NXDOMAIN" in await run("A", f"nowhere.{OTHER}")
    assert "192.0.2.20" in await run("A", f"www.{INNER}")


# --- the addresses of names that are not ours ----------------------------------------------------


async def look_up(name, *resolvers, deadline=PATIENT):
    made = make_resolvers(resolvers)
    return await HostLookup(made, timeout=deadline, deadline=deadline).addresses(name)


async def test_addresses_come_from_a_resolver(server):
    resolver = server.addresses[0]
    assert await look_up(f"www.{PLATFORM}", resolver) == ("192.0.2.10", "2001:db8::10")
    assert await look_up(f"away.{PLATFORM}", resolver) == ()
    assert await look_up(f"round.{PLATFORM}", resolver) == ()
    assert await look_up(f"nowhere.{PLATFORM}", resolver) == ()
    assert len(await look_up(f"many.{OTHER}", resolver)) == 32


async def test_the_next_resolver_is_asked_where_the_first_has_no_word(server):
    refused = "elsewhere.example"
    assert await look_up(refused, server.addresses[0]) == ()
    assert len(await look_up(f"edge.{OTHER}", "127.0.0.1:1", server.addresses[0])) == 0
    closed = "127.0.0.1:1"
    found = await look_up(f"edge.{PLATFORM}", closed, server.addresses[0])
    assert found == ("192.0.2.10", "2001:db8::10")


async def test_a_silent_resolver_costs_no_more_than_the_deadline():
    silent, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    try:
        address = "{}:{}".format(*silent.get_extra_info("sockname"))
        assert await look_up("www.example.com", address, address, deadline=0.05) == ()
    finally:
        silent.close()
