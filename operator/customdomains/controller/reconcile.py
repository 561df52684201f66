"""One turn of the wheel: observe, decide, act at most once, write only what changed in meaning."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from customdomains.cluster.errors import AlreadyExists, Conflict, NotFound, Unavailable
from customdomains.controller.agenda import Agenda
from customdomains.controller.ports import Announcer, Claims, Domains
from customdomains.controller.showing import StatusWriter
from customdomains.controller.store import Store
from customdomains.model.certificate import IssuedCertificate
from customdomains.model.claim import Claim, render_claim
from customdomains.model.domain import Key
from customdomains.model.identity import RandomBytes, mint_identity
from customdomains.policy.announcements import registered
from customdomains.policy.decide import decide
from customdomains.policy.ownership import abandoned, holder_of
from customdomains.policy.registration import new_claim
from customdomains.policy.world import (
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
        self._started: datetime | None = None
        self._shown = StatusWriter(store, agenda, domains, announcer, now)

    async def reconcile(self, key: Key) -> None:
        """Decide about `key` on what is known now, and do that."""
        for leftover in self._store.leftovers(key):
            if abandoned(leftover, self._now()):
                await self._release(key, leftover)
        for _ in range(TURNS):
            world = await self._observe(key)
            plan = decide(world, self._now())
            if plan.claim is None:
                self._conclude(world, plan)
                if world.domain is not None and plan.status is not None:
                    await self._shown.show(world.domain, plan.status)
                return
            if not await self._write_claim(world, plan):
                return
        self._agenda.at_latest(key, self._now() + timedelta(seconds=1))

    def _conclude(self, world: World, plan: Plan) -> None:
        """Start what was decided. Nothing is awaited between a look at the world and this: what
        comes in the meantime would be lost. And no refused status holds up the work."""
        key = world.key
        self._agenda.set(key, plan.due)
        self._use_up(world)
        if world.domain is None:
            self._shown.forget(key)
            self._jobs.forget(key)
        for job in plan.jobs:
            self._jobs.start(key, job)

    async def _observe(self, key: Key) -> World:
        uid = await self._namespace_uid(key)
        self._started = self._started or self._now()
        return World(
            key=key,
            domain=self._store.domain(key),
            claim=self._store.claim_for(key),
            namespace_uid=uid,
            memory=self._store.memory(key),
            rules=self._rules,
            started=self._started,
        )

    async def _namespace_uid(self, key: Key) -> str:
        """Of the resource's namespace. The claim of its holder says it, for as long as that lives;
        whoever wants to hold one has it read live: a namespace can be made anew."""
        domain, claim = self._store.domain(key), self._store.claim_for(key)
        if domain is None or domain.domain is None:
            return ""
        if claim is not None and claim.holder.uid == domain.uid:
            return claim.holder.namespace_uid
        return await self._domains.namespace_uid(key.namespace) or ""

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
        except (Conflict, NotFound, Unavailable) as error:
            live = await self._refresh(claim.domain, claim)
            if live is None or not _same_meaning(live, claim):
                if isinstance(error, Unavailable):
                    raise
                return True
            written = live  # it was written, only the answer was lost
        self._store.put_claim(written, writer=world.key)
        if world.domain is not None:
            for announcement in plan.announcements:
                self._announcer.announce(world.domain, announcement)
        self._use_up(world)
        return True

    async def _release(self, key: Key, claim: Claim) -> bool:
        """Only a live read shows that the holder is gone."""
        if await self._is_held(claim):
            return False
        try:
            await self._claims.delete(claim)
        except Conflict:
            await self._refresh(claim.domain, claim)
            return True
        log.info("released %s, its CustomDomain %s is gone", claim.domain, key)
        self._store.drop_claim(claim)
        return False

    async def _is_held(self, claim: Claim) -> bool:
        """Whether the holder is there, or one that may follow it."""
        key = claim.holder.key
        known = self._store.domain(key)
        live = await self._domains.read(key)
        if live is None:
            if known is not None:
                self._store.drop_domain(key, known.uid)
            return False
        self._store.put_domain(live)
        if live.uid == claim.holder.uid:
            return True
        if live.domain != claim.domain:
            return False
        return await self._domains.namespace_uid(key.namespace) == claim.holder.namespace_uid

    async def _refresh(self, name: str, known: Claim | None) -> Claim | None:
        """Somebody else wrote the claim: see what it is now."""
        live = await self._claims.read(name)
        if live is not None:
            self._store.put_claim(live)
        elif known is not None:
            self._store.drop_claim(known)
        return live

    def _use_up(self, world: World) -> None:
        """The result that was decided on is in the claim; one that came since stays."""
        result, memory = world.memory.result, self._store.memory(world.key)
        if result is None or memory.result is not result:
            return
        memory = replace(memory, result=None)
        if isinstance(result.outcome, IssuedCertificate):
            memory = replace(memory, next_key_to_drop=result.job.secret_name)
            self._agenda.at_latest(world.key, self._now())
        self._store.remember(world.key, memory)


def _same_meaning(one: Claim, other: Claim) -> bool:
    """Whether both say the same, whatever their versions are."""
    return one.uid == other.uid and _content(one) == _content(other)


def _content(claim: Claim) -> tuple[Any, Any]:
    body = render_claim(claim)
    return body["spec"], body.get("status")
