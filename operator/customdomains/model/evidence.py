"""What the DNS said: one lookup's answers, as evidence for a decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial


class Outcome(StrEnum):
    """How a server answered; only the first two are statements about the name.

    `LAME` is a server that does not hold the zone it was asked for, `BOGUS` an answer that fails
    DNSSEC validation (RFC 4035 section 5).
    """

    ANSWERED = "Answered"
    NO_SUCH_NAME = "NoSuchName"
    SERVER_FAILURE = "ServerFailure"
    REFUSED = "Refused"
    LAME = "Lame"
    BOGUS = "Bogus"
    TIMED_OUT = "TimedOut"
    UNREACHABLE = "Unreachable"
    MALFORMED = "Malformed"

    @property
    def conclusive(self) -> bool:
        """Whether the answer says something about the name ("could not ask" does not)."""
        return self in {Outcome.ANSWERED, Outcome.NO_SUCH_NAME}


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """One server's answer to a question for TXT records, or for CAA records: then these are the
    `texts`, as `model.caa` has them.

    `server` is `address:port`, or the URL of a resolver that is asked by DoT or DoH; `host` is
    the name server's name, where it was found by that. `cnames` are the targets of the CNAME
    chain in order, lower case without trailing dot; `texts` are the TXT values found at its end,
    each with its character-strings joined (RFC 7208 section 3.3 does the same), undecodable bytes
    escaped; `ttl` is the smallest TTL of the answer in seconds. `authentic` tells that the answer
    is secure in the sense of RFC 4033 section 5. `negative_ttl` is for how many seconds "not
    there" may be kept (RFC 2308 section 5), `cached` that it comes out of a resolver's memory.
    `explanation` is the server's own (RFC 8914). `clash` tells that one name has a CNAME and TXT
    records, which nobody may have (RFC 1034 section 3.6.2): the `texts` are those beside it, too.
    """

    server: str
    outcome: Outcome
    cnames: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    ttl: int | None = None
    host: str = ""
    authentic: bool = False
    negative_ttl: int | None = None
    cached: bool = False
    milliseconds: int = 0
    explanation: str = ""
    clash: bool = False


class Obstacle(StrEnum):
    """Why nobody could be asked about the name, or no answer can count."""

    ZONE_NOT_FOUND = "ZoneNotFound"
    ALIAS_LOOP = "AliasLoop"
    NO_SERVERS = "NoServers"
    RESOLVERS_FAILED = "ResolversFailed"


class Place(StrEnum):
    """Where else a record is looked for when it is not where it belongs."""

    ZONE_TWICE = "ZoneTwice"
    LABEL_MISSING = "LabelMissing"
    APEX = "Apex"
    APEX_CHALLENGE = "ApexChallenge"
    SIBLING = "Sibling"


@dataclass(frozen=True, slots=True)
class Nearby:
    """What was found elsewhere. A `SIBLING` is a name nobody can have set: it shows a wildcard."""

    place: Place
    name: str
    cnames: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was asked about one name (lower case, no trailing dot).

    `needed` is how many servers have to say a thing for it to count. `zone` is the apex of the
    zone that the name is in, where the lookup found it. `nearby` is None where nobody looked.
    """

    name: str
    answers: tuple[ServerAnswer, ...]
    needed: int = 1
    zone: str | None = None
    obstacle: Obstacle | None = None
    nearby: tuple[Nearby, ...] | None = None

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

    @property
    def settled(self) -> bool:
        """Whether enough servers gave one and the same answer."""
        return any(self.agreed(partial(_same, answer)) for answer in self.conclusive)

    def agreed(self, says: Callable[[ServerAnswer], bool]) -> bool:
        """Whether enough servers say so, and more than say otherwise.

        No single server that lies makes a proof where others can be asked, and none that is away
        prevents one: who could not be asked counts for neither side. A name server has one vote,
        however many addresses it was asked at; it says what more than half of them say.
        """
        votes: dict[str, list[bool]] = {}
        for answer in self.conclusive:
            votes.setdefault(answer.host or answer.server, []).append(says(answer))
        for_it = sum(1 for said in votes.values() if sum(said) * 2 > len(said))
        return for_it >= self.needed and for_it * 2 > len(votes)


def _same(one: ServerAnswer, other: ServerAnswer) -> bool:
    return (one.cnames, set(one.texts)) == (other.cnames, set(other.texts))


@dataclass(frozen=True, slots=True)
class Seen:
    """What one server answered, as people get to see it: bounded and printable.

    `values` are TXT values, or CNAME targets with a dot at the end and `CNAME ` in front.
    """

    server: str
    outcome: Outcome
    values: tuple[str, ...] = ()
    authentic: bool = False
    ttl: int | None = None
    milliseconds: int = 0
