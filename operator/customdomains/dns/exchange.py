"""One question to one server, and what its answer says.

The protocol is dnspython's: UDP, then TCP where the answer was truncated (RFC 7766), EDNS with a
buffer of 1232 bytes (RFC 9715), datagrams that do not fit the question ignored (RFC 5452). Added
here: the socket is connected, so that a closed port says so at once, and every way to fail is an
`Outcome`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.TXT
import dns.rrset

from customdomains.dns.addresses import split_server
from customdomains.dns.edns import EDNS_PAYLOAD
from customdomains.model.evidence import Outcome, ServerAnswer

_MAX_CHAIN = 16
"""CNAMEs followed; resolvers give up at 8 to 16."""

_OUTCOMES = {
    dns.rcode.NOERROR: Outcome.ANSWERED,
    dns.rcode.NXDOMAIN: Outcome.NO_SUCH_NAME,
    dns.rcode.SERVFAIL: Outcome.SERVER_FAILURE,
    dns.rcode.REFUSED: Outcome.REFUSED,
    dns.rcode.NOTIMP: Outcome.REFUSED,
    dns.rcode.NOTAUTH: Outcome.REFUSED,
    dns.rcode.FORMERR: Outcome.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """How one question ended: `response` where the outcome is what its rcode says, else None."""

    outcome: Outcome
    response: dns.message.Message | None
    milliseconds: int


async def transact(server: str, query: dns.message.Message, timeout: float) -> Reply:
    """Send `query` to `server`, in at most `timeout` seconds with TCP and retries.

    Raises ValueError where `server` is not `address:port`; trouble on the way is an outcome.
    """
    clock = asyncio.get_running_loop().time
    started = clock()

    def ended(outcome: Outcome, response: dns.message.Message | None = None) -> Reply:
        return Reply(outcome, response, round((clock() - started) * 1000))

    host, port = split_server(server)
    connected = None
    try:
        async with asyncio.timeout(timeout):
            # A socket, and so a source port, of its own for each question (RFC 5452).
            connected = await _connect(host, port)
            response = await _exchange(query, host, port, timeout, connected)
            if response.rcode() == dns.rcode.FORMERR and not response.answer:
                # Servers from before EDNS answer so (RFC 6891 section 7).
                query.use_edns(False)
                response = await _exchange(query, host, port, timeout, connected)
    except (TimeoutError, dns.exception.Timeout):
        # A server that sent only what is no answer is not silent, it is broken.
        heard = connected is not None and connected.received > 0
        return ended(Outcome.MALFORMED if heard else Outcome.TIMED_OUT)
    except (OSError, EOFError):
        return ended(Outcome.UNREACHABLE)
    except (dns.exception.DNSException, ValueError):
        return ended(Outcome.MALFORMED)
    finally:
        if connected is not None:
            await connected.close()
    return ended(_OUTCOMES.get(response.rcode(), Outcome.SERVER_FAILURE), response)


async def ask(
    server: str,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    timeout: float,
    *,
    recursion: bool = True,
) -> ServerAnswer:
    """Ask `server` for `rdtype` at `name`, in at most `timeout` seconds with TCP and retries.

    Raises ValueError where `server` is not `address:port`; trouble on the way is an outcome.
    """
    query = dns.message.make_query(
        name,
        rdtype,
        use_edns=0,
        payload=EDNS_PAYLOAD,
        flags=dns.flags.RD if recursion else dns.flags.Flag(0),
    )
    reply = await transact(server, query, timeout)
    if reply.response is None:
        return ServerAnswer(server, reply.outcome, milliseconds=reply.milliseconds)
    answer = read_answer(server, name, reply.response)
    return replace(answer, milliseconds=reply.milliseconds)


def read_answer(server: str, name: dns.name.Name, response: dns.message.Message) -> ServerAnswer:
    """What `response` says about `name`: its CNAME chain and the TXT values at the end of it.

    A chain ends where it repeats itself or after 16 steps, then without texts. A name that holds
    a CNAME exists, whatever the rcode says about the chain's end (RFC 6604).
    """
    outcome = _OUTCOMES.get(response.rcode(), Outcome.SERVER_FAILURE)
    if not outcome.conclusive:
        return ServerAnswer(server, outcome)
    aliases: dict[dns.name.Name, dns.rrset.RRset] = {}
    texts: dict[dns.name.Name, dns.rrset.RRset] = {}
    for rrset in response.answer:
        if rrset.rdclass != dns.rdataclass.IN or not rrset:
            continue
        if rrset.rdtype == dns.rdatatype.CNAME:
            aliases[rrset.name] = rrset
        elif rrset.rdtype == dns.rdatatype.TXT:
            texts[rrset.name] = rrset

    followed, end = _follow(name, aliases)
    found = texts.get(end) if end is not None else None
    if found is None and not followed and not response.flags & (dns.flags.AA | dns.flags.RA):
        # "Not here" from a server that neither holds the zone nor resolves says nothing about
        # the name: a referral, or a server the zone was delegated to by mistake.
        return ServerAnswer(server, Outcome.REFUSED)
    ttls = [rrset.ttl for rrset in (*followed, found) if rrset is not None]
    return ServerAnswer(
        server,
        Outcome.ANSWERED if ttls else outcome,
        cnames=tuple(name_text(_target(alias)) for alias in followed),
        texts=_values(found) if found is not None else (),
        ttl=min(ttls, default=None),
    )


def _follow(
    name: dns.name.Name, aliases: dict[dns.name.Name, dns.rrset.RRset]
) -> tuple[list[dns.rrset.RRset], dns.name.Name | None]:
    """The CNAME sets from `name` on, and the chain's end; None for one that has no end."""
    followed: list[dns.rrset.RRset] = []
    seen = {name}
    end = name
    while (alias := aliases.get(end)) is not None:
        if len(followed) == _MAX_CHAIN:
            return followed, None
        followed.append(alias)
        end = _target(alias)
        if end in seen:
            return followed, None
        seen.add(end)
    return followed, end


