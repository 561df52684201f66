"""Asking the configured resolvers, in order, for what leads to a zone's own servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from customdomains.dns.answers import explanation
from customdomains.dns.messages import make_query
from customdomains.dns.resolvers import Resolver
from customdomains.model.evidence import Outcome, ServerAnswer

_SILENT_OFTEN = 3
"""Questions in a row without answer, after which a resolver is asked last."""

_PLACES = 384
_PLACES_FOR_FAILURES = 32
"""For names that failed the last time they were asked for: many such don't crowd out the rest."""


@dataclass(frozen=True, slots=True)
class Heard:
    """`response` where a resolver gave one that says something; `answers` are how each of those
    asked ended, that one last."""

    response: dns.message.Message | None
    answers: tuple[ServerAnswer, ...]

    @property
    def secure(self) -> bool:
        """Whether the resolver calls its answer secure (RFC 4035 section 3.2.3)."""
        return self.response is not None and bool(self.response.flags & dns.flags.AD)


class Stub:
    """Asks one resolver after the other, those last that have been silent lately.

    They are never left out: silence may be the fault of the name that was asked for.
    """

    def __init__(
        self, resolvers: Sequence[Resolver], *, timeout: float, clock: Callable[[], float]
    ) -> None:
        self._resolvers = tuple(resolvers)
        self._timeout = timeout
        self._clock = clock
        self._places = asyncio.Semaphore(_PLACES)
        self._places_for_failures = asyncio.Semaphore(_PLACES_FOR_FAILURES)
        self._silent = dict.fromkeys((resolver.name for resolver in self._resolvers), 0)

    async def ask(
        self,
        name: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
        patience: float,
        *,
        failed: bool = False,
    ) -> Heard:
        """What the resolvers say, asked for at most `patience` seconds from when there is room.

        `failed` tells that the last such question got no answer.

        A resolver that fails, does not where it is told not to validate, and fails again, finds
        the answer bogus. No other is asked then: it may be one that does not look at signatures.
        """
        async with self._places_for_failures if failed else self._places:
            return await self._ask(name, rdtype, self._clock() + patience)

    async def _ask(
        self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, until: float
    ) -> Heard:
        answers: list[ServerAnswer] = []
        for resolver in sorted(self._resolvers, key=self._asked_last):
            answer, response = await self._put(resolver, make_query(name, rdtype), until)
            if answer.outcome is Outcome.SERVER_FAILURE:
                unchecked = make_query(name, rdtype, checking=False)
                if (await self._put(resolver, unchecked, until))[0].outcome.conclusive:
                    answer, response = await self._put(resolver, make_query(name, rdtype), until)
                    if answer.outcome is Outcome.SERVER_FAILURE:
                        answer = replace(answer, outcome=Outcome.BOGUS)
            answers.append(answer)
            if answer.outcome.conclusive:
                return Heard(response, tuple(answers))
            if answer.outcome is Outcome.BOGUS:
                break
        return Heard(None, tuple(answers))

    def _asked_last(self, resolver: Resolver) -> bool:
        return self._silent[resolver.name] >= _SILENT_OFTEN

    async def _put(
        self, resolver: Resolver, query: dns.message.Message, until: float
    ) -> tuple[ServerAnswer, dns.message.Message | None]:
        left = until - self._clock()
        if left <= 0:
            return ServerAnswer(resolver.name, Outcome.TIMED_OUT), None
        reply = await resolver.query(query, min(self._timeout, left))
        self._silent[resolver.name] = (
            0 if reply.response is not None else self._silent[resolver.name] + 1
        )
        answer = ServerAnswer(
            resolver.name,
            reply.outcome,
            milliseconds=reply.milliseconds,
            explanation=reply.trouble if reply.response is None else explanation(reply.response),
        )
        return answer, reply.response
