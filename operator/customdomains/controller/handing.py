"""The jobs with cert-manager's Certificates: handing a domain over, taking it back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from customdomains.cluster.errors import ApiError
from customdomains.controller.engine import Backoff
from customdomains.controller.lanes import Lane
from customdomains.controller.ports import CertManager
from customdomains.controller.store import Store
from customdomains.model.domain import Key
from customdomains.model.handover import CertificateState, Fault, HandoverRefusedError
from customdomains.policy.jobs import HandJob, HandOver, HandResult, TakeBack
from customdomains.policy.world import Looked

log = logging.getLogger(__name__)

HANDED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Started:
    job: HandJob
    uid: str


class Hander:
    """Runs the jobs, one a domain, in a lane of their own; the arguments are as `JobRunner`'s."""

    def __init__(
        self,
        store: Store,
        cert_manager: CertManager,
        *,
        now: Callable[[], datetime],
        wake: Callable[[Key], None],
        backoff: Backoff,
        done: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._cert_manager = cert_manager
        self._now = now
        self._wake = wake
        self._backoff = backoff
        self._done = done
        self._lane: Lane[_Started] = Lane("handing", HANDED_AT_ONCE, self._run)

    def __len__(self) -> int:
        """Jobs waiting and running."""
        return len(self._lane)

    def start(self, key: Key, job: HandJob) -> None:
        """Run `job` for `key` in the background; one that has to rest after a failure is on the
        agenda."""
        domain = self._store.domain(key)
        if domain is None or self._backoff.holds(key):
            return
        self._store.remember(key, replace(self._store.memory(key), handing=True))
        self._lane.put(key, _Started(job, domain.uid))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._backoff.succeeded(key)

    async def work(self) -> None:
        """Run jobs until cancelled."""
        await self._lane.work()

    async def _run(self, key: Key, started: _Started) -> None:
        job, ended = started.job, "done"
        outcome: CertificateState | Fault | None = None
        try:
            outcome = await self._do(job)
        except HandoverRefusedError as refusal:
            outcome, ended = Fault(refusal.reason, refusal.message, self._now()), refusal.reason
        except ApiError as error:
            log.warning("%s: %s failed: %s", key, type(job).__name__, error)
            ended = "ApiError"
        except Exception:
            log.exception("%s: %s broke", key, type(job).__name__)
            ended = "broke"
        self._done(type(job).__name__, ended)
        domain = self._store.domain(key)
        if domain is not None and domain.uid == started.uid:
            self._remember(key, job, outcome, failed=ended in {"ApiError", "broke"})
        self._wake(key)

    async def _do(self, job: HandJob) -> CertificateState | None:
        if isinstance(job, HandOver):
            return await self._cert_manager.apply(job.wanted, write=job.fresh)
        await self._cert_manager.remove(job.namespace, job.name, job.seat)
        return None

    def _remember(
        self, key: Key, job: HandJob, outcome: CertificateState | Fault | None, *, failed: bool
    ) -> None:
        memory = replace(self._store.memory(key), handing=False)
        if failed:
            self._store.remember(key, memory)
            self._backoff.failed(key)
            return
        now = self._now()
        looked = None
        if not isinstance(job, TakeBack):
            looked = Looked(now, job.heard, off=outcome is None)
        result = HandResult(job, outcome, now)
        self._store.remember(key, replace(memory, handed=result, looked=looked))
        self._backoff.succeeded(key)
