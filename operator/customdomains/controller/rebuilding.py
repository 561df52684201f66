"""What is known of a CA's limits at the start: as much as the claims say.

Each claim tells of its last certificate, its order and its last failure. Certificates before the
last one, and those of claims that are gone, are not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial

from customdomains.controller.desk import Desk
from customdomains.model.claim import CertificateRecord, Claim
from customdomains.model.reasons import Reason
from customdomains.policy.budget import Demand, certificate_buckets, demand_of_order

VALIDATION_FAILED = frozenset({Reason.CHALLENGE_FAILED, Reason.ORDER_INVALID})
"""How a failed validation is told."""

_Event = tuple[datetime, Callable[[], object]]


def rebuild(
    desks: Mapping[str, Desk],
    desk_of: Callable[[str], Desk],
    claims: Iterable[Claim],
    now: datetime,
) -> None:
    """Count at the `desks` of issuers with limits what `claims` tell of, in the order in which it
    happened; and have stopped by `desk_of` any issuer what its CA has stopped."""
    for claim in claims:
        failure = claim.failure
        if failure is not None and failure.scope is not None and failure.retry_at > now:
            desk_of(failure.issuer).stop(failure.scope, failure.retry_at, now)
    events = [event for claim in claims for event in _told(desks, claim, now)]
    for _, count in sorted(events, key=lambda event: event[0]):
        count()


def _told(desks: Mapping[str, Desk], claim: Claim, now: datetime) -> Iterator[_Event]:
    for have in (seat.certificate for seat in claim.seats if seat.certificate is not None):
        desk = desks.get(have.issuer)
        if desk is not None and now - have.issued_at < desk.ledger.limits.longest:
            yield have.issued_at, partial(_count_certificate, desk, have)
    order, demand = claim.order, demand_of_order(claim, now)
    desk = desks.get(order.issuer) if order is not None else None
    if order is not None and demand is not None and desk is not None:
        buckets = certificate_buckets(demand, desk.ledger.limits)
        yield order.placed_at, partial(desk.count_order, demand, order.placed_at)
        yield now, partial(desk.ledger.hold, claim.holder.key, buckets)
    failure = claim.failure
    desk = desks.get(failure.issuer) if failure is not None else None
    if failure is not None and desk is not None and failure.reason in VALIDATION_FAILED:
        yield failure.at, partial(_count_failures, desk, claim.domain, failure.at, failure.count)


def _count_certificate(desk: Desk, have: CertificateRecord) -> None:
    demand = Demand(have.issuer, have.names, renewal=have.serving_since is not None)
    desk.count_order(demand, have.issued_at)
    desk.count(demand, have.issued_at)


def _count_failures(desk: Desk, domain: str, at: datetime, count: int) -> None:
    """As if all in a row had been just then: their moments are not known."""
    limit = desk.ledger.limits.failures
    for _ in range(min(count, limit.most if limit is not None else 0)):
        desk.invalid((domain,), at)
