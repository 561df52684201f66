"""A resolver's word on a name, and what it makes of the evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import dns.exception
import dns.message
import dns.name
import dns.rdatatype

from customdomains.dns.answers import (
    MAX_CHAIN,
    enclosing_soa,
    endless,
    name_text,
    read_answer,
)
from customdomains.dns.messages import Question, make_query
from customdomains.dns.resolvers import Resolver
from customdomains.model.evidence import Evidence, Obstacle, Outcome, ServerAnswer
from customdomains.model.names import is_registry_zone

_MAY_KNOW_THE_ALIAS = {Outcome.SERVER_FAILURE, Outcome.REFUSED, Outcome.TIMED_OUT}

_FAULT_OF_THE_RESOLVER = {
    Outcome.REFUSED,
    Outcome.LAME,
    Outcome.UNREACHABLE,
    Outcome.MALFORMED,
}

_GIVES_UP = 11
"""Aliases after which BIND and Unbound fail, and BIND tells how far it got."""

_MAX_CLIMB = 8
"""Labels between a name and its zone's apex that are tried."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a resolver says; `zone` is the apex around the name, where it told that as well."""

    resolver: Resolver
    answer: ServerAnswer
    zone: dns.name.Name | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: `timeout` seconds for one question, and until a moment of the loop's
    clock for all."""

    timeout: float
    until: float

    @property
    def left(self) -> float:
        """Seconds for the next question; none is put where it is not positive."""
        return min(self.timeout, self.until - asyncio.get_running_loop().time())

    def half(self) -> Patience:
        """Half of the time that is left, so that somebody else can be asked after it."""
        return replace(self, until=(self.until + asyncio.get_running_loop().time()) / 2)


def parse_name(name: str) -> dns.name.Name:
    """`name` as dnspython's. Raises ValueError for one that cannot be in the DNS."""
    try:
        return dns.name.from_text(name)
    except dns.exception.DNSException as error:
        raise ValueError(f"{name!r} cannot be a name in the DNS: {error}") from error


async def ask_for_texts(resolver: Resolver, question: Question, patience: Patience) -> Word:
    """What `question` asks for, TXT or CAA records, by the word of `resolver`.

    A SERVFAIL does not say whether the name's servers fail or its signatures do. Where the same
    question gets an answer without validation, and again none with it, it is the signatures. With
    an alias chain without end in it, a SERVFAIL is about that.
    """
    word = await _ask(resolver, question, patience)
    answer, name = word.answer, name_text(question.name)
    if answer.outcome is not Outcome.SERVER_FAILURE or endless(name, answer.cnames):
        return word
    brief = patience.half()
    if not (await _ask(resolver, question, brief, checking=False)).answer.outcome.conclusive:
        return word
    again = await _ask(resolver, question, brief)
    if again.answer.outcome is Outcome.SERVER_FAILURE:
        return replace(again, answer=replace(again.answer, outcome=Outcome.BOGUS, cnames=()))
    return again


async def with_aliases(
    words: Iterable[Word], name: dns.name.Name, patience: Patience
) -> tuple[Word, ...]:
    """`words`, the first one that can with the alias chain at `name`.

    A resolver that can't get the TXT records at the end of a chain may know the chain. The
    outcome stays: what the TXT records are is still unknown, and the alias alone must not pass
    for "the records are gone".
    """
    told = tuple(words)
    if any(word.answer.cnames for word in told):
        return told
    for place, word in enumerate(told):
        if word.answer.outcome not in _MAY_KNOW_THE_ALIAS:
            continue
        cnames, ttl = await _chain(word.resolver, name, patience)
        if cnames:
            knowing = replace(word, answer=replace(word.answer, cnames=cnames, ttl=ttl))
            return (*told[:place], knowing, *told[place + 1 :])
    return told


async def _chain(
    resolver: Resolver, name: dns.name.Name, patience: Patience
) -> tuple[tuple[str, ...], int | None]:
    """The CNAMEs from `name` on, one question each, and the smallest TTL among them."""
    cnames: tuple[str, ...] = ()
    ttls: list[int] = []
    here = name
    while len(cnames) < MAX_CHAIN and not endless(name_text(name), cnames):
        word = await _ask(resolver, Question(here, dns.rdatatype.CNAME), patience)
        if not word.answer.cnames:
            break
        cnames += word.answer.cnames
        ttls += [word.answer.ttl] if word.answer.ttl is not None else []
        here = dns.name.from_text(cnames[-1])
    return cnames, min(ttls, default=None)


