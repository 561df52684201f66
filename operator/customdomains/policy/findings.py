"""What the evidence means for a claim: whether it proves ownership, and if not, why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim
from customdomains.model.evidence import Evidence, Seen, ServerAnswer
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState
from customdomains.policy import causes, elsewhere, obstacles
from customdomains.policy.diagnosis import Diagnosis, Ruling, Sight, Verdict, holds_any
from customdomains.policy.seen import describe
from customdomains.policy.wording import MESSAGE_LENGTH, shown

FOUND = Verdict(RecordState.PRESENT, "found as wanted")
DIGEST_INSTEAD = Verdict(
    RecordState.PRESENT, "a challenge's value is in its place, which proves the ownership as well"
)

_EITHER_WAY: tuple[Callable[[Sight], Diagnosis | None], ...] = (
    obstacles.zone_not_found,
    obstacles.no_servers,
    obstacles.resolvers_failed,
    causes.alias_loop,
    causes.disagreeing,
)
"""What is told whether or not enough servers agree: without a zone, servers or an end of the alias
chain there is nothing else to find; servers that differ are the reason for all else."""

_UNDECIDED: tuple[Callable[[Sight], Diagnosis | None], ...] = (
    obstacles.bogus,
    obstacles.behind_an_alias,
    obstacles.lame,
    obstacles.unreachable,
)
"""Why too few could be asked: what somebody has to mend comes before what may pass by itself."""

_NOT_THERE: tuple[Callable[[Sight], Diagnosis | None], ...] = (
    causes.quoted,
    causes.clashing,
    elsewhere.at_the_wrong_name,
    elsewhere.wildcard,
    causes.of_another_registration,
    causes.wrong_target,
    causes.mismatched,
    causes.remembered,
)
"""Why the record is not there: from the nearest miss to nothing at all. A right record in a wrong
place and a wildcard are told before what the name itself shows, which they explain."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `proof` is None unless ownership is proved.

    `digest` is the challenge value that the proof rests on, where the token is not there.
    """

    ruling: Ruling
    proof: Method | None
    reason: Reason
    message: str
    ownership: Verdict
    delegation: Verdict
    seen: tuple[Seen, ...]
    digest: str | None = None


def conclusive(finding: Finding) -> bool:
    """Whether enough servers agree that the record is there, or that it is not."""
    return finding.ruling is not Ruling.UNDECIDED


def delegation_target(claim: Claim, zone: str) -> str:
    """What the tenant's CNAME has to point to (no trailing dot)."""
    return f"{claim.id}.{zone}"


def proofs_of(claim: Claim, zone: str) -> tuple[str, ...]:
    """Everything that proves the claim at its challenge name: alias target and TXT values."""
    return (delegation_target(claim, zone), claim.token, *_digests(claim))


def judge(evidence: Evidence, claim: Claim, zone: str, at: datetime) -> Finding:
    """Hold `evidence`, which was taken `at`, against what `claim` wants at its challenge name."""
    sight = Sight(evidence, claim, delegation_target(claim, zone), _digests(claim), at)
    ruling = sight.rule()
    if ruling is Ruling.PROVED:
        return _proved(sight)
    found = _diagnose(sight, ruling)
    unheard = ruling is Ruling.UNDECIDED and found.reason is not Reason.SERVERS_DISAGREE
    return Finding(
        ruling=ruling,
        proof=None,
        reason=found.reason,
        message=_bounded(found.message),
        ownership=replace(found.ownership, message=_bounded(found.ownership.message)),
        delegation=replace(found.delegation, message=_bounded(found.delegation.message)),
        seen=describe(evidence.answers, sight.values, everybody=unheard),
    )


def _diagnose(sight: Sight, ruling: Ruling) -> Diagnosis:
    undecided = ruling is Ruling.UNDECIDED
    for cause in (*_EITHER_WAY, *(_UNDECIDED if undecided else _NOT_THERE)):
        found = cause(sight)
        if found is not None:
            return found
    return obstacles.not_looked_up(sight) if undecided else causes.missing(sight)


def _digests(claim: Claim) -> tuple[str, ...]:
    """The challenge values that count: the one that counted before comes first."""
    known = claim.verification.digest if claim.verification else None
    return (*((known,) if known else ()), *(claim.order.digests if claim.order else ()))


def _proved(sight: Sight) -> Finding:
    """By the record that enough servers have.

    Where they prove it only together, some by one record and some by another, it is by the one
    that asks most of the tenant.
    """
    found = sight.counted
    if found.agreed(sight.delegates):
        # Behind the CNAME into our own zone there is nothing but what we answer ourselves.
        answers = tuple(
            replace(answer, texts=()) if sight.delegates(answer) else answer
            for answer in sight.evidence.answers
        )
        return Finding(
            ruling=Ruling.PROVED,
            proof=Method.DELEGATED,
            reason=Reason.PROVED,
            message=_bounded(
                f"the CNAME at {sight.name} points to this domain's own name in the delegation zone"
            ),
            ownership=Verdict(RecordState.MISSING, "not needed: the CNAME is there"),
            delegation=FOUND,
            seen=describe(answers, sight.values),
        )
    wanted = (sight.claim.token, *sight.digests)
    there = [value for value in wanted if holds_any(found.texts, (value,))]
    value = next((v for v in there if found.agreed(partial(_has, v))), there[0] if there else None)
    digest = value if value in sight.digests else None
    return Finding(
        ruling=Ruling.PROVED,
        proof=Method.MANUAL,
        reason=Reason.PROVED,
        message=_bounded(f"the TXT record at {sight.name} has a value that was asked for"),
        ownership=FOUND if digest is None else DIGEST_INSTEAD,
        delegation=Verdict(RecordState.MISSING, "not needed: the TXT record is there"),
        seen=describe(sight.evidence.answers, sight.values),
        digest=digest,
    )


def _has(value: str, answer: ServerAnswer) -> bool:
    return holds_any(answer.texts, (value,))


def challenges_present(evidence: Evidence, digests: Iterable[str]) -> bool:
    """Whether every server that says anything, and enough of them, has every challenge value.

    Any of them may be the one that a certificate authority asks.
    """
    wanted = frozenset(digests)
    having = [wanted <= set(answer.texts) for answer in evidence.conclusive]
    return all(having) and evidence.agreed(lambda answer: wanted <= set(answer.texts))


def _bounded(message: str) -> str:
    return shown(message, MESSAGE_LENGTH)
