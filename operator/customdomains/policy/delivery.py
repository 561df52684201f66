"""What comes of a try to deliver a webhook: it is delivered, tried again later, or given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from customdomains.model.webhook import Message, Receipt

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
LIFE = timedelta(days=1)
"""For how long a message is tried to be delivered."""

MADE_UP = timedelta(minutes=1)
"""Over how long the first tries of a process are spread for what others have tried before."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Again:
    """It is tried again `at` some moment. The receiver gets nothing at all before `rests_until`,
    if it has asked for that."""

    at: datetime
    rests_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It is not tried any more; `why` is in words."""

    why: str


Verdict = Delivered | Again | GivenUp


def weigh(message: Message, receipt: Receipt, now: datetime, chance: float) -> Verdict:
    """What comes of a try that ended `now`; `chance` is a random number in [0, 1).

    The wait grows with the message's age, so that a process which has just started goes on where
    another was: from 5 s to an hour, between half of it and the whole.
    """
    status = receipt.status
    if status is not None and 200 <= status < 300:
        return Delivered()
    if status == HTTPStatus.GONE:
        return GivenUp("the receiver answered 410: it wants no more of this")
    if now >= message.at + LIFE:
        return GivenUp(f"it was tried for a day; at last {in_words(receipt)}")
    wait = min(max(now - message.at, FIRST_WAIT), LONGEST_WAIT) * (0.5 + chance / 2)
    rests_until = None
    if receipt.rest is not None:
        rests_until = now + min(receipt.rest, LONGEST_WAIT)
    at = max(now + wait, rests_until or now)
    return Again(min(at, message.at + LIFE), rests_until)


def first_try(message: Message, now: datetime, chance: float) -> datetime:
    """When a process that has just started tries what others may have tried before."""
    age = max(now - message.at, timedelta(0))
    return now if age < FIRST_WAIT else now + min(age, MADE_UP) * chance


def in_words(receipt: Receipt) -> str:
    """How a try ended that did not succeed."""
    return receipt.trouble if receipt.status is None else f"the answer was {receipt.status}"
