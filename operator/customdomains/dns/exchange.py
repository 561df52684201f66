"""One question to one server over UDP and TCP, and every way in which it can end.

UDP, then TCP where the answer was truncated (RFC 7766), EDNS with a buffer of 1232 bytes (RFC
9715). Each question has a socket, and so a source port, of its own (RFC 5452), connected, so that
a closed port says so at once and no other address is heard. What does not answer the question is
passed over; after a few of these TCP is asked, where nobody else can answer.
"""

from __future__ import annotations

import asyncio
import copy
import ssl
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass

import dns.message
import dns.rcode

from customdomains.dns.addresses import split_server
from customdomains.dns.answers import outcome_of
from customdomains.dns.messages import MalformedError, TruncatedError, parse_response
from customdomains.dns.streams import Stream
from customdomains.model.evidence import Outcome

_MAX_STRAYS = 8
_SEND_AGAIN_AFTER = 0.7
"""Seconds after which a datagram counts as lost; it is sent a second time, no more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How one question ended: `response` where the outcome is what it says, else None.

    `trouble` is for people, where the outcome does not say all: short and printable.
    """

    outcome: Outcome
    response: dns.message.Message | None
    milliseconds: int
    trouble: str = ""


class FailedError(Exception):
    """The question has come to an end already; `trouble` as in `Reply`."""

    def __init__(self, outcome: Outcome, trouble: str) -> None:
        super().__init__(trouble)
        self.outcome = outcome
        self.trouble = trouble


async def transact(server: str, query: dns.message.Message, timeout: float) -> Reply:
    """Send `query` to `server`, in at most `timeout` seconds with TCP and retries.

    Raises ValueError where `server` is not `address:port`; trouble on the way is an outcome.
    """
    question = _Question(*split_server(server))
    reply = await settled(question.ask(query), timeout)
    if reply.outcome is Outcome.TIMED_OUT and question.strays:
        # A server that sent only what is no answer is not silent, it is broken.
        return Reply(Outcome.MALFORMED, None, reply.milliseconds)
    return reply


async def settled(asking: Awaitable[dns.message.Message], timeout: float) -> Reply:
    """Wait `timeout` seconds for what `asking` comes to, and say how it ended."""
    clock = asyncio.get_running_loop().time
    started = clock()

    def ended(
        outcome: Outcome, response: dns.message.Message | None = None, trouble: str = ""
    ) -> Reply:
        return Reply(outcome, response, round((clock() - started) * 1000), trouble)

    try:
        async with asyncio.timeout(timeout):
            response = await asking
    except TimeoutError:
        return ended(Outcome.TIMED_OUT)
    except ssl.SSLCertVerificationError as error:
        return ended(Outcome.UNREACHABLE, trouble=f"certificate: {error.verify_message}"[:200])
    except ssl.SSLError as error:
        return ended(Outcome.UNREACHABLE, trouble=f"TLS: {error.reason}"[:200])
    except (OSError, EOFError):
        return ended(Outcome.UNREACHABLE)
    except MalformedError:
        return ended(Outcome.MALFORMED)
    except FailedError as error:
        return ended(error.outcome, trouble=error.trouble)
    return ended(outcome_of(response), response)


class _Question:
    """One question on its way; `strays` counts what came and was no answer to it."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self.strays = 0

    async def ask(self, query: dns.message.Message) -> dns.message.Message:
        response = await self._ask_once(query)
        if response.rcode() == dns.rcode.FORMERR and query.edns >= 0:
            # Servers from before EDNS answer so (RFC 6891 section 7).
            plain = copy.copy(query)
            plain.use_edns(False)
            response = await self._ask_once(plain)
        return response

    async def _ask_once(self, query: dns.message.Message) -> dns.message.Message:
        response = await self._ask_by_udp(query)
        if response is None:
            channel = await asyncio.open_connection(self._host, self._port)
            with closing(Stream(*channel)) as stream:
                response = await stream.ask(query)
        return response

    async def _ask_by_udp(self, query: dns.message.Message) -> dns.message.Message | None:
        """The response, or None where TCP has to be asked."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dns.message.Message | None] = loop.create_future()

        def heard(datagram: bytes) -> None:
            if answer.done():
                return
            try:
                answer.set_result(parse_response(datagram, query))
            except TruncatedError:
                answer.set_result(None)
            except MalformedError:
                self.strays += 1
                if self.strays % _MAX_STRAYS == 0:
                    answer.set_result(None)

        def failed(error: Exception) -> None:
            if not answer.done():
                answer.set_exception(error)

        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(heard, failed), remote_addr=(self._host, self._port)
        )
        wire = query.to_wire()
        again = loop.call_later(_SEND_AGAIN_AFTER, transport.sendto, wire)
        try:
            transport.sendto(wire)
            return await answer
        finally:
            again.cancel()
            transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes], None], failed: Callable[[Exception], None]) -> None:
        self._heard = heard
        self._failed = failed

    def datagram_received(self, data: bytes, _address: object) -> None:
        self._heard(data)

    def error_received(self, error: Exception) -> None:
        self._failed(error)
