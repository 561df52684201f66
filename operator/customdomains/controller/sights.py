"""What the watch shows of the Secrets of certificates: metadata alone, by label."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from customdomains.cluster.client import ApiClient
from customdomains.cluster.kinds import SECRETS
from customdomains.cluster.secretforms import CERTIFICATES, DOMAIN_ANNOTATION
from customdomains.cluster.watch import WatchCache
from customdomains.controller.store import Store
from customdomains.model.claim import Claim
from customdomains.model.domain import Key
from customdomains.policy.world import Sight


class Seen(NamedTuple):
    """What is kept of a Secret: there may be a hundred thousand."""

    version: int
    domain: str


class Watched(Protocol):
    """The watch's cache."""

    @property
    def resource_version(self) -> str | None:
        """Up to where changes are known; None where that is not known just now."""
        ...

    def get(self, key: str) -> Seen | None:
        """A Secret by `namespace/name`."""
        ...


def seen(body: Mapping[str, Any]) -> Seen:
    """From a Secret's metadata."""
    meta = body["metadata"]
    domain = (meta.get("annotations") or {}).get(DOMAIN_ANNOTATION, "")
    return Seen(int(meta["resourceVersion"]), domain)


class Sights:
    """Tells what is seen of a claim's certificate, and wakes its domain where that is news."""

    def __init__(self, watched: Watched, store: Store, wake: Callable[[Key], None]) -> None:
        self._watched = watched
        self._store = store
        self._wake = wake

    def of(self, claim: Claim | None) -> Sight | None:
        """What is seen of the Secret of the claim's certificate; None where nothing is known."""
        as_of = self._watched.resource_version
        if claim is None or claim.certificate is None or as_of is None:
            return None
        found = self._watched.get(_place(claim))
        return Sight(found.version if found else None, int(as_of))

    def changed(self, place: str, old: Seen | None, new: Seen | None) -> None:
        """A Secret has come, changed or gone. What was just written is no news."""
        for domain in {each.domain for each in (old, new) if each is not None}:
            claim = self._store.claim(domain)
            if claim is None or claim.certificate is None or _place(claim) != place:
                continue
            if new is None or new.version != claim.certificate.kept.version:
                self._wake(claim.holder.key)

    def look_over(self) -> None:
        """Everything was listed: wake those whose Secret is not there, of which nothing tells."""
        for claim in list(self._store.claims):
            if claim.certificate is not None and self._watched.get(_place(claim)) is None:
                self._wake(claim.holder.key)


class SecretWatch:
    """The watch itself. Nobody waits for it: without it all goes on, only nothing is noticed."""

    def __init__(self, client: ApiClient, store: Store, wake: Callable[[Key], None]) -> None:
        self._cache = WatchCache(
            client,
            SECRETS,
            label_selector=CERTIFICATES,
            metadata_only=True,
            parse=seen,
            on_change=self._changed,
        )
        self.sights = Sights(self._cache, store, wake)

    def _changed(self, place: str, old: Seen | None, new: Seen | None) -> None:
        self.sights.changed(place, old, new)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._cache.run())
            await self._cache.wait_synced(timeout=float("inf"))
            self.sights.look_over()


def _place(claim: Claim) -> str:
    name = claim.certificate.secret_name if claim.certificate else ""
    return f"{claim.holder.key.namespace}/{name}"
