"""What there is of each kind, for the metrics: counted when they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry

from customdomains.controller.admission import Admission
from customdomains.controller.store import Store
from customdomains.model.claim import Claim
from customdomains.model.domain import Issuance
from customdomains.model.reasons import Phase
from customdomains.policy.census import count_proofs, count_seats
from customdomains.policy.expiry import count_left, count_renewals, soonest
from customdomains.policy.rules import Rules
from customdomains.telemetry.budgets import BudgetGauges
from customdomains.telemetry.expiry import ExpiryGauges
from customdomains.telemetry.metrics import Census

_PHASES = frozenset(Phase)


def census_of(store: Store, rules: Rules, now: Callable[[], datetime]) -> Census:
    """The counts over what `store` has at the time."""
    return Census(
        phases=lambda: _count_phases(store),
        reasons=lambda: _count_reasons(store),
        seats=lambda: count_seats(list(store.claims)),
        proofs=lambda: count_proofs(list(store.claims), rules, now()),
    )


def _count_phases(store: Store) -> Counter[str]:
    """By what is shown, which a tenant may have forged: words that are none count as new."""
    shown = (domain.status.phase for domain in list(store.domains))
    return Counter(phase if phase in _PHASES else "new" for phase in shown)


def _count_reasons(store: Store) -> Counter[str]:
    shown = (domain.status.verified for domain in list(store.domains))
    return Counter(str(reason) for reason in shown if reason is not None)


def count_admission(
    registry: CollectorRegistry, admission: Admission, now: Callable[[], datetime]
) -> None:
    """Have `registry` tell what waits for CAs' limits, and what is left of them."""
    BudgetGauges(
        registry,
        waiting=lambda: {
            (issuer, limit): number
            for issuer, desk in admission.desks.items()
            for limit, number in desk.waiting(now()).items()
        },
        left=lambda: {
            issuer: room
            for issuer, desk in admission.desks.items()
            if (room := desk.ledger.room(now())) is not None
        },
        free_at=lambda: {
            issuer: moment.timestamp()
            for issuer, desk in admission.desks.items()
            if (moment := desk.free_at(now())) is not None
        },
    )


def count_expiry(
    registry: CollectorRegistry, store: Store, now: Callable[[], datetime], most: int
) -> None:
    """Have `registry` tell how long certificates are valid for yet, and of as many as `most` that
    expire first, for each domain, when."""
    ExpiryGauges(
        registry,
        left=lambda: count_left(list(store.claims), now()),
        renewals=lambda: count_renewals(_renewed(store), now()),
        ends=(lambda: _ends(store, most)) if most else None,
    )


def _renewed(store: Store) -> Iterator[Claim]:
    """The claims whose certificates are renewed: a tenant may have said that they are not to be."""
    for claim in list(store.claims):
        domain = store.domain(claim.holder.key)
        if domain is None or (not domain.suspend and domain.issuance is not Issuance.NEVER):
            yield claim


def _ends(store: Store, most: int) -> Iterator[tuple[str, str, str, float]]:
    for claim in soonest(list(store.claims), most):
        have, handed, namespace = claim.certificate, claim.handed, claim.holder.key.namespace
        if have is not None:
            yield claim.domain, namespace, have.issuer, have.facts.not_after.timestamp()
        elif handed is not None and handed.not_after is not None:
            yield claim.domain, namespace, str(handed.issuer), handed.not_after.timestamp()
