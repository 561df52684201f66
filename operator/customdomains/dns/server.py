"""The authoritative server: sockets around a `Responder`."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

import dns.rcode

from customdomains.dns.addresses import is_address, join_server, split_server
from customdomains.dns.holdings import Holdings, NoRecords, RecordSource, TextSource
from customdomains.dns.responder import Responder
from customdomains.dns.tcp import TcpFront
from customdomains.dns.zone import DelegationZone, Zone

OnQuery = Callable[[str, str], object]
"""Called once a reply with the transport (`udp`, `tcp`) and the rcode (`NOERROR`, ...)."""

_GRACE_SECONDS = 2.0
_DATAGRAMS_A_TURN = 64
_LARGEST_DATAGRAM = 4096
_BACKLOG = 128
_PORT_ATTEMPTS = 16
_RCODE_NAMES = {int(rcode): dns.rcode.to_text(rcode) for rcode in dns.rcode.Rcode}


def _count_nothing(_transport: str, _rcode: str) -> None:
    """The metrics of a server without metrics."""


class DnsServer:
    """Serves a delegation zone over UDP and TCP; once stopped it stays stopped.

    `source` has the texts at its ids, `records` all else that stands in it and in the `others`.
    `serial` gives the SOA's serial at the moment of the call. `reuse_port` lets several
    processes share an address (SO_REUSEPORT).
    """

    def __init__(
        self,
        zone: DelegationZone,
        source: TextSource,
        *,
        serial: Callable[[], int],
        others: tuple[Zone, ...] = (),
        records: RecordSource | None = None,
        on_query: OnQuery = _count_nothing,
        reuse_port: bool = False,
    ) -> None:
        holdings = Holdings(zone, source, others, records or NoRecords())
        self._responder = Responder(holdings, serial)
        self._on_query = on_query
        self._reuse_port = reuse_port
        self._front = TcpFront(self._reply_over_tcp)
        self._datagrams: list[socket.socket] = []
        self._listeners: list[asyncio.Server] = []

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every `address:port` it serves, with the ports that were chosen for port 0."""
        return tuple(join_server(*bound.getsockname()[:2]) for bound in self._datagrams)

    async def start(self, listen: str) -> None:
        """Serve `listen` (`address:port`) too; `[::]` takes IPv4 as well, port 0 a free port.

        Raises ValueError for what is no address, OSError where it cannot be bound.
        """
        host, port = split_server(listen)
        if not is_address(host):
            raise ValueError(f"{listen!r}: the DNS server listens on an address, not on a name")
        stream, datagram = self._bind_both(host, port)
        try:
            listener = await asyncio.get_running_loop().create_server(
                self._front.connection, sock=stream, backlog=_BACKLOG
            )
        except BaseException:
            stream.close()
            datagram.close()
            raise
        self._listeners.append(listener)
        self._datagrams.append(datagram)
        asyncio.get_running_loop().add_reader(datagram, self._answer_datagrams, datagram)

    async def stop(self) -> None:
        """Take nothing new, answer what has arrived, close; at most 2 s for slow TCP clients."""
        for listener in self._listeners:
            listener.close()
        for datagram in self._datagrams:
            asyncio.get_running_loop().remove_reader(datagram)
            self._answer_datagrams(datagram)
            datagram.close()
        self._listeners.clear()
        self._datagrams.clear()
        await self._front.close(_GRACE_SECONDS)

    def _bind_both(self, host: str, port: int) -> tuple[socket.socket, socket.socket]:
        """A stream and a datagram socket on one port."""
        for attempt in range(_PORT_ATTEMPTS):
            stream = self._bind(socket.SOCK_STREAM, host, port)
            try:
                return stream, self._bind(socket.SOCK_DGRAM, host, stream.getsockname()[1])
            except OSError as error:
                stream.close()
                # A free port for TCP may be taken for UDP: try another, if the choice is ours.
                last = port != 0 or attempt == _PORT_ATTEMPTS - 1
                if last or error.errno != errno.EADDRINUSE:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _bind(self, kind: socket.SocketKind, host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, kind)
        try:
            bound.setblocking(False)
            if kind == socket.SOCK_STREAM:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._reuse_port:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            bound.bind((host, port))
        except BaseException:
            bound.close()
            raise
        return bound

    def _answer_datagrams(self, datagram: socket.socket) -> None:
        """Answer a turn's worth of what has arrived.

        Straight on the socket: an asyncio transport reads one datagram a turn of the loop, which
        costs as much as the answer itself.
        """
        for _ in range(_DATAGRAMS_A_TURN):
            try:
                wire, client = datagram.recvfrom(_LARGEST_DATAGRAM)
            except OSError:
                return  # nothing more has arrived
            reply = self._responder.reply(wire, udp=True)
            if reply is None:
                continue
            self._on_query("udp", _RCODE_NAMES[reply.rcode])
            try:
                datagram.sendto(reply.wire, client)
            except OSError:
                continue  # a full buffer or an unreachable client: it will ask again

    def _reply_over_tcp(self, wire: bytes) -> bytes | None:
        reply = self._responder.reply(wire, udp=False)
        if reply is None:
            return None
        self._on_query("tcp", _RCODE_NAMES[reply.rcode])
        return reply.wire
