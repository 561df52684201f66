"""What the api knows without asking: who holds what in its namespace, from watches."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from customdomains.api.errors import Failed, no_such_domain, storage_failed
from customdomains.api.mirror import Mirror
from customdomains.api.resources import (
    DomainView,
    Registration,
    parse_view,
)
from customdomains.cluster import ApiClient, ApiError, NotFound, WatchCache
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS, NAMESPACES
from customdomains.model.claim import Claim, parse_claim

LIVE_READS = 4  # at a time: somebody who tries out ids must not load the API server

_ID = re.compile(r"[0-9a-f]{32}")


class Directory:
    """The claims of the cluster, of which only those held in `namespace` are ever shown, and the
    CustomDomains of that namespace.
    """

    def __init__(self, client: ApiClient, namespace: str) -> None:
        """`run` has to be running for anything to be known."""
        self._client = client
        self.namespace = namespace
        self.claims: Mirror[Claim] = Mirror(
            client, DOMAIN_CLAIMS, parse=parse_claim, on_change=self._index
        )
        self.domains: Mirror[DomainView] = Mirror(
            client, CUSTOM_DOMAINS, namespace=namespace, parse=parse_view, on_change=_ignore
        )
        self._namespaces: WatchCache[str] = WatchCache(
            client,
            NAMESPACES,
            field_selector=f"metadata.name={namespace}",
            metadata_only=True,
            parse=lambda item: str(item["metadata"]["uid"]),
            on_change=lambda _key, _old, _new: self._index_all(),
        )
        self._ids: dict[str, str] = {}  # by domain
        self._domains_by_id: dict[str, str] = {}
        self._sorted: list[str] = []  # the domains in `_ids`
        self._live = asyncio.Semaphore(LIVE_READS)

    async def run(self) -> None:
        """Keep up with the API server until cancelled."""
        async with asyncio.TaskGroup() as group:
            for cache in (self._namespaces, self.domains.cache, self.claims.cache):
                group.create_task(cache.run())

    @property
    def synced(self) -> bool:
        """Whether everything was here once; stays true while the API server is away."""
        caches = (self._namespaces, self.domains.cache, self.claims.cache)
        return all(cache.synced for cache in caches)

    @property
    def namespace_uid(self) -> str:
        """The uid of the namespace. Raises `Failed` where there is no such namespace."""
        uid = self._namespaces.get(self.namespace)
        if uid is None:
            raise Failed(
                "storage_error",
                f"the namespace {self.namespace}, where domains are kept, does not exist; "
                "it has to be created",
            )
        return uid

    def domain_key(self, claim: Claim) -> str:
        """Where `domains` has the resource that holds `claim`."""
        return str(claim.holder.key)

    def after(self, domain: str) -> Iterator[Registration]:
        """What is registered, in the order of the canonical names, from the one after `domain`.

        Not to be iterated over across an await.
        """
        for index in range(bisect_right(self._sorted, domain), len(self._sorted)):
            found = self.registration(self._sorted[index])
            if found is not None:
                yield found

    def registration(self, domain: str) -> Registration | None:
        """Who holds the canonical name `domain` in this namespace, as far as is known here."""
        claim = self.claims.get(domain)
        if claim is None or not self._is_ours(claim):
            return None
        view = self._holder(claim)
        return None if view is None else Registration(claim, view)

    async def find(self, registration_id: str) -> Registration:
        """The registration of this id, read live where the watches don't have it (yet).

        Raises `NotThere`, and `Failed` when the API server had to be asked and did not answer.
        """
        claim = await self.find_claim(registration_id)
        view = self._holder(claim)
        if view is None:
            view = await self._read_holder(claim)
        if view is None:
            raise no_such_domain()
        return Registration(claim, view)

    async def find_claim(self, registration_id: str) -> Claim:
        """Like `find`, for a claim whose holder need not be there."""
        if not _ID.fullmatch(registration_id):
            raise no_such_domain()
        domain = self._domains_by_id.get(registration_id)
        claim = None if domain is None else self.claims.get(domain)
        if claim is not None and claim.id == registration_id and self._is_ours(claim):
            return claim
        selector = f"spec.id={registration_id}"
        try:
            async with self._live:
                listed = self._client.list(DOMAIN_CLAIMS, field_selector=selector)
                found = [parse_claim(item) async for item in listed]
        except ApiError as error:
            raise storage_failed("the domain could not be looked for", error) from error
        for claim in found:
            if self._is_ours(claim):
                self.claims.put(claim.domain, claim)
                return claim
        raise no_such_domain()

    async def read_claim(self, domain: str) -> Claim | None:
        """The claim of the canonical name `domain` as it is now. Raises `ApiError`."""
        try:
            claim = parse_claim(await self._client.get(DOMAIN_CLAIMS, domain))
        except NotFound:
            return None
        self.claims.put(domain, claim)
        return claim

    def _holder(self, claim: Claim) -> DomainView | None:
        view = self.domains.get(self.domain_key(claim))
        return view if view is not None and view.is_for(claim.domain) else None

    async def _read_holder(self, claim: Claim) -> DomainView | None:
        name = claim.holder.key.name
        try:
            async with self._live:
                view = parse_view(await self._client.get(CUSTOM_DOMAINS, name, self.namespace))
        except NotFound:
            return None
        except ApiError as error:
            raise storage_failed("the domain could not be looked for", error) from error
        self.domains.put(str(view.key), view)
        return view if view.is_for(claim.domain) else None

    # --- the index -----------------------------------------------------------------------------

    def _is_ours(self, claim: Claim) -> bool:
        holder = claim.holder
        return (
            holder.key.namespace == self.namespace
            and holder.namespace_uid == self._namespaces.get(self.namespace)
        )

    def _index(self, domain: str) -> None:
        claim = self.claims.get(domain)
        now = claim.id if claim is not None and self._is_ours(claim) else None
        before = self._ids.get(domain)
        if now == before:
            return
        if before is not None:
            del self._ids[domain]
            self._domains_by_id.pop(before, None)
        if now is not None:
            self._ids[domain] = now
            self._domains_by_id[now] = domain
        if before is None:
            insort(self._sorted, domain)
        elif now is None:
            del self._sorted[bisect_left(self._sorted, domain)]

    def _index_all(self) -> None:
        """The namespace itself came, went, or is another one of the same name."""
        for domain in {*self._ids, *(domain for domain, _ in self.claims.cache.items())}:
            self._index(domain)


def _ignore(_key: str) -> None:
    """Nothing is derived from the resources."""
