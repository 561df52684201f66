"""What the page says, in words for people who own a domain and know no Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from customdomains.model.evidence import Outcome
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import Purpose, RecordState

Tone = Literal["todo", "wait", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Words:
    """The state of a domain in two sentences, and at which step of its way it is."""

    tone: Tone
    headline: str
    lead: str
    step: int


@dataclass(frozen=True, slots=True)
class Run:
    """A part of a message: prose, something to be copied as it is, or a moment in RFC 3339."""

    kind: str  # "text", "code" or "time"
    text: str


DNS, CERTIFICATE, DONE = 1, 2, 3

_PENDING = Words(
    "todo",
    "Set one DNS record",
    "It shows that the domain is yours. Everything after that happens by itself.",
    DNS,
)
_CORRECT = Words(
    "warn",
    "The record needs a correction",
    "Your DNS answers, but not with what is needed.",
    DNS,
)
_SPREADING = Words(
    "wait",
    "The record is on its way",
    "Not all of your name servers have it yet. That can take some minutes.",
    DNS,
)
_NOT_ASKED = Words(
    "warn",
    "Your DNS could not be asked",
    "This says nothing about your record. The lookup is tried again by itself.",
    DNS,
)
_PENDING_WORDS: Mapping[str, Words] = {
    Reason.NOT_CHECKED_YET: _PENDING,
    Reason.RECORD_MISSING: _PENDING,
    Reason.NEGATIVE_ANSWER_CACHED: _PENDING,
    Reason.SERVERS_DISAGREE: _SPREADING,
    Reason.ZONE_NOT_FOUND: _NOT_ASKED,
    Reason.LAME_DELEGATION: _NOT_ASKED,
    Reason.SERVERS_UNREACHABLE: _NOT_ASKED,
    Reason.DNSSEC_BOGUS: _NOT_ASKED,
    Reason.LOOKUP_FAILED: _NOT_ASKED,
}
_SUSPENDED = Words(
    "wait", "On hold", "This domain is on hold, and nobody looks at its record meanwhile.", DNS
)
_CONTENDING = Words(
    "warn",
    "Somebody else has registered this domain",
    "If it is yours, your record decides.",
    DNS,
)
_FAILED_WORDS: Mapping[str, Words] = {
    Reason.LOST: Words(
        "bad",
        "The domain went to somebody else",
        "They have shown that it is theirs, and your record was not there.",
        DNS,
    ),
    Reason.CLAIM_EXPIRED: Words(
        "bad",
        "The registration has expired",
        "No record was found in time. You can still set it, and then have it checked.",
        DNS,
    ),
    Reason.PROOF_EXPIRED: Words(
        "bad", "The record is gone", "Put it back, and then have it checked.", DNS
    ),
}
_FAILED = Words(
    "bad",
    "The certificate did not work out",
    "The domain is yours, your record is there.",
    CERTIFICATE,
)
_PROOF_GONE = Words(
    "warn",
    "Put the record back",
    "The domain goes on working for a while, but its record is not there any more.",
    DNS,
)
_CHALLENGE = Words(
    "todo",
    "One more record for the certificate",
    "The certificate authority wants to see what is below. It goes on once that is found.",
    CERTIFICATE,
)
_ONE_FOR_ALL = Words(
    "todo",
    "One more record for certificates",
    "It is set once, for good. The certificate follows when it is found.",
    CERTIFICATE,
)
_UNDER_WAY = Words(
    "wait",
    "The certificate is on its way",
    "There is nothing to do. It usually takes less than a minute.",
    CERTIFICATE,
)
_PHASE_WORDS: Mapping[str, Words] = {
    Phase.CERTIFICATE_PENDING: _UNDER_WAY,
    Phase.ACTIVE: Words(
        "good", "All set", "The domain is yours, and its certificate is in place.", DONE
    ),
}
_VERIFIED = Words("good", "The domain is yours", "Your record was found.", CERTIFICATE)
_VERIFIED_WORDS: Mapping[str, Words] = {
    Reason.ORDER_DUE: Words(
        "wait",
        "The domain is yours",
        "The certificate is ordered next. There is nothing to do.",
        CERTIFICATE,
    ),
    Reason.AWAITING_ISSUE_REQUEST: Words(
        "wait",
        "The domain is yours",
        "The certificate is ordered once it is asked for. There is nothing to do here.",
        CERTIFICATE,
    ),
    Reason.AWAITING_BUDGET: Words(
        "wait",
        "The domain is yours",
        "The certificate waits for its turn at the certificate authority. There is nothing to do.",
        CERTIFICATE,
    ),
    Reason.NOT_WANTED: Words("good", "All set", "The domain is yours.", DONE),
}


def of_state(
    phase: str, reasons: Mapping[str, str], states: frozenset[str], *, challenged: bool
) -> Words:
    """What there is to say first. `reasons` are the conditions' by type, `states` the records'.

    `challenged` tells that the certificate waits for records of the tenant.
    """
    proof = reasons.get("Verified", "")
    if phase == Phase.FAILED:
        return _FAILED_WORDS.get(reasons.get("Claimed", "")) or _FAILED_WORDS.get(proof, _FAILED)
    if phase == Phase.PENDING:
        if reasons.get("Ready") == Reason.SUSPENDED:
            return _SUSPENDED
        if reasons.get("Claimed") == Reason.CONTENDING:
            return _CONTENDING
        wrong = states & {RecordState.MISMATCH, RecordState.CONFLICT}
        return _PENDING_WORDS.get(proof, _CORRECT if wrong else _PENDING)
    if proof == Reason.PROOF_GONE:
        return _PROOF_GONE
    if challenged:
        no_way = reasons.get("CertificateIssued") == Reason.NO_CHALLENGE
        return _ONE_FOR_ALL if no_way else _CHALLENGE
    if phase in _PHASE_WORDS:
        return _PHASE_WORDS[phase]
    return _VERIFIED_WORDS.get(reasons.get("CertificateIssued", ""), _VERIFIED)


OUTCOMES: Mapping[str, str] = {
    Outcome.ANSWERED: "has no such record",
    Outcome.NO_SUCH_NAME: "has nothing at this name",
    Outcome.SERVER_FAILURE: "could not answer (SERVFAIL)",
    Outcome.REFUSED: "refused to answer",
    Outcome.LAME: "does not know this domain",
    Outcome.BOGUS: "gave an answer that fails DNSSEC",
    Outcome.TIMED_OUT: "gave no answer in time",
    Outcome.UNREACHABLE: "could not be reached",
    Outcome.MALFORMED: "gave an answer that can't be read",
}
"""What a server said that gave no values."""

STATES: Mapping[str, tuple[str, Tone]] = {
    RecordState.PRESENT: ("Found", "good"),
    RecordState.MISSING: ("Not found yet", "todo"),
    RecordState.MISMATCH: ("Not right yet", "warn"),
    RecordState.CONFLICT: ("In conflict", "warn"),
    RecordState.UNREACHABLE: ("Could not be checked", "warn"),
    RecordState.UNKNOWN: ("Not checked yet", "todo"),
}

PLAIN_STATES = frozenset({RecordState.PRESENT, RecordState.MISSING, RecordState.UNKNOWN})
"""Those that say it all."""

HINTS: Mapping[str, str] = {
    Purpose.DELEGATION: "Set once, for good: all certificates follow by themselves.",
    Purpose.OWNERSHIP: "Each certificate will take one more record, set by hand.",
    Purpose.PERSISTENT: "Set once, for good: all certificates follow by themselves.",
    Purpose.CHALLENGE: "For this certificate only; it can go once that is there.",
}

FOR_WHAT: Mapping[str, str] = {
    Purpose.CHALLENGE: " for the certificate",
    Purpose.PERSISTENT: " for certificates",
}
OPTIONAL: tuple[str, Tone] = ("Optional", "todo")

SAID_ALREADY = frozenset(
    {
        Reason.NOT_CHECKED_YET,
        Reason.AWAITING_CHALLENGE_RECORD,
        Reason.ORDER_UNDER_WAY,
        Reason.NO_CHALLENGE,
        Reason.AWAITING_CERT_MANAGER,
    }
)
"""Reasons whose message says no more than the words here do."""

_FOR_KUBERNETES = re.compile(
    r"(?:, over HTTP or)? by the annotation \S+|Secret is kept, its (?=cert)"
)
_TOLD_BY_THE_CARDS = frozenset({Reason.RECORD_MISSING, Reason.WILDCARD_ANSWER})
_WORD = re.compile(r"[^\s\"'(]\S*[^\s\"';:,)]")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_LONG = 20  # characters: no word of ours, but a token or a digest
_SHOWN = 2000  # characters: whoever may write a status may write a long one


def message(text: str, reason: str) -> tuple[Run, ...]:
    """A condition's message as a sentence, in runs.

    Left out is what only somebody with rights in Kubernetes could do, and the records to create
    where the page has just these.
    """
    plain = _FOR_KUBERNETES.sub("", text[:_SHOWN])
    if reason in _TOLD_BY_THE_CARDS:
        plain = plain.split("; create ", 1)[0]
    plain = plain[:1].upper() + plain[1:]
    if plain and plain[-1] not in ".!?":
        plain += "."
    return tuple(_runs(plain))


def _runs(text: str) -> Iterator[Run]:
    end = 0
    for found in _WORD.finditer(text):
        word = found[0].removesuffix(").")
        if _TIME.fullmatch(word.removesuffix(".")):
            word, kind = word.removesuffix("."), "time"
        elif word[0] == "_" or word.removesuffix(".").count(".") >= 2:
            kind = "code"
        elif len(word.removesuffix(".")) >= _LONG:
            word, kind = word.removesuffix("."), "code"
        else:
            continue
        if found.start() > end:
            yield Run("text", text[end : found.start()])
        yield Run(kind, word)
        end = found.start() + len(word)
    if end < len(text):
        yield Run("text", text[end:])
