"""The server on real sockets: with dnspython, with dig and kdig, and with bad clients."""

import asyncio
import shutil
import socket

import dns.asyncquery
import dns.message
import dns.rcode
import pytest
from delegation import MANY, ONE, ORIGIN, TOKEN, UNKNOWN, ZONE, Texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customdomains.dns.addresses import split_server
from customdomains.dns.server import DnsServer
from customdomains.dns.tcp import TcpFront

PATIENT = 10.0
"""Seconds for what is certain to come: never waited out."""

NAME = f"{ONE}.{ORIGIN}"
QUERY = dns.message.make_query(NAME, "TXT", id=4711).to_wire()


def framed(wire):
    return len(wire).to_bytes(2) + wire


async def over(transport, server, query):
    host, port = split_server(server.addresses[0])
    return await getattr(dns.asyncquery, transport)(query, host, PATIENT, port)


async def connect(server):
    return await asyncio.open_connection(*split_server(server.addresses[0]))


async def read_reply(reader):
    async with asyncio.timeout(PATIENT):
        length = int.from_bytes(await reader.readexactly(2))
        return dns.message.from_wire(await reader.readexactly(length))


async def closed_by_server(reader):
    """Whether the connection ends without anything more being said."""
    async with asyncio.timeout(PATIENT):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


async def run(*command):
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(PATIENT):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return output.decode()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_answers_and_counts(server, counted, transport):
    response = await over(transport, server, dns.message.make_query(NAME, "TXT"))
    assert TOKEN in response.answer[0].to_text()
    response = await over(transport, server, dns.message.make_query(ORIGIN, "SOA", use_edns=1))
    assert response.rcode() == dns.rcode.BADVERS
    assert counted == [(transport, "NOERROR"), (transport, "BADVERS")]


async def test_sees_what_the_source_holds_at_the_moment(server, texts):
    texts.held[UNKNOWN] = ("new",)
    query = dns.message.make_query(f"{UNKNOWN}.{ORIGIN}", "TXT")
    assert '"new"' in (await over("udp", server, query)).answer[0].to_text()


async def test_what_is_truncated_over_udp_is_whole_over_tcp(server):
    query = dns.message.make_query(f"{MANY}.{ORIGIN}", "TXT")
    host, port = split_server(server.addresses[0])
    response, used_tcp = await dns.asyncquery.udp_with_fallback(query, host, PATIENT, port)
    assert used_tcp
    assert len(response.answer[0]) == 30


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ("dig", ("+time=5", "+tries=1")),
        ("dig", ("+time=5", "+tries=1", "+tcp", "+dnssec")),
        ("kdig", ("+time=5", "+retry=0", "+edns")),
        ("kdig", ("+time=5", "+retry=0", "+tcp", "+keepopen")),
    ],
)
async def test_real_tools_read_the_answers(server, tool, options):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    host, port = split_server(server.addresses[0])
    command = (tool, f"@{host}", "-p", str(port), *options, "-t")

    found = await run(*command, "TXT", NAME)
    assert "NOERROR" in found
    assert " aa" in found
    assert f'"{TOKEN}"' in found
    # Neither tool has a complaint, about trailing bytes, the id or the question.
    complaints = [line for line in found.splitlines() if "WARNING" in line.upper()]
    assert all("recursion requested but not available" in line for line in complaints)
    missing = await run(*command, "TXT", f"{UNKNOWN}.{ORIGIN}")
    assert "NXDOMAIN" in missing
    assert "hostmaster.platform.example" in missing
    assert "ns1.platform.example." in await run(*command, "NS", ORIGIN)
    assert "REFUSED" in await run(*command, "TXT", "elsewhere.example")


async def test_listens_on_ipv6_and_on_several_addresses(server):
    try:
        await server.start("[::1]:0")
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    address = server.addresses[1]
    assert address.startswith("[::1]:")
    host, port = split_server(address)
    for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
        response = await ask(dns.message.make_query(NAME, "TXT"), host, PATIENT, port)
        assert response.rcode() == dns.rcode.NOERROR


async def test_a_taken_address_or_a_name_is_refused(server):
    (taken,) = server.addresses
    second = DnsServer(ZONE, Texts(), serial=lambda: 1)
    with pytest.raises(OSError, match="in use"):
        await second.start(taken)
    with pytest.raises(ValueError, match="not on a name"):
        await second.start("localhost:0")
    assert second.addresses == ()
    await second.stop()


async def test_several_servers_may_share_an_address():
    servers = [DnsServer(ZONE, Texts(), serial=lambda: 1, reuse_port=True) for _ in range(2)]
    await servers[0].start("127.0.0.1:0")
    await servers[1].start(servers[0].addresses[0])
    assert servers[0].addresses == servers[1].addresses
    for server in servers:
        await server.stop()


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.binary(max_size=600), max_size=20))
def test_no_bytes_keep_it_from_answering(junk):
    async def story():
        server = DnsServer(ZONE, Texts(), serial=lambda: 1)
        await server.start("127.0.0.1:0")
        faults = []
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        try:
            address = split_server(server.addresses[0])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for datagram in junk:
                    sender.sendto(datagram, address)
            _, raw = await connect(server)
            raw.write(b"".join(junk))
            _, prefixed = await connect(server)
            prefixed.write(b"".join(framed(message) for message in junk))
            for transport in ("udp", "tcp"):
                response = await over(transport, server, dns.message.make_query(NAME, "TXT"))
                assert response.rcode() == dns.rcode.NOERROR
            raw.close()
            prefixed.close()
        finally:
            await server.stop()
        assert faults == []

    asyncio.run(story())


