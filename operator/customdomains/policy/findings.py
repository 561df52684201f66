"""What the evidence means for a claim: whether it proves ownership, and if not, why not."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim
from customdomains.model.evidence import Evidence, Outcome, Seen, ServerAnswer
from customdomains.model.names import challenge_name
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState

SEEN_LIMIT = 4
SEEN_LENGTH = 200
VALUES_LIMIT = 4
DIGEST_INSTEAD = "a challenge's value is in its place, which proves the ownership as well"

_IN_WORDS = {
    Outcome.NO_SUCH_NAME: "no such name",
    Outcome.SERVER_FAILURE: "SERVFAIL",
    Outcome.REFUSED: "refused",
    Outcome.TIMED_OUT: "no answer in time",
    Outcome.UNREACHABLE: "not reachable",
    Outcome.MALFORMED: "an answer that can't be read",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one wanted record stands."""

    state: RecordState
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `proof` is None unless ownership is proved.

    `digest` is the challenge value that the proof rests on, where the token is not there.
    """

    proof: Method | None
    reason: Reason
    message: str
    ownership: Verdict
    delegation: Verdict
    seen: tuple[Seen, ...]
    digest: str | None = None


def conclusive(finding: Finding) -> bool:
    """Whether the finding says something about the record ("could not ask" does not)."""
    return finding.reason is not Reason.LOOKUP_FAILED


def delegation_target(claim: Claim, zone: str) -> str:
    """What the tenant's CNAME has to point to (no trailing dot)."""
    return f"{claim.id}.{zone}"


def judge(evidence: Evidence, claim: Claim, zone: str, at: datetime) -> Finding:
    """Hold `evidence`, which was taken `at`, against what `claim` wants at its challenge name."""
    del at
    seen = describe(evidence.answers)
    name = f"{challenge_name(claim.domain)}."
    target = delegation_target(claim, zone)
    if not evidence.conclusive:
        return _unreachable(name, target, evidence.answers, seen)
    if any(target in answer.cnames for answer in evidence.conclusive):
        return _delegated(name, describe(_without_texts(evidence.answers)))
    if holds_any(evidence.texts, (claim.token,)):
        return _tokened(name, seen, None)
    digests = [d for d in _digests(claim) if holds_any(evidence.texts, (d,))]
    if digests:
        return _tokened(name, seen, digests[0])
    if evidence.cnames:
        return _misdirected(name, target, claim, sorted(evidence.cnames), seen)
    if evidence.texts:
        return _mismatched(name, claim, evidence.texts, seen)
    return _missing(name, seen)


def _digests(claim: Claim) -> tuple[str, ...]:
    """The challenge values that count: the one that counted before comes first."""
    known = claim.verification.digest if claim.verification else None
    return (*((known,) if known else ()), *(claim.order.digests if claim.order else ()))


