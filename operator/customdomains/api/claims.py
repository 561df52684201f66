"""The claims of the cluster: watched once, however many namespaces are served."""

from __future__ import annotations

import asyncio
from typing import Protocol

from customdomains.api.changes import Changes
from customdomains.api.mirror import Mirror
from customdomains.cluster import ApiClient
from customdomains.cluster.kinds import DOMAIN_CLAIMS
from customdomains.model.claim import Claim, parse_claim

LIVE_READS = 8  # at a time: somebody who tries out ids must not load the API server


class Follower(Protocol):
    """Who keeps an index of the claims on which one namespace has a seat."""

    @property
    def namespace(self) -> str:
        """The namespace's name."""

    def has(self, domain: str) -> bool:
        """Whether the claim of `domain` is in the index."""

    def index(self, domain: str) -> None:
        """The claim of `domain` may have changed. Must not block."""


class Claims:
    """All claims, by canonical domain, and who is told of their changes.

    `live` is for reads from the API server that callers can cause by trying out ids.
    """

    def __init__(self, client: ApiClient) -> None:
        """`mirror.cache` has to be run by who makes this."""
        self.mirror: Mirror[Claim] = Mirror(
            client, DOMAIN_CLAIMS, parse=parse_claim, on_change=self._changed
        )
        self.changes = Changes()
        self.live = asyncio.Semaphore(LIVE_READS)
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """From now on `follower` is told of changes to what is, or gets, or loses a seat of its
        namespace.
        """
        self._followers.append(follower)

    def _changed(self, domain: str) -> None:
        self.changes.ring(domain)
        claim = self.mirror.get(domain)
        seated = set() if claim is None else _namespaces(claim)
        for follower in self._followers:
            if follower.namespace in seated or follower.has(domain):
                follower.index(domain)


def _namespaces(claim: Claim) -> set[str]:
    """Those that have a seat on it, or had one until they were deleted."""
    return {
        claim.holder.key.namespace,
        *(seat.holder.key.namespace for seat in claim.contenders),
    }
