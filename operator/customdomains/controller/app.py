"""The controller process: what it is made of, and in which order it comes up and goes down."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry

from customdomains.cluster.certmanager import HandedCertificates
from customdomains.cluster.client import ApiClient
from customdomains.cluster.config import Connection
from customdomains.cluster.events import EventSink
from customdomains.cluster.kinds import DOMAIN_CLAIMS
from customdomains.cluster.orphans import OwnedSecrets
from customdomains.cluster.secrets import CertificateSecrets
from customdomains.cluster.stores import ClaimStore, DomainStore, LeaseStore
from customdomains.cluster.watch import WatchCache
from customdomains.controller.admission import Admission
from customdomains.controller.agenda import Agenda
from customdomains.controller.announcing import TransitionAnnouncer
from customdomains.controller.beside import Beside, Doer, J, O
from customdomains.controller.counting import census_of, count_admission, count_expiry
from customdomains.controller.delivering import Courier
from customdomains.controller.engine import Backoff, work
from customdomains.controller.handing import HANDED_AT_ONCE, Hander
from customdomains.controller.issuing import Issuing
from customdomains.controller.jobs import JobRunner
from customdomains.controller.keeping import KEPT_AT_ONCE, Keeper
from customdomains.controller.leadership import Elector, LeaseTimes
from customdomains.controller.liveness import Pulse
from customdomains.controller.login import kopf_login
from customdomains.controller.options import ControllerOptions, Outside
from customdomains.controller.prospecting import Prospecting
from customdomains.controller.queue import FairQueue
from customdomains.controller.reconcile import Reconciler
from customdomains.controller.revoking import Revocations
from customdomains.controller.sights import SecretWatch
from customdomains.controller.store import Store
from customdomains.controller.sweep import Sweep
from customdomains.controller.syncing import until_synced
from customdomains.controller.updating import Updating
from customdomains.controller.watching import Change, DomainWatcher
from customdomains.model.claim import Claim, parse_claim
from customdomains.model.domain import CustomDomain, Key
from customdomains.telemetry.metrics import ControllerMetrics, webhook_counter

log = logging.getLogger(__name__)

LEASE_NAME = "customdomains-controller"


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
        self._queue = FairQueue()
        self._pulse = Pulse(self._queue.__len__, time.monotonic)
        self._store = Store(self._enqueue)
        self._agenda = Agenda(now, self._enqueue)
        self._claims = WatchCache(
            client, DOMAIN_CLAIMS, parse=parse_claim, on_change=self._claim_changed
        )
        self._domains = DomainStore(client)
        self._events = EventSink(client, instance=options.identity)
        self._backoff = Backoff(self._agenda, now, random.random)
        claim_store, certificate_secrets = ClaimStore(client), CertificateSecrets(client)
        prospecting = Prospecting(
            outside.lookup,
            outside.engines,
            outside.http,
            zone=options.rules.zone,
            now=now,
            monotonic=time.monotonic,
        )
        self._admission = Admission(self._store, options.limits, now=now, wake=self._enqueue)
        issuing = Issuing(
            claim_store,
            certificate_secrets,
            outside.engines,
            outside.self_check,
            prospecting,
            updating=Updating(outside.updates, outside.lookup, random=random.random),
            caa_lookup=outside.caa_lookup,
            gate=self._admission,
            zone=options.rules.zone,
            now=now,
        )
        self._metrics = ControllerMetrics(
            registry,
            census=census_of(self._store, options.rules, now),
            queue=lambda: len(self._queue),
            jobs=lambda: len(self._jobs),
        )
        count_admission(registry, self._admission, now)
        count_expiry(registry, self._store, now, options.metrics_per_domain)
        examining = Keeper(certificate_secrets, outside.engines, outside.examiner, now=now)
        handing = Hander(HandedCertificates(client), now=now)
        keeper = self._beside("keeping", KEPT_AT_ONCE, examining)
        hander = self._beside("handing", HANDED_AT_ONCE, handing)
        self._jobs = JobRunner(
            self._store,
            outside.lookup,
            prospecting,
            issuing,
            keeper,
            hander,
            now=now,
            wake=self._enqueue,
            backoff=Backoff(self._agenda, now, random.random),
            admission=self._admission,
            done=self._metrics.job_done,
            checked=self._metrics.checked,
        )
        announcer = TransitionAnnouncer(self._events)
        self._courier = Courier(
            self._store,
            claim_store,
            announcer,
            outside.sender,
            outside.webhooks,
            now=now,
            random=random.random,
            done=webhook_counter(
                registry, lambda: sum(len(claim.outbox) for claim in self._store.claims)
            ),
        )
        self._secrets = SecretWatch(client, self._store, self._enqueue)
        self._reconciler = Reconciler(
            self._store,
            self._agenda,
            claim_store,
            self._domains,
            self._jobs,
            announcer,
            sight=self._secrets.sights.of,
            rules=options.rules,
            now=now,
            random_bytes=secrets.token_bytes,
            settle=self._courier.settle,
        )
        owned_secrets = OwnedSecrets(client)
        self._revocations = Revocations(
            owned_secrets,
            outside.engines,
            outside.examiner,
            now=now,
            random=random.random,
            done=self._metrics.job_done,
        )
        self._sweep = Sweep(
            self._store,
            self._domains,
            claim_store,
            owned_secrets,
            self._revocations,
            now=now,
            wake=self._enqueue,
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
            kopf_login(connection), self._domain_changed, self._alive, probe_url=options.probe_url
        )
        self._synced = False

    def _beside(self, name: str, width: int, doer: Doer[J, O]) -> Beside[J, O]:
        return Beside(
            name,
            width,
            doer,
            self._store,
            wake=self._enqueue,
            backoff=Backoff(self._agenda, _utc_now, random.random),
            done=self._metrics.job_done,
        )

    def not_ready(self) -> str | None:
        """What is missing until this process could lead; for the readiness probe."""
        return None if self._synced else "the first listing is not complete"

    async def run(self) -> None:
        """Work until cancelled. A lost Lease raises `LeadershipLostError`, in a group."""
        self._pulse.begin()
        async with self._lease_client, asyncio.TaskGroup() as group:
            group.create_task(self._claims.run(), name="claims")
            await self._claims.wait_synced(timeout=float("inf"))
            group.create_task(self._secrets.run(), name="secrets")
            group.create_task(self._watcher.run(), name="kopf")
            await until_synced(self._domains, self._store, self._watcher)
            self._synced = True
            log.info("synced: %d CustomDomains, %d claims", len(self._store), len(self._claims))
            await self._elector.acquire()
            self._metrics.leading.set(1)
            try:
                await self._lead()
            finally:
                self._metrics.leading.set(0)
                self._agenda.close()
                self._admission.close()
                await asyncio.shield(self._elector.release())

    async def _lead(self) -> None:
        self._pulse.moved()
        self._admission.rebuild()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._elector.hold(), name="lease")
            group.create_task(self._events.run(), name="events")
            group.create_task(self._jobs.work(), name="jobs")
            group.create_task(self._sweep.run(), name="sweep")
            group.create_task(self._courier.work(), name="webhooks")
            group.create_task(self._revocations.work(), name="revocations")
            group.create_task(
                work(self._queue, self._reconciler.reconcile, self._backoff, self._reconciled),
                name="workers",
            )

    def _enqueue(self, key: Key) -> None:
        if not len(self._queue):
            self._pulse.moved()  # until now there was nothing to get on with
        self._queue.add(key)

    def _claim_changed(self, name: str, old: Claim | None, new: Claim | None) -> None:
        if new is not None:
            known = self._store.claim(new.domain)
            self._store.put_claim(new)
            is_news = known is not None and self._store.claim(new.domain) is new
            if known is not None and is_news and self._elector.leading:
                self._reconciler.tell_of(known, new)
        elif old is not None:
            self._store.drop_claim(old)
        self._courier.look(name)

    def _domain_changed(self, change: Change) -> None:
        if isinstance(change, CustomDomain):
            self._store.put_domain(change)
        else:
            self._store.drop_domain(*change)

    def _reconciled(self, seconds: float) -> None:
        self._pulse.moved()
        self._metrics.reconciled(seconds)

    def _alive(self) -> dict[str, Any]:
        """Raises where this process is stuck. Called in another thread."""
        self._pulse.check(leading=self._elector.leading)
        return {
            "leading": self._elector.leading,
            "synced": self._synced,
            "queue": len(self._queue),
            "claimsEventAge": round(self._claims.last_event_age, 1),
        }
