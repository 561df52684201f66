"""DNS in HTTP/2 (RFC 8484, RFC 9113), which is the least that most resolvers speak."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult

import dns.message
import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from customdomains.dns.exchange import FailedError
from customdomains.dns.messages import (
    MAX_MESSAGE,
    MalformedError,
    TruncatedError,
    parse_response,
)
from customdomains.model.evidence import Outcome

_DNS_MESSAGE = "application/dns-message"

_READ = 4096
"""Bytes at a time: h2 recurses for each frame that it passes over, and these hold a few hundred."""

_MAX_RECEIVED = 8 * MAX_MESSAGE
"""Bytes for one answer with all that is around it; h2 keeps a frame until it is complete."""


@dataclass(slots=True)
class _Answer:
    """What has come so far of the response in one stream of the connection."""

    stream: int
    body: bytes = b""
    ended: bool = False


class Http2Connection:
    """Takes one question at a time, by POST to `url`. What fails leaves it unusable: close it.

    Redirects are not followed: they could lead anywhere.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: SplitResult
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._url = url
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._http.initiate_connection()
        self._http.update_settings({h2.settings.SettingCodes.ENABLE_PUSH: 0})
        self.over = False

    async def ask(self, query: dns.message.Message) -> dns.message.Message:
        """The response to `query`.

        Raises OSError, EOFError, `MalformedError`, and `FailedError` for another HTTP status.
        """
        try:
            body = await self._post(query.to_wire())
        except h2.exceptions.H2Error as error:
            raise MalformedError(str(error)) from error
        try:
            return parse_response(body, query)
        except TruncatedError as error:
            raise MalformedError("truncated, where there is room enough") from error

    def close(self) -> None:
        """At once; no farewell is waited for."""
        self._writer.transport.abort()

    async def _post(self, wire: bytes) -> bytes:
        if self._http.outbound_flow_control_window < len(wire):
            raise ConnectionError("the server takes no more")
        answer = _Answer(self._http.get_next_available_stream_id())
        self._http.send_headers(
            answer.stream,
            [
                (":method", "POST"),
                (":scheme", "https"),
                (":authority", self._url.netloc),
                (":path", self._url.path or "/"),
                ("accept", _DNS_MESSAGE),
                ("content-type", _DNS_MESSAGE),
                ("content-length", str(len(wire))),
            ],
        )
        self._http.send_data(answer.stream, wire, end_stream=True)
        received = 0
        while not answer.ended:
            self._writer.write(self._http.data_to_send())
            await self._writer.drain()
            data = await self._reader.read(_READ)
            if not data:
                raise EOFError("the server hung up")
            received += len(data)
            if received > _MAX_RECEIVED:
                raise MalformedError("too long")
            self._take(answer, self._http.receive_data(data))
        return answer.body

    def _take(self, answer: _Answer, events: Iterable[h2.events.Event]) -> None:
        for event in events:
            match event:
                case h2.events.ResponseReceived(stream_id=answer.stream):
                    _check({bytes(name): bytes(value) for name, value in event.headers})
                case h2.events.DataReceived(stream_id=answer.stream):
                    answer.body += event.data
                    if len(answer.body) > MAX_MESSAGE:
                        raise MalformedError("too long")
                    self._http.acknowledge_received_data(
                        event.flow_controlled_length, answer.stream
                    )
                case h2.events.StreamEnded(stream_id=answer.stream):
                    answer.ended = True
                case h2.events.StreamReset(stream_id=answer.stream) if not answer.ended:
                    raise ConnectionError("the server gave up")
                case h2.events.ConnectionTerminated():
                    self.over = True
                    if not answer.ended:
                        raise ConnectionError("the server ends the connection")


def _check(headers: dict[bytes, bytes]) -> None:
    status = headers.get(b":status", b"").decode("ascii", "replace")
    if status != "200":
        failed = Outcome.SERVER_FAILURE if status.startswith("5") else Outcome.REFUSED
        raise FailedError(failed, f"HTTP {ascii(status)[1:4]}")
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != _DNS_MESSAGE.encode():
        raise FailedError(Outcome.MALFORMED, f"not {_DNS_MESSAGE}")
