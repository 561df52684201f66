"""A server that answers what no honest one does, at an address that a delegation leads to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rrset

Answers = Callable[[dns.message.Message], bytes]


def records(query: dns.message.Message, *lines: str) -> bytes:
    """An authoritative answer; each line is a record in a zone file's spelling."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    for line in lines:
        owner, ttl, rdtype, data = line.split(maxsplit=3)
        response.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", rdtype, data))
    return response.to_wire()


class _Liar(asyncio.DatagramProtocol):
    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._answers(dns.message.from_wire(data)), addr)


@asynccontextmanager
async def lying(address: str, port: int, answers: Answers) -> AsyncIterator[None]:
    """Serve UDP at `address` for the length of the block."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Liar(answers), local_addr=(address, port)
    )
    try:
        yield
    finally:
        transport.close()
