"""A DNS server on loopback that answers whatever a test tells it to."""

import asyncio
import socket
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class Liar(asyncio.DatagramProtocol):
    """`answers(query, transport)` gives the messages to send back, as bytes; none is silence.

    `asked` lists (transport, record type, EDNS version or -1) in order.
    """

    def __init__(self, answers):
        self._answers = answers
        self.asked = []
        self.address = ""

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, addr):
        for wire in self._hear(data, "udp"):
            self._transport.sendto(wire, addr)

    def _hear(self, wire, transport):
        query = dns.message.from_wire(wire)
        self.asked.append((transport, dns.rdatatype.to_text(query.question[0].rdtype), query.edns))
        return self._answers(query, transport)

    async def _converse(self, reader, writer):
        try:
            length = int.from_bytes(await reader.readexactly(2))
            for wire in self._hear(await reader.readexactly(length), "tcp"):
                writer.write(len(wire).to_bytes(2) + wire)
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def lying(answers):
    """A `Liar`, serving UDP and TCP at its `address` for the length of the block."""
    liar = Liar(answers)
    streams = await asyncio.start_server(liar._converse, "127.0.0.1", 0)
    port = streams.sockets[0].getsockname()[1]
    datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: liar, local_addr=("127.0.0.1", port)
    )
    liar.address = f"127.0.0.1:{port}"
    try:
        yield liar
    finally:
        datagrams.close()
        streams.close()


def reply(query, *records, rcode=dns.rcode.NOERROR, flags=dns.flags.RA, question=None):
    """A well-formed reply; `records` in a zone file's spelling, `question` instead of its own."""
    response = dns.message.make_response(query)
    response.flags |= flags
    response.set_rcode(rcode)
    if question is not None:
        response.question = [dns.rrset.from_text(question, 0, "IN", "TXT")]
    for record in records:
        owner, ttl, rdtype, data = record.split(maxsplit=3)
        response.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", rdtype, data))
    return response.to_wire(max_size=65535)


def closed_port():
    """The address of a UDP port at which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"
