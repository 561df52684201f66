"""Looking for a record in the places where it ends up by the usual mistakes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

import dns.exception
import dns.name

from customdomains.dns.answers import name_text
from customdomains.model.evidence import Nearby, Place, ServerAnswer

AskTexts = Callable[[dns.name.Name], Awaitable[ServerAnswer]]
"""Asks for the TXT records at one name; trouble on the way is an outcome."""

_SIBLING_LETTERS = "bcdfghjklmnpqrstvwxz"
_SIBLING_LENGTH = 16

_MAX_TEXTS = 32
"""Values of one place; at an apex there may be a dozen that are for others."""


async def look_nearby(
    name: dns.name.Name, zone: dns.name.Name | None, ask: AskTexts, choose: random.Random
) -> tuple[Nearby, ...]:
    """What is found around `name`, the challenge's, which is in `zone` where that is known.

    Asks at six names at once, at most. What can't be asked is not found.
    """
    places = list(_places(name, zone, choose))
    answers = await asyncio.gather(*(ask(where) for _, where in places))
    return tuple(
        Nearby(place, name_text(where), answer.cnames, answer.texts[:_MAX_TEXTS])
        for (place, where), answer in zip(places, answers, strict=True)
        if answer.outcome.conclusive and (answer.cnames or answer.texts)
    )


def _places(
    name: dns.name.Name, zone: dns.name.Name | None, choose: random.Random
) -> Iterator[tuple[Place, dns.name.Name]]:
    domain = name.parent()
    taken = {name}
    label = "".join(choose.choice(_SIBLING_LETTERS) for _ in range(_SIBLING_LENGTH))
    wanted = [
        (Place.LABEL_MISSING, domain, dns.name.empty),
        (Place.ZONE_TWICE, name, zone),
        (Place.ZONE_TWICE, name, domain),
        (Place.APEX, zone, dns.name.empty),
        (Place.APEX_CHALLENGE, zone and dns.name.Name(name.labels[:1]), zone),
        (Place.SIBLING, dns.name.Name((label.encode(),)), domain),
    ]
    for place, front, back in wanted:
        if front is None or back is None:
            continue
        try:
            where = front.relativize(dns.name.root).concatenate(back) if back else front
        except dns.name.NameTooLong:
            continue
        if where not in taken:
            taken.add(where)
            yield place, where
