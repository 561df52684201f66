"""Leadership by a Lease: it keeps two controllers from working at once.

It is not what makes two safe: every write is conditional by itself. Another's Lease counts as
expired when it was not renewed for its duration by *our* monotonic clock, so clocks that differ
or jump don't matter (client-go's leaderelection does the same).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from customdomains.cluster.errors import AlreadyExists, ApiError, Conflict, NotFound
from customdomains.cluster.lease import LeaseRecord

log = logging.getLogger(__name__)

LEAST_TIMEOUT = 0.05


class LeaseStore(Protocol):
    """One Lease; calls raise `ApiError` within `timeout` seconds."""

    async def read(self, timeout: float) -> LeaseRecord:
        """As it is now; `NotFound` where there is none."""
        ...

    async def create(self, record: LeaseRecord, timeout: float) -> LeaseRecord:
        """`AlreadyExists` where another was faster."""
        ...

    async def replace(self, record: LeaseRecord, timeout: float) -> LeaseRecord:
        """`Conflict` unless `record` has the newest resourceVersion."""
        ...


class LeadershipLostError(Exception):
    """The Lease could not be renewed in time; the process has to end."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """In seconds: how long others wait, how long a renewal may fail, how often one is tried."""

    duration: float = 15.0

    @property
    def renew_deadline(self) -> float:
        """A holder gives up well before another may take over."""
        return self.duration * 2 / 3

    @property
    def retry(self) -> float:
        """Between two tries."""
        return self.duration / 7.5


class Elector:
    """Acquires the Lease, keeps it, and gives it back."""

    def __init__(
        self,
        leases: LeaseStore,
        identity: str,
        times: LeaseTimes,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        random: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._times = times
        self._now = now
        self._monotonic = monotonic
        self._random = random
        self._sleep = sleep
        self._held: LeaseRecord | None = None
        self._seen: LeaseRecord | None = None
        self._seen_at = 0.0

    @property
    def leading(self) -> bool:
        """Whether this process holds the Lease, as far as it knows."""
        return self._held is not None

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        told: str | None = None
        while True:
            try:
                if await self._try_acquire():
                    log.info("leading as %s", self._identity)
                    return
            except (Conflict, AlreadyExists):
                pass  # another was faster; see who at the next try
            except ApiError as error:
                log.warning("the Lease can't be had: %s", error)
            holder = self._seen.holder if self._seen else ""
            if holder and holder != told:
                log.info("waiting: %s leads", holder)
                told = holder
            await self._sleep(self._pause())

    async def hold(self) -> None:
        """Renew the Lease for as long as that works, then raise `LeadershipLostError`."""
        renewed = self._monotonic()
        while True:
            await self._sleep(self._pause())
            left = renewed + self._times.renew_deadline - self._monotonic()
            begun = self._monotonic()
            try:
                # Half of it: a request that hangs leaves time for another.
                await self._renew(max(left / 2, LEAST_TIMEOUT))
                renewed = begun
            except ApiError as error:
                if self._monotonic() - renewed >= self._times.renew_deadline:
                    self._held = None
                    raise LeadershipLostError(f"the Lease could not be renewed: {error}") from error
                log.warning("the Lease was not renewed: %s", error)

    async def release(self) -> None:
        """Give the Lease back, so that the next one need not wait."""
        if self._held is None:
            return
        timeout = min(self._times.retry, 2.0)
        try:
            await self._change({"holder": "", "renew_time": self._now()}, timeout)
        except (ApiError, LeadershipLostError) as error:
            log.warning("the Lease was not given back: %s", error)
        self._held = None

    async def _try_acquire(self) -> bool:
        timeout = self._times.renew_deadline
        try:
            found = await self._leases.read(timeout)
        except NotFound:
            self._held = await self._leases.create(self._ours(None), timeout)
            return True
        if self._seen is None or found.resource_version != self._seen.resource_version:
            self._seen, self._seen_at = found, self._monotonic()
        if found.holder and found.holder != self._identity and not self._expired(found):
            return False
        self._held = await self._leases.replace(self._ours(found), timeout)
        return True

    async def _renew(self, timeout: float) -> None:
        self._held = await self._change({"renew_time": self._now()}, timeout)

    async def _change(self, changes: dict[str, Any], timeout: float) -> LeaseRecord:
        """Write the Lease that is held. A conflict alone does not mean that it is lost: our own
        write before may have got there without its answer, or somebody has set a label. All of
        it has `timeout` seconds."""
        end = self._monotonic() + timeout
        if self._held is None:
            raise LeadershipLostError("the Lease is not held")
        try:
            return await self._leases.replace(replace(self._held, **changes), timeout)
        except Conflict:
            found = await self._leases.read(max(end - self._monotonic(), LEAST_TIMEOUT))
        if found.holder != self._identity:
            self._held = None
            raise LeadershipLostError(f"{found.holder or 'somebody'} took the Lease")
        self._held = found
        left = max(end - self._monotonic(), LEAST_TIMEOUT)
        return await self._leases.replace(replace(found, **changes), left)

    def _expired(self, found: LeaseRecord) -> bool:
        duration = max(float(found.duration_seconds), 1.0)
        return self._monotonic() - self._seen_at >= duration

    def _ours(self, found: LeaseRecord | None) -> LeaseRecord:
        now = self._now()
        changed = found is None or found.holder != self._identity
        return LeaseRecord(
            holder=self._identity,
            duration_seconds=max(round(self._times.duration), 1),
            acquire_time=now if changed or found is None else found.acquire_time,
            renew_time=now,
            transitions=0 if found is None else found.transitions + int(changed),
            resource_version="" if found is None else found.resource_version,
        )

    def _pause(self) -> float:
        return self._times.retry * (1 - self._random() / 5)
