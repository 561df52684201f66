"""What a look at the ways to answer an order's challenges asks for, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from customdomains.model.certificate import CaIdentity, Challenge
from customdomains.model.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Look:
    """Look for ways to answer challenges of these `kinds` (of all but dns-01) for `domain`.

    `target` is its name in the delegation zone. `issuer` is where an order would be placed;
    `label` is its account's in the names for dns-account-01, None where that is still to be found.
    """

    issuer: str
    domain: str
    target: str
    kinds: tuple[Challenge, ...]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Prospects:
    """What a look that ended `at` has found.

    `identity` is None where it was not needed or the CA could not be asked, whose `trouble` that
    is. `persistent` and `account` are what stands at the names for dns-persist-01 and
    dns-account-01; None where nobody looked. `http` tells whether the api process was reached by
    the domain's own addresses.
    """

    look: Look
    at: datetime
    identity: CaIdentity | None = None
    persistent: Evidence | None = None
    account: Evidence | None = None
    http: bool = False
    trouble: str = ""