def name_text(name: dns.name.Name) -> str:
    """`name` in lower case without trailing dot, odd bytes escaped (RFC 1035 section 5.1)."""
    return name.to_text(omit_final_dot=True).lower()


def _target(alias: dns.rrset.RRset) -> dns.name.Name:
    """Where a CNAME set points; the set holds one record, as dnspython keeps singletons."""
    record = alias[0]
    assert isinstance(record, dns.rdtypes.ANY.CNAME.CNAME)  # noqa: S101 - narrows for mypy
    return record.target


def _values(found: dns.rrset.RRset) -> tuple[str, ...]:
    return tuple(
        b"".join(record.strings).decode("utf-8", "backslashreplace")
        for record in found
        if isinstance(record, dns.rdtypes.ANY.TXT.TXT)
    )


class _ConnectedSocket:
    """dnspython's datagram socket, connected, and counting what it received."""

    def __init__(self, inner: Any) -> None:
        self.family: int = inner.family
        self.received = 0
        self.close: Callable[[], Awaitable[None]] = inner.close
        self._inner = inner

    async def sendto(self, what: bytes, destination: object, timeout: float | None) -> Any:
        del destination  # it is connected, and asyncio would compare IPv6 scopes too strictly
        return await self._inner.sendto(what, None, timeout)

    async def recvfrom(self, size: int, timeout: float | None) -> Any:
        datagram = await self._inner.recvfrom(size, timeout)
        self.received += 1
        return datagram


async def _connect(host: str, port: int) -> _ConnectedSocket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    backend: Any = dns.asyncbackend.get_backend("asyncio")
    return _ConnectedSocket(
        await backend.make_socket(family, socket.SOCK_DGRAM, 0, None, (host, port))
    )


async def _exchange(
    query: dns.message.Message, host: str, port: int, timeout: float, connected: Any
) -> dns.message.Message:
    response, _ = await dns.asyncquery.udp_with_fallback(
        query,
        host,
        timeout,
        port,
        ignore_unexpected=True,
        ignore_errors=True,
        udp_sock=connected,
    )
    return response
