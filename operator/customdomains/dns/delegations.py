"""Which servers hold the zone that a name is in: found through the configured resolvers.

Where these can't say, because the zone's servers don't answer them, and where what they say leads
nowhere, the servers of the zone above are asked for their delegation: so would a resolver find
the servers that remembers nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import dns.flags
import dns.name
import dns.rdatatype

from customdomains.dns.addressbook import (
    FAILURE_SECONDS,
    MISSING_SECONDS,
    AddressBook,
    kept,
)
from customdomains.dns.answers import enclosing_soa
from customdomains.dns.cuts import Apex, Cut, Delegation, Trouble, denial_of, failure, is_registry
from customdomains.dns.dnssec import KeyRing, get_set
from customdomains.dns.memory import Memory
from customdomains.dns.messages import make_query
from customdomains.dns.referrals import NO_GLUE, Referral, hosts_in, referral_in
from customdomains.dns.resolvers import Resolver
from customdomains.dns.servers import Servers
from customdomains.dns.stub import Heard, Stub
from customdomains.model.evidence import Obstacle, Outcome

_ABOVE_AT_ONCE = 3
"""Servers of the zone above that are asked, one after the other, until most of them agree."""

_CANNOT_SAY = {Outcome.SERVER_FAILURE, Outcome.TIMED_OUT}
"""A resolver that waits for silent servers is itself silent for longer than anybody waits."""

_MAX_ZONES = 4096
_MAX_NAMES = 8192


class Delegations:
    """What is found is kept for its TTL and five minutes at most, and shared between names.

    `deadline` is seconds for each thing that is looked up, `port` where name servers listen.
    """

    def __init__(
        self,
        resolvers: Sequence[Resolver],
        servers: Servers,
        *,
        port: int,
        timeout: float,
        deadline: float,
        clock: Callable[[], float],
        choose: random.Random,
    ) -> None:
        self._stub = Stub(resolvers, timeout=timeout, clock=clock)
        self._servers = servers
        self._timeout = timeout
        self._deadline = deadline
        self._clock = clock
        self._choose = choose
        self._keys = KeyRing(self._stub, deadline=deadline, clock=clock)
        self._addresses = AddressBook(self._stub, port=port, deadline=deadline, clock=clock)
        self._apexes = Memory(self._find_apex_in_time, clock=clock, size=_MAX_NAMES)
        self._cuts = Memory(self._find_cut_in_time, clock=clock, size=_MAX_ZONES)
        self._above = Memory(self._ask_above, clock=clock, size=_MAX_ZONES)
        self._assembled = Memory(self._assemble, clock=clock, size=_MAX_ZONES)

    async def find(self, name: dns.name.Name) -> Delegation | Trouble:
        """The zone that `name` is in, and whom to ask about it."""
        apex = await self._apexes.get(name)
        if isinstance(apex, Trouble):
            return apex
        if is_registry(apex.zone):
            return Trouble(Obstacle.ZONE_NOT_FOUND, apex.said)
        return await self._of(await self._cuts.get(apex.zone))

    async def from_above(self, zone: dns.name.Name) -> Delegation | Trouble | None:
        """Whom the zone above names for `zone`; None where it can't be asked or names none.

        The answer is believed for half a minute, so that a dead zone is not looked up with every
        check of every name in it.
        """
        cut = await self._above.get(zone)
        return None if cut is None else await self._of(cut)

    async def prefer_above(self, zone: dns.name.Name) -> None:
        """Let `find` give what `from_above` gave for `zone`, for as long as that holds."""
        cut = await self._above.get(zone)
        if cut is not None:
            self._cuts.put(zone, cut, cut.until - self._clock())

    async def follow(self, referral: Referral) -> Delegation | Trouble:
        """The zone that a server of the zone above refers to."""
        cut = await self._cuts.get(referral.zone)
        if isinstance(cut, Trouble):
            cut = await self._cut_of(referral) or cut
        return await self._of(cut)

    async def _of(self, cut: Cut | Trouble) -> Delegation | Trouble:
        return cut if isinstance(cut, Trouble) else await self._assembled.get(cut)

    async def _find_apex_in_time(
        self, name: dns.name.Name, before: Apex | Trouble | None
    ) -> tuple[Apex | Trouble, float]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadline):
                return await self._find_apex(name, before)
        return failure((), before)

    async def _find_cut_in_time(
        self, zone: dns.name.Name, before: Cut | Trouble | None
    ) -> tuple[Cut | Trouble, float]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadline):
                return await self._find_cut(zone, before)
        return failure((), before)

    async def _find_apex(
        self, name: dns.name.Name, before: Apex | Trouble | None
    ) -> tuple[Apex | Trouble, float]:
        """The zone of `name`, by the NS set at the name, or the SOA that denies it one."""
        cut, heard = await self._named_servers(name, failed=isinstance(before, Trouble))
        if cut is not None:
            left = cut.until - self._clock()
            self._cuts.put(cut.zone, cut, left)
            return Apex(cut.zone), left if cut.zone == name else min(left, MISSING_SECONDS)
        if heard.response is None:
            return failure(heard.answers, before)
        said = (denial_of(name, heard),)
        # An alias at the name says nothing about the zone it is in, whoever's SOA comes with it.
        soa = None if heard.response.answer else enclosing_soa(name, heard.response)
        if soa is not None and soa.name != name:
            return Apex(soa.name, said), min(MISSING_SECONDS, soa.ttl)
        above = name.parent()
        if is_registry(above):
            if heard.response.answer and await self._above.get(name) is not None:
                # Some servers have an alias at the apex, which hides the NS and SOA sets.
                await self.prefer_above(name)
                return Apex(name), MISSING_SECONDS
            return Apex(above, said), MISSING_SECONDS
        apex = await self._apexes.get(above)
        if isinstance(apex, Trouble):
            return apex, apex.seconds
        return Apex(apex.zone, said), MISSING_SECONDS

    async def _find_cut(
        self, zone: dns.name.Name, before: Cut | Trouble | None
    ) -> tuple[Cut | Trouble, float]:
        cut, heard = await self._named_servers(zone, failed=isinstance(before, Trouble))
        if cut is not None and cut.zone == zone:
            return cut, cut.until - self._clock()
        if heard.response is None:
            return failure(heard.answers, before)
        return Trouble(Obstacle.NO_SERVERS, (), zone), MISSING_SECONDS

    async def _named_servers(
        self, name: dns.name.Name, *, failed: bool
    ) -> tuple[Cut | None, Heard]:
        """The cut at `name`, and what the resolvers said; where they failed, the one above it
        that leads to the name."""
        heard = await self._stub.ask(name, dns.rdatatype.NS, self._deadline, failed=failed)
        if heard.response is not None:
            found = get_set(heard.response, name, dns.rdatatype.NS)
            if not (hosts := hosts_in(found)) or found is None:
                return None, heard
            until = self._clock() + kept(found.ttl)
            return Cut(name, hosts, until, heard.secure, NO_GLUE), heard
        outcomes = {answer.outcome for answer in heard.answers}
        if not outcomes & _CANNOT_SAY or Outcome.BOGUS in outcomes:
            return None, heard
        return await self._despite_failure(name), heard

    async def _despite_failure(self, name: dns.name.Name) -> Cut | None:
        """Where the zone above finds `name` that the resolvers can't say anything about."""
        if len(name) <= 2:
            return None
        apex = await self._apexes.get(name.parent())
        if isinstance(apex, Trouble):
            return None
        cut = await self._cuts.get(apex.zone)
        if isinstance(cut, Trouble):
            return None
        # The servers of a zone that is itself behind the failure refer to what is below it.
        return cut if cut.unreached else await self._refer(cut, name)

    async def _ask_above(
        self, zone: dns.name.Name, _before: Cut | None
    ) -> tuple[Cut | None, float]:
        apex = await self._apexes.get(zone.parent())
        cut = apex if isinstance(apex, Trouble) else await self._cuts.get(apex.zone)
        if isinstance(cut, Trouble):
            return None, MISSING_SECONDS
        found = await self._refer(cut, zone)
        return found if found is not None and found.zone == zone else None, MISSING_SECONDS

    async def _refer(self, above: Cut, name: dns.name.Name) -> Cut | None:
        """The zone of `name` as the servers of the zone `above` have it; None if they don't say, or
        not the same: no single one of them leads to servers of its own choice."""
        delegation = await self._of(above)
        if isinstance(delegation, Trouble):
            return None
        by_host = {server.host: server for server in delegation.servers}
        asked = self._choose.sample(sorted(by_host), min(len(by_host), _ABOVE_AT_ONCE))
        words = Counter[tuple[Referral | None, bool]]()
        for host in asked:
            query = partial(make_query, name, dns.rdatatype.NS, recursion=False)
            until = self._clock() + self._timeout
            reply = await self._servers.ask(by_host[host].address, above.zone, query, until)
            if reply.response is None or not reply.outcome.conclusive:
                continue
            referral = referral_in(above.zone, name, reply.response)
            if referral is not None:
                words[referral, True] += 1
            elif reply.response.flags & dns.flags.AA:
                # A server of both zones: its answer is that of the zone below, if there is one.
                held = get_set(reply.response, name, dns.rdatatype.NS)
                below = Referral(name, hosts_in(held), NO_GLUE, held.ttl) if held else None
                words[below, False] += 1
            if max(words.values(), default=0) * 2 > len(asked):
                break
        (referral, unreached), votes = next(iter(words.most_common(1)), ((None, False), 0))
        if votes * 2 < len(asked) or votes * 2 <= words.total():
            return None
        return above if referral is None else await self._cut_of(referral, unreached=unreached)

    async def _cut_of(self, referral: Referral, *, unreached: bool = False) -> Cut | None:
        """None where the resolvers can't say whether the zone is signed."""
        zone = referral.zone
        heard = await self._stub.ask(zone, dns.rdatatype.DS, self._deadline)
        if heard.response is None:
            return None
        signed = get_set(heard.response, zone, dns.rdatatype.DS)
        return Cut(
            zone,
            referral.hosts,
            self._clock() + kept(referral.seconds),
            secure=heard.secure and bool(signed),
            glue=referral.glue,
            unreached=unreached,
        )

    async def _assemble(
        self, cut: Cut, _before: Delegation | Trouble | None
    ) -> tuple[Delegation | Trouble, float]:
        found = await self._addresses.servers(cut.hosts, cut.glue)
        if not found.servers:
            # Who can't reach the zone either may fail at its servers' names, as in a circle.
            failed = found.incomplete and not cut.unreached
            obstacle = Obstacle.RESOLVERS_FAILED if failed else Obstacle.NO_SERVERS
            return Trouble(obstacle, found.answers, cut.zone), found.until - self._clock()
        keys = await self._keys.keys(cut.zone) if cut.secure else None
        left = min(found.until, cut.until) - self._clock()
        if keys is not None and not keys:
            left = min(left, FAILURE_SECONDS)
        return Delegation(cut.zone, found.servers, keys), left
