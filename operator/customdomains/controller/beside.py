"""Jobs of a kind of their own beside checks and orders: one a domain, in a lane, with backoff."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from customdomains.cluster.errors import ApiError
from customdomains.controller.engine import Backoff
from customdomains.controller.lanes import Lane
from customdomains.controller.store import Store
from customdomains.model.domain import Key
from customdomains.policy.world import Memory

log = logging.getLogger(__name__)

J = TypeVar("J")
O = TypeVar("O")  # noqa: E741 - an outcome
J_contra = TypeVar("J_contra", contravariant=True)


class Doer(Protocol[J_contra, O]):
    """Does the jobs, and knows where the memory of a domain has what they come to."""

    async def do(self, job: J_contra) -> tuple[O, str]:
        """What the job comes to, and how that is counted; raises what is worth another try."""
        ...

    def busy(self, memory: Memory, *, under_way: bool) -> Memory:
        """The memory of a domain whose job is under way, or is so no more."""
        ...

    def take_in(self, memory: Memory, job: J_contra, outcome: O) -> Memory:
        """The memory with what a job has come to."""
        ...


@dataclass(frozen=True, slots=True)
class _Started(Generic[J]):
    job: J
    uid: str


class Beside(Generic[J, O]):
    """Runs the jobs that `doer` does, at most `width` at once.

    `wake` is called with a key when its result is in, `done` with each job's kind and end; what
    failed for a reason of ours rests by `backoff`. A result for a resource that is not there any
    more, or was made anew, counts for nothing.
    """

    def __init__(
        self,
        name: str,
        width: int,
        doer: Doer[J, O],
        store: Store,
        *,
        wake: Callable[[Key], None],
        backoff: Backoff,
        done: Callable[[str, str], None],
    ) -> None:
        self._doer = doer
        self._store = store
        self._wake = wake
        self._backoff = backoff
        self._done = done
        self._lane: Lane[_Started[J]] = Lane(name, width, self._run)

    def __len__(self) -> int:
        """Jobs waiting and running."""
        return len(self._lane)

    def start(self, key: Key, job: J) -> None:
        """Run `job` for `key` in the background; one that has to rest after a failure is on the
        agenda."""
        domain = self._store.domain(key)
        if domain is None or self._backoff.holds(key):
            return
        self._store.remember(key, self._doer.busy(self._store.memory(key), under_way=True))
        self._lane.put(key, _Started(job, domain.uid))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._backoff.succeeded(key)

    async def work(self) -> None:
        """Run jobs until cancelled."""
        await self._lane.work()

    async def _run(self, key: Key, started: _Started[J]) -> None:
        job, kind = started.job, type(started.job).__name__
        try:
            outcome, ended = await self._doer.do(job)
        except ApiError as error:
            log.warning("%s: %s failed: %s", key, kind, error)
            self._failed(key, started, kind, "ApiError")
        except Exception:
            log.exception("%s: %s broke", key, kind)
            self._failed(key, started, kind, "broke")
        else:
            self._done(kind, ended)
            if self._counts(key, started):
                memory = self._doer.busy(self._store.memory(key), under_way=False)
                self._store.remember(key, self._doer.take_in(memory, job, outcome))
                self._backoff.succeeded(key)
        self._wake(key)

    def _failed(self, key: Key, started: _Started[J], kind: str, ended: str) -> None:
        self._done(kind, ended)
        if self._counts(key, started):
            memory = self._store.memory(key)
            self._store.remember(key, self._doer.busy(memory, under_way=False))
            self._backoff.failed(key)

    def _counts(self, key: Key, started: _Started[J]) -> bool:
        domain = self._store.domain(key)
        return domain is not None and domain.uid == started.uid
