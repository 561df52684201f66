"""A server that answers as it is told.

A fake, for what the real API server can't be made to do on demand: refuse with 429, answer like
a broken proxy, or close the connection between a request and its answer.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from customdomains.cluster import Connection, Endpoint


class Scripted:
    """Gives each request the next of `answers`: raw HTTP, "" to close, None to stay silent.

    When there are no more, it stays silent.
    """

    def __init__(self, answers: Sequence[str | None]) -> None:
        self._answers = list(answers)
        self._writers: list[asyncio.StreamWriter] = []
        self.requests: list[str] = []
        self.exhausted = asyncio.Event()  # set when a request is asked that nothing is left for

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            for line in head.lower().split("\r\n"):
                if line.startswith("content-length:"):
                    await reader.readexactly(int(line.partition(":")[2]))
            self.requests.append(head.partition(" HTTP")[0])
            answer = self._answers.pop(0) if self._answers else None
            if answer is None and not self._answers:
                self.exhausted.set()
            if answer is None:
                continue
            if not answer:
                writer.close()
                return
            writer.write(answer.encode())

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


def answer(status: int, body: str, *headers: str) -> str:
    """Raw HTTP."""
    lines = (f"HTTP/1.1 {status} X", f"Content-Length: {len(body.encode())}", *headers, "", body)
    return "\r\n".join(lines)


@asynccontextmanager
async def scripted(*answers: str | None) -> AsyncIterator[tuple[Scripted, Connection]]:
    """A scripted server and a connection to it."""
    script = Scripted(answers)
    server = await asyncio.start_server(script.accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    endpoint = Endpoint(base_url=f"http://{host}:{port}")

    async def load():
        return endpoint

    try:
        yield script, Connection(endpoint, load)
    finally:
        script.close()
        server.close()
        await server.wait_closed()
