"""What is left of one issuer's budgets: what is spent, what orders under way may spend, and what
its CA has stopped itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from customdomains.model.domain import Key
from customdomains.model.scope import Scope, ScopeKind
from customdomains.policy.budget import (
    Bucket,
    Demand,
    IssuerLimits,
    Kind,
    certificate_buckets,
    failure_buckets,
    free_at,
    identifier,
    left,
    spend,
)
from customdomains.policy.limits import STOPPED

ACCOUNT = Bucket(Kind.ORDERS)

_LEAST_TRIMMED = 1024


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What is in the way of an order until `until`: a bucket that is full, or a stop by the CA."""

    until: datetime
    bucket: Bucket | None = None
    stop: Scope | None = None

    @property
    def limit(self) -> str:
        """In one word, from a closed list."""
        return self.bucket.kind if self.bucket is not None else STOPPED


class Ledger:
    """One issuer's.

    Room is held for an order from its turn on until it is known what came of it, and spent at that
    moment, so never before the CA counts it. `under_way` tells whether a key has an order, or is
    about to have one: room that is held for others is given back once a bucket is full.
    """

    def __init__(self, limits: IssuerLimits, under_way: Callable[[Key], bool]) -> None:
        self.limits = limits
        self._under_way = under_way
        self._empty_at: dict[Bucket, datetime] = {}
        self._held: dict[Bucket, set[Key]] = {}
        self._holds: dict[Key, tuple[Bucket, ...]] = {}
        self._stops: dict[tuple[ScopeKind, str], datetime] = {}
        self._trim_at = _LEAST_TRIMMED

    # --- what is in the way ----------------------------------------------------------------------

    def obstacle(self, demand: Demand, now: datetime) -> Obstacle | None:
        """What is in the way of this order, others apart; the longest of all."""
        found = [
            Obstacle(self._free_at(bucket, now), bucket)
            for bucket in (
                *certificate_buckets(demand, self.limits),
                *failure_buckets(demand.names, self.limits),
            )
        ]
        found += (
            Obstacle(self._stops[key], stop=Scope(key[0], (key[1],)))
            for key in _reached(demand.names)
            if key in self._stops
        )
        return max((o for o in found if o.until > now), key=lambda o: o.until, default=None)

    def gate(self, now: datetime, *, kinds: tuple[ScopeKind, ...]) -> Obstacle | None:
        """Which of the stops of these kinds, which have no names, is in everybody's way."""
        until, kind = max((self._stops.get((kind, ""), now), kind) for kind in kinds)
        return Obstacle(until, stop=Scope(kind)) if until > now else None

    def room_at(self, now: datetime) -> datetime:
        """From when on the account has room for an order."""
        return self._free_at(ACCOUNT, now)

    def room(self, now: datetime) -> int | None:
        """For how many orders the account has room; None where it has no limit."""
        if self.limits.orders is None:
            return None
        held = len(self._held.get(ACCOUNT, ()))
        return left(self._empty_at.get(ACCOUNT), self.limits.orders, now, held)

    # --- what happens ----------------------------------------------------------------------------

    def hold(self, key: Key, buckets: tuple[Bucket, ...]) -> None:
        """Keep room in these for the order of `key`, in place of what was kept for it before."""
        self.release(key)
        if buckets:
            self._holds[key] = buckets
        for bucket in buckets:
            self._held.setdefault(bucket, set()).add(key)

    def release(self, key: Key) -> None:
        """Keep nothing for `key` any more."""
        for bucket in self._holds.pop(key, ()):
            holders = self._held[bucket]
            holders.discard(key)
            if not holders:
                del self._held[bucket]

    def spend(self, bucket: Bucket, at: datetime) -> None:
        """Something was counted in `bucket` at `at`, or before."""
        limit = self.limits.of(bucket.kind)
        if limit is None:
            return
        self._empty_at[bucket] = spend(self._empty_at.get(bucket), limit, at)
        if len(self._empty_at) > self._trim_at:
            self._empty_at = {b: moment for b, moment in self._empty_at.items() if moment > at}
            self._trim_at = max(2 * len(self._empty_at), _LEAST_TRIMMED)

    def stop(self, scope: Scope, until: datetime, now: datetime) -> None:
        """The CA takes nothing of this reach until then."""
        self._stops = {key: moment for key, moment in self._stops.items() if moment > now}
        for key in _keys_of(scope):
            self._stops[key] = max(until, self._stops.get(key, until))

    def _free_at(self, bucket: Bucket, now: datetime) -> datetime:
        limit = self.limits.of(bucket.kind)
        if limit is None:
            return now
        empty_at = self._empty_at.get(bucket)
        moment = free_at(empty_at, limit, now, len(self._held.get(bucket, ())))
        if moment <= now or bucket not in self._held:
            return moment
        for key in [key for key in self._held[bucket] if not self._under_way(key)]:
            self.release(key)
        return free_at(empty_at, limit, now, len(self._held.get(bucket, ())))


def _keys_of(scope: Scope) -> Iterator[tuple[ScopeKind, str]]:
    for name in scope.names or ("",):
        yield scope.kind, name


def _reached(names: tuple[str, ...]) -> Iterator[tuple[ScopeKind, str]]:
    """Every stop with a name that an order for `names` would meet.

    A CA may have another version of the Public Suffix List: whatever is above a name counts.
    """
    for name in dict.fromkeys(map(identifier, names)):
        labels = name.split(".")
        for skipped in range(len(labels)):
            yield ScopeKind.DOMAIN, ".".join(labels[skipped:])
