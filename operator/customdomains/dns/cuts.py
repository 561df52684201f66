"""What is known of a zone: its name, its name servers, whom to ask, or why there is nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace

import dns.name

from customdomains.dns.addressbook import MISSING_SECONDS, NameServer
from customdomains.dns.answers import name_text, read_answer
from customdomains.dns.dnssec import ZoneKeys
from customdomains.dns.referrals import Glue
from customdomains.dns.stub import Heard
from customdomains.model.evidence import Obstacle, Outcome, ServerAnswer
from customdomains.model.names import is_registry_zone

_FIRST_FAILURE_SECONDS = 2.0
"""For how long "the resolvers can't say" is believed at first; then twice that, and so on."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A zone and the names of its servers; `unreached` where the resolvers can't reach them."""

    zone: dns.name.Name
    hosts: tuple[dns.name.Name, ...]
    until: float
    secure: bool
    glue: Glue
    unreached: bool = False


@dataclass(frozen=True, slots=True)
class Apex:
    """The zone that a name is in; `said` is the resolver's answer where it denied the name."""

    zone: dns.name.Name
    said: tuple[ServerAnswer, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Delegation:
    """A zone and its servers; `keys` where its answers have to be signed."""

    zone: dns.name.Name
    servers: tuple[NameServer, ...]
    keys: ZoneKeys | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is nobody to ask, and what the resolvers said; `seconds` is how long it counts."""

    obstacle: Obstacle | None
    answers: tuple[ServerAnswer, ...] = ()
    zone: dns.name.Name | None = None
    seconds: float = 0.0


def is_registry(zone: dns.name.Name) -> bool:
    """Whether others register their domains in `zone`, so that it is nobody's own."""
    return is_registry_zone("" if zone == dns.name.root else name_text(zone))


def denial_of(name: dns.name.Name, heard: Heard) -> ServerAnswer:
    """What the resolver said of a name that has no NS set."""
    assert heard.response is not None  # noqa: S101 - narrows for mypy
    last = heard.answers[-1]
    return replace(
        read_answer(last.server, name, heard.response, trusted=True),
        milliseconds=last.milliseconds,
    )


def failure(answers: tuple[ServerAnswer, ...], before: object) -> tuple[Trouble, float]:
    """The trouble that no resolver could say anything, and for how long that is believed: longer
    each time, where it was so `before`."""
    bogus = any(answer.outcome is Outcome.BOGUS for answer in answers)
    seconds = _FIRST_FAILURE_SECONDS
    if isinstance(before, Trouble):
        seconds = min(max(before.seconds * 2, seconds), MISSING_SECONDS)
    obstacle = None if bogus else Obstacle.RESOLVERS_FAILED
    return Trouble(obstacle, answers, seconds=seconds), seconds
