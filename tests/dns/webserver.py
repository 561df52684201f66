"""A web server on loopback that speaks HTTP/2 and answers whatever a test tells it to."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

DNS_MESSAGE = "application/dns-message"
_FRAME = 16 * 1024


@dataclass(frozen=True)
class Page:
    """A response; `more` are headers, `end` tells whether the stream ends with the body."""

    body: bytes = b""
    status: int = 200
    kind: str = DNS_MESSAGE
    more: dict = field(default_factory=dict)
    end: bool = True


@dataclass
class Request:
    """What has come of one request."""

    headers: dict
    body: bytes = b""


class WebServer:
    """`answers(request)` gives what to send: `Page`s, or the words below.

    `goaway` says that the connection ends, `reset` breaks the request off, `hangup` closes the
    connection, other bytes are sent as they are.
    """

    def __init__(self, answers):
        self._answers = answers
        self._talks = {}
        self.requests = []
        self.connections = 0
        self.port = 0

    async def _converse(self, reader, writer):
        self.connections += 1
        self._talks[asyncio.current_task()] = writer
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        http.initiate_connection()
        underway = {}
        try:
            writer.write(http.data_to_send())
            while data := await reader.read(65536):
                for event in http.receive_data(data):
                    match event:
                        case h2.events.RequestReceived():
                            headers = {n.decode(): v.decode() for n, v in event.headers}
                            underway[event.stream_id] = Request(headers)
                        case h2.events.DataReceived():
                            underway[event.stream_id].body += event.data
                        case h2.events.StreamEnded():
                            request = underway.pop(event.stream_id)
                            self.requests.append(request)
                            for answer in self._answers(request):
                                await self._send(http, event.stream_id, answer, writer)
                writer.write(http.data_to_send())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            del self._talks[asyncio.current_task()]
            writer.close()

    async def _send(self, http, stream, answer, writer):
        match answer:
            case Page():
                headers = {":status": str(answer.status), "content-type": answer.kind}
                http.send_headers(stream, [*headers.items(), *answer.more.items()])
                for start in range(0, len(answer.body), _FRAME):
                    http.send_data(stream, answer.body[start : start + _FRAME])
                if answer.end:
                    http.end_stream(stream)
            case "goaway":
                http.close_connection()
            case "reset":
                http.reset_stream(stream)
            case "hangup":
                raise ConnectionError
            case bytes():
                http.clear_outbound_data_buffer()
                writer.write(answer)
        writer.write(http.data_to_send())
        await writer.drain()

    async def _end(self):
        for writer in self._talks.values():
            writer.transport.abort()
        await asyncio.gather(*self._talks)


@asynccontextmanager
async def web_server(answers, tls, host="127.0.0.1"):
    """A `WebServer` at its `port` inside the block."""
    web = WebServer(answers)
    server = await asyncio.start_server(web._converse, host, 0, ssl=tls)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        await web._end()
