"""What a decision is made from, and what it can say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from customdomains.model.certificate import IssuedCertificate, Method, OrderError, PlacedOrder
from customdomains.model.claim import Claim, Contender
from customdomains.model.domain import CustomDomain, Key
from customdomains.model.evidence import Evidence
from customdomains.model.keys import KeyType
from customdomains.model.status import Status


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """How claims are kept and contested.

    A seat that proves nothing expires after `pending_expiry`; one whose CustomDomain is gone is
    kept for `retention`, its Secret for `secrets_kept`. `contests` tells whether others may contend
    for a name that is held, `contenders` how many seats of others a claim has at most,
    `per_namespace` how many seats a namespace may have (0: as many as it likes).
    """

    pending_expiry: timedelta = timedelta(days=7)
    retention: timedelta = timedelta(days=7)
    secrets_kept: timedelta = timedelta(days=1)
    contests: bool = True
    contenders: int = 8
    per_namespace: int = 0


@dataclass(frozen=True, slots=True)
class NameRules:
    """Which names may be registered: suffixes (canonical) that are denied, and the only ones
    allowed where there are any; `private_suffixes` tells whether the names of the Public Suffix
    List's private part may be registered themselves."""

    denied: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    private_suffixes: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that policy depends on.

    `zone` is the delegation zone (canonical); `issuers` are names, the first is the default;
    `recheck_interval` is how often a proof is looked at again, `grace_period` how long a proof may
    be gone before the domain fails.
    """

    zone: str
    issuers: tuple[str, ...]
    recheck_interval: timedelta = timedelta(hours=24)
    grace_period: timedelta = timedelta(hours=72)
    claims: ClaimRules = ClaimRules()
    names: NameRules = NameRules()


@dataclass(frozen=True, slots=True)
class Check:
    """A finished DNS check; `request` is the check request it answers, if any.

    `nearby_at` is when a check last looked for the records in wrong places; what that found is
    in the evidence of the checks after it as well. `undecided_since` is when the first of all those
    checks up to this one ended that no answer came of.
    """

    at: datetime
    evidence: Evidence
    request: str | None
    nearby_at: datetime | None = None
    undecided_since: datetime | None = None

    @property
    def in_vain(self) -> bool:
        """Whether no answer came of it and of the one before: a single one may be an accident."""
        return self.undecided_since is not None and self.undecided_since < self.at


@dataclass(frozen=True, slots=True)
class CheckDns:
    """Job: look the challenge name up, and with `nearby` also where people put it by mistake,
    unless one of the `proofs` (TXT values, alias targets) is where it belongs."""

    name: str
    request: str | None
    nearby: bool = False
    proofs: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Job: place a new order.

    `request` is the issue request it answers, if any; `heard` is all that people had said.
    """

    claim: Claim
    issuer: str
    names: tuple[str, ...]
    method: Method
    secret_name: str
    request: str | None
    heard: str = ""


@dataclass(frozen=True, slots=True)
class CompleteOrder:
    """Job: take the claim's order to its certificate and store that.

    `key_type` is the kind of key that the CustomDomain wants, None where the issuer chooses.
    """

    claim: Claim
    secret_name: str
    heard: str = ""
    key_type: KeyType | None = None


@dataclass(frozen=True, slots=True)
class DropNextKey:
    """Job: the certificate is recorded, so the Secret its key waited in can go."""

    claim: Claim
    secret_name: str


Job = CheckDns | PlaceOrder | CompleteOrder | DropNextKey


@dataclass(frozen=True, slots=True)
class OrderResult:
    """How a PlaceOrder or CompleteOrder ended, for the next decision to take in."""

    job: PlaceOrder | CompleteOrder
    outcome: PlacedOrder | IssuedCertificate | OrderError
    at: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """What this process knows of a domain beyond what is stored; losing it costs a check."""

    check: Check | None = None
    attempts: int = 0
    checking: bool = False
    ordering_since: datetime | None = None
    result: OrderResult | None = None
    next_key_to_drop: str | None = None


LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class World:
    """All that is known of one CustomDomain (or of the place where one was).

    `started` is when this process began to look after domains.
    `seats` is how many seats on claims the namespace has, `holder_asked` the check request that
    the CustomDomain of the claim's holder carries.
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
