"""One turn of the wheel: observe, decide, act at most once, write only what changed in meaning."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from customdomains.cluster.errors import AlreadyExists, Conflict, NotFound
from customdomains.controller.agenda import Agenda
from customdomains.controller.ports import Announcer, Claims, Domains
from customdomains.controller.store import Store
from customdomains.model.certificate import IssuedCertificate
from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain, Key
from customdomains.model.identity import RandomBytes, mint_identity
from customdomains.model.status import Status
from customdomains.policy.announcements import registered
from customdomains.policy.decide import decide
from customdomains.policy.ownership import abandoned, holder_of
from customdomains.policy.registration import new_claim
from customdomains.policy.world import (
    CheckDns,
    Job,
    MintClaim,
    Plan,
    ReleaseClaim,
    ReplaceClaim,
    Rules,
    World,
)

log = logging.getLogger(__name__)

TURNS = 4
"""How often one reconcile may decide anew on the answer to its own write."""

TIMES_SHOWN = timedelta(hours=1)
"""How often the times of checks are written that nothing else is written with."""

QUARREL_LIMIT = timedelta(seconds=60)


class JobStarter(Protocol):
    """Takes jobs that wait for the outside."""

    def start(self, key: Key, job: Job) -> None:
        """Run `job` in the background; its result comes back into the store."""
        ...


@dataclass(frozen=True, slots=True)
class _Written:
    """The last status written for a key, and how often somebody undid it since."""

    digest: bytes
    at: datetime
    undone: int = 0


class Reconciler:
    """Brings one CustomDomain forward. `reconcile` raises `ApiError`: then it has to run again."""

    def __init__(
        self,
        store: Store,
        agenda: Agenda,
        claims: Claims,
        domains: Domains,
        jobs: JobStarter,
        announcer: Announcer,
        *,
        rules: Rules,
        now: Callable[[], datetime],
        random_bytes: RandomBytes,
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._claims = claims
        self._domains = domains
        self._jobs = jobs
        self._announcer = announcer
        self._rules = rules
        self._now = now
        self._random_bytes = random_bytes
        self._namespace_uids: dict[str, str] = {}
        self._written: dict[Key, _Written] = {}

    async def reconcile(self, key: Key) -> None:
        """Decide about `key` on what is known now, and do that."""
        for leftover in self._store.leftovers(key):
            if abandoned(leftover, self._now()):
                await self._release(key, leftover)
        for _ in range(TURNS):
            world = await self._observe(key)
            plan = decide(world, self._now())
            if plan.claim is None:
                await self._conclude(world, plan)
                return
            if not await self._write_claim(world, plan):
                return
        self._agenda.at_latest(key, self._now() + timedelta(seconds=1))

    async def _conclude(self, world: World, plan: Plan) -> None:
        key = world.key
        if world.domain is None:
            self._written.pop(key, None)
        if world.memory.result is not None:
            self._store.remember(key, replace(world.memory, result=None))
        due = await self._write_status(world, plan)
        self._agenda.set(key, due)
        for job in plan.jobs:
            self._start(key, job)

    def forget_namespace(self, namespace: str) -> None:
        """The namespace's uid has to be read anew."""
        self._namespace_uids.pop(namespace, None)

    async def _observe(self, key: Key) -> World:
        domain = self._store.domain(key)
        uid = "" if domain is None else await self._namespace_uid(key.namespace)
        return World(
            key=key,
            domain=domain,
            claim=self._store.claim_for(key),
            namespace_uid=uid,
            memory=self._store.memory(key),
            rules=self._rules,
        )

    async def _namespace_uid(self, namespace: str) -> str:
        known = self._namespace_uids.get(namespace)
        if known is None:
            known = await self._domains.namespace_uid(namespace) or ""
            if known:
                self._namespace_uids[namespace] = known
        return known

    async def _write_claim(self, world: World, plan: Plan) -> bool:
        """Whether to decide again at once: not where the world has to be heard of anew."""
        match plan.claim:
            case MintClaim():
                return await self._mint(world)
            case ReplaceClaim(claim):
                return await self._replace(world, plan, claim)
            case ReleaseClaim(claim):
                return await self._release(world.key, claim)
        return False

    async def _mint(self, world: World) -> bool:
        domain = world.domain
        if domain is None or domain.domain is None or not world.namespace_uid:
            return False
        holder = holder_of(domain, world.namespace_uid)
        claim = new_claim(domain.domain, holder, mint_identity(self._random_bytes))
        try:
            created = await self._claims.create(claim)
        except AlreadyExists:
            await self._refresh(domain.domain, None)
            return True
        self._store.put_claim(created, writer=world.key)
        self._announcer.announce(domain, registered(created))
        return True

    async def _replace(self, world: World, plan: Plan, claim: Claim) -> bool:
        try:
            written = await self._claims.replace(claim)
        except Conflict:
            await self._refresh(claim.domain, claim)
            return True
        self._store.put_claim(written, writer=world.key)
        self._settle(world, plan)
        return True

    async def _release(self, key: Key, claim: Claim) -> bool:
        """Only a live read shows that the holder is gone."""
        holder = await self._domains.read(key)
        if holder is not None:
            self._store.put_domain(holder)
            return False
        try:
            await self._claims.delete(claim)
        except Conflict:
            await self._refresh(claim.domain, claim)
            return True
        log.info("released %s, its CustomDomain %s is gone", claim.domain, key)
        self._store.drop_claim(claim)
        return False

    async def _refresh(self, name: str, known: Claim | None) -> None:
        """Somebody else wrote the claim: see what it is now."""
        live = await self._claims.read(name)
        if live is not None:
            self._store.put_claim(live)
        elif known is not None:
            self._store.drop_claim(known)

    def _settle(self, world: World, plan: Plan) -> None:
        """The claim is written: the result that went into it is used up."""
        if world.domain is None:
            return
        for announcement in plan.announcements:
            self._announcer.announce(world.domain, announcement)
        result = world.memory.result
        memory = replace(self._store.memory(world.key), result=None)
        if result is not None and isinstance(result.outcome, IssuedCertificate):
            memory = replace(memory, next_key_to_drop=result.job.secret_name)
        self._store.remember(world.key, memory)

    async def _write_status(self, world: World, plan: Plan) -> datetime | None:
        """Write the status where its meaning changed, or hourly where only times did.

        Returns when to look again. A status that somebody else keeps undoing is restored ever
        more slowly.
        """
        domain, status = world.domain, plan.status
        if domain is None or status is None:
            return plan.due
        now, digest = self._now(), status.mark.digest
        written = self._written.get(world.key)
        if domain.status.digest == digest:
            if written is None or written.digest != digest or written.undone:
                self._written[world.key] = _Written(digest, now)
            elif _only_times_are_old(written, status, now):
                await self._put_status(domain, status, _Written(digest, now))
            return plan.due
        if written is None or written.digest != digest:
            await self._put_status(domain, status, _Written(digest, now))
            return plan.due
        patience = min(timedelta(seconds=2**written.undone - 1), QUARREL_LIMIT)
        if now < written.at + patience:
            return _sooner(plan.due, written.at + patience)
        await self._put_status(domain, status, _Written(digest, now, min(written.undone + 1, 10)))
        return plan.due

    async def _put_status(self, domain: CustomDomain, status: Status, written: _Written) -> None:
        try:
            stored = await self._domains.write_status(domain, status.render())
        except Conflict:
            live = await self._domains.read(domain.key)
            if live is None:
                self._store.drop_domain(domain.key, domain.uid)
            else:
                self._store.put_domain(live)
            return
        except NotFound:
            self._store.drop_domain(domain.key, domain.uid)
            return
        self._written[domain.key] = written
        if domain.status.phase != status.phase:
            self._announcer.moved(domain, status.phase, status.reason)
        self._store.put_domain(stored, own=True)

    def _start(self, key: Key, job: Job) -> None:
        memory = self._store.memory(key)
        if isinstance(job, CheckDns):
            memory = replace(memory, checking=True)
        else:
            memory = replace(memory, ordering_since=self._now())
        self._store.remember(key, memory)
        self._jobs.start(key, job)


def _only_times_are_old(written: _Written, status: Status, now: datetime) -> bool:
    """Whether a check's times were not shown for an hour although there was one since."""
    last = status.checks.last
    return last is not None and last > written.at and now - written.at >= TIMES_SHOWN


def _sooner(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)
