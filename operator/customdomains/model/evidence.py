"""What the DNS said: one lookup's answers, as evidence for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a server answered; only the first two are statements about the name."""

    ANSWERED = "Answered"
    NO_SUCH_NAME = "NoSuchName"
    SERVER_FAILURE = "ServerFailure"
    REFUSED = "Refused"
    TIMED_OUT = "TimedOut"
    UNREACHABLE = "Unreachable"
    MALFORMED = "Malformed"

    @property
    def conclusive(self) -> bool:
        """Whether the answer says something about the name ("could not ask" does not)."""
        return self in {Outcome.ANSWERED, Outcome.NO_SUCH_NAME}


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """One server's answer to a TXT question.

    `server` is `address:port`; `cnames` are the targets of the CNAME chain in order, lower case
    without trailing dot; `texts` are the TXT values found at its end, each with its
    character-strings joined (RFC 7208 section 3.3 does the same), undecodable bytes escaped;
    `ttl` is the smallest TTL of the answer in seconds.
    """

    server: str
    outcome: Outcome
    cnames: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was asked about one name (lower case, no trailing dot)."""

    name: str
    answers: tuple[ServerAnswer, ...]

    @property
    def conclusive(self) -> tuple[ServerAnswer, ...]:
        """The answers that say something about the name."""
        return tuple(a for a in self.answers if a.outcome.conclusive)

    @property
    def texts(self) -> frozenset[str]:
        """Every TXT value any server gave."""
        return frozenset(t for a in self.conclusive for t in a.texts)

    @property
    def cnames(self) -> frozenset[str]:
        """Every first CNAME target any server gave."""
        return frozenset(a.cnames[0] for a in self.conclusive if a.cnames)