async def test_pipelined_queries_are_answered_in_order_also_in_pieces(server):
    reader, writer = await connect(server)
    queries = [dns.message.make_query(NAME, "TXT", id=number) for number in range(200)]
    stream = b"".join(framed(query.to_wire()) for query in queries)
    for at in range(0, len(stream), 37):
        writer.write(stream[at : at + 37])
        await writer.drain()
    assert [(await read_reply(reader)).id for _ in queries] == list(range(200))
    writer.close()


async def test_a_client_that_has_asked_all_gets_all(server):
    reader, writer = await connect(server)
    writer.write(framed(QUERY) * 500)
    writer.write_eof()
    for _ in range(500):
        assert (await read_reply(reader)).id == 4711
    assert await closed_by_server(reader)
    writer.close()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"\x00\x00", id="empty message"),
        pytest.param(b"\xff\xff", id="larger than any query"),
        pytest.param(framed(QUERY[:2] + b"\x80" + QUERY[3:]), id="a response"),
    ],
)
async def test_a_client_that_talks_nonsense_is_cut(server, bad):
    reader, writer = await connect(server)
    writer.write(bad)
    assert await closed_by_server(reader)
    writer.close()


async def front_on_loopback(front):
    listener = await asyncio.get_running_loop().create_server(front.connection, "127.0.0.1", 0)
    return listener, listener.sockets[0].getsockname()


async def test_an_idle_client_is_cut_even_in_the_middle_of_a_query():
    front = TcpFront(lambda wire: wire, idle_seconds=0.05)
    listener, address = await front_on_loopback(front)
    for said in (b"", framed(QUERY)[:20]):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(said)
        assert await closed_by_server(reader)
        writer.close()
    listener.close()
    await front.close(PATIENT)
    assert len(front) == 0


class Watched(TcpFront):
    """A front that replies 60 kB to everything, and tells when it did and when a client went."""

    def __init__(self, **limits):
        super().__init__(self._reply, **limits)
        self.replies = 0
        self.replied = asyncio.Event()
        self.forgot = asyncio.Event()

    def _reply(self, _wire):
        self.replies += 1
        self.replied.set()
        return bytes(60_000)

    def forget(self, connection):
        super().forget(connection)
        self.forgot.set()


async def deaf_client(address, queries):
    """A connection that asks `queries` times and reads nothing."""
    _, writer = await asyncio.open_connection(*address)
    writer.transport.pause_reading()
    writer.write(framed(QUERY) * queries)
    return writer


async def test_a_client_that_takes_no_replies_is_answered_no_more_and_then_cut():
    front = Watched(idle_seconds=0.2)
    listener, address = await front_on_loopback(front)
    writer = await deaf_client(address, 5000)
    async with asyncio.timeout(PATIENT):
        await front.forgot.wait()
    assert 0 < front.replies < 5000
    writer.close()
    listener.close()


async def test_the_longest_idle_makes_room():
    front = TcpFront(lambda wire: wire, max_connections=2)
    listener, address = await front_on_loopback(front)
    clients = [await asyncio.open_connection(*address) for _ in range(2)]
    for reader, writer in reversed(clients):  # so that the second is the one idle for longest
        writer.write(framed(QUERY))
        async with asyncio.timeout(PATIENT):
            await reader.readexactly(len(framed(QUERY)))
    _, newest = await asyncio.open_connection(*address)
    assert await closed_by_server(clients[1][0])
    clients[0][1].write(framed(QUERY))
    async with asyncio.timeout(PATIENT):
        await clients[0][0].readexactly(len(framed(QUERY)))
    for writer in (newest, *(writer for _, writer in clients)):
        writer.close()
    listener.close()
    await front.close(PATIENT)


async def test_stopping_answers_what_has_arrived_and_closes(server):
    reader, writer = await connect(server)
    writer.write(framed(QUERY))
    assert (await read_reply(reader)).id == 4711
    host, port = split_server(server.addresses[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((host, port))
        client.send(QUERY)
        async with asyncio.timeout(PATIENT):
            await server.stop()
            reply = await asyncio.get_running_loop().sock_recv(client, 4096)
    assert dns.message.from_wire(reply).id == 4711
    assert await closed_by_server(reader)
    assert server.addresses == ()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)
    writer.close()


async def test_stopping_does_not_wait_for_a_client_that_takes_no_replies():
    front = Watched()
    listener, address = await front_on_loopback(front)
    writer = await deaf_client(address, 5000)
    async with asyncio.timeout(PATIENT):
        await front.replied.wait()
        listener.close()
        await front.close(0.05)
    assert len(front) == 0
    assert front.replies < 5000
    writer.close()
