"""The customer's DNS server on the network: UDP and TCP, and its management API."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

import dns.name
from aiohttp import web

from customdomains.devcluster.tenantdns.answers import Address, Answers
from customdomains.devcluster.tenantdns.api import management_api
from customdomains.devcluster.tenantdns.records import Records

_IDLE_SECONDS = 10.0


class TenantDnsServer:
    """Serves DNS at `listen` and the management API at `api` from `start()` to `stop()`.

    `zones` are there without a record in them. Raises InvalidRecordError for what is no zone,
    and for a host in `listen` that is no IP address.
    """

    def __init__(
        self,
        *,
        listen: Address,
        api: Address,
        forward: Mapping[dns.name.Name, Address],
        zones: Iterable[str] = (),
    ) -> None:
        self.records = Records(listen[0], zones)
        self._answers = Answers(self.records, forward)
        self._listen = listen
        self._api = api
        self._forward = forward
        self._running = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError where an address can't be had."""
        host, port = self._listen
        async with contextlib.AsyncExitStack() as opened:
            udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, port)
            )
            opened.callback(udp.close)
            tcp = await asyncio.start_server(self._connection, host, port)
            opened.callback(tcp.close)
            runner = web.AppRunner(management_api(self.records, self._forward), access_log=None)
            await runner.setup()
            opened.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, *self._api).start()
            self._running = opened.pop_all()

    async def stop(self) -> None:
        """Close all sockets and end what is under way."""
        await self._running.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def answer_datagram(
        self, wire: bytes, sender: Address, transport: asyncio.DatagramTransport
    ) -> None:
        """Answer one UDP query in a task of its own, since it may have to ask upstream."""

        async def answer() -> None:
            response = await self._answers.respond(wire, udp=True)
            if response is not None and not transport.is_closing():
                transport.sendto(response, sender)

        self._keep(asyncio.create_task(answer()))

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer queries on one TCP connection until the client ends it or says nothing."""
        task = asyncio.current_task()
        if task:
            self._keep(task)
        with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    size = int.from_bytes(await reader.readexactly(2))
                    wire = await reader.readexactly(size)
                    response = await self._answers.respond(wire, udp=False)
                    if response is None:
                        break
                    writer.write(len(response).to_bytes(2) + response)
                    await writer.drain()
        writer.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: TenantDnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override] # a datagram endpoint's
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self._transport:
            self._server.answer_datagram(data, addr, self._transport)
