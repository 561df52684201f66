"""Writes claims: each write a create, or on the version it was decided on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from customdomains.cluster.errors import AlreadyExists, Conflict, NotFound, Unavailable
from customdomains.controller.ports import Announcer, Claims, Domains
from customdomains.controller.store import Store
from customdomains.model.claim import Claim, Contender, render_claim
from customdomains.model.domain import Key
from customdomains.model.identity import RandomBytes, mint_identity
from customdomains.policy.announcements import entered, registered
from customdomains.policy.ownership import holder_of
from customdomains.policy.registration import new_claim
from customdomains.policy.rules import ClaimRules
from customdomains.policy.seats import Refusal, enter
from customdomains.policy.telling import dropped, opened
from customdomains.policy.world import Announcement, LeaveClaim, World

log = logging.getLogger(__name__)


class ClaimWriter:
    """Carries out what was decided about claims, and tells of it. Raises `ApiError`.

    Where somebody else was quicker, the store has their version when a method returns.
    """

    def __init__(
        self,
        store: Store,
        claims: Claims,
        domains: Domains,
        announcer: Announcer,
        *,
        rules: ClaimRules,
        now: Callable[[], datetime],
        random_bytes: RandomBytes,
    ) -> None:
        self._store = store
        self._claims = claims
        self._domains = domains
        self._announcer = announcer
        self._rules = rules
        self._now = now
        self._random_bytes = random_bytes
        self._entering: Counter[str] = Counter()

    def entering(self, namespace: str) -> int:
        """How many seats the namespace is about to get: they count against its quota."""
        return self._entering[namespace]

    async def mint(self, world: World) -> bool:
        """Create the claim of the world's domain. Whether to decide again on what there is now."""
        domain = world.domain
        if domain is None or domain.domain is None or not world.namespace_uid:
            return False
        holder = holder_of(domain, world.namespace_uid)
        claim = new_claim(domain.domain, holder, mint_identity(self._random_bytes))
        claim = replace(claim, standing=replace(claim.standing, release=domain.release))
        claim = opened(world, claim, claim.id, self._now())
        self._entering[world.key.namespace] += 1
        try:
            created = await self._claims.create(claim)
            self._store.put_claim(created, writer=world.key)
        except AlreadyExists:
            await self._refresh(domain.domain, None)
            return True
        finally:
            self._entering -= Counter((world.key.namespace,))
        self.announce(world.key, (registered(created),))
        return True

    async def enter(self, world: World, claim: Claim) -> bool:
        """Give the world's domain a seat on a claim that is there; the answer is like `mint`'s."""
        domain, identity = world.domain, mint_identity(self._random_bytes)
        if domain is None or not world.namespace_uid:
            return False
        holder = holder_of(domain, world.namespace_uid)
        after = enter(claim, holder, identity, self._now(), self._rules, world.seats)
        if isinstance(after, Refusal):
            return True
        seat = next(seat for seat in after.seats if seat.id == identity.id)
        opening = opened(world, after, seat.id, self._now())
        self._entering[world.key.namespace] += 1
        try:
            told = (entered(after, seat), *dropped(after, opening))
            await self.replace(world.key, opening, told)
        finally:
            self._entering -= Counter((world.key.namespace,))
        return True

    async def replace(self, key: Key, claim: Claim, told: Iterable[Announcement]) -> bool:
        """Whether the claim is stored as it is in `claim` now."""
        try:
            written = await self._claims.replace(claim)
        except (Conflict, NotFound, Unavailable) as error:
            live = await self._refresh(claim.domain, claim)
            if live is None or not _same_meaning(live, claim):
                if isinstance(error, Unavailable):
                    raise
                return False
            written = live  # it was written, only the answer was lost
        self._store.put_claim(written, writer=key)
        self.announce(key, told)
        return True

    async def leave(self, key: Key, leaving: LeaveClaim, told: Iterable[Announcement]) -> bool:
        """Write, or delete, the claim after a seat's CustomDomain is gone, which only a live read
        shows. Whether there is another version of the claim now."""
        claim, after = leaving.claim, leaving.after
        if await self._is_there(claim, leaving.seat):
            return False
        log.info("%s is gone, which had a seat on %s", key, claim.domain)
        if after is not None:
            await self.replace(key, after, told)
            return True
        try:
            await self._claims.delete(claim)
        except Conflict:
            await self._refresh(claim.domain, claim)
        else:
            self._store.drop_claim(claim)
        return True

    def announce(self, key: Key, announcements: Iterable[Announcement]) -> None:
        """Tell whom they are for, which is `key` where they don't say so."""
        for announcement in announcements:
            domain = self._store.domain(announcement.to or key)
            if domain is not None:
                self._announcer.announce(domain, announcement)

    async def confirm(self, key: Key) -> bool:
        """Whether the resource that is known at `key` is there by a live read; if not, it is known
        no more, and what is there instead is."""
        known, live = self._store.domain(key), await self._domains.read(key)
        if live is not None:
            self._store.put_domain(live)
        elif known is not None:
            self._store.drop_domain(key, known.uid)
        return known is not None and live is not None and known.uid == live.uid

    async def _is_there(self, claim: Claim, seat: Contender) -> bool:
        """Whether a seat's CustomDomain is there, or one that may follow it."""
        key = seat.holder.key
        known = self._store.domain(key)
        live = await self._domains.read(key)
        if live is None:
            if known is not None:
                self._store.drop_domain(key, known.uid)
            return False
        self._store.put_domain(live)
        if live.uid == seat.holder.uid:
            return True
        if live.domain != claim.domain:
            return False
        return await self._domains.namespace_uid(key.namespace) == seat.holder.namespace_uid

    async def _refresh(self, name: str, known: Claim | None) -> Claim | None:
        """Somebody else wrote the claim: see what it is now."""
        live = await self._claims.read(name)
        if live is not None:
            self._store.put_claim(live)
        elif known is not None:
            self._store.drop_claim(known)
        return live


def _same_meaning(one: Claim, other: Claim) -> bool:
    """Whether both say the same, whatever their versions are."""
    return one.uid == other.uid and _content(one) == _content(other)


def _content(claim: Claim) -> tuple[Any, Any, Any]:
    body = render_claim(claim)
    return body["spec"], body.get("status"), claim.metadata
