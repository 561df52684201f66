"""A TCP relay in front of the API server, to take the network away.

The one fake here: a network that swallows packets without a word, as a lost node or a firewall's
forgotten connection does, can't be had on the loopback interface without root.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

from customdomains.cluster import Connection


class Relay:
    """Forwards bytes both ways while `open` is set; `connection` leads through it."""

    def __init__(self, target: Connection) -> None:
        self._target = urlsplit(target.base_url)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.accepted = asyncio.Event()

    def hold(self) -> None:
        """From now on swallow everything; connections stay up."""
        self.open.clear()

    def cut(self) -> None:
        """End every connection; new ones are forwarded (or held) as before."""
        for writer in self._writers:
            writer.transport.abort()

    async def cut_whoever_comes(self) -> None:
        """Until cancelled, end connections at once, instead of after the client's patience."""
        while True:
            await self.accepted.wait()
            self.accepted.clear()
            self.cut()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.set()
        self._writers.add(writer)
        with suppress(OSError):
            upstream = await asyncio.open_connection(self._target.hostname, self._target.port)
            self._writers.add(upstream[1])
            for source, sink in ((reader, upstream[1]), (upstream[0], writer)):
                task = asyncio.create_task(self._pump(source, sink))
                self._tasks.add(task)
            return
        writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self.open.wait()
                sink.write(data)
                await sink.drain()
        sink.close()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()


@asynccontextmanager
async def relayed(target: Connection) -> AsyncIterator[tuple[Relay, Connection]]:
    """A relay to `target` and a connection through it."""
    relay = Relay(target)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    endpoint = replace(target.endpoint, base_url=f"https://{host}:{port}")

    async def load():
        return endpoint

    try:
        yield relay, Connection(endpoint, load)
    finally:
        await relay.stop()
        server.close()
        await server.wait_closed()
