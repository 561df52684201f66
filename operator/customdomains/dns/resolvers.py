"""Whom questions are put to: one resolver, whatever way it is reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import dns.message
import dns.resolver

from customdomains.dns.addresses import is_address, join_server, split_server
from customdomains.dns.encrypted import HttpsResolver, TlsResolver
from customdomains.dns.exchange import Reply, transact


class Resolver(Protocol):
    """A server that is asked with one message at a time; trouble on the way is an outcome."""

    @property
    def name(self) -> str:
        """What evidence calls it: `address:port`, or its URL."""
        ...

    async def query(self, message: dns.message.Message, timeout: float) -> Reply:
        """Put `message` to it, in at most `timeout` seconds in all; never raises."""
        ...

    async def close(self) -> None:
        """Let go of its connections."""
        ...


class PlainResolver:
    """Asked over UDP and TCP at `address:port`. Raises ValueError for anything else."""

    def __init__(self, server: str) -> None:
        if not is_address(split_server(server)[0]):
            raise ValueError(f"{server!r}: a resolver is named by its address")
        self.name = server

    async def query(self, message: dns.message.Message, timeout: float) -> Reply:
        """See `Resolver`."""
        return await transact(self.name, message, timeout)

    async def close(self) -> None:
        """There is nothing that stays open."""


def make_resolvers(servers: Sequence[str]) -> tuple[Resolver, ...]:
    """A resolver for each `address:port`, `tls://host:port` or `https://host/path`.

    No servers at all means the system's (resolv.conf). Raises ValueError for a server that is
    none of these, or where the system names none.
    """
    return tuple(_make(server) for server in servers or _system_resolvers())


def _make(server: str) -> Resolver:
    if server.startswith("tls://"):
        return TlsResolver(server)
    if server.startswith("https://"):
        return HttpsResolver(server)
    return PlainResolver(server)


def _system_resolvers() -> tuple[str, ...]:
    try:
        system = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration as error:
        raise ValueError(
            f"the system names no resolver ({error}); set lookups.resolvers"
        ) from error
    return tuple(join_server(str(server), system.port) for server in system.nameservers)
