"""What there is of each kind, for the metrics: counted when they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry

from customdomains.controller.admission import Admission
from customdomains.controller.store import Store
from customdomains.model.reasons import Phase
from customdomains.policy.census import count_proofs, count_seats
from customdomains.policy.rules import Rules
from customdomains.telemetry.budgets import BudgetGauges
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