async def find_zone(
    resolver: Resolver, name: dns.name.Name, patience: Patience
) -> dns.name.Name | None:
    """The apex of the zone that `name` is in, by the SOA of it or of a name above.

    An alias says nothing about the zone that it stands in; the next name above is asked for.
    """
    for _ in range(_MAX_CLIMB):
        if _is_registry(name) or patience.left <= 0:
            return None
        reply = await resolver.query(make_query(name, dns.rdatatype.SOA), patience.left)
        if reply.response is None or not reply.outcome.conclusive:
            return None
        if any(s.rdtype == dns.rdatatype.SOA and s.name == name for s in reply.response.answer):
            return name
        zone = _zone(name, reply.response)
        if zone is not None:
            return zone if not _is_registry(zone) else None
        name = name.parent()
    return None


def distrust(words: Iterable[Word]) -> tuple[Word, ...]:
    """`words`, where one resolver found an answer bogus, with those who did not look.

    An answer that somebody else found secure stays; one that nobody has validated is the same
    bogus one, from a resolver that does not validate.
    """
    told = tuple(words)
    if not any(word.answer.outcome is Outcome.BOGUS for word in told):
        return told
    return tuple(
        word
        if word.answer.authentic or not word.answer.outcome.conclusive
        else replace(word, answer=_bogus(word.answer))
        for word in told
    )


def _bogus(answer: ServerAnswer) -> ServerAnswer:
    return ServerAnswer(
        answer.server,
        Outcome.BOGUS,
        milliseconds=answer.milliseconds,
        explanation="not validated here; another resolver found it bogus",
    )


def evidence_of(name: str, words: Sequence[Word], needed: int) -> Evidence:
    """What `words` come to, of which `needed` have to agree."""
    found = Evidence(name, tuple(word.answer for word in words), needed)
    zones = {word.answer.server: word.zone for word in words if word.zone is not None}

    def in_no_zone(answer: ServerAnswer) -> bool:
        zone = zones.get(answer.server)
        absent = answer.outcome is Outcome.NO_SUCH_NAME
        return absent and zone is not None and _is_registry(zone)

    def loops(answer: ServerAnswer) -> bool:
        gave_up = not answer.outcome.conclusive and len(answer.cnames) >= _GIVES_UP
        return gave_up or endless(name, answer.cnames)

    if found.agreed(in_no_zone):
        return replace(found, obstacle=Obstacle.ZONE_NOT_FOUND)
    # Some resolvers answer with the endless chain, others fail at it.
    circling = sum(map(loops, found.answers))
    if circling > sum(1 for answer in found.conclusive if not loops(answer)):
        return replace(found, obstacle=Obstacle.ALIAS_LOOP)
    if all(answer.outcome in _FAULT_OF_THE_RESOLVER for answer in found.answers):
        return replace(found, obstacle=Obstacle.RESOLVERS_FAILED)
    zone = next((zone for zone in zones.values() if not _is_registry(zone)), None)
    return replace(found, zone=name_text(zone) if zone is not None else None)


async def _ask(
    resolver: Resolver, question: Question, patience: Patience, *, checking: bool = True
) -> Word:
    if (left := patience.left) <= 0:
        return Word(resolver, ServerAnswer(resolver.name, Outcome.TIMED_OUT))
    name, rdtype = question
    reply = await resolver.query(make_query(name, rdtype, checking=checking), left)
    if reply.response is None:
        answer = ServerAnswer(
            resolver.name,
            reply.outcome,
            milliseconds=reply.milliseconds,
            explanation=reply.trouble,
        )
        return Word(resolver, answer)
    answer = read_answer(resolver.name, name, reply.response, rdtype, trusted=True)
    zone = None if answer.cnames else _zone(name, reply.response)
    return Word(resolver, replace(answer, milliseconds=reply.milliseconds), zone)


def _zone(name: dns.name.Name, response: dns.message.Message) -> dns.name.Name | None:
    if response.answer:
        return None  # an alias, and then the SOA is that of its target
    soa = enclosing_soa(name, response)
    return soa.name if soa is not None else None


def _is_registry(zone: dns.name.Name) -> bool:
    return is_registry_zone("" if zone == dns.name.root else name_text(zone))
