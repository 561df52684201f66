"""Runs the jobs of plans in their lanes and brings the results back into the store."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from customdomains.cluster.errors import ApiError
from customdomains.controller.admission import Admission, Outcome
from customdomains.controller.beside import Beside
from customdomains.controller.engine import Backoff
from customdomains.controller.handing import Outcome as Handed
from customdomains.controller.issuing import Issuing, StaleClaimError
from customdomains.controller.keeping import Outcome as Kept
from customdomains.controller.lanes import Lane
from customdomains.controller.ports import TextLookup
from customdomains.controller.prospecting import Prospecting
from customdomains.controller.queue import Rank
from customdomains.controller.store import Store
from customdomains.model.certificate import IssuedCertificate, OrderError, PlacedOrder
from customdomains.model.domain import Key
from customdomains.model.evidence import Evidence
from customdomains.model.renewal import RenewalInfo
from customdomains.policy.expiry import rank
from customdomains.policy.jobs import (
    AskRenewal,
    CheckDns,
    CompleteOrder,
    DropNextKey,
    HandJob,
    Job,
    KeepJob,
    OrderResult,
    PlaceOrder,
)
from customdomains.policy.limits import Wait
from customdomains.policy.nearby import after, enough
from customdomains.policy.prospects import Prospects
from customdomains.policy.schedule import PROOF_FRESHNESS
from customdomains.policy.world import Check, Memory, RenewalCheck

log = logging.getLogger(__name__)

J = TypeVar("J")

CHECKS_AT_ONCE = 256
VAIN_CHECKS_AT_ONCE = 128
"""Checks of domains of which the last ones were in vain: they may take as long as a check may, so
they have a lane of their own where nobody else has to wait for them."""
ORDERS_AT_ONCE = 128
QUESTIONS_AT_ONCE = 8
"""When certificates are to be renewed: what that takes of the connections to a CA, orders lack."""

OrderJob = PlaceOrder | CompleteOrder | DropNextKey


@dataclass(frozen=True, slots=True)
class _Started(Generic[J]):
    """A job, for which resource it was started, and when."""

    job: J
    uid: str
    at: datetime


class JobRunner:
    """Runs jobs and remembers that they run and what they have come to.

    `wake` is called with a key when its result is in; `backoff` holds back orders that failed for
    a reason of ours, so that no reconcile starts them sooner, `admission` those that a CA's limits
    are in the way of; `done` is told each job's kind and end, `checked` what each look at the DNS
    came to and how many seconds it took. A result for a resource that is not there any more, or was
    made anew, counts for nothing.
    """

    def __init__(
        self,
        store: Store,
        lookup: TextLookup,
        prospecting: Prospecting,
        issuing: Issuing,
        keeper: Beside[KeepJob, Kept],
        hander: Beside[HandJob, Handed],
        *,
        now: Callable[[], datetime],
        wake: Callable[[Key], None],
        backoff: Backoff,
        admission: Admission,
        done: Callable[[str, str], None],
        checked: Callable[[Evidence, float], None],
    ) -> None:
        self._store = store
        self._lookup = lookup
        self._prospecting = prospecting
        self._issuing = issuing
        self._keeper = keeper
        self._hander = hander
        self._now = now
        self._wake = wake
        self._backoff = backoff
        self._admission = admission
        self._done = done
        self._checked = checked
        self._checks: Lane[_Started[CheckDns]] = Lane("checks", CHECKS_AT_ONCE, self._check)
        self._vain_checks: Lane[_Started[CheckDns]] = Lane(
            "vain-checks", VAIN_CHECKS_AT_ONCE, self._check
        )
        self._orders: Lane[_Started[OrderJob]] = Lane("orders", ORDERS_AT_ONCE, self._order)
        self._questions: Lane[_Started[AskRenewal]] = Lane(
            "questions", QUESTIONS_AT_ONCE, self._ask
        )

    def __len__(self) -> int:
        """Jobs waiting and running."""
        asking = len(self._checks) + len(self._vain_checks) + len(self._questions)
        return asking + len(self._orders) + len(self._keeper) + len(self._hander)

    def start(self, key: Key, job: Job) -> None:
        """Run `job` for `key` in the background, unless it has to rest after a failure: then the
        key is on the agenda."""
        domain = self._store.domain(key)
        if domain is None:
            return
        memory, now = self._store.memory(key), self._now()
        if isinstance(job, CheckDns):
            self._store.remember(key, replace(memory, checking=True))
            lane = self._vain_checks if _in_vain(memory.check, job) else self._checks
            lane.put(key, _Started(job, domain.uid, now), self._rank(key, now))
        elif isinstance(job, AskRenewal):
            self._store.remember(key, replace(memory, asking=True))
            self._questions.put(key, _Started(job, domain.uid, now))
        elif isinstance(job, KeepJob):
            self._keeper.start(key, job)
        elif isinstance(job, HandJob):
            self._hander.start(key, job)
        elif not self._backoff.holds(key):
            turn = job if isinstance(job, DropNextKey) else self._admission.seek(key, job)
            memory = self._store.memory(key)
            if isinstance(turn, Wait):
                self._store.remember(key, replace(memory, wait=turn))
                self._wake(key)  # it has to be told
                return
            self._store.remember(key, replace(memory, ordering_since=now, wait=None))
            self._orders.put(key, _Started(turn, domain.uid, now), self._rank(key, now))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._backoff.succeeded(key)
        self._admission.forget(key)
        self._keeper.forget(key)
        self._hander.forget(key)

    async def work(self) -> None:
        """Run jobs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._checks.work())
            group.create_task(self._vain_checks.work())
            group.create_task(self._orders.work())
            group.create_task(self._questions.work())
            group.create_task(self._keeper.work())
            group.create_task(self._hander.work())

    def _rank(self, key: Key, now: datetime) -> Rank:
        """What is most urgent goes first where many wait."""
        return rank(self._store.claim_for(key), now)

    async def _check(self, key: Key, started: _Started[CheckDns]) -> None:
        job, began = started.job, self._now()
        evidence, prospects = await asyncio.gather(self._look_up(key, job), self._prospects(job))
        memory = self._store.memory(key)
        found = Check(self._now(), evidence, job.request, prospects=prospects)
        check = after(memory.check, found, job)
        self._ended(
            key,
            started,
            replace(memory, checking=False, attempts=memory.attempts + 1, check=check),
        )
        self._done("CheckDns", _end_of(evidence))
        self._checked(evidence, (check.at - began).total_seconds())

    async def _ask(self, key: Key, started: _Started[AskRenewal]) -> None:
        """Whatever comes of it, certificates are renewed in time without it."""
        job, ended = started.job, "broke"
        info: RenewalInfo | None = None
        again_at: datetime | None = None
        try:
            info = await self._issuing.renewal_info(job)
            again_at, ended = (info.again_at, "done") if info is not None else (None, "nothing")
        except OrderError as error:
            again_at, ended = error.retry_at, error.reason
            log.info("%s: when to renew can't be asked: %s", key, error.message)
        except Exception:
            log.exception("%s: AskRenewal broke", key)
        check = RenewalCheck(job.ari_id, self._now(), info, again_at)
        self._ended(key, started, replace(self._store.memory(key), asking=False, renewal=check))
        self._done("AskRenewal", ended)

    async def _look_up(self, key: Key, job: CheckDns) -> Evidence:
        try:
            return await self._lookup.look_up(
                job.name, nearby=job.nearby, enough=partial(enough, job)
            )
        except Exception:
            log.exception("%s: CheckDns broke", key)
            return Evidence(job.name, ())

    async def _prospects(self, job: CheckDns) -> Prospects | None:
        return None if job.look is None else await self._prospecting.look(job.look)

    async def _order(self, key: Key, started: _Started[OrderJob]) -> None:
        outcome: Outcome = None
        try:
            outcome = await self._do(started)
        except OrderError as error:
            outcome = error
        except StaleClaimError as stale:
            if stale.claim is not None:
                self._store.put_claim(stale.claim)
            else:
                self._store.drop_claim(started.job.claim)
        except ApiError as error:
            log.warning("%s: %s failed: %s", key, type(started.job).__name__, error)
            self._failed(key, started, "ApiError")
            return
        except Exception:
            log.exception("%s: %s broke", key, type(started.job).__name__)
            self._failed(key, started, "broke")
            return
        memory = replace(self._store.memory(key), ordering_since=None)
        if isinstance(started.job, DropNextKey):
            memory = replace(memory, next_key_to_drop=None)
        elif outcome is not None:
            memory = replace(memory, result=OrderResult(started.job, outcome, self._now()))
        self._ended(key, started, memory)
        self._settle(key, started.job, outcome)
        self._backoff.succeeded(key)
        ended = outcome.reason if isinstance(outcome, OrderError) else "done"
        self._done(type(started.job).__name__, ended)

    async def _do(self, started: _Started[OrderJob]) -> PlacedOrder | IssuedCertificate | None:
        job = started.job
        if isinstance(job, DropNextKey):
            await self._issuing.drop_next_key(job.claim, job.secret_name)
            return None
        if self._now() - started.at > PROOF_FRESHNESS:
            return None  # it has waited for so long that the proof has to be seen anew
        if isinstance(job, PlaceOrder):
            if self._admission.is_stopped(job):
                return None  # it asks again, and waits
            return await self._issuing.place(job)
        return await self._issuing.complete(job)

    def _ended(self, key: Key, started: _Started[J], memory: Memory) -> None:
        if self._counts(key, started):
            self._store.remember(key, memory)
        self._wake(key)

    def _failed(self, key: Key, started: _Started[OrderJob], ended: str) -> None:
        if self._counts(key, started):
            self._store.remember(key, replace(self._store.memory(key), ordering_since=None))
            self._backoff.failed(key)
        self._settle(key, started.job, None)
        self._done(type(started.job).__name__, ended)

    def _settle(self, key: Key, job: OrderJob, outcome: Outcome) -> None:
        if not isinstance(job, DropNextKey):
            self._admission.ended(key, job, outcome)

    def _counts(self, key: Key, started: _Started[J]) -> bool:
        domain = self._store.domain(key)
        return domain is not None and domain.uid == started.uid


def _in_vain(last: Check | None, job: CheckDns) -> bool:
    """Whether `job` repeats checks that were in vain, and nobody waits for it."""
    return last is not None and last.in_vain and job.request == last.request


def _end_of(evidence: Evidence) -> str:
    """How a check ended: with answers enough, or in what way without them."""
    if len(evidence.conclusive) >= evidence.needed:
        return "done"
    outcomes = Counter(a.outcome for a in evidence.answers if not a.outcome.conclusive)
    common = outcomes.most_common(1)
    return evidence.obstacle or (common[0][0] if common else "Unreachable")
