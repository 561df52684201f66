"""What a decision is made from, and what it can say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from customdomains.model.claim import Claim, Contender
from customdomains.model.domain import CustomDomain, Key
from customdomains.model.evidence import Evidence
from customdomains.model.renewal import RenewalInfo
from customdomains.model.status import Status
from customdomains.policy.jobs import HandResult, Job, KeepResult, OrderResult
from customdomains.policy.limits import Wait
from customdomains.policy.prospects import Prospects
from customdomains.policy.rules import Rules


@dataclass(frozen=True, slots=True)
class Check:
    """A finished DNS check; `request` is the check request it answers, if any.

    `nearby_at` is when a check last looked for the records in wrong places; what that found is
    in the evidence of the checks after it as well. `undecided_since` is when the first of all those
    checks up to this one ended that no answer came of. `prospects` are from the last check that
    looked for ways to answer an order's challenges.
    """

    at: datetime
    evidence: Evidence
    request: str | None
    nearby_at: datetime | None = None
    undecided_since: datetime | None = None
    prospects: Prospects | None = None

    @property
    def in_vain(self) -> bool:
        """Whether no answer came of it and of the one before: a single one may be an accident."""
        return self.undecided_since is not None and self.undecided_since < self.at


@dataclass(frozen=True, slots=True)
class RenewalCheck:
    """What came of asking a CA about the certificate `ari_id`: nothing (None) or its answer.
    `again_at` is when it wants to be asked again, where it named a time."""

    ari_id: str
    at: datetime
    info: RenewalInfo | None = None
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """When cert-manager's Certificate was last looked at, what people had said by then (`heard`),
    and whether it was `off`: not there, or not as it is wanted."""

    at: datetime
    heard: str
    off: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """What this process knows of a domain beyond what is stored; losing it costs a check.

    `wait` is what its next order waits for, where a CA's limits are in the way; `inspected` the
    newest version of the certificate's Secret that was looked at.
    """

    check: Check | None = None
    attempts: int = 0
    checking: bool = False
    ordering_since: datetime | None = None
    result: OrderResult | None = None
    next_key_to_drop: str | None = None
    asking: bool = False
    renewal: RenewalCheck | None = None
    wait: Wait | None = None
    keeping: bool = False
    kept: KeepResult | None = None
    inspected: int = 0
    handing: bool = False
    handed: HandResult | None = None
    looked: Looked | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What the watch shows of the certificate's Secret: its resourceVersion, None where there is
    none with our labels, `as_of` a version of all Secrets."""

    version: int | None
    as_of: int


LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class World:
    """All that is known of one CustomDomain (or of the place where one was).

    `started` is when this process began to look after domains.
    `seats` is how many seats on claims the namespace has, `holder_asked` the check request that
    the CustomDomain of the claim's holder carries. `secret` is None where nothing is known of it.
    """

    key: Key
    domain: CustomDomain | None
    claim: Claim | None
    namespace_uid: str
    memory: Memory
    rules: Rules
    seats: int = 0
    started: datetime = LONG_AGO
    holder_asked: str | None = None
    secret: Sight | None = None


@dataclass(frozen=True, slots=True)
class MintClaim:
    """Create the claim, with a new identity."""


@dataclass(frozen=True, slots=True)
class EnterClaim:
    """Write the claim with a seat for a newcomer, with a new identity."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class ReplaceClaim:
    """Write the claim, on the resourceVersion it was decided on."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class LeaveClaim:
    """Write `after` in the claim's place, or delete it (None), if a live read shows that the
    CustomDomain of `seat` is gone."""

    claim: Claim
    seat: Contender
    after: Claim | None


ClaimWrite = MintClaim | EnterClaim | ReplaceClaim | LeaveClaim


@dataclass(frozen=True, slots=True)
class Announcement:
    """A transition worth an Event; `warning` picks its type, `to` who hears of it (None: the
    CustomDomain that was decided about)."""

    reason: str
    note: str
    warning: bool = False
    to: Key | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now.

    Where `claim` is set it is written first and everything is decided again on the result, so
    then nothing else is. `status` None leaves the status as it is.
    """

    claim: ClaimWrite | None = None
    status: Status | None = None
    jobs: tuple[Job, ...] = ()
    due: datetime | None = None
    announcements: tuple[Announcement, ...] = ()
