"""Runs the jobs of plans in their lanes and brings the results back into the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from customdomains.cluster.errors import ApiError
from customdomains.controller.issuing import Issuing, StaleClaimError
from customdomains.controller.lanes import Lane
from customdomains.controller.ports import TextLookup
from customdomains.controller.store import Store
from customdomains.model.certificate import IssuedCertificate, OrderError, PlacedOrder
from customdomains.model.domain import Key
from customdomains.policy.world import (
    Check,
    CheckDns,
    CompleteOrder,
    DropNextKey,
    Job,
    OrderResult,
    PlaceOrder,
)

log = logging.getLogger(__name__)

CHECKS_AT_ONCE = 256
ORDERS_AT_ONCE = 128


class JobRunner:
    """Starts jobs; `wake` is called with a key when its result is in, `retry` when it failed for
    a reason that is ours and should be tried again soon, `done` with each job's kind and end."""

    def __init__(
        self,
        store: Store,
        lookup: TextLookup,
        issuing: Issuing,
        *,
        now: Callable[[], datetime],
        wake: Callable[[Key], None],
        retry: Callable[[Key], None],
        done: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._lookup = lookup
        self._issuing = issuing
        self._now = now
        self._wake = wake
        self._retry = retry
        self._done = done
        self._checks: Lane[CheckDns] = Lane("checks", CHECKS_AT_ONCE, self._check)
        self._orders: Lane[PlaceOrder | CompleteOrder | DropNextKey] = Lane(
            "orders", ORDERS_AT_ONCE, self._order
        )

    def __len__(self) -> int:
        """Jobs waiting and running."""
        return len(self._checks) + len(self._orders)

    def start(self, key: Key, job: Job) -> None:
        """Run `job` for `key` in the background."""
        if isinstance(job, CheckDns):
            self._checks.put(key, job)
        else:
            self._orders.put(key, job)

    async def work(self) -> None:
        """Run jobs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._checks.work())
            group.create_task(self._orders.work())

    async def _check(self, key: Key, job: CheckDns) -> None:
        evidence = await self._lookup.look_up(job.name)
        memory = self._store.memory(key)
        check = Check(self._now(), evidence, job.request)
        self._store.remember(
            key, replace(memory, checking=False, attempts=memory.attempts + 1, check=check)
        )
        self._done("CheckDns", evidence.answers[-1].outcome if evidence.answers else "Unreachable")
        self._wake(key)

    async def _order(self, key: Key, job: PlaceOrder | CompleteOrder | DropNextKey) -> None:
        try:
            outcome = await self._do(job)
        except OrderError as error:
            self._finish(key, job, error)
            self._wake(key)
        except StaleClaimError as stale:
            self._finish(key, job, None)
            if stale.claim is not None:
                self._store.put_claim(stale.claim)
            else:
                self._store.drop_claim(job.claim)
            self._wake(key)
        except ApiError as error:
            log.warning("%s: %s failed: %s", key, type(job).__name__, error)
            self._finish(key, job, None)
            self._retry(key)
        except Exception:
            log.exception("%s: %s broke", key, type(job).__name__)
            self._finish(key, job, None)
            self._retry(key)
        else:
            self._finish(key, job, outcome)
            self._wake(key)

    async def _do(
        self, job: PlaceOrder | CompleteOrder | DropNextKey
    ) -> PlacedOrder | IssuedCertificate | None:
        match job:
            case PlaceOrder():
                return await self._issuing.place(job)
            case CompleteOrder():
                return await self._issuing.complete(job)
            case DropNextKey():
                await self._issuing.drop_next_key(job.claim, job.secret_name)
                return None

    def _finish(
        self,
        key: Key,
        job: PlaceOrder | CompleteOrder | DropNextKey,
        outcome: PlacedOrder | IssuedCertificate | OrderError | None,
    ) -> None:
        memory = replace(self._store.memory(key), ordering_since=None)
        if isinstance(job, DropNextKey):
            memory = replace(memory, next_key_to_drop=None)
        elif outcome is not None:
            memory = replace(memory, result=OrderResult(job, outcome, self._now()))
        self._store.remember(key, memory)
        ended = outcome.reason if isinstance(outcome, OrderError) else "done"
        self._done(type(job).__name__, ended)
