"""The evidence as people get to see it: bounded, printable, the same lines for the same fact."""

from __future__ import annotations

from collections.abc import Iterable

from customdomains.model.evidence import Seen, ServerAnswer
from customdomains.policy.wording import named, server_of, shown

SEEN_LIMIT = 4
VALUES_LIMIT = 4


def alias(target: str) -> str:
    """A CNAME with this target among the values seen."""
    return f"CNAME {named(target)}"


def describe(
    answers: Iterable[ServerAnswer], wanted: frozenset[str], *, everybody: bool = False
) -> tuple[Seen, ...]:
    """Each answer, bounded: who said what. `wanted` are the values that are shown before others.

    Where somebody said something, who did not is left out, unless `everybody` is asked for. Servers
    and values are sorted, whichever answers first; of many, those that differ are shown.
    """
    told = tuple(answers)
    if not everybody:
        told = tuple(a for a in told if a.outcome.conclusive) or told
    rows = sorted((_seen(a, wanted) for a in told), key=_order)
    different: dict[object, Seen] = {}
    for row in rows:
        different.setdefault((row.outcome, row.values), row)
    first = list(different.values())
    rest = [row for row in rows if row not in first]
    chosen = [*first, *rest][:SEEN_LIMIT]
    return tuple(row for row in rows if row in chosen)[:SEEN_LIMIT]


def lagging(seen: Iterable[Seen], wanted: frozenset[str]) -> tuple[Seen, ...]:
    """Of what was seen, the servers that answered without any value that is wanted."""
    return tuple(s for s in seen if s.outcome.conclusive and not wanted & set(s.values))


def unanimous(seen: Iterable[Seen]) -> bool:
    """Whether the servers that said something all said the same."""
    return len({(s.outcome, s.values) for s in seen if s.outcome.conclusive}) <= 1


def _order(seen: Seen) -> tuple[str, str, tuple[str, ...], bool]:
    return (seen.server, seen.outcome, seen.values, seen.authentic)


def _seen(answer: ServerAnswer, wanted: frozenset[str]) -> Seen:
    return Seen(
        server=server_of(answer),
        outcome=answer.outcome,
        values=_values(answer, wanted),
        authentic=answer.authentic,
        ttl=answer.ttl,
        milliseconds=answer.milliseconds,
    )


def _values(answer: ServerAnswer, wanted: frozenset[str]) -> tuple[str, ...]:
    aliases = [alias(target) for target in answer.cnames]
    shortened = [*aliases[:1], *(each for each in aliases[1:] if each in wanted)]
    texts = sorted((shown(t) for t in answer.texts), key=lambda t: (t not in wanted, t))
    return tuple(dict.fromkeys([*shortened, *texts]))[:VALUES_LIMIT]
