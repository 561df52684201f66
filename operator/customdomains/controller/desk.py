"""Where orders for one issuer wait for their turn."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from customdomains.controller.ledger import ACCOUNT, Ledger, Obstacle
from customdomains.controller.turns import Turns
from customdomains.model.domain import Key
from customdomains.model.scope import Scope, ScopeKind
from customdomains.policy.budget import (
    Demand,
    IssuerLimits,
    Kind,
    Rank,
    certificate_buckets,
    failure_buckets,
    rank_of,
)
from customdomains.policy.limits import STOPPED, Wait
from customdomains.policy.waiting import one_by_one, wait_for_bucket, wait_for_stop, wait_in_line

TURN = timedelta(minutes=10)
"""How long a turn is kept for who has to look at the proof anew first."""

_ORDERS_STOPPED = (ScopeKind.ISSUER, ScopeKind.ACCOUNT)


@dataclass(frozen=True, slots=True)
class _Turn:
    demand: Demand
    until: datetime


class Desk:
    """One issuer's. Who has something of its own in the way sleeps until that is over, and only
    then waits in line for what all share: the account's budget, or the end of a stop by the CA.

    After such a stop one order is let through alone, and the others follow once it is placed.
    `wanted` tells whether who waits still has a right to order, `under_way` whether an order is
    placed or being placed. Methods that may give others their turn return those keys, and the keys
    that have given theirs up; both are to be decided about.
    """

    def __init__(
        self,
        issuer: str,
        limits: IssuerLimits,
        *,
        wanted: Callable[[Key], bool],
        under_way: Callable[[Key], bool],
    ) -> None:
        self._issuer = issuer
        self._wanted = wanted
        self._turns = Turns()
        self._demands: dict[Key, Demand] = {}
        self._asleep: dict[Key, Obstacle] = {}
        self._alarms: list[tuple[datetime, Key]] = []
        self._granted: OrderedDict[Key, _Turn] = OrderedDict()
        self._running: set[Key] = set()
        self._one_by_one = False
        self.ledger = Ledger(limits, lambda key: self._has_turn(key) or under_way(key))

    # --- asking ----------------------------------------------------------------------------------

    def seek(self, key: Key, demand: Demand, now: datetime) -> tuple[Wait | None, list[Key]]:
        """What `key` has to wait for, None where its order may be placed now; and others whose
        turn it is."""
        turn = self._granted.get(key)
        if turn is not None and turn.demand == demand and now < turn.until:
            self._start(key)
            return None, []
        self._give_up(key)
        obstacle = self.ledger.obstacle(demand, now)
        if obstacle is not None:
            self._turns.discard(key)
            self._sleep(key, demand, obstacle)
            return self._wait(key, demand, obstacle, now), []
        self._line_up(key, demand, now)
        others = self.advance(now, asking=key)
        if key in self._granted:
            others.remove(key)
            self._start(key)
            return None, others
        # Another may have been quicker to take the last room for these names.
        return self._wait(key, demand, self._asleep.get(key), now), others

    def stopped(self, demand: Demand, now: datetime) -> Wait | None:
        """What an order that is placed has to wait for."""
        gate = self.ledger.gate(now, kinds=(ScopeKind.ISSUER,))
        return None if gate is None else self._wait_for(demand, gate, now)

    def is_stopped(self, demand: Demand, now: datetime) -> bool:
        """Whether the CA itself has stopped orders of this kind."""
        own = self.ledger.obstacle(demand, now)
        gate = self.ledger.gate(now, kinds=_ORDERS_STOPPED)
        return gate is not None or (own is not None and own.stop is not None)

    # --- what came of it -------------------------------------------------------------------------

    def placed(self, key: Key, demand: Demand, now: datetime) -> list[Key]:
        """The order is placed; its certificate is counted when it is issued."""
        self._running.discard(key)
        self._one_by_one = False
        self.count_order(demand, now)
        self.ledger.hold(key, certificate_buckets(demand, self.ledger.limits))
        return self.advance(now)

    def unplaced(self, key: Key, now: datetime) -> list[Key]:
        """No order came of it."""
        self._running.discard(key)
        self.ledger.release(key)
        return self.advance(now)

    def issued(self, key: Key, demand: Demand, now: datetime) -> list[Key]:
        """The certificate is there."""
        self.ledger.release(key)
        self.count(demand, now)
        return self.advance(now)

    def count(self, demand: Demand, at: datetime) -> None:
        """A certificate was issued at `at`."""
        for bucket in certificate_buckets(demand, self.ledger.limits):
            self.ledger.spend(bucket, at)

    def count_order(self, demand: Demand, at: datetime) -> None:
        """An order was placed at `at`."""
        if rank_of(demand, self.ledger.limits) is not Rank.EXEMPT:
            self.ledger.spend(ACCOUNT, at)

    def failed(
        self, key: Key, names: tuple[str, ...], now: datetime, *, invalid: bool, lost: bool
    ) -> list[Key]:
        """The order has not come to its end; `invalid` tells that the CA has validated in vain,
        `lost` that the order will never come to its end."""
        if invalid:
            self.invalid(names, now)
        if lost:
            self.ledger.release(key)
        return self.advance(now)

    def invalid(self, names: tuple[str, ...], at: datetime) -> None:
        """A validation has failed, which counts for each of the names."""
        for bucket in failure_buckets(names, self.ledger.limits):
            self.ledger.spend(bucket, at)

    def stop(self, scope: Scope, until: datetime, now: datetime) -> None:
        """The CA takes nothing of this reach until then."""
        self.ledger.stop(scope, until, now)
        self._one_by_one |= scope.kind in _ORDERS_STOPPED

    def forget(self, key: Key, now: datetime) -> list[Key]:
        """The resource is gone, or turns to another issuer."""
        if key not in self._demands and not self._has_turn(key):
            return []
        self._turns.discard(key)
        self._running.discard(key)
        self._give_up(key)
        self.ledger.release(key)
        return self.advance(now)

    # --- time ------------------------------------------------------------------------------------

    def advance(self, now: datetime, *, asking: Key | None = None) -> list[Key]:
        """Give turns to as many as there is room for."""
        while self._granted and (first := next(iter(self._granted.items())))[1].until <= now:
            self._give_up(first[0])
        while self._alarms and self._alarms[0][0] <= now:
            until, key = heapq.heappop(self._alarms)
            if key in self._asleep and self._asleep[key].until == until:
                self._line_up(key, self._demands[key], now)
        told: list[Key] = []
        while (key_or_none := self._take(now)) is not None:
            key = key_or_none
            demand = self._demands[key]
            obstacle = self.ledger.obstacle(demand, now)
            if key != asking and not self._wanted(key):
                self._give_up(key)
                told.append(key)
            elif obstacle is not None:
                self._sleep(key, demand, obstacle)
            else:
                self._grant(key, demand, now)
                told.append(key)
        return told

    def due(self, now: datetime) -> datetime | None:
        """When `advance` may have something to do, if nothing happens before."""
        moments = [turn.until for turn in list(self._granted.values())[:1]]
        moments += [until for until, _ in self._alarms[:1]]
        gate = self.ledger.gate(now, kinds=_ORDERS_STOPPED)
        if len(self._turns) and gate is not None:
            moments.append(gate.until)
        elif len(self._turns) and not self._holds_back():
            moments.append(self.ledger.room_at(now))
        return min(moments, default=None)

    def waiting(self, now: datetime) -> Counter[str]:
        """How many wait, by the limit that they wait for."""
        counted = Counter(obstacle.limit for obstacle in self._asleep.values())
        if len(self._turns):
            gate = self.ledger.gate(now, kinds=_ORDERS_STOPPED)
            stopped = gate is not None or self._holds_back()
            counted[STOPPED if stopped else Kind.ORDERS] += len(self._turns)
        return counted

    def free_at(self, now: datetime) -> datetime | None:
        """When the next order is let through, as far as all share what is in its way; None where
        nothing is."""
        gate = self.ledger.gate(now, kinds=_ORDERS_STOPPED)
        moment = max(self.ledger.room_at(now), gate.until if gate is not None else now)
        return moment if moment > now else None

    # --- pieces ----------------------------------------------------------------------------------

    def _has_turn(self, key: Key) -> bool:
        return key in self._granted or key in self._running

    def _holds_back(self) -> bool:
        return self._one_by_one and bool(self._granted or self._running)

    def _take(self, now: datetime) -> Key | None:
        if not len(self._turns) or self._holds_back():
            return None
        if self.ledger.gate(now, kinds=_ORDERS_STOPPED) is not None:
            return None
        return self._turns.take(counted=self.ledger.room_at(now) <= now)

    def _line_up(self, key: Key, demand: Demand, now: datetime) -> None:
        self._asleep.pop(key, None)
        self._demands[key] = demand
        self._turns.add(key, rank_of(demand, self.ledger.limits), demand.urgent_by or now)

    def _sleep(self, key: Key, demand: Demand, obstacle: Obstacle) -> None:
        self._demands[key] = demand
        self._asleep[key] = obstacle
        heapq.heappush(self._alarms, (obstacle.until, key))

    def _grant(self, key: Key, demand: Demand, now: datetime) -> None:
        limits = self.ledger.limits
        account = () if rank_of(demand, limits) is Rank.EXEMPT else (ACCOUNT,)
        self.ledger.hold(key, (*account, *certificate_buckets(demand, limits)))
        self._granted[key] = _Turn(demand, now + TURN)

    def _start(self, key: Key) -> None:
        del self._granted[key]
        self._demands.pop(key, None)
        self._running.add(key)

    def _give_up(self, key: Key) -> None:
        """Neither asleep nor with a turn any more; a place in the line stays."""
        if self._granted.pop(key, None) is not None:
            self.ledger.release(key)
        self._asleep.pop(key, None)
        if key not in self._turns:
            self._demands.pop(key, None)

    def _wait(self, key: Key, demand: Demand, obstacle: Obstacle | None, now: datetime) -> Wait:
        gate = obstacle or self.ledger.gate(now, kinds=_ORDERS_STOPPED)
        if gate is not None:
            return self._wait_for(demand, gate, now)
        limit, ahead = self.ledger.limits.orders, self._turns.ahead(key)
        if limit is None or self._holds_back():
            return one_by_one(self._issuer, demand.names, now)
        turn = self.ledger.room_at(now) + limit.pace * ahead
        return wait_in_line(self._issuer, demand.names, limit, turn, now)

    def _wait_for(self, demand: Demand, obstacle: Obstacle, now: datetime) -> Wait:
        if obstacle.stop is not None:
            return wait_for_stop(self._issuer, demand.names, obstacle.stop, obstacle.until)
        bucket = obstacle.bucket or ACCOUNT
        limit = self.ledger.limits.of(bucket.kind)
        assert limit is not None  # noqa: S101 - what has no limit is in nobody's way
        return wait_for_bucket(self._issuer, demand.names, bucket, limit, obstacle.until, now)
