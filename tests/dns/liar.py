"""A DNS server on loopback that answers whatever a test tells it to."""

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

HANG_UP = object()
"""In the place of an answer over a connection: it ends here."""


@dataclass(frozen=True)
class FromElsewhere:
    """A datagram that comes from another port, or from another address with the same one."""

    wire: bytes
    address: str = "127.0.0.1"


@dataclass(frozen=True)
class InPieces:
    """A message over a connection, its length included, `size` bytes at a time."""

    wire: bytes
    size: int = 1


@dataclass(frozen=True)
class Raw:
    """Bytes over a connection, without a length in front."""

    wire: bytes


class Liar(asyncio.DatagramProtocol):
    """`answers(query, transport)` gives what to send back: messages as bytes, or the above.

    None over UDP is silence, none over a connection hangs up. `asked` lists (transport, record
    type, EDNS version or -1) in order, `queries` the same as messages, `ports` those that
    datagrams came from. `streams` is the server of connections.
    """

    def __init__(self, answers):
        self._answers = answers
        self._talks = {}
        self.asked = []
        self.queries = []
        self.ports = []
        self.connections = 0
        self.address = ""

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, addr):
        self.ports.append(addr[1])
        for answer in self._hear(data, "udp"):
            if isinstance(answer, FromElsewhere):
                self._send_from_elsewhere(answer, addr)
            else:
                self._transport.sendto(answer, addr)

    def _hear(self, wire, transport):
        query = dns.message.from_wire(wire)
        self.asked.append((transport, dns.rdatatype.to_text(query.question[0].rdtype), query.edns))
        self.queries.append(query)
        return self._answers(query, transport)

    def _send_from_elsewhere(self, answer, addr):
        own = "127.0.0.1"
        port = 0 if answer.address == own else self._transport.get_extra_info("sockname")[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((answer.address, port))
            other.sendto(answer.wire, addr)

    async def _converse(self, reader, writer):
        self.connections += 1
        self._talks[asyncio.current_task()] = writer
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2))
                answers = self._hear(await reader.readexactly(length), "tcp")
                for answer in answers:
                    if answer is HANG_UP:
                        return
                    for piece in _pieces(answer):
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(0)  # the other side reads before the next one
                if not answers:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            del self._talks[asyncio.current_task()]
            writer.close()

    async def _end(self):
        for writer in self._talks.values():
            writer.transport.abort()
        await asyncio.gather(*self._talks)


def _pieces(answer):
    match answer:
        case Raw(wire):
            return [wire]
        case InPieces(wire, size):
            framed = _framed(wire)
            return [framed[start : start + size] for start in range(0, len(framed), size)]
        case _:
            return [_framed(answer)]


def _framed(wire):
    return len(wire).to_bytes(2) + wire


@asynccontextmanager
async def lying(answers, *, tls=None, host="127.0.0.1"):
    """A `Liar`, serving UDP and TCP (with `tls`: TLS) at its `address` inside the block."""
    liar = Liar(answers)
    streams, datagrams, port = await _one_port(liar, tls, host)
    liar.address = f"{host}:{port}"
    liar.streams = streams
    try:
        yield liar
    finally:
        datagrams.close()
        streams.close()
        await liar._end()


async def _one_port(liar, tls, host):
    """Streams and datagrams at the same port, which others may have one half of."""
    for _ in range(20):
        streams = await asyncio.start_server(liar._converse, host, 0, ssl=tls)
        port = streams.sockets[0].getsockname()[1]
        try:
            datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: liar, local_addr=(host, port)
            )
        except OSError:
            streams.close()
        else:
            return streams, datagrams, port
    raise OSError("no port is free for both UDP and TCP")


def reply(query, *records, rcode=dns.rcode.NOERROR, flags=dns.flags.RA, question=None, **more):
    """A well-formed reply; `records` in a zone file's spelling, `question` instead of its own.

    `more` as for `response_to`.
    """
    response = response_to(query, *records, rcode=rcode, flags=flags, **more)
    if question is not None:
        response.question = [dns.rrset.from_text(question, 0, "IN", "TXT")]
    return response.to_wire(max_size=65535)


def response_to(
    query, *records, rcode=dns.rcode.NOERROR, flags=dns.flags.RA, authority=(), errors=()
):
    """The same as a message; `authority` are records as well, `errors` extended ones."""
    response = dns.message.make_response(query)
    response.flags |= flags
    response.set_rcode(rcode)
    if errors:
        response.use_edns(0, options=list(errors))
    for section, lines in ((response.answer, records), (response.authority, authority)):
        section.extend(map(_rrset, lines))
    return response


def _rrset(line):
    owner, ttl, rdtype, data = line.split(maxsplit=3)
    return dns.rrset.from_text(owner, int(ttl), "IN", rdtype, data)


def closed_port():
    """The address of a UDP port at which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"
