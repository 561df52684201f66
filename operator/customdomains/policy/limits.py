"""What an order has to wait for beside its own last failure: a CA's limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from customdomains.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class Wait:
    """An order by `issuer` for `names` waits for its turn.

    `limit` is what it waits for, in one word; `until` is about when it is its turn, and when it
    asks again at the latest.
    """

    issuer: str
    names: tuple[str, ...]
    limit: str
    reason: Reason
    message: str
    until: datetime
