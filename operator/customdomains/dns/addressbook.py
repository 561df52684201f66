"""The addresses of name servers, found through the resolvers and shared between zones."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.name
import dns.rdatatype
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA

from customdomains.dns.addresses import join_server
from customdomains.dns.answers import name_text
from customdomains.dns.memory import Memory
from customdomains.dns.referrals import Glue
from customdomains.dns.stub import Stub
from customdomains.model.evidence import ServerAnswer

KEPT_SECONDS = 300.0
"""What was found is used no longer, whatever its TTL."""

MISSING_SECONDS = 30.0
"""The same for what was not."""

FAILURE_SECONDS = 5.0
"""The same for what the resolvers could not say."""

MAX_HOSTS = 13
"""As many as the root has; of more, the first in the order of their names are asked."""

_LEAST_SECONDS = 5.0
"""A lookup takes several steps; what one has found has to be there for the next."""

_AT_ONCE = 2
_MAX_ADDRESSES = 4
"""Of one family, for one name."""

_MAX_SERVERS = 26
"""Addresses of one zone's servers: an IPv4 and an IPv6 one of each."""

_MAX_NAMES = 8192

_Question = tuple[dns.name.Name, dns.rdatatype.RdataType]


@dataclass(frozen=True, slots=True)
class NameServer:
    """One address (`address:port`) of a zone's name server `host` (no trailing dot)."""

    host: str
    address: str


@dataclass(frozen=True, slots=True)
class Found:
    """Servers, and until when they hold; where `incomplete`, resolvers could not say all, and
    `answers` are how they failed."""

    servers: tuple[NameServer, ...]
    until: float
    incomplete: bool
    answers: tuple[ServerAnswer, ...]


@dataclass(frozen=True, slots=True)
class _Addresses:
    addresses: tuple[str, ...]
    until: float
    failed: tuple[ServerAnswer, ...] = ()


class AddressBook:
    """Asks `stub`, for at most `deadline` seconds each; name servers listen at `port`."""

    def __init__(
        self, stub: Stub, *, port: int, deadline: float, clock: Callable[[], float]
    ) -> None:
        self._stub = stub
        self._port = port
        self._deadline = deadline
        self._clock = clock
        self._memory = Memory(self._fetch, clock=clock, size=_MAX_NAMES)

    async def servers(self, hosts: Sequence[dns.name.Name], glue: Glue) -> Found:
        """Every address behind `hosts`, each once.

        Those that this host has no route to are left out as long as others remain.
        """
        hosts = sorted(hosts)[:MAX_HOSTS]
        kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
        questions = [(host, kind) for host in hosts if host not in glue for kind in kinds]
        fetched = await self._fetch_all(questions)
        by_host = dict(glue)
        for host, kind in fetched:
            by_host[host] = by_host.get(host, ()) + fetched[host, kind].addresses
        servers: dict[str, NameServer] = {}
        for place in range(2 * _MAX_ADDRESSES):  # one of each before the second of any
            for host in hosts:
                for address in filter(_askable, by_host.get(host, ())[place : place + 1]):
                    server = join_server(address, self._port)
                    servers.setdefault(server, NameServer(name_text(host), server))
        reached = [server for server in servers.values() if has_route(server.address)]
        chosen = (reached or list(servers.values()))[:_MAX_SERVERS]
        now = self._clock()
        incomplete = len(fetched) < len(questions) or any(f.failed for f in fetched.values())
        return Found(
            tuple(sorted(chosen, key=lambda server: server.host)),
            min(
                (f.until for f in fetched.values()),
                default=now + (FAILURE_SECONDS if incomplete else KEPT_SECONDS),
            ),
            incomplete,
            next((f.failed for f in fetched.values() if f.failed), ()),
        )

    async def _fetch_all(self, questions: Sequence[_Question]) -> dict[_Question, _Addresses]:
        """What becomes known before the deadline.

        A few at a time: a zone may have dozens of servers whose names nobody answers for.
        """
        found: dict[_Question, _Addresses] = {}
        waiting = iter(questions)

        async def work() -> None:
            for question in waiting:
                found[question] = await self._memory.get(question)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadline):
                await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
        return found

    async def _fetch(
        self, question: _Question, before: _Addresses | None
    ) -> tuple[_Addresses, float]:
        name, rdtype = question
        now = self._clock()
        heard = await self._stub.ask(
            name, rdtype, self._deadline, failed=before is not None and bool(before.failed)
        )
        if heard.response is None:
            return _Addresses((), now + FAILURE_SECONDS, heard.answers), FAILURE_SECONDS
        addresses: list[str] = []
        seconds = MISSING_SECONDS
        for rrset in heard.response.answer:
            if rrset.rdtype == rdtype and rrset:
                seconds = kept(rrset.ttl)
                addresses += (
                    record.address
                    for record in rrset
                    if isinstance(record, dns.rdtypes.IN.A.A | dns.rdtypes.IN.AAAA.AAAA)
                )
        return _Addresses(tuple(addresses[:_MAX_ADDRESSES]), now + seconds), seconds


def kept(ttl: int) -> float:
    """For how many seconds a record of this TTL is used."""
    return min(max(ttl, _LEAST_SECONDS), KEPT_SECONDS)


def _askable(address: str) -> bool:
    """Whether `address` is that of one host."""
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_multicast or parsed.is_unspecified or address == "255.255.255.255")


def has_route(server: str) -> bool:
    """Whether a packet to `server` would leave this host: connecting UDP only asks for that."""
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, int(port)))
    except OSError:
        return False
    return True
