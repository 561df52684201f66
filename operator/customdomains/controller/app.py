"""The controller process: what it is made of, and in which order it comes up and goes down."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf
from prometheus_client import CollectorRegistry

from customdomains.cluster.client import ApiClient
from customdomains.cluster.config import Connection
from customdomains.cluster.events import EventSink
from customdomains.cluster.kinds import DOMAIN_CLAIMS
from customdomains.cluster.secrets import CertificateSecrets
from customdomains.cluster.stores import ClaimStore, DomainStore, LeaseStore
from customdomains.cluster.watch import WatchCache
from customdomains.controller.agenda import Agenda
from customdomains.controller.announcing import TransitionAnnouncer
from customdomains.controller.engine import Backoff, work
from customdomains.controller.issuing import Issuing
from customdomains.controller.jobs import JobRunner
from customdomains.controller.leadership import Elector, LeaseTimes
from customdomains.controller.ports import CertificateEngine, SelfCheck, TextLookup
from customdomains.controller.queue import FairQueue
from customdomains.controller.reconcile import Reconciler
from customdomains.controller.store import Store
from customdomains.controller.sweep import Sweep
from customdomains.controller.watching import Change, DomainWatcher
from customdomains.model.claim import Claim, parse_claim
from customdomains.model.domain import CustomDomain
from customdomains.policy.world import Rules
from customdomains.telemetry.metrics import ControllerMetrics

log = logging.getLogger(__name__)

LEASE_NAME = "customdomains-controller"
SYNC_POLL = 0.1
STUCK_AFTER = 60.0
"""Seconds without a finished reconcile, though keys wait, that make the process count as dead."""


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """What the settings say about this process. `probe_url` is where kopf answers liveness."""

    identity: str
    namespace: str
    lease_duration: float
    secret_retention: timedelta
    probe_url: str
    rules: Rules


@dataclass(frozen=True, slots=True)
class Outside:
    """The adapters that the composition root chose; `engines` are by issuer."""

    lookup: TextLookup
    self_check: SelfCheck
    engines: Mapping[str, CertificateEngine]
    make_key: Callable[[], str]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Controller:
    """Wires the parts; `run` brings them up, leads, and ends when it may not lead any more."""

    def __init__(
        self,
        options: ControllerOptions,
        client: ApiClient,
        connection: Connection,
        outside: Outside,
        registry: CollectorRegistry,
    ) -> None:
        now = _utc_now
        self._client = client
        self._connection = connection
        self._queue = FairQueue()
        self._store = Store(self._queue.add)
        self._agenda = Agenda(now, self._queue.add)
        self._claims = WatchCache(
            client, DOMAIN_CLAIMS, parse=parse_claim, on_change=self._claim_changed
        )
        self._domains = DomainStore(client)
        self._events = EventSink(client, instance=options.identity)
        self._backoff = Backoff(self._agenda, now, random.random)
        claim_store, certificate_secrets = ClaimStore(client), CertificateSecrets(client)
        issuing = Issuing(
            claim_store,
            certificate_secrets,
            outside.engines,
            outside.self_check,
            zone=options.rules.zone,
            make_key=outside.make_key,
        )
        self._metrics = ControllerMetrics(
            registry,
            phases=self._count_phases,
            queue=lambda: len(self._queue),
            jobs=lambda: len(self._jobs),
        )
        self._jobs = JobRunner(
            self._store,
            outside.lookup,
            issuing,
            now=now,
            wake=self._queue.add,
            retry=self._backoff.failed,
            done=self._metrics.job_done,
        )
        self._reconciler = Reconciler(
            self._store,
            self._agenda,
            claim_store,
            self._domains,
            self._jobs,
            TransitionAnnouncer(self._events),
            rules=options.rules,
            now=now,
            random_bytes=secrets.token_bytes,
        )
        self._sweep = Sweep(
            self._store,
            self._domains,
            certificate_secrets,
            now=now,
            wake=self._queue.add,
            retention=options.secret_retention,
        )
        # Renewals must not wait in line behind the work.
        self._lease_client = ApiClient(connection, connections=2)
        self._elector = Elector(
            LeaseStore(self._lease_client, options.namespace, LEASE_NAME),
            options.identity,
            LeaseTimes(options.lease_duration),
            now=now,
            monotonic=time.monotonic,
            random=random.random,
            sleep=asyncio.sleep,
        )
        self._watcher = DomainWatcher(
            self._log_in, self._domain_changed, self._alive, probe_url=options.probe_url
        )
        self._synced = False
        self._progress_at = time.monotonic()

    def not_ready(self) -> str | None:
        """What is missing until this process could lead; for the readiness probe."""
        return None if self._synced else "the first listing is not complete"

    async def run(self) -> None:
        """Work until cancelled. Raises `LeadershipLostError` when the Lease is lost."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._claims.run(), name="claims")
            await self._claims.wait_synced(timeout=float("inf"))
            group.create_task(self._watcher.run(), name="kopf")
            await self._wait_synced()
            await self._elector.acquire()
            self._metrics.leading.set(1)
            try:
                await self._lead()
            finally:
                self._metrics.leading.set(0)
                self._agenda.close()
                await asyncio.shield(self._elector.release())
                await self._lease_client.close()

    async def _lead(self) -> None:
        self._progress_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._elector.hold(), name="lease")
            group.create_task(self._events.run(), name="events")
            group.create_task(self._jobs.work(), name="jobs")
            group.create_task(self._sweep.run(), name="sweep")
            group.create_task(
                work(self._queue, self._reconciler.reconcile, self._backoff, self._reconciled),
                name="workers",
            )

    async def _wait_synced(self) -> None:
        """Until every resource of a live listing has come through the watch."""
        started = time.monotonic()
        waited_for = await self._domains.names()
        while any(self._store.domain(key) is None for key in waited_for):
            await asyncio.sleep(SYNC_POLL)
            if time.monotonic() - started > STUCK_AFTER:
                started = time.monotonic()
                waited_for = await self._domains.names()
        self._synced = True
        log.info("synced: %d CustomDomains, %d claims", len(self._store), len(self._claims))

    def _claim_changed(self, _name: str, old: Claim | None, new: Claim | None) -> None:
        if new is not None:
            self._store.put_claim(new)
        elif old is not None:
            self._store.drop_claim(old)

    def _domain_changed(self, change: Change) -> None:
        if isinstance(change, CustomDomain):
            self._store.put_domain(change)
        else:
            self._store.drop_domain(*change)

    def _reconciled(self, seconds: float) -> None:
        self._progress_at = time.monotonic()
        self._metrics.reconciled(seconds)

    def _count_phases(self) -> Counter[str]:
        return Counter(domain.status.phase or "new" for domain in list(self._store.domains))

    def _alive(self) -> dict[str, Any]:
        """Raises where the queue does not move although this process leads."""
        idle = time.monotonic() - self._progress_at
        if self._elector.leading and len(self._queue) and idle > STUCK_AFTER:
            raise RuntimeError(
                f"{len(self._queue)} keys wait and none was finished for {idle:.0f} s"
            )
        return {
            "leading": self._elector.leading,
            "synced": self._synced,
            "queue": len(self._queue),
            "claimsEventAge": round(self._claims.last_event_age, 1),
        }

    async def _log_in(self) -> kopf.ConnectionInfo:
        endpoint = self._connection.endpoint
        scheme, _, token = (endpoint.authorization or "").partition(" ")
        return kopf.ConnectionInfo(
            server=endpoint.base_url,
            ca_path=endpoint.ca_path,
            insecure=endpoint.insecure,
            certificate_path=endpoint.certificate_path,
            private_key_path=endpoint.private_key_path,
            scheme=scheme or None,
            token=token or None,
            proxy_url=endpoint.proxy_url,
        )
