"""What a diagnosis is made from, and what it says: the ground that every cause stands on."""

from __future__ import annotations

import hmac
import string
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from customdomains.model.claim import Claim
from customdomains.model.evidence import Evidence, Obstacle, Outcome, ServerAnswer
from customdomains.model.names import challenge_name
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState
from customdomains.policy.seen import alias
from customdomains.policy.wording import named

NOT_BOTH = "not needed where the other record is there"


class Ruling(StrEnum):
    """What enough servers agree on: the proof, that it is not there, or neither."""

    PROVED = "Proved"
    NOT_THERE = "NotThere"
    UNDECIDED = "Undecided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one wanted record stands."""

    state: RecordState
    message: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why ownership is not proved, and how the two records that would do it stand."""

    reason: Reason
    message: str
    ownership: Verdict
    delegation: Verdict


@dataclass(frozen=True, slots=True)
class Sight:
    """Evidence taken `at`, beside what a claim wants.

    `name` is the challenge name (absolute, with its dot), `target` where the tenant's CNAME has
    to point (no dot), `digests` the challenge values that count as well.
    """

    evidence: Evidence
    claim: Claim
    target: str
    digests: tuple[str, ...]
    at: datetime

    @property
    def name(self) -> str:
        """The challenge name, with its dot."""
        return named(challenge_name(self.claim.domain))

    @property
    def counted(self) -> Evidence:
        """The evidence without the answers that don't count.

        Where one server's answer fails DNSSEC validation, the others' count only if they passed
        it: a resolver that does not validate must not prove a zone that another finds forged.
        """
        if all(a.outcome is not Outcome.BOGUS for a in self.evidence.answers):
            return self.evidence
        return replace(
            self.evidence, answers=tuple(a for a in self.evidence.answers if a.authentic)
        )

    @property
    def answers(self) -> tuple[ServerAnswer, ...]:
        """The answers that count and say something about the name."""
        return self.counted.conclusive

    @property
    def aliases(self) -> tuple[str, ...]:
        """The different CNAME targets at the name, in order."""
        return tuple(sorted({a.cnames[0] for a in self.answers if a.cnames}))

    @property
    def texts(self) -> tuple[str, ...]:
        """The different TXT values, in order."""
        return tuple(sorted({text for answer in self.answers for text in answer.texts}))

    @property
    def by_delegation(self) -> bool:
        """Whether the domain's own name servers were asked, not resolvers."""
        return any(answer.host for answer in self.evidence.answers)

    @property
    def values(self) -> frozenset[str]:
        """What proves, as it is shown among the values seen."""
        return frozenset((alias(self.target), self.claim.token, *self.digests))

    @property
    def txt(self) -> str:
        """The TXT record to set."""
        return f"a TXT record at {self.name} with the value {self.claim.token}"

    @property
    def cname(self) -> str:
        """The CNAME to set."""
        return f"a CNAME at {self.name} with the target {named(self.target)}"

    @property
    def either(self) -> str:
        """Both ways to prove the domain, for a sentence that has named the name."""
        return (
            f"a TXT record there with the value {self.claim.token}, or a CNAME there with the "
            f"target {named(self.target)}"
        )

    def delegates(self, answer: ServerAnswer) -> bool:
        """Whether the alias chain leads to the claim's own name in the delegation zone."""
        return self.target in answer.cnames

    def proves(self, answer: ServerAnswer) -> bool:
        """Whether the answer shows what only the tenant can have set for this claim."""
        wanted = (self.claim.token, *self.digests)
        return self.delegates(answer) or holds_any(answer.texts, wanted)

    def rule(self) -> Ruling:
        """What enough servers agree on.

        Behind an obstacle nothing proves. That there is no zone, or no end of an alias chain, can
        be agreed on; that nobody could be asked says nothing about the record.
        """
        found = self.counted
        if found.obstacle is None and found.agreed(self.proves):
            return Ruling.PROVED
        mute = found.obstacle in {Obstacle.NO_SERVERS, Obstacle.RESOLVERS_FAILED}
        if not mute and found.agreed(lambda answer: not self.proves(answer)):
            return Ruling.NOT_THERE
        return Ruling.UNDECIDED


def holds_any(found: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether a wanted value is among the found ones, compared in constant time."""
    there = [value.encode("utf-8", "surrogatepass") for value in found]
    hits = [hmac.compare_digest(want.encode(), value) for want in wanted for value in there]
    return any(hits)


def both(reason: Reason, state: RecordState, message: str) -> Diagnosis:
    """The same for both records."""
    verdict = Verdict(state, message)
    return Diagnosis(reason, message, verdict, verdict)


def nothing_there(sight: Sight, reason: Reason, message: str) -> Diagnosis:
    """Where either record can be set."""
    return Diagnosis(
        reason,
        message,
        Verdict(RecordState.MISSING, f"create {sight.txt}"),
        Verdict(RecordState.MISSING, f"or create {sight.cname}"),
    )


def of_the_txt(sight: Sight, reason: Reason, message: str) -> Diagnosis:
    """Where the TXT record is what is wrong."""
    beside = f"a CNAME can't stand beside the TXT record at {sight.name}; remove that first"
    return Diagnosis(
        reason,
        message,
        Verdict(RecordState.MISMATCH, message),
        Verdict(RecordState.CONFLICT, beside),
    )


def of_the_cname(sight: Sight, reason: Reason, message: str) -> Diagnosis:
    """Where the CNAME is what is wrong."""
    beside = f"a TXT record can't stand beside the CNAME at {sight.name}; change or remove that"
    return Diagnosis(
        reason,
        message,
        Verdict(RecordState.CONFLICT, beside),
        Verdict(RecordState.MISMATCH, message),
    )


def bare(text: str) -> str:
    """A value without quotes, spaces and other things that no token has."""
    return "".join(c for c in text if c in string.ascii_letters or c in string.digits).lower()


def below(name: str, zone: str) -> bool:
    """Whether `name` is in `zone` and not its apex."""
    return name.endswith(f".{zone}")
