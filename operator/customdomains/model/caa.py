"""CAA records (RFC 8659 section 4) in what the DNS said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from customdomains.model.evidence import Evidence, Obstacle, ServerAnswer

CRITICAL = 128
"""The only flag there is (section 4.1.1)."""

_NOBODY_ASKED = frozenset({Obstacle.ALIAS_LOOP, Obstacle.NO_SERVERS, Obstacle.RESOLVERS_FAILED})


@dataclass(frozen=True, slots=True)
class CaaRecord:
    """One record; `tag` is in lower case, `value` has one character for each byte."""

    critical: bool
    tag: str
    value: str

    def __str__(self) -> str:
        """As in a zone file."""
        return f'{CRITICAL if self.critical else 0} {self.tag} "{self.value}"'


def record_text(flags: int, tag: bytes, value: bytes) -> str:
    """A record as it stands among the `texts` of evidence."""
    return f"{flags} {tag.decode('latin-1').lower()} {value.decode('latin-1')}"


def records_in(evidence: Evidence) -> tuple[CaaRecord, ...] | None:
    """The records that enough servers give for one name, none where enough say that it has none;
    None where that can't be told.

    A name that does not exist has no records, as has one whose alias leads to such a name.
    """
    if evidence.obstacle in _NOBODY_ASKED:
        return None
    for texts in {frozenset(answer.texts) for answer in evidence.conclusive}:
        if evidence.agreed(partial(_has, texts)):
            return tuple(_parse(text) for text in sorted(texts))
    return None


def _has(texts: frozenset[str], answer: ServerAnswer) -> bool:
    return frozenset(answer.texts) == texts


def _parse(text: str) -> CaaRecord:
    flags, tag, value = text.split(" ", 2)
    return CaaRecord(bool(int(flags) & CRITICAL), tag, value)
