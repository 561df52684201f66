"""How things from the DNS are put into words: bounded, printable, the same for the same fact."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from customdomains.model.evidence import Outcome, ServerAnswer
from customdomains.model.times import format_time

MESSAGE_LENGTH = 1000
"""What the CRD's schema allows, and some to spare: a refused status would never be written."""

NAME_LENGTH = 254
VALUE_LENGTH = 120
SERVER_LENGTH = 200

MOMENT_FROM = timedelta(minutes=5)
"""What is nearer than this gets no moment of its own."""

MOMENT_STEP = timedelta(minutes=5)
"""A remaining TTL is told in whole seconds, so the moment it ends at wavers by one. Coarse steps
keep that from making another text with every check."""

_MANY = 3
_IN_WORDS = {
    Outcome.ANSWERED: "answered",
    Outcome.NO_SUCH_NAME: "no such name",
    Outcome.SERVER_FAILURE: "SERVFAIL",
    Outcome.REFUSED: "refused",
    Outcome.LAME: "does not hold the zone",
    Outcome.BOGUS: "fails DNSSEC validation",
    Outcome.TIMED_OUT: "no answer in time",
    Outcome.UNREACHABLE: "not reachable",
    Outcome.MALFORMED: "an answer that can't be read",
}


def shown(text: str, length: int = VALUE_LENGTH) -> str:
    """What the DNS says as it may be shown: at most `length`, without control characters."""
    plain = text[: length + 1]
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in plain)
    return plain if len(plain) <= length else plain[: length - 3] + "..."


def named(name: str) -> str:
    """A name (without trailing dot) as a person would enter it: absolute, with the dot."""
    return f"{shown(name, NAME_LENGTH - 1)}."


def listed(items: Iterable[str]) -> str:
    """The different items in order, the first few of many."""
    found = sorted(set(items))
    rest = f" and {len(found) - _MANY} more" if len(found) > _MANY else ""
    return ", ".join(found[:_MANY]) + rest


def values(texts: Iterable[str]) -> str:
    """TXT values in quotes."""
    return listed(f'"{shown(text, 80)}"' for text in texts)


def server_of(answer: ServerAnswer) -> str:
    """Who gave the answer: the server's name and address, or what it was asked by."""
    told = f"{answer.host} ({answer.server})" if answer.host else answer.server
    return shown(told, SERVER_LENGTH)


def servers(answers: Iterable[ServerAnswer]) -> str:
    """Who gave these answers."""
    return listed(shown(server_of(answer), 80) for answer in answers)


def voters(answers: Iterable[ServerAnswer]) -> int:
    """How many servers gave these answers; one has a vote, however many addresses it has."""
    return len({answer.host or answer.server for answer in answers})


def outcomes(answers: Iterable[ServerAnswer]) -> str:
    """How these servers answered, those that did so in the same way together."""
    by_outcome: dict[str, list[ServerAnswer]] = {}
    for answer in answers:
        by_outcome.setdefault(_IN_WORDS[answer.outcome], []).append(answer)
    told = (f"{how}: {servers(group)}" for how, group in sorted(by_outcome.items()))
    return shown("; ".join(told), 400)


def manners(answers: Iterable[ServerAnswer]) -> str:
    """How servers answered, whoever they are."""
    return ", ".join(sorted({_IN_WORDS[answer.outcome] for answer in answers}))


def until(at: datetime, seconds: int) -> str:
    """How long something lasts that ends `seconds` after `at`: a moment, or "for a few minutes"."""
    left = timedelta(seconds=seconds)
    if left <= MOMENT_FROM:
        return "for a few minutes"
    try:
        ends = at + left
        over = timedelta(minutes=ends.minute, seconds=ends.second, microseconds=ends.microsecond)
        return f"until {format_time(ends + -over % MOMENT_STEP)}"
    except OverflowError:  # near the end of the calendar
        return "for years"


def for_up_to(seconds: int) -> str:
    """A duration that does not run down from check to check."""
    left = timedelta(seconds=seconds)
    if left <= MOMENT_FROM:
        return "for a few minutes"
    for unit, name in ((timedelta(days=1), "days"), (timedelta(hours=1), "hours")):
        if left >= 2 * unit:
            return f"for up to {-(-left // unit)} {name}"
    return f"for up to {-(-left // timedelta(minutes=1))} minutes"
