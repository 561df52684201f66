"""What the CA was asked for, read from the calls that went through the relay in front of it."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from e2e.relay import Call

NEW_ORDER = "/order-plz"
FINALIZE = "/finalize-order/"


@dataclass(frozen=True)
class PlacedOrder:
    """An order the CA has accepted; `finalized` counts the accepted finalizations."""

    url: str
    names: frozenset[str]
    finalized: int


def orders_for(calls: Iterable[Call], domain: str) -> list[PlacedOrder]:
    """The orders for `domain`, oldest first."""
    accepted = [call for call in calls if call.method == "POST" and call.status in {200, 201}]
    found = []
    for call in accepted:
        if not call.path.startswith(NEW_ORDER):
            continue
        names = frozenset(each["value"] for each in payload_of(call)["identifiers"])
        if domain not in names:
            continue
        finalize = json.loads(call.answer)["finalize"]
        count = sum(1 for each in accepted if finalize.endswith(each.path))
        found.append(PlacedOrder(call.location, names, count))
    return found


def payload_of(call: Call) -> Any:
    """The payload of a signed request; None where it only reads."""
    text = json.loads(call.body)["payload"]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) if text else None
