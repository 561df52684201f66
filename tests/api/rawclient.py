"""A connection that is written to by hand."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error, once that has the contract's form."""
        parsed = json.loads(self.body)
        assert set(parsed) == {"error", "code"}, parsed
        assert len(parsed["error"]) > 10
        assert self.headers["content-type"] == "application/json"
        return parsed["code"]


class RawClient:
    """Raises TimeoutError for what does not come within half a minute: it hangs."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def send(self, text):
        self.writer.write(text if isinstance(text, bytes) else text.encode())

    async def answer(self):
        async with asyncio.timeout(30):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().strip().split("\r\n")
            headers = {
                name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return RawAnswer(int(first.split()[1]), headers, body)

    async def rest(self):
        """All that comes until the server hangs up."""
        async with asyncio.timeout(30):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def raw(api):
    """A connection to the replica that `api` calls. Little room is taken for what comes."""
    url, connection = api.session._base_url, socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=4096)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


def head(line, *headers):
    return "\r\n".join((f"{line} HTTP/1.1", "Host: x", *headers, "", ""))
