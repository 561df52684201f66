"""What the api knows without asking: the seats of its namespace, from watches."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from contextlib import suppress

from customdomains.api.claims import Claims
from customdomains.api.errors import Failed, no_such_domain, storage_failed
from customdomains.api.mirror import Mirror
from customdomains.api.namespaces import Namespaces
from customdomains.api.resources import (
    DomainView,
    Registration,
    parse_view,
)
from customdomains.cluster import ApiClient, ApiError, NotFound
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.cluster.stores import ClaimStore
from customdomains.model.claim import ID_LABEL, Claim, Contender, Holder, parse_claim
from customdomains.model.domain import Key

LIVE_READS = 4  # at a time for one namespace, half of what all may have

_ID = re.compile(r"[0-9a-f]{32}")


class Directory:
    """The seats of `namespace` on the cluster's claims, and its CustomDomains.

    Of a claim only the seat of this namespace is ever shown: what `Claim.seen_by` leaves for it.
    """

    def __init__(
        self, client: ApiClient, claims: Claims, namespaces: Namespaces, namespace: str
    ) -> None:
        """`domains.cache` has to be run by who makes this, as those of claims and namespaces."""
        self._client = client
        self._stored = ClaimStore(client)
        self.namespace = namespace
        self.changes = claims.changes
        self.claims = claims.mirror
        self.domains: Mirror[DomainView] = Mirror(
            client,
            CUSTOM_DOMAINS,
            namespace=namespace,
            parse=parse_view,
            on_change=self.changes.ring,
        )
        self._namespaces = namespaces
        self._ids: dict[str, str] = {}  # by domain
        self._domains_by_id: dict[str, str] = {}
        self._sorted: list[str] = []  # the domains in `_ids`
        self._occupied: set[str] = set()  # those of them whose seat is not vacant
        self._live_here, self._live_all = asyncio.Semaphore(LIVE_READS), claims.live
        claims.follow(self)
        namespaces.follow(namespace, self._index_all)

    @property
    def synced(self) -> bool:
        """Whether everything was here once; stays true while the API server is away."""
        caches = (self._namespaces.cache, self.domains.cache, self.claims.cache)
        return all(cache.synced for cache in caches)

    @property
    def namespace_uid(self) -> str:
        """The uid of the namespace. Raises `Failed` where there is no such namespace."""
        uid = self._namespaces.uid(self.namespace)
        if uid is None:
            raise Failed(
                "storage_error",
                f"the namespace {self.namespace}, where domains are kept, does not exist; "
                "it has to be created",
            )
        return uid

    @property
    def seats(self) -> int:
        """How many seats the namespace has, without those that are vacant."""
        return len(self._occupied)

    def has(self, domain: str) -> bool:
        """Whether any seat on the claim of `domain` is known here, also a vacant one."""
        return domain in self._ids

    def has_seat_on(self, domain: str) -> bool:
        """Whether one of these is on the claim of `domain`."""
        return domain in self._occupied

    def own_seat(self, claim: Claim) -> Contender | None:
        """The seat of the namespace on `claim`."""
        own = self._own(claim)
        return None if own is None else own.holder_seat

    def after(self, domain: str) -> Iterator[Registration]:
        """What is registered, in the order of the canonical names, from the one after `domain`.

        Not to be iterated over across an await.
        """
        for index in range(bisect_right(self._sorted, domain), len(self._sorted)):
            found = self.registration(self._sorted[index])
            if found is not None:
                yield found

    def registration(self, domain: str) -> Registration | None:
        """Who has a seat on the canonical name `domain` in this namespace, as far as is known."""
        claim = self._own(self.claims.get(domain))
        view = None if claim is None else self._holder(claim)
        return None if claim is None or view is None else Registration(claim, view)

    async def find(self, registration_id: str) -> Registration:
        """The registration of this id, read live where the watches don't have it (yet).

        Raises `NotThere`, and `Failed` when the API server had to be asked and did not answer.
        """
        claim = await self.find_claim(registration_id)
        view = self._holder(claim)
        try:
            if view is None:
                async with self._live_here, self._live_all:
                    view = await self.read_domain(claim.holder.key.name)
        except ApiError as error:
            raise _not_looked_for(error) from error
        if view is None or not view.is_for(claim.domain):
            raise no_such_domain()
        return Registration(claim, view)

    async def find_claim(self, registration_id: str) -> Claim:
        """Like `find`, for a seat whose CustomDomain need not be there."""
        if not _ID.fullmatch(registration_id):
            raise no_such_domain()
        domain = self._domains_by_id.get(registration_id)
        claim = None if domain is None else self._own(self.claims.get(domain))
        if claim is None or claim.id != registration_id:
            try:
                async with self._live_here, self._live_all:
                    claim = await self._read_by_id(registration_id)
            except ApiError as error:
                raise _not_looked_for(error) from error
        if claim is None:
            raise no_such_domain()
        return claim

    async def _read_by_id(self, registration_id: str) -> Claim | None:
        """The claim with this seat, if the seat is ours. A holder's claim carries the id; else a
        CustomDomain that was made here does, as a label, which leads to a claim that decides.

        A seat of another namespace costs as many questions as none, so that the time tells nothing.
        """
        listed = self._client.list(DOMAIN_CLAIMS, field_selector=f"spec.id={registration_id}")
        found = [parse_claim(item) async for item in listed]
        for claim in found:
            self.claims.put(claim.domain, claim)
        if not any(self._is_ours(claim.holder) for claim in found):
            labelled = f"{ID_LABEL}={registration_id}"
            made = self._client.list(CUSTOM_DOMAINS, self.namespace, label_selector=labelled)
            domains = {parse_view(item).domain async for item in made}
            found = [c for d in domains if d and (c := await self.read_claim(d))]
        ours = (self._own(claim) for claim in found)
        return next((claim for claim in ours if claim and claim.id == registration_id), None)

    async def read_claim(self, domain: str) -> Claim | None:
        """The claim of the canonical name `domain` as it is now. Raises `ApiError`."""
        known = self.claims.get(domain)
        claim = await self._stored.read(domain)
        if claim is not None:
            self.claims.put(domain, claim)
        elif known is not None:
            self.claims.remove(domain, known.uid)
        return claim

    async def read_domain(self, name: str) -> DomainView | None:
        """The CustomDomain of this name as it is now. Raises `ApiError`."""
        key = str(Key(self.namespace, name))
        known = self.domains.get(key)
        try:
            view = parse_view(await self._client.get(CUSTOM_DOMAINS, name, self.namespace))
        except NotFound:
            if known is not None:
                self.domains.remove(key, known.uid)
            return None
        self.domains.put(key, view)
        return view

    async def refresh(self, found: Registration) -> None:
        """Read a registration live, as far as the API server answers."""
        with suppress(ApiError):
            async with self._live_here, self._live_all:
                await self.read_claim(found.claim.domain)
                await self.read_domain(found.domain.key.name)

    def _holder(self, claim: Claim) -> DomainView | None:
        view = self.domains.get(str(claim.holder.key))
        return view if view is not None and view.is_for(claim.domain) else None

    # --- the index -----------------------------------------------------------------------------

    def _own(self, claim: Claim | None) -> Claim | None:
        """The claim as the seat of the namespace sees it; None where it has none."""
        if claim is None or self._is_ours(claim.holder):
            return claim
        seat = next((seat for seat in claim.contenders if self._is_ours(seat.holder)), None)
        return None if seat is None else claim.seen_by(seat)

    def _is_ours(self, holder: Holder) -> bool:
        return (
            holder.key.namespace == self.namespace
            and holder.namespace_uid == self._namespaces.uid(self.namespace)
        )

    def index(self, domain: str) -> None:
        """The claim of `domain` may have changed."""
        claim = self._own(self.claims.get(domain))
        now = None if claim is None else claim.id
        if claim is None or claim.standing.vacant_since:
            self._occupied.discard(domain)
        else:
            self._occupied.add(domain)
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
            self.index(domain)


def _not_looked_for(error: ApiError) -> Failed:
    return storage_failed("the domain could not be looked for", error)
