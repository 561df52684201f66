"""Looking up TXT and CAA records at the servers that hold them, without anybody's cache in
between."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import dns.message
import dns.name
import dns.rdatatype

from customdomains.dns.addressbook import NameServer
from customdomains.dns.asking import parse_name
from customdomains.dns.cuts import Delegation, Trouble
from customdomains.dns.delegations import Delegations
from customdomains.dns.messages import Question, make_query
from customdomains.dns.nearby import look_nearby
from customdomains.dns.reading import Reading, read
from customdomains.dns.resolvers import Resolver
from customdomains.dns.servers import ENOUGH_SECONDS, Servers
from customdomains.dns.voting import Asked, Trail
from customdomains.model.evidence import Evidence, Obstacle, Outcome, ServerAnswer

T = TypeVar("T")

_MAX_ZONES = 8
"""Zones asked in turn for one name, along aliases and down zone cuts."""

_AT_ONCE = 2
"""Servers that one lookup asks at the same time."""

_TOO_LATE = Trouble(Obstacle.RESOLVERS_FAILED)


class AuthoritativeLookup:
    """Finds a name's zone through `resolvers` and asks every address of its name servers.

    Nothing is asked behind an alias into `own_zone`: that is the platform's delegation zone, and
    the alias is what counts. Name servers listen at `port`. `timeout` is seconds for one
    question, `deadline` for a lookup; `concurrency` questions to name servers are under way at
    once (two for each of 256 lookups), `per_server` of them to one. `clock` gives seconds, `now`
    those since 1970.
    """

    def __init__(
        self,
        resolvers: Sequence[Resolver],
        *,
        own_zone: str,
        port: int = 53,
        timeout: float = 2.0,
        deadline: float = 5.0,
        concurrency: int = 512,
        per_server: int = 32,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        choose: random.Random | None = None,
    ) -> None:
        self._own_zone = dns.name.from_text(own_zone)
        self._deadline = deadline
        self._clock = clock
        self._now = now
        self._choose = choose or random.SystemRandom()
        self._servers = Servers(
            timeout=timeout, concurrency=concurrency, per_server=per_server, clock=clock
        )
        self._delegations = Delegations(
            resolvers,
            self._servers,
            port=port,
            timeout=timeout,
            deadline=deadline,
            clock=clock,
            choose=self._choose,
        )

    async def look_up(
        self,
        name: str,
        *,
        nearby: bool = False,
        enough: Callable[[Evidence], bool] | None = None,
    ) -> Evidence:
        """What the servers say about TXT records at `name`, the challenge's name at a domain
        (absolute, lower case, no trailing dot); with `nearby` also what stands elsewhere, unless
        the evidence about the name is `enough`.

        Trouble on the way is in the evidence. Raises ValueError for a name that cannot be in the
        DNS (a label over 63 bytes, 255 in all).
        """
        question = Question(parse_name(name), dns.rdatatype.TXT)
        until = self._clock() + self._deadline
        trail = Trail(name)
        found = await self._within(until, self._delegations.find(question.name.parent()))
        obstacle = await self._walk(trail, found, question, until, doubtful=nearby)
        evidence = trail.evidence(obstacle)
        if enough is not None and enough(evidence):
            return evidence
        if nearby and trail.first is not None and evidence.conclusive:
            ask = partial(self._ask_one, trail.first, until)
            zone = trail.first.delegation.zone
            nearest = await look_nearby(question.name, zone, ask, self._choose)
            evidence = replace(evidence, nearby=nearest)
        return evidence

    async def look_up_caa(self, name: str) -> Evidence:
        """The same about CAA records at `name` itself, where there may be a zone of its own."""
        question = Question(parse_name(name), dns.rdatatype.CAA)
        until = self._clock() + self._deadline
        trail = Trail(name)
        found = await self._within(until, self._delegations.find(question.name))
        return trail.evidence(await self._walk(trail, found, question, until, doubtful=False))

    async def _walk(
        self,
        trail: Trail,
        found: Delegation | Trouble,
        here: Question,
        until: float,
        *,
        doubtful: bool,
    ) -> Trouble | None:
        """From the zone `found` to the next, until there is an answer or no way on."""
        for _ in range(_MAX_ZONES):
            if isinstance(found, Trouble):
                return found
            asked = await self._ask_all(found, here, until)
            if asked.forged:
                asked = await self._one_zone_down(asked, here, until)
            if not asked.says_anything or doubtful:
                asked = await self._elsewhere(asked, here, until)
                doubtful = False
            trail.reached(asked)
            if (referral := asked.referral) is not None:
                found = await self._within(until, self._delegations.follow(referral))
            elif alias := asked.alias:
                trail.renamed(alias)
                here = here._replace(name=dns.name.from_text(alias[-1]))
                if trail.endless or here.name.is_subdomain(self._own_zone):
                    return None
                found = await self._within(until, self._delegations.find(here.name))
            else:
                return None
        return Trouble(Obstacle.ALIAS_LOOP)

    async def _ask_all(self, zone: Delegation, question: Question, until: float) -> Asked:
        """Ask a few at a time, and last those that have been silent: where the others agree,
        nobody waits long for these.

        Whoever names dozens of servers that are all silent waits for them himself: no place is
        taken from others.
        """
        readings: dict[NameServer, Reading] = {}

        async def work(waiting: Iterator[NameServer], patience: float) -> None:
            for server in waiting:
                readings[server] = await self._ask(zone, server, question, patience)

        servers = self._choose.sample(zone.servers, len(zone.servers))
        silent = [server for server in servers if self._servers.silences(server.address)]
        ready = iter([server for server in servers if server not in silent])
        await asyncio.gather(*(work(ready, until) for _ in range(_AT_ONCE)))
        if silent:
            agreed = Asked(zone, tuple(readings.values())).decided
            patience = min(until, self._clock() + ENOUGH_SECONDS) if agreed else until
            late = iter(silent)
            await asyncio.gather(*(work(late, patience) for _ in range(_AT_ONCE)))
        return Asked(zone, tuple(readings[server] for server in zone.servers))

    async def _ask(
        self, zone: Delegation, server: NameServer, question: Question, until: float
    ) -> Reading:
        query = partial(_query, question, signed=zone.keys is not None)
        reply = await self._servers.ask(server.address, zone.zone, query, until)
        if reply.response is None:
            answer = ServerAnswer(server.address, reply.outcome, explanation=reply.trouble)
            reading = Reading(answer)
        else:
            reading = read(
                server.address, zone.zone, question, reply.response, zone.keys, self._now()
            )
        return replace(
            reading,
            answer=replace(reading.answer, host=server.host, milliseconds=reply.milliseconds),
        )

    async def _one_zone_down(self, asked: Asked, question: Question, until: float) -> Asked:
        """The same as of the zone that begins at the name itself, if there is one.

        Where one server holds both zones it does not refer, and signs for the one below, or not.
        """
        found = await self._within(until, self._delegations.find(question.name))
        if isinstance(found, Trouble) or found.zone == asked.delegation.zone:
            return asked
        return await self._ask_all(found, question, until)

    async def _elsewhere(self, asked: Asked, question: Question, until: float) -> Asked:
        """The same of other servers, where the zone above names others and they know anything."""
        zone = asked.delegation.zone
        found = await self._within(until, self._delegations.from_above(zone))
        known = {server.address for server in asked.delegation.servers}
        if not isinstance(found, Delegation) or known == {s.address for s in found.servers}:
            return asked
        again = await self._ask_all(found, question, until)
        if not (again.decided if asked.says_anything else again.says_anything):
            return asked
        await self._delegations.prefer_above(zone)
        return again

    async def _within(self, until: float, finding: Awaitable[T]) -> T | Trouble:
        try:
            async with asyncio.timeout(until - self._clock()):
                return await finding
        except TimeoutError:
            return _TOO_LATE

    async def _ask_one(self, asked: Asked, until: float, name: dns.name.Name) -> ServerAnswer:
        """What the server says about `name` that was the quickest to answer before."""
        quickest = min(
            (a for a in asked.answers if a.outcome.conclusive), key=lambda a: a.milliseconds
        )
        zone = asked.delegation
        if not name.is_subdomain(zone.zone):
            return ServerAnswer(quickest.server, Outcome.LAME)
        server = NameServer(quickest.host, quickest.server)
        question = Question(name, dns.rdatatype.TXT)
        return (await self._ask(zone, server, question, until)).answer


def _query(question: Question, *, signed: bool) -> dns.message.Message:
    query = make_query(*question, recursion=False)
    if signed:
        query.want_dnssec(True)
    return query
