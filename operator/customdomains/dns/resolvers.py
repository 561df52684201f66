"""Whom questions are put to: one resolver, whatever way it is reached."""

from __future__ import annotations

from typing import Protocol

import dns.message

from customdomains.dns.addresses import is_address, split_server
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
