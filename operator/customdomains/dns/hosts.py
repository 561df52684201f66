"""The addresses of a name, by a resolver's word."""

from __future__ import annotations

import asyncio

import dns.exception
import dns.message
import dns.name
import dns.rdatatype

from customdomains.dns.messages import make_query
from customdomains.dns.resolvers import Resolver

MAX_ADDRESSES = 64


class HostLookup:
    """Asks the resolvers in their order: the next one where there was no word of the one before.

    `timeout` (for a question) and `deadline` (for all) are in seconds.
    """

    def __init__(self, resolvers: tuple[Resolver, ...], *, timeout: float, deadline: float) -> None:
        self._resolvers = resolvers
        self._timeout = timeout
        self._deadline = deadline

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Up to 64 addresses of `name`, IPv4 first; none where nobody knew any. Never raises."""
        asked = dns.name.from_text(name)
        found = await asyncio.gather(
            self._ask(asked, dns.rdatatype.A), self._ask(asked, dns.rdatatype.AAAA)
        )
        return tuple(dict.fromkeys(address for each in found for address in each))[:MAX_ADDRESSES]

    async def _ask(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(self._deadline):
                for resolver in self._resolvers:
                    reply = await resolver.query(make_query(name, rdtype), self._timeout)
                    if reply.response is not None and reply.outcome.conclusive:
                        return _addresses(reply.response)
        except TimeoutError:
            pass
        return ()


def _addresses(response: dns.message.Message) -> tuple[str, ...]:
    """The records at the end of the alias chain."""
    try:
        assert isinstance(response, dns.message.QueryMessage)  # noqa: S101 - narrows for mypy
        chained = response.resolve_chaining()
    except dns.exception.DNSException:
        return ()  # a chain that goes round
    return tuple(record.to_text() for record in chained.answer or ())
