"""The sweep: what events could have missed is found by level, and what nobody owns is removed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from customdomains.cluster.errors import ApiError, Conflict, NotFound
from customdomains.cluster.orphans import OwnedSecret
from customdomains.cluster.secretforms import ROLE_NEXT_KEY
from customdomains.cluster.stores import Unreadable
from customdomains.controller.store import Store
from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain, Key
from customdomains.policy.succession import is_over

log = logging.getLogger(__name__)

INTERVAL = 600.0


class SweptDomains(Protocol):
    """CustomDomains, read live."""

    async def names(self) -> dict[Key, str]:
        """The uid of each."""
        ...

    async def read(self, key: Key) -> CustomDomain | None:
        """One of them."""
        ...


class SweptClaims(Protocol):
    """Claims as they are stored."""

    async def delete(self, claim: Claim) -> None:
        """Delete this version of it."""
        ...


class SweptSecrets(Protocol):
    """The operator's Secrets."""

    async def owned(self) -> list[OwnedSecret]:
        """All that belong to domains."""
        ...

    async def mark_orphaned(self, secret: OwnedSecret, since: datetime | None) -> None:
        """Note since when its domain is gone."""
        ...

    async def remove(self, secret: OwnedSecret) -> None:
        """Delete this version of it."""
        ...


class RevokingQueue(Protocol):
    """Revokes certificates before their Secrets are removed."""

    def offer(self, secret: OwnedSecret) -> None:
        """See to it that the certificate is revoked, and then the Secret removed."""
        ...


class Sweep:
    """Looks over everything, at the start and every ten minutes."""

    def __init__(
        self,
        store: Store,
        domains: SweptDomains,
        claims: SweptClaims,
        secrets: SweptSecrets,
        revocations: RevokingQueue,
        *,
        now: Callable[[], datetime],
        wake: Callable[[Key], None],
        retention: timedelta,
    ) -> None:
        self._store = store
        self._domains = domains
        self._claims = claims
        self._secrets = secrets
        self._revocations = revocations
        self._now = now
        self._wake = wake
        self._retention = retention

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except ApiError as error:
                log.warning("the sweep was cut short: %s", error)
            await asyncio.sleep(INTERVAL)

    async def sweep(self) -> None:
        """Once over everything. Raises `ApiError`."""
        await self._find_missed()
        for claim in list(self._store.claims):
            if is_over(claim, self._now()):
                await self._drop(claim)
            for seat in claim.seats:
                sits = self._store.domain(seat.holder.key)
                if sits is None or sits.uid != seat.holder.uid:
                    self._wake(seat.holder.key)
        for secret in await self._secrets.owned():
            try:
                await self._look_after(secret)
            except (Conflict, NotFound):
                continue  # somebody has changed it meanwhile: see what it is the next time

    async def _drop(self, claim: Claim) -> None:
        """Nobody has registered the name since a CA failed for it."""
        try:
            await self._claims.delete(claim)
        except Conflict:
            return  # somebody has, just now
        except NotFound:
            pass
        self._store.drop_claim(claim)

    async def _find_missed(self) -> None:
        """Changes that no watch told: one that starts anew lists only what is there."""
        known = {domain.key: domain.uid for domain in self._store.domains}
        there = await self._domains.names()
        for key in known.keys() | there.keys():
            if known.get(key) != there.get(key):
                await self._look_at(key, known.get(key))

    async def _look_at(self, key: Key, uid: str | None) -> None:
        try:
            live = await self._domains.read(key)
        except Unreadable:
            return
        if live is not None:
            self._store.put_domain(live)
        elif uid is not None:
            self._store.drop_domain(key, uid)

    async def _look_after(self, secret: OwnedSecret) -> None:
        claim = self._store.claim(secret.domain)
        now = self._now()
        if claim is not None and _in_use(secret, claim):
            if secret.orphaned_at is not None:
                await self._secrets.mark_orphaned(secret, None)
        elif secret.orphaned_at is None:
            await self._secrets.mark_orphaned(secret, now)
        elif now - secret.orphaned_at >= self._retention:
            await self._let_go(secret)

    async def _let_go(self, secret: OwnedSecret) -> None:
        if secret.revoke_by is not None:
            self._revocations.offer(secret)
            return
        await self._secrets.remove(secret)
        log.info(
            "removed Secret %s/%s: %s does not use it any more",
            secret.namespace,
            secret.name,
            secret.domain,
        )


def _in_use(secret: OwnedSecret, claim: Claim) -> bool:
    """Whether a certificate of somebody who is there is in it, or may be on its way there: also of
    one who has lost the claim and may still be serving with it."""
    seat = next((seat for seat in claim.seats if seat.id == secret.id), None)
    if seat is None or seat.standing.vacant_since is not None:
        return False
    if seat.holder.key.namespace != secret.namespace:
        return False  # an administrator has handed the seat over
    if seat.id == claim.id and claim.order is not None:
        return True
    if secret.role == ROLE_NEXT_KEY or seat.certificate is None:
        return False
    return secret.name == seat.certificate.secret_name
