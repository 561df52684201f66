"""One turn of the wheel: observe, decide, act at most once, write only what changed in meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from customdomains.controller.agenda import Agenda
from customdomains.controller.claiming import ClaimWriter
from customdomains.controller.ports import Announcer, Claims, Domains
from customdomains.controller.showing import StatusWriter
from customdomains.controller.store import Store
from customdomains.model.certificate import IssuedCertificate
from customdomains.model.claim import Claim
from customdomains.model.domain import Key
from customdomains.model.identity import RandomBytes
from customdomains.policy.announcements import inherited
from customdomains.policy.decide import decide
from customdomains.policy.jobs import Job
from customdomains.policy.leaving import leave
from customdomains.policy.rules import Rules
from customdomains.policy.world import (
    EnterClaim,
    LeaveClaim,
    MintClaim,
    Plan,
    ReplaceClaim,
    Sight,
    World,
)

TURNS = 4
"""How often one reconcile may decide anew on the answer to its own write."""


class JobStarter(Protocol):
    """Takes jobs that wait for the outside."""

    def start(self, key: Key, job: Job) -> None:
        """Run `job` in the background; that it runs and its result come into the store."""
        ...

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        ...


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
        sight: Callable[[Claim | None], Sight | None],
        rules: Rules,
        now: Callable[[], datetime],
        random_bytes: RandomBytes,
        settle: Callable[[Claim], Claim],
    ) -> None:
        """`settle` takes out of a claim what need not be written with it any more."""
        self._store = store
        self._settle = settle
        self._agenda = agenda
        self._domains = domains
        self._jobs = jobs
        self._sight = sight
        self._rules = rules
        self._now = now
        self._started: datetime | None = None
        self._claims = ClaimWriter(
            store,
            claims,
            domains,
            announcer,
            rules=rules.claims,
            now=now,
            random_bytes=random_bytes,
        )
        self._shown = StatusWriter(store, agenda, domains, announcer, now)

    async def reconcile(self, key: Key) -> None:
        """Decide about `key` on what is known now, and do that."""
        due = await self._clear_up(key)
        for _ in range(TURNS):
            world = await self._observe(key)
            plan = decide(world, self._now())
            if plan.claim is None:
                self._conclude(world, plan, due)
                if world.domain is not None and plan.status is not None:
                    await self._shown.show(world.domain, plan.status)
                return
            if not await self._write_claim(world, plan):
                return
        self._agenda.at_latest(key, self._now() + timedelta(seconds=1))

    def tell_of(self, before: Claim, after: Claim) -> None:
        """Tell what a write of somebody else has brought, who can't do so."""
        self._claims.announce(after.holder.key, inherited(before, after))

    async def _clear_up(self, key: Key) -> datetime | None:
        """Look after the seats of resources that were at `key`; when to do so again."""
        due: list[datetime] = []
        for _ in range(TURNS):
            due, written = [], False
            for claim, seat in self._store.leftovers(key):
                plan = leave(self._settle(claim), seat, self._now(), self._rules.claims)
                if plan.due is not None:
                    due.append(plan.due)
                elif isinstance(plan.claim, LeaveClaim):
                    written |= await self._claims.leave(key, plan.claim, plan.announcements)
            if not written:
                break
        return min(due, default=None)

    def _conclude(self, world: World, plan: Plan, due: datetime | None) -> None:
        """Start what was decided. Nothing is awaited between a look at the world and this: what
        comes in the meantime would be lost. And no refused status holds up the work."""
        key = world.key
        self._agenda.set(key, plan.due)
        if due is not None:
            self._agenda.at_latest(key, due)
        self._use_up(world)
        if world.domain is None:
            self._shown.forget(key)
            self._jobs.forget(key)
        for job in plan.jobs:
            self._jobs.start(key, job)

    async def _observe(self, key: Key) -> World:
        uid = await self._namespace_uid(key)
        self._started = self._started or self._now()
        claim = self._store.claim_for(key)
        return World(
            key=key,
            domain=self._store.domain(key),
            claim=claim and self._settle(claim),
            namespace_uid=uid,
            memory=self._store.memory(key),
            rules=self._rules,
            started=self._started,
            seats=self._store.seats(key.namespace) + self._claims.entering(key.namespace),
            holder_asked=self._holder_asked(claim),
            secret=self._sight(claim),
        )

    def _holder_asked(self, claim: Claim | None) -> str | None:
        holder = self._store.domain(claim.holder.key) if claim is not None else None
        if holder is None or claim is None or holder.uid != claim.holder.uid:
            return None
        return holder.check_requested

    async def _namespace_uid(self, key: Key) -> str:
        """Of the resource's namespace. Its seat on a claim says it, for as long as that lives;
        whoever wants one has it read live: a namespace can be made anew."""
        domain, claim = self._store.domain(key), self._store.claim_for(key)
        if domain is None or domain.domain is None:
            return ""
        if claim is not None:
            if claim.holder.uid == domain.uid:
                return claim.holder.namespace_uid
            for seat in claim.contenders:
                if seat.holder.uid == domain.uid:
                    return seat.holder.namespace_uid
        return await self._domains.namespace_uid(key.namespace) or ""

    async def _write_claim(self, world: World, plan: Plan) -> bool:
        """Whether to decide again at once: not where the world has to be heard of anew."""
        match plan.claim:
            case MintClaim():
                return await self._claims.mint(world)
            case EnterClaim(claim):
                return await self._claims.enter(world, claim)
            case ReplaceClaim(claim):
                if _returns(world, claim) and not await self._claims.confirm(world.key):
                    return True
                if await self._claims.replace(world.key, claim, plan.announcements):
                    self._use_up(world)
                return True
        return False

    def _use_up(self, world: World) -> None:
        """The result that was decided on is in the claim; one that came since stays."""
        result, memory = world.memory.result, self._store.memory(world.key)
        if world.memory.kept is not None and memory.kept is world.memory.kept:
            memory = replace(memory, kept=None)
            self._store.remember(world.key, memory)
        if world.memory.handed is not None and memory.handed is world.memory.handed:
            memory = replace(memory, handed=None)
            self._store.remember(world.key, memory)
        if result is None or memory.result is not result:
            return
        memory = replace(memory, result=None)
        if isinstance(result.outcome, IssuedCertificate):
            memory = replace(memory, next_key_to_drop=result.job.secret_name)
            self._agenda.at_latest(world.key, self._now())
        self._store.remember(world.key, memory)


def _returns(world: World, after: Claim) -> bool:
    """Whether somebody comes back to a vacant seat. That wants a live read: a process whose watch
    is behind would take up again and again what another vacates, since the resource is gone."""
    before, domain = world.claim, world.domain
    if before is None or domain is None:
        return False
    vacant = {seat.id for seat in before.seats if seat.standing.vacant_since is not None}
    return any(seat.id in vacant and seat.holder.uid == domain.uid for seat in after.seats)