def holds_any(found: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether a wanted value is among the found ones, compared in constant time."""
    values = [value.encode() for value in found]
    hits = [hmac.compare_digest(want.encode(), value) for want in wanted for value in values]
    return any(hits)


def challenges_present(evidence: Evidence, digests: Iterable[str]) -> bool:
    """Whether every challenge value is among the TXT values seen."""
    return all(digest in evidence.texts for digest in digests)


def describe(answers: Iterable[ServerAnswer]) -> tuple[Seen, ...]:
    """Each answer, bounded: who said what.

    Where somebody said something, who did not is left out; servers and values are sorted: the
    same fact has the same lines, whichever server answers first and in whatever order.
    """
    told = tuple(answers)
    told = tuple(a for a in told if a.outcome.conclusive) or told
    shortened = [
        Seen(
            server=shown(f"{a.host} ({a.server})" if a.host else a.server, SEEN_LENGTH),
            outcome=a.outcome,
            values=_values(a),
            authentic=a.authentic,
            ttl=a.ttl,
            milliseconds=a.milliseconds,
        )
        for a in told
    ]
    return tuple(sorted(shortened, key=lambda s: (s.server, s.values))[:SEEN_LIMIT])


def _without_texts(answers: Iterable[ServerAnswer]) -> tuple[ServerAnswer, ...]:
    """Behind the CNAME into our own zone there is nothing but what we answer ourselves."""
    return tuple(replace(answer, texts=()) for answer in answers)


def shown(text: str, length: int = 120) -> str:
    """What the DNS says as it may be shown: bounded, without control characters."""
    if len(text) > length:
        text = text[: length - 3] + "..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _values(answer: ServerAnswer) -> tuple[str, ...]:
    aliases = [f"CNAME {shown(answer.cnames[0])}."] if answer.cnames else []
    return tuple([*aliases, *(shown(text) for text in sorted(answer.texts))][:VALUES_LIMIT])


def _delegated(name: str, seen: tuple[Seen, ...]) -> Finding:
    return Finding(
        proof=Method.DELEGATED,
        reason=Reason.PROVED,
        message=f"the CNAME at {name} points to this domain's own name in the delegation zone",
        ownership=Verdict(RecordState.MISSING, "not needed: the CNAME is there"),
        delegation=Verdict(RecordState.PRESENT, "found as wanted"),
        seen=seen,
    )


def _tokened(name: str, seen: tuple[Seen, ...], digest: str | None) -> Finding:
    found = "found as wanted" if digest is None else DIGEST_INSTEAD
    return Finding(
        proof=Method.MANUAL,
        reason=Reason.PROVED,
        message=f"the TXT record at {name} has a value that was asked for",
        ownership=Verdict(RecordState.PRESENT, found),
        delegation=Verdict(RecordState.MISSING, "not needed: the TXT record is there"),
        seen=seen,
        digest=digest,
    )


def _unreachable(
    name: str, target: str, answers: tuple[ServerAnswer, ...], seen: tuple[Seen, ...]
) -> Finding:
    aliases = sorted({answer.cnames[0] for answer in answers if answer.cnames})
    if any(target in answer.cnames for answer in answers):
        message = (
            f"the CNAME at {name} is right, but what it points to could not be looked up: the name "
            "servers of the delegation zone did not answer. It is tried again; if it stays so, "
            "tell the operator of this platform"
        )
    elif aliases:
        message = (
            f"the CNAME at {name} points to {shown(aliases[0])}., which could not be looked up; "
            f"change its target to {target}."
        )
    else:
        causes = sorted({_IN_WORDS.get(answer.outcome, answer.outcome) for answer in answers})
        message = (
            f"{name} could not be looked up ({', '.join(causes) or 'no server was asked'}). That "
            "says nothing about the record; it is tried again. If it stays so, check the name "
            "servers of the domain"
        )
    verdict = Verdict(RecordState.UNREACHABLE, message)
    return Finding(None, Reason.LOOKUP_FAILED, message, verdict, verdict, seen)


def _missing(name: str, seen: tuple[Seen, ...]) -> Finding:
    return Finding(
        proof=None,
        reason=Reason.RECORD_MISSING,
        message=f"there is no record at {name} yet; create one of the records listed",
        ownership=Verdict(RecordState.MISSING, f"create a TXT record at {name} with this value"),
        delegation=Verdict(RecordState.MISSING, f"or create a CNAME at {name} with this target"),
        seen=seen,
    )


def _mismatched(name: str, claim: Claim, texts: frozenset[str], seen: tuple[Seen, ...]) -> Finding:
    values = ", ".join(f'"{shown(text, 80)}"' for text in sorted(texts)[:3])
    if holds_any((_bared(text) for text in texts), (claim.token,)):
        message = (
            f"the TXT record at {name} has quotes or spaces around the value, or another case; "
            "enter it exactly as listed, without quotes"
        )
    else:
        message = (
            f"the TXT record at {name} has another value: {values}; "
            "add a TXT record with the value listed"
        )
    return Finding(
        proof=None,
        reason=Reason.RECORD_MISMATCH,
        message=message,
        ownership=Verdict(RecordState.MISMATCH, message),
        delegation=Verdict(
            RecordState.CONFLICT,
            f"a CNAME can't stand beside the TXT record at {name}; remove that first",
        ),
        seen=seen,
    )


def _bared(text: str) -> str:
    return text.strip().strip("\"'").strip().lower()


def _misdirected(
    name: str, target: str, claim: Claim, targets: list[str], seen: tuple[Seen, ...]
) -> Finding:
    found = shown(targets[0], 253)
    if found.startswith(f"{target}."):
        message = (
            f"the CNAME at {name} points to {found}.: the DNS panel has appended a zone to the "
            f"target; enter the target with a dot at its end: {target}."
        )
    elif found == f"{target.split('.', 1)[0]}.{claim.domain}":
        message = (
            f"the CNAME at {name} points to {found}., inside the domain itself; "
            f"enter the whole target: {target}."
        )
    else:
        message = f"the CNAME at {name} points to {found}.; change its target to {target}."
    return Finding(
        proof=None,
        reason=Reason.RECORD_CONFLICT,
        message=message,
        ownership=Verdict(
            RecordState.CONFLICT,
            f"a TXT record can't stand beside the CNAME at {name}; change that, or remove it",
        ),
        delegation=Verdict(RecordState.MISMATCH, message),
        seen=seen,
    )
