"""What the servers of a zone say together, and how that leads from zone to zone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from customdomains.dns.answers import endless, name_text
from customdomains.dns.cuts import Delegation, Trouble
from customdomains.dns.reading import Reading
from customdomains.dns.referrals import Referral
from customdomains.model.evidence import Evidence, Obstacle, Outcome, ServerAnswer

_MAX_CHARACTERS = 32 * 1024
"""Of all different sets of values in one evidence; any honest zone has less than 8 KiB."""

_EXCESS = "the servers have more different values than are kept"


@dataclass(frozen=True, slots=True)
class Asked:
    """What each server of `delegation` says about one name."""

    delegation: Delegation
    readings: tuple[Reading, ...]

    @property
    def answers(self) -> tuple[ServerAnswer, ...]:
        """What they say, of those that refer elsewhere too."""
        return tuple(reading.answer for reading in self.readings)

    @property
    def needed(self) -> int:
        """How many of them have to say a thing: half of those that could be asked."""
        return (len({server.host for server in self.delegation.servers}) + 1) // 2

    @property
    def says_anything(self) -> bool:
        """Whether any of them knows the name, or who does."""
        return any(r.answer.outcome.conclusive or r.referral for r in self.readings)

    @property
    def decided(self) -> bool:
        """Whether enough of them say the same."""
        evidence = Evidence("", self.answers, self.needed)
        return evidence.settled or self.referral is not None

    @property
    def forged(self) -> bool:
        """Whether none is left to believe, because of missing or wrong signatures."""
        outcomes = {reading.answer.outcome for reading in self.readings}
        return Outcome.BOGUS in outcomes and not any(o.conclusive for o in outcomes)

    @property
    def referral(self) -> Referral | None:
        """Where enough of them refer to, and more than say anything else."""
        words = {id(r): _word(r.referral) for r in self.readings if r.referral}
        heard = tuple(
            replace(reading.answer, outcome=Outcome.ANSWERED, texts=words.get(id(reading), ()))
            for reading in self.readings
            if reading.referral or reading.answer.outcome.conclusive
        )
        evidence = Evidence("", heard, self.needed)
        for reading in self.readings:
            word = words.get(id(reading))
            if word is not None and evidence.agreed(partial(_says, word)):
                return reading.referral
        return None

    @property
    def alias(self) -> tuple[str, ...]:
        """The alias chain that enough of them agree on and whose end they leave to others."""
        evidence = Evidence("", self.answers, self.needed)
        chain: tuple[str, ...] = ()
        while (step := self._next(evidence, chain)) is not None:
            chain = (*chain, step)
        ended = {
            id(reading.answer)
            for reading in self.readings
            if reading.alias is None or reading.answer.clash
        }
        if not chain or evidence.agreed(lambda a: a.cnames == chain and id(a) in ended):
            return ()
        return chain

    @staticmethod
    def _next(evidence: Evidence, chain: tuple[str, ...]) -> str | None:
        """What enough servers give as the alias after `chain`."""
        length = len(chain) + 1
        longer = {
            a.cnames[:length]
            for a in evidence.conclusive
            if a.cnames[: length - 1] == chain and len(a.cnames) >= length
        }
        for prefix in longer:
            if evidence.agreed(partial(_begins, prefix)):
                return prefix[-1]
        return None


def _bounded(answers: Iterable[ServerAnswer]) -> tuple[ServerAnswer, ...]:
    """The answers, equal values kept once; what is more than anybody needs is no answer.

    Evidence is kept for every domain, and two dozen servers may each make up their own 16 KiB.
    """
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    room = _MAX_CHARACTERS
    bounded = []
    for answer in answers:
        texts = tuple(sorted(answer.texts))  # servers give them in turns
        if texts not in known:
            room -= sum(map(len, texts))
            if room < 0:
                excess = replace(answer, outcome=Outcome.MALFORMED, texts=(), explanation=_EXCESS)
                bounded.append(excess)
                continue
        bounded.append(replace(answer, texts=known.setdefault(texts, texts)))
    return tuple(bounded)


def _word(referral: Referral) -> tuple[str, ...]:
    """A referral in the place of an answer's texts: the zone, its servers, their addresses."""
    hosts = sorted(
        " ".join((name_text(host), *sorted(referral.glue.get(host, ())))) for host in referral.hosts
    )
    return (name_text(referral.zone), *hosts)


