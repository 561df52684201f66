"""CustomDomain's status: a projection for people, rendered whole and never read as input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from customdomains.model.evidence import Seen
from customdomains.model.progress import render_seen
from customdomains.model.reasons import Phase, Reason
from customdomains.model.times import format_time


class RecordState(StrEnum):
    """How a wanted record stands beside what the DNS shows."""

    PRESENT = "Present"
    MISSING = "Missing"
    MISMATCH = "Mismatch"
    CONFLICT = "Conflict"
    UNREACHABLE = "Unreachable"
    UNKNOWN = "Unknown"


class Purpose(StrEnum):
    """What a record is for."""

    OWNERSHIP = "Ownership"
    DELEGATION = "Delegation"
    CHALLENGE = "Challenge"
    PERSISTENT = "Persistent"


@dataclass(frozen=True, slots=True)
class Record:
    """A DNS record that would do; `name` and CNAME targets end in a dot, ready to paste."""

    purpose: Purpose
    type: str
    name: str
    value: str
    state: RecordState
    message: str
    seen: tuple[Seen, ...] = ()

    def render(self) -> dict[str, Any]:
        """The JSON form."""
        rendered: dict[str, Any] = {
            "purpose": self.purpose,
            "type": self.type,
            "name": self.name,
            "value": self.value,
            "state": self.state,
            "message": self.message,
        }
        if self.seen:
            rendered["seen"] = [render_seen(each) for each in self.seen]
        return rendered


@dataclass(frozen=True, slots=True)
class Condition:
    """A `metav1.Condition`; `since` is its lastTransitionTime."""

    type: str
    value: bool | None
    reason: Reason
    message: str
    since: datetime

    def render(self) -> dict[str, Any]:
        """The JSON form; None as value is `Unknown`."""
        return {
            "type": self.type,
            "status": "Unknown" if self.value is None else str(self.value),
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": format_time(self.since),
        }


@dataclass(frozen=True, slots=True)
class Checks:
    """When the DNS was asked; these change with every check and ride along with other writes."""

    last: datetime | None
    next: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Status:
    """The whole status. `meaning` is rendered without what changes with every check."""

    phase: Phase
    meaning: Mapping[str, Any]
    checks: Checks
    reason: Reason

    def render(self) -> dict[str, Any]:
        """The JSON form, to replace the status with."""
        rendered = dict(self.meaning)
        verification = dict(rendered.get("verification", {}))
        if self.checks.last:
            verification["lastCheckedAt"] = format_time(self.checks.last)
            verification["attempts"] = self.checks.attempts
        if self.checks.next:
            verification["nextCheckAt"] = format_time(self.checks.next)
        if verification:
            rendered["verification"] = verification
        return rendered

    @property
    def message(self) -> str:
        """What Ready says."""
        conditions: list[dict[str, Any]] = self.meaning["conditions"]
        return next(str(c["message"]) for c in conditions if c["type"] == "Ready")

    @property
    def mark(self) -> StatusMark:
        """What `mark_of` gives for an object that carries this status."""
        return mark_of(self.meaning)


_VOLATILE = frozenset({"lastCheckedAt", "nextCheckAt", "attempts"})
_REASONS = {reason.value: reason for reason in Reason}
_VOLATILE_SEEN = frozenset({"ttl", "milliseconds"})


@dataclass(frozen=True, slots=True)
class StatusMark:
    """A status' fingerprint, for telling whether a write would change its meaning.

    `phase` and the reason of `Verified` are what the object shows just now: for logs and metrics,
    never for decisions.
    """

    digest: bytes
    phase: str
    verified: Reason | None = None


def mark_of(status: Mapping[str, Any]) -> StatusMark:
    """The mark of a status as read from the API server, whoever wrote it."""
    meaning = dict(status)
    verification = meaning.get("verification")
    if isinstance(verification, Mapping):
        steady = {k: v for k, v in verification.items() if k not in _VOLATILE}
        if steady:
            meaning["verification"] = steady
        else:
            del meaning["verification"]
    records = meaning.get("records")
    if isinstance(records, list):
        meaning["records"] = [_steady(record) for record in records]
    phase = meaning.get("phase")
    shown = phase if isinstance(phase, str) else ""
    return StatusMark(_digest(meaning), shown, _reason_of("Verified", meaning.get("conditions")))


def _reason_of(kind: str, conditions: object) -> Reason | None:
    """Why the condition of this `kind` is as it is; None where that is none of our words."""
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, Mapping) and condition.get("type") == kind:
            reason = condition.get("reason")
            return _REASONS.get(reason) if isinstance(reason, str) else None
    return None


def _steady(record: object) -> object:
    """A record without what is another with every answer."""
    if not isinstance(record, Mapping) or not isinstance(record.get("seen"), list):
        return record
    seen = [
        {k: v for k, v in each.items() if k not in _VOLATILE_SEEN}
        if isinstance(each, Mapping)
        else each
        for each in record["seen"]
    ]
    return {**record, "seen": seen}


def _digest(meaning: Mapping[str, Any]) -> bytes:
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
