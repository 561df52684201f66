"""A CA's limits as data, and the arithmetic of keeping below them.

Each limit is a bucket for each key (an account, a registered domain, a set of names, a name) that
drains at an even pace: the generic cell rate algorithm (ITU-T I.371), by which Let's Encrypt counts
too. All that is kept of a bucket is one moment, that at which it will be as if never used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from customdomains.model.claim import CertificateRecord, Claim
from customdomains.model.names import registered_domain
from customdomains.policy import renewal
from customdomains.policy.jobs import PlaceOrder


class Kind(StrEnum):
    """What is counted, by the names that the settings have for it."""

    ORDERS = "ordersPerAccount"
    DOMAIN = "certificatesPerDomain"
    NAMES = "certificatesPerNames"
    FAILURES = "failuresPerName"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` at once, and as many again spread evenly over `per`."""

    most: int
    per: timedelta

    @property
    def pace(self) -> timedelta:
        """How long it takes until there is room for one more."""
        return self.per / self.most


@dataclass(frozen=True, slots=True)
class IssuerLimits:
    """What one issuer allows; None where there is no such limit.

    `renewals_exempt` tells that a renewal counts neither for the account nor for the registered
    domain, and one that the CA is told of by ARI (RFC 9773 section 5) for nothing at all.
    """

    orders: Limit | None = None
    domain: Limit | None = None
    names: Limit | None = None
    failures: Limit | None = None
    renewals_exempt: bool = False

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return any((self.orders, self.domain, self.names, self.failures))

    @property
    def longest(self) -> timedelta:
        """After how long nothing counts any more."""
        limits = (self.orders, self.domain, self.names, self.failures)
        return max((limit.per for limit in limits if limit is not None), default=timedelta(0))

    def of(self, kind: Kind) -> Limit | None:
        """The limit of that kind."""
        return {
            Kind.ORDERS: self.orders,
            Kind.DOMAIN: self.domain,
            Kind.NAMES: self.names,
            Kind.FAILURES: self.failures,
        }[kind]


_WEEK = timedelta(days=7)

LETS_ENCRYPT = IssuerLimits(
    orders=Limit(300, timedelta(hours=3)),
    domain=Limit(50, _WEEK),
    names=Limit(5, _WEEK),
    failures=Limit(5, timedelta(hours=1)),
    renewals_exempt=True,
)
"""https://letsencrypt.org/docs/rate-limits/, as published in 2025."""

LETS_ENCRYPT_STAGING = IssuerLimits(
    orders=Limit(1500, timedelta(hours=3)),
    domain=Limit(30_000, _WEEK),
    names=Limit(30_000, _WEEK),
    failures=Limit(60, timedelta(hours=1)),
    renewals_exempt=True,
)
"""https://letsencrypt.org/docs/staging-environment/."""

_PUBLISHED = {
    "acme-v02.api.letsencrypt.org": LETS_ENCRYPT,
    "acme-staging-v02.api.letsencrypt.org": LETS_ENCRYPT_STAGING,
}


def published_limits(directory_url: str) -> IssuerLimits:
    """The limits that are known of a CA by its directory's host; none of an unknown one."""
    return _PUBLISHED.get(urlsplit(directory_url).hostname or "", IssuerLimits())


# --- what an order takes --------------------------------------------------------------------------


class Rank(StrEnum):
    """Who goes first: what the account's limit does not count, then renewals, then new ones."""

    EXEMPT = "exempt"
    RENEWAL = "renewal"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of an issuer: what is counted, and for whom ("" for the account)."""

    kind: Kind
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """An order that somebody wants.

    `renewal` tells that it is for the names of a certificate of the same issuer that is valid
    still, `replaces` that the CA is told so; `urgent_by` is when the certificate in use ends
    (None: there is none).
    """

    issuer: str
    names: tuple[str, ...]
    renewal: bool = False
    replaces: bool = False
    urgent_by: datetime | None = None


def demand_at(issuer: str, job: PlaceOrder, now: datetime) -> Demand:
    """What an order takes of the budgets of `issuer`, one of those at which it may be placed."""
    have = job.claim.certificate
    replaces = job.replaces is not None and have is not None and have.issuer == issuer
    return _demand(have, issuer, job.names, now, replaces=replaces)


def demand_of_order(claim: Claim, now: datetime) -> Demand | None:
    """The same for the order that a claim has; None where it has none."""
    order = claim.order
    if order is None:
        return None
    replaces = renewal.replaced(claim, order.issuer) is not None
    return _demand(claim.certificate, order.issuer, order.names, now, replaces=replaces)


def _demand(
    have: CertificateRecord | None,
    issuer: str,
    names: tuple[str, ...],
    now: datetime,
    *,
    replaces: bool,
) -> Demand:
    valid = have is not None and now < have.facts.not_after
    same = have is not None and (have.issuer, set(have.names)) == (issuer, set(names))
    urgent_by = have.facts.not_after if have is not None else None
    return Demand(issuer, names, valid and same, replaces, urgent_by)


def rank_of(demand: Demand, limits: IssuerLimits) -> Rank:
    """In which line it waits."""
    if limits.renewals_exempt and (demand.renewal or demand.replaces):
        return Rank.EXEMPT
    return Rank.RENEWAL if demand.urgent_by is not None else Rank.NEW


def certificate_buckets(demand: Demand, limits: IssuerLimits) -> tuple[Bucket, ...]:
    """Where the certificate is counted that comes of it."""
    exempt = limits.renewals_exempt
    if exempt and demand.replaces:
        return ()
    counted: list[Bucket] = []
    if limits.domain is not None and not (exempt and demand.renewal):
        subjects = dict.fromkeys(registered_domain(identifier(name)) for name in demand.names)
        counted += (Bucket(Kind.DOMAIN, subject) for subject in subjects)
    if limits.names is not None:
        counted.append(Bucket(Kind.NAMES, " ".join(sorted(demand.names))))
    return tuple(counted)


def failure_buckets(names: tuple[str, ...], limits: IssuerLimits) -> tuple[Bucket, ...]:
    """Where a failed validation is counted."""
    if limits.failures is None:
        return ()
    return tuple(Bucket(Kind.FAILURES, name) for name in dict.fromkeys(map(identifier, names)))


def identifier(name: str) -> str:
    """The identifier that is validated for `name` (RFC 8555 section 7.1.4)."""
    return name.removeprefix("*.")


# --- buckets --------------------------------------------------------------------------------------


def free_at(empty_at: datetime | None, limit: Limit, now: datetime, held: int = 0) -> datetime:
    """From when on there is room for one more beside `held` others that may come yet.

    `empty_at` is what is kept of the bucket (None: nothing is in it).
    """
    begins = now if empty_at is None else max(empty_at, now)
    return max(begins + limit.pace * (held + 1 - limit.most), now)


def spend(empty_at: datetime | None, limit: Limit, at: datetime) -> datetime:
    """What is kept of the bucket after one more at `at`."""
    return (at if empty_at is None else max(empty_at, at)) + limit.pace


def left(empty_at: datetime | None, limit: Limit, now: datetime, held: int = 0) -> int:
    """How many there is room for."""
    if empty_at is None or empty_at <= now:
        return max(limit.most - held, 0)
    used = -((now - empty_at) // limit.pace)
    return max(limit.most - used - held, 0)