def _says(texts: tuple[str, ...], answer: ServerAnswer) -> bool:
    return answer.texts == texts


def _begins(chain: tuple[str, ...], answer: ServerAnswer) -> bool:
    return answer.cnames[: len(chain)] == chain


class Trail:
    """The way from `name` along its aliases; each answer tells the whole of it.

    `first` is what the servers of the name's own zone said.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._chain: tuple[str, ...] = ()
        self._authentic = True
        self._ttl: int | None = None
        self._answers: tuple[ServerAnswer, ...] = ()
        self._needed = 1
        self.first: Asked | None = None

    @property
    def endless(self) -> bool:
        """Whether the chain goes round, or on and on."""
        return endless(self._name, self._chain)

    def reached(self, asked: Asked) -> None:
        """The servers of the next zone were asked."""
        if not self._chain:
            self.first = asked
        self._answers = _bounded(map(self._after_aliases, asked.answers))
        self._needed = asked.needed

    def renamed(self, alias: tuple[str, ...]) -> None:
        """Enough of them say that the name at hand stands for another, in these steps."""
        chain = (*self._chain, *alias)
        having = [
            a for a in self._answers if a.outcome.conclusive and a.cnames[: len(chain)] == chain
        ]
        self._chain = chain
        self._authentic = all(answer.authentic for answer in having)
        self._ttl = min((a.ttl for a in having if a.ttl is not None), default=None)

    def evidence(self, trouble: Trouble | None) -> Evidence:
        """What is known; `trouble` is why there is nobody to ask about the name at hand."""
        zone = self.first.delegation.zone if self.first else trouble.zone if trouble else None
        found = Evidence(
            self._name,
            self._answers,
            needed=self._needed,
            zone=name_text(zone) if zone is not None else None,
        )
        if trouble is None:
            return replace(found, obstacle=self._loop())
        if trouble.obstacle is Obstacle.ALIAS_LOOP:
            return replace(found, obstacle=trouble.obstacle)
        if not self._answers:
            return replace(found, answers=trouble.answers, obstacle=trouble.obstacle)
        if trouble.obstacle is Obstacle.ZONE_NOT_FOUND:
            return found  # the alias leads nowhere, which is all there is to know
        # What stands behind the alias is unknown: nothing of this may pass for "not there".
        answers = trouble.answers or tuple(
            replace(a, outcome=Outcome.SERVER_FAILURE) for a in found.conclusive
        )
        return replace(
            found,
            answers=tuple(replace(a, cnames=self._chain, texts=()) for a in answers),
            obstacle=trouble.obstacle,
        )

    def _loop(self) -> Obstacle | None:
        """Whether more servers give a chain without end than say anything else."""
        circling = sum(1 for answer in self._answers if endless(self._name, answer.cnames))
        others = sum(
            1
            for answer in self._answers
            if answer.outcome.conclusive and not endless(self._name, answer.cnames)
        )
        return Obstacle.ALIAS_LOOP if circling > others else None

    def _after_aliases(self, answer: ServerAnswer) -> ServerAnswer:
        if not self._chain:
            return answer
        missing = answer.outcome is Outcome.NO_SUCH_NAME
        return replace(
            answer,
            # The name that was asked for exists: it has an alias (RFC 6604 section 2.1).
            outcome=Outcome.ANSWERED if missing else answer.outcome,
            cnames=(*self._chain, *answer.cnames),
            authentic=answer.authentic and self._authentic,
            ttl=min((t for t in (self._ttl, answer.ttl) if t is not None), default=None),
        )
