"""Finding the CAA records that count for a domain: its own, or the nearest ones above it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from customdomains.model.caa import records_in
from customdomains.model.evidence import Evidence, Obstacle
from customdomains.model.names import is_registry_zone


class _Asks(Protocol):
    """One of the ways to ask the DNS."""

    async def look_up_caa(self, name: str) -> Evidence:
        """What is said about CAA records at `name`; trouble on the way is in it."""
        ...


class CaaLookup:
    """Climbs from a domain towards the root (RFC 8659 section 3).

    Names are asked for by `lookup`, those of registries, which are nobody's own, by `registries`.
    `deadline` is seconds for the whole way.
    """

    def __init__(self, lookup: _Asks, registries: _Asks, *, deadline: float) -> None:
        self._lookup = lookup
        self._registries = registries
        self._deadline = deadline

    async def climb(self, domain: str) -> Evidence:
        """What is said about the first name from `domain` (A-labels, no trailing dot) upwards that
        has records or of which it can't be told whether it has any; where there is none, about the
        last one.

        Aliases are followed at each name; where those lead to no records the way goes on from the
        name itself, not from where the alias leads. Never fails: trouble is in the evidence.
        """
        labels = domain.split(".")
        names = [".".join(labels[place:]) for place in range(len(labels))]
        here = names[0]
        try:
            async with asyncio.timeout(self._deadline):
                for here in names:
                    evidence = await self._ask(here)
                    if records_in(evidence) != ():
                        break
        except TimeoutError:
            return Evidence(here, (), obstacle=Obstacle.RESOLVERS_FAILED)
        return evidence

    async def _ask(self, name: str) -> Evidence:
        asks = self._registries if is_registry_zone(name) else self._lookup
        return await asks.look_up_caa(name)
