"""Who may ask a CA for a certificate now, and who waits for its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from customdomains.controller import agenda
from customdomains.controller.desk import Desk
from customdomains.controller.ledger import ACCOUNT
from customdomains.controller.rebuilding import VALIDATION_FAILED, rebuild
from customdomains.controller.store import Store
from customdomains.model.certificate import IssuedCertificate, OrderError, PlacedOrder
from customdomains.model.domain import Key
from customdomains.model.reasons import Reason
from customdomains.policy.budget import Demand, IssuerLimits, demand_at, demand_of_order
from customdomains.policy.issuers import LONG_WAIT, passed_over
from customdomains.policy.jobs import CompleteOrder, PlaceOrder
from customdomains.policy.limits import Wait, stop_ends
from customdomains.policy.ownership import proof_current

_MAY_BE_COUNTED = frozenset(
    {Reason.CA_UNREACHABLE, Reason.CA_REFUSED, Reason.ORDER_FOREIGN, *VALIDATION_FAILED}
)

Outcome = PlacedOrder | IssuedCertificate | OrderError | None
"""How a job ended; None where it came to nothing on our side."""

OrderJob = PlaceOrder | CompleteOrder


class Admission:
    """Stands before the jobs with a CA, for one event loop.

    An issuer without limits costs nothing until its CA refuses. `wake` is called with each key
    whose turn it is, or was: its DNS is looked at anew, so it asks again with a proof that is
    fresh, within the ten minutes that its turn is kept.
    """

    def __init__(
        self,
        store: Store,
        limits: Mapping[str, IssuerLimits],
        *,
        now: Callable[[], datetime],
        wake: Callable[[Key], None],
    ) -> None:
        self._store = store
        self._now = now
        self._wake = wake
        self._limits = limits
        self._desks = {
            issuer: self._make_desk(issuer) for issuer, each in limits.items() if each.any
        }
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at: datetime | None = None

    @property
    def desks(self) -> Mapping[str, Desk]:
        """By issuer; without those that have never had anybody wait."""
        return self._desks

    def rebuild(self) -> None:
        """Learn from the claims what was spent before this process began."""
        rebuild(dict(self._desks), self._desk, list(self._store.claims), self._now())

    def seek(self, key: Key, job: OrderJob) -> OrderJob | Wait:
        """The job that may run now, for whose end `ended` has to be called; or what it waits for.

        Where the issuer that is wanted has a long wait, one that stands in may be left over. Who
        waits although there is one looks again within the hour: it may press by then, or there
        may be room.
        """
        now = self._now()
        if isinstance(job, CompleteOrder):
            demand = demand_of_order(job.claim, now)
            desk = self._desks.get(demand.issuer) if demand is not None else None
            wait = desk.stopped(demand, now) if desk is not None and demand is not None else None
            return wait or job
        several = len(job.choice.issuers) > 1
        first = self._seek_at(job.choice.issuers[0], key, job, now)
        for issuer, desk in self._desks.items():
            if issuer != job.choice.issuers[0]:
                self._call(desk.forget(key, now))
        while first is not None and (job_or_none := passed_over(job, first, now)) is not None:
            job = job_or_none
            if self._seek_at(job.choice.issuers[0], key, job, now) is None:
                self._leave_line(key, first.issuer, now)
                return job
            self._leave_line(key, job.choice.issuers[0], now)
        if first is not None and several:
            return replace(first, until=min(first.until, now + LONG_WAIT))
        return first or job

    def is_stopped(self, job: PlaceOrder) -> bool:
        """Whether the CA has stopped what `job` is about to ask for since it was let through."""
        now, issuer = self._now(), job.choice.issuers[0]
        desk = self._desks.get(issuer)
        return desk is not None and desk.is_stopped(demand_at(issuer, job, now), now)

    def stand_in(self, issuer: str, job: PlaceOrder) -> None:
        """Raise `OrderError` where the running `job` may not be placed at `issuer` as well."""
        if issuer == job.choice.issuers[0]:
            return
        now, key = self._now(), job.claim.holder.key
        wait = self._seek_at(issuer, key, job, now)
        if wait is not None:
            self._leave_line(key, issuer, now)
            raise OrderError(wait.reason, wait.message, retry_at=wait.until)

    def refused(self, issuer: str, error: OrderError) -> None:
        """`issuer` has not taken an order."""
        now = self._now()
        if error.scope is not None:
            self._desk(issuer).stop(error.scope, stop_ends(error.retry_at, now), now)
        if issuer in self._desks and error.reason in _MAY_BE_COUNTED:
            self._desks[issuer].ledger.spend(ACCOUNT, now)

    def ended(self, key: Key, job: OrderJob, outcome: Outcome) -> None:
        """A job that `seek` let through has ended."""
        now = self._now()
        if isinstance(job, CompleteOrder):
            self._completed(key, demand_of_order(job.claim, now), outcome, now)
            return
        placed = isinstance(outcome, PlacedOrder)
        at = (outcome.issuer if isinstance(outcome, PlacedOrder) else "") or job.choice.issuers[0]
        for issuer in job.choice.issuers:
            desk = self._desks.get(issuer)
            if desk is None:
                continue
            if placed and issuer == at:
                self._call(desk.placed(key, demand_at(issuer, job, now), now))
            else:
                self._call(desk.unplaced(key, now))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        for desk in self._desks.values():
            self._call(desk.forget(key, self._now()))

    def close(self) -> None:
        """Wake nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._rings_at = None

    # --- pieces ----------------------------------------------------------------------------------

    def _completed(self, key: Key, demand: Demand | None, outcome: Outcome, now: datetime) -> None:
        if demand is None:
            return
        if isinstance(outcome, OrderError) and outcome.scope is not None:
            until = stop_ends(outcome.retry_at, now)
            self._desk(demand.issuer).stop(outcome.scope, until, now)
        desk = self._desks.get(demand.issuer)
        if desk is None:
            return
        if isinstance(outcome, IssuedCertificate):
            self._call(desk.issued(key, demand, now))
        elif isinstance(outcome, OrderError):
            invalid, lost = outcome.reason in VALIDATION_FAILED, outcome.order_lost
            self._call(desk.failed(key, demand.names, now, invalid=invalid, lost=lost))

    def _seek_at(self, issuer: str, key: Key, job: PlaceOrder, now: datetime) -> Wait | None:
        desk = self._desks.get(issuer)
        if desk is None:
            return None
        wait, others = desk.seek(key, demand_at(issuer, job, now), now)
        self._call(others)
        return wait

    def _leave_line(self, key: Key, issuer: str, now: datetime) -> None:
        if issuer in self._desks:
            self._call(self._desks[issuer].forget(key, now))

    def _desk(self, issuer: str) -> Desk:
        """Made when it is needed: an issuer without limits has something to count after a stop."""
        if issuer not in self._desks:
            self._desks[issuer] = self._make_desk(issuer)
        return self._desks[issuer]

    def _make_desk(self, issuer: str) -> Desk:
        limits = self._limits.get(issuer, IssuerLimits())
        return Desk(issuer, limits, wanted=self._is_wanted, under_way=self._is_under_way)

    def _is_wanted(self, key: Key) -> bool:
        """Whether an order may be placed, as far as is known: whose DNS does not point at us any
        more takes nobody's turn."""
        domain, claim = self._store.domain(key), self._store.claim_for(key)
        if domain is None or claim is None or domain.suspend or domain.handed_to is not None:
            return False
        return claim.holder.uid == domain.uid and claim.order is None and proof_current(claim)

    def _is_under_way(self, key: Key) -> bool:
        memory, claim = self._store.memory(key), self._store.claim_for(key)
        if memory.ordering_since is not None or memory.result is not None:
            return True
        return claim is not None and claim.order is not None

    def _call(self, keys: Iterable[Key]) -> None:
        """Have those decided about who have their turn; what is said of them stays until then."""
        now = self._now()
        for key in keys:
            memory = self._store.memory(key)
            if memory.wait is not None:
                waited = replace(memory.wait, until=min(memory.wait.until, now))
                self._store.remember(key, replace(memory, wait=waited))
            self._wake(key)
        self._arm()

    def _arm(self) -> None:
        now = self._now()
        moments = [due for desk in self._desks.values() if (due := desk.due(now)) is not None]
        if not moments:
            return
        rings_at = min(moments)
        if self._timer is not None:
            if self._rings_at is not None and self._rings_at <= rings_at:
                return
            self._timer.cancel()
        nap = min(max((rings_at - now).total_seconds(), 0.0), agenda.LONGEST_NAP)
        self._rings_at = rings_at
        self._timer = asyncio.get_running_loop().call_later(nap, self._ring)

    def _ring(self) -> None:
        self._timer = self._rings_at = None
        now = self._now()
        told = [key for desk in self._desks.values() for key in desk.advance(now)]
        self._call(told)
