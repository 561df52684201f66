"""Looking up TXT and CAA records by the word of resolvers: of one, or of several that agree."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import dns.name
import dns.rdatatype

from customdomains.dns.answers import name_text
from customdomains.dns.asking import (
    Patience,
    Word,
    ask_for_texts,
    distrust,
    evidence_of,
    find_zone,
    parse_name,
    with_aliases,
)
from customdomains.dns.messages import Question
from customdomains.dns.nearby import look_nearby
from customdomains.dns.resolvers import Resolver
from customdomains.model.evidence import Evidence, ServerAnswer

_GRACE = 0.5
"""Seconds for the rest to object, once enough resolvers agree."""


class _ResolverLookup(ABC):
    """What both modes share; `needed` resolvers have to say a thing for it to count."""

    def __init__(
        self,
        resolvers: Sequence[Resolver],
        *,
        needed: int,
        timeout: float,
        deadline: float,
        concurrency: int,
    ) -> None:
        self._resolvers = tuple(resolvers)
        self._needed = needed
        self._timeout = timeout
        self._deadline = deadline
        self._places = asyncio.Semaphore(concurrency)
        self._choose = random.SystemRandom()

    async def look_up(
        self,
        name: str,
        *,
        nearby: bool = False,
        enough: Callable[[Evidence], bool] | None = None,
    ) -> Evidence:
        """The TXT records at `name` (absolute, lower case, no trailing dot); with `nearby` also
        what stands elsewhere, unless the evidence about the name is `enough`.

        Never fails: it reports. An inconclusive answer may carry `cnames`: the resolver could not
        get the TXT records but knows the alias at the name. Raises ValueError for a name that
        cannot be in the DNS (a label over 63 bytes, 255 in all).
        """
        question = parse_name(name)
        async with self._places:
            until = asyncio.get_running_loop().time() + self._deadline
            patience = Patience(self._timeout, until)
            words = distrust(await self._ask(Question(question, dns.rdatatype.TXT), patience))
            told = next((word for word in words if word.answer.outcome.conclusive), None)
            if told is None:
                words = await with_aliases(words, question, patience)
            evidence = evidence_of(name, words, self._needed)
            if not nearby or told is None or evidence.obstacle is not None:
                return evidence
            if enough is not None and enough(evidence):
                return evidence
            return await self._with_nearby(evidence, question, told.resolver, patience)

    async def look_up_caa(self, name: str) -> Evidence:
        """The same about CAA records at `name`."""
        question = Question(parse_name(name), dns.rdatatype.CAA)
        async with self._places:
            until = asyncio.get_running_loop().time() + self._deadline
            words = await self._ask(question, Patience(self._timeout, until))
            return evidence_of(name, distrust(words), self._needed)

    @abstractmethod
    async def _ask(self, question: Question, patience: Patience) -> Sequence[Word]: ...

    async def _with_nearby(
        self, evidence: Evidence, name: dns.name.Name, resolver: Resolver, patience: Patience
    ) -> Evidence:
        """`evidence` with what `resolver` finds where the record may have been put by mistake."""

        async def ask(elsewhere: dns.name.Name) -> ServerAnswer:
            question = Question(elsewhere, dns.rdatatype.TXT)
            return (await ask_for_texts(resolver, question, patience)).answer

        zone = parse_name(evidence.zone) if evidence.zone else None
        if zone is None:
            zone = await find_zone(resolver, name, patience)
        return replace(
            evidence,
            zone=name_text(zone) if zone is not None else None,
            nearby=await look_nearby(name, zone, ask, self._choose),
        )


class RecursiveLookup(_ResolverLookup):
    """Asks resolvers in order, as a stub resolver does: the next where one said nothing.

    `timeout` is seconds for one question, `deadline` seconds for a lookup once it has one of the
    `concurrency` places, so that waiting for a place never turns into "timed out".
    """

    def __init__(
        self,
        resolvers: Sequence[Resolver],
        *,
        timeout: float = 2.0,
        deadline: float = 5.0,
        concurrency: int = 256,
    ) -> None:
        super().__init__(
            resolvers, needed=1, timeout=timeout, deadline=deadline, concurrency=concurrency
        )

    async def _ask(self, question: Question, patience: Patience) -> Sequence[Word]:
        words: list[Word] = []
        for resolver in self._resolvers:
            if patience.left <= 0:
                break
            words.append(await ask_for_texts(resolver, question, patience))
            if distrust(words)[-1].answer.outcome.conclusive:
                break
        return words


class QuorumLookup(_ResolverLookup):
    """Asks all resolvers at once; `needed` of them, more than half, have to agree.

    Once they do, the others have half a second to object. The rest as for `RecursiveLookup`.
    """

    def __init__(
        self,
        resolvers: Sequence[Resolver],
        *,
        needed: int,
        timeout: float = 2.0,
        deadline: float = 5.0,
        concurrency: int = 256,
    ) -> None:
        super().__init__(
            resolvers, needed=needed, timeout=timeout, deadline=deadline, concurrency=concurrency
        )

    async def _ask(self, question: Question, patience: Patience) -> Sequence[Word]:
        clock = asyncio.get_running_loop().time
        tasks = [asyncio.create_task(ask_for_texts(r, question, patience)) for r in self._resolvers]
        until = None
        try:
            while pending := [task for task in tasks if not task.done()]:
                wait = None if until is None else max(until - clock(), 0)
                done, _ = await asyncio.wait(
                    pending, timeout=wait, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                if until is None and self._enough([t.result() for t in tasks if t.done()]):
                    until = clock() + _GRACE
            return [task.result() for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _enough(self, words: Sequence[Word]) -> bool:
        said = Counter(
            (answer.outcome, answer.cnames, frozenset(answer.texts))
            for answer in (word.answer for word in distrust(words))
            if answer.outcome.conclusive
        )
        return any(votes >= self._needed for votes in said.values())
