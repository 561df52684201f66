"""A controller process of the real parts on fake ports; it can be killed at every request."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from unittest import mock

from fake_api import CLAIMS, DOMAINS, FakeApi, FakeClient, Json
from fake_outside import (
    ZONE,
    FakeCa,
    FakeDns,
    FakeEngine,
    FakeExaminer,
    FakeHttp,
    FakeSelfCheck,
    FakeZones,
)
from fake_receivers import FakeReceivers, FakeSender
from fake_secret_watch import SECRETS, FakeSecretWatch
from virtual_time import VirtualLoop

from customdomains.cluster.certmanager import HandedCertificates
from customdomains.cluster.orphans import OwnedSecrets
from customdomains.cluster.secrets import CertificateSecrets
from customdomains.cluster.stores import ClaimStore, DomainStore
from customdomains.controller import jobs
from customdomains.controller.admission import Admission
from customdomains.controller.agenda import Agenda
from customdomains.controller.beside import Beside
from customdomains.controller.delivering import Courier
from customdomains.controller.engine import Backoff, work
from customdomains.controller.handing import HANDED_AT_ONCE, Hander
from customdomains.controller.issuing import Issuing
from customdomains.controller.jobs import JobRunner
from customdomains.controller.keeping import KEPT_AT_ONCE, Keeper
from customdomains.controller.prospecting import Prospecting
from customdomains.controller.queue import FairQueue
from customdomains.controller.reconcile import Reconciler
from customdomains.controller.revoking import Revocations
from customdomains.controller.sights import Sights
from customdomains.controller.store import Store
from customdomains.controller.sweep import Sweep
from customdomains.controller.updating import Updating
from customdomains.model.claim import Claim, parse_claim
from customdomains.model.domain import CustomDomain, Key, parse_domain
from customdomains.policy.budget import IssuerLimits
from customdomains.policy.rules import Rules
from customdomains.policy.world import Announcement

RULES = Rules(zone=ZONE, issuers=("main",))
RETENTION = timedelta(days=1)


class Announced:
    """What was told."""

    def __init__(self) -> None:
        self.events: list[tuple[Key, str]] = []
        self.moves: list[tuple[Key, str, str]] = []

    def announce(self, domain: CustomDomain, announcement: Announcement) -> None:
        self.events.append((domain.key, announcement.reason))

    def moved(self, domain: CustomDomain, phase: str, reason: str) -> None:
        self.moves.append((domain.key, phase, reason))


class Keys:
    """Private keys, and random bytes, that are all different and the same in every run."""

    def __init__(self) -> None:
        self._made = 0

    def make(self) -> str:
        self._made += 1
        return f"PRIVATE {self._made}"

    def random_bytes(self, length: int) -> bytes:
        self._made += 1
        return self._made.to_bytes(length, "big")


class Process:
    """A controller. `lag` is how many seconds a watch is behind; `deaf` swallows deletions."""

    def __init__(
        self,
        loop: VirtualLoop,
        api: FakeApi,
        dns: FakeDns,
        cas: Mapping[str, FakeCa],
        keys: Keys,
        *,
        rules: Rules,
        receivers: FakeReceivers,
        limits: Mapping[str, IssuerLimits] | None = None,
    ) -> None:
        self._loop = loop
        self._api = api
        self.lag = 0.0
        self.deaf = False
        self.dead = False
        self.steps_to_live: int | None = None
        self._last_told: dict[str, float] = {}
        self._heard_claims: dict[str, Claim] = {}
        now: Callable[[], datetime] = loop.now
        self.client = client = FakeClient(api, self._step)
        self.announced = Announced()
        self.self_check = FakeSelfCheck()
        self.queue = FairQueue()
        self.store = Store(self.queue.add)
        self.agenda = Agenda(now, self.queue.add)
        spread = random.Random(1).random  # noqa: S311 - the same in every run
        self._backoff = Backoff(self.agenda, now, spread)
        claims, secrets = ClaimStore(client), CertificateSecrets(client)  # type: ignore[arg-type]
        domains = DomainStore(client)  # type: ignore[arg-type]
        self.http = FakeHttp(cas["main"].reaches)
        self.zones = FakeZones()
        engines = {name: FakeEngine(ca, self._step, keys.make) for name, ca in cas.items()}
        prospecting = Prospecting(dns, engines, self.http, zone=ZONE, now=now, monotonic=loop.time)
        self.admission = Admission(self.store, limits or {}, now=now, wake=self.queue.add)
        issuing = Issuing(
            claims,
            secrets,
            engines,
            self.self_check,
            prospecting,
            updating=Updating(self.zones, dns, random=lambda: 0.5),
            caa_lookup=dns,
            gate=self.admission,
            zone=ZONE,
            now=now,
        )
        self.secret_watch = FakeSecretWatch(api)
        self.sights = Sights(self.secret_watch, self.store, self.queue.add)
        beside = partial(Beside, store=self.store, wake=self.queue.add, done=lambda *_: None)
        keeper = beside(
            "keeping",
            KEPT_AT_ONCE,
            Keeper(secrets, engines, FakeExaminer(), now=now),
            backoff=Backoff(self.agenda, now, spread),
        )
        hander = beside(
            "handing",
            HANDED_AT_ONCE,
            Hander(HandedCertificates(client), now=now),  # type: ignore[arg-type]
            backoff=Backoff(self.agenda, now, spread),
        )
        narrow = {"CHECKS_AT_ONCE": 3, "VAIN_CHECKS_AT_ONCE": 3, "ORDERS_AT_ONCE": 3}
        with mock.patch.multiple(jobs, **narrow):
            self.jobs = JobRunner(
                self.store,
                dns,
                prospecting,
                issuing,
                keeper,
                hander,
                now=now,
                wake=self.queue.add,
                backoff=Backoff(self.agenda, now, spread),
                admission=self.admission,
                done=lambda *_: None,
                checked=lambda *_: None,
            )
        self.courier = Courier(
            self.store,
            claims,
            self.announced,
            FakeSender(receivers, self._step),
            receivers.urls,
            now=now,
            random=spread,
            done=lambda _: None,
        )
        self.reconciler = Reconciler(
            self.store,
            self.agenda,
            claims,
            domains,
            self.jobs,
            self.announced,
            sight=self.sights.of,
            rules=rules,
            now=now,
            random_bytes=keys.random_bytes,
            settle=self.courier.settle,
        )
        owned = OwnedSecrets(client)  # type: ignore[arg-type]
        self.revocations = Revocations(
            owned, engines, FakeExaminer(), now=now, random=spread, done=lambda *_: None
        )
        self.sweep = Sweep(
            self.store,
            domains,
            claims,
            owned,
            self.revocations,
            now=now,
            wake=self.queue.add,
            retention=RETENTION,
        )
        self.task = loop.create_task(self._run())

    def kill(self) -> None:
        """Nothing that it still does reaches anybody."""
        self.dead = True
        self._api.watchers.remove(self._heard)
        self.agenda.close()
        self.admission.close()
        self.task.cancel()
        self._loop.run(asyncio.wait({self.task}, timeout=1.0))

    async def _run(self) -> None:
        for body in self._api.find(CLAIMS):
            self._deliver(CLAIMS, "ADDED", body)
        for body in self._api.find(DOMAINS):
            self._deliver(DOMAINS, "ADDED", body)
        self.secret_watch.list()
        self.sights.look_over()
        self._api.watchers.append(self._heard)
        self.admission.rebuild()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.jobs.work())
            group.create_task(self.sweep.run())
            group.create_task(self.courier.work())
            group.create_task(self.revocations.work())
            group.create_task(
                work(self.queue, self.reconciler.reconcile, self._backoff, lambda _: None)
            )

    async def _step(self) -> None:
        """Where this process may die."""
        if self.steps_to_live is not None:
            self.steps_to_live -= 1
            if self.steps_to_live < 0:
                self.dead = True
        if self.dead:
            await asyncio.get_running_loop().create_future()

    def _heard(self, plural: str, event: str, body: Json) -> None:
        """In order for claims; of CustomDomains only for each by itself, as kopf does it."""
        if plural not in {CLAIMS, DOMAINS, SECRETS} or (self.deaf and (plural, event) == _UNHEARD):
            return
        stream = body["metadata"]["uid"] if plural == DOMAINS else plural
        at = max(self._loop.time() + self.lag, self._last_told.get(stream, 0.0) + 1e-6)
        self._last_told[stream] = at
        self._loop.call_at(at, self._deliver, plural, event, body)

    def _deliver(self, plural: str, event: str, body: Json) -> None:
        if self.dead:
            return
        meta: dict[str, Any] = body["metadata"]
        if plural == SECRETS:
            self.sights.changed(*self.secret_watch.hear(event, body))
        elif plural == DOMAINS and event == "DELETED":
            self.store.drop_domain(Key(meta["namespace"], meta["name"]), meta["uid"])
        elif plural == DOMAINS:
            self.store.put_domain(parse_domain(body))
        elif event != "DELETED":
            claim = parse_claim(body)
            self._heard_claims[claim.domain] = claim
            known = self.store.claim(claim.domain)
            self.store.put_claim(claim)
            if known is not None and self.store.claim(claim.domain) is claim:
                self.reconciler.tell_of(known, claim)
            self.courier.look(claim.domain)
        elif meta["name"] in self._heard_claims:
            self.store.drop_claim(self._heard_claims.pop(meta["name"]))
            self.courier.look(meta["name"])


_UNHEARD = (DOMAINS, "DELETED")
