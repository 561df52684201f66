"""What the controller knows: resources and claims from their watches, and its own memory."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from customdomains.model.claim import Claim, Contender
from customdomains.model.domain import CustomDomain, Key
from customdomains.policy.world import Memory

K = TypeVar("K")
V = TypeVar("V")

_NOTHING = Memory()

_GONE_KEPT = 4096
"""As many objects as could be deleted while an answer about one of them is under way."""


class Store:
    """Slim copies, indexed. `touch` is called with each key whose decision may have changed.

    Answers to the controller's own writes go in at once, so the next decision sees them; an older
    version that a watch brings later is passed over (resourceVersions of one kind are ordered:
    Kubernetes API concepts, since 1.35 a guarantee, before that how etcd always counted). An answer
    that comes after the news of the object's deletion is passed over too: a uid never comes back.
    """

    def __init__(self, touch: Callable[[Key], None]) -> None:
        self._touch = touch
        self._domains: dict[Key, CustomDomain] = {}
        self._claims: dict[str, Claim] = {}
        self._by_name: dict[str, tuple[Key, ...]] = {}
        self._by_seat: dict[Key, tuple[str, ...]] = {}
        self._seats: Counter[str] = Counter()
        self._memories: dict[Key, Memory] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._domains)

    @property
    def domains(self) -> Iterable[CustomDomain]:
        """All resources."""
        return self._domains.values()

    @property
    def claims(self) -> Iterable[Claim]:
        """All claims."""
        return self._claims.values()

    def domain(self, key: Key) -> CustomDomain | None:
        """The resource at `key`."""
        return self._domains.get(key)

    def claim(self, name: str) -> Claim | None:
        """The claim on the canonical domain `name`."""
        return self._claims.get(name)

    def claim_for(self, key: Key) -> Claim | None:
        """The claim on the domain that the resource at `key` wants."""
        domain = self._domains.get(key)
        return self._claims.get(domain.domain) if domain and domain.domain else None

    def leftovers(self, key: Key) -> tuple[tuple[Claim, Contender], ...]:
        """Seats in the name of a resource that was at `key` before the one that is, if one is."""
        domain = self._domains.get(key)
        uid = domain.uid if domain is not None else None
        left: list[tuple[Claim, Contender]] = []
        for name in self._by_seat.get(key, ()):
            claim = self._claims[name]
            if claim.contenders or domain is None or claim.holder.uid != uid:
                seats = (seat for seat in claim.seats if seat.holder.key == key)
                left += (
                    (claim, seat) for seat in seats if domain is None or seat.holder.uid != uid
                )
        return tuple(left)

    def seats(self, namespace: str) -> int:
        """How many seats on claims a namespace has, without those that are vacant."""
        return self._seats[namespace]

    def put_domain(self, domain: CustomDomain, *, own: bool = False) -> None:
        """A version of a resource, from a watch, or (`own`) from the answer to our write about
        it, which touches nothing."""
        known = self._domains.get(domain.key)
        if domain.uid in self._gone or (known is not None and not _newer(domain, known)):
            return
        self._domains[domain.key] = domain
        if known is None or known.domain != domain.domain:
            if known is not None and known.domain:
                _unlink(self._by_name, known.domain, known.key)
            if domain.domain:
                _link(self._by_name, domain.domain, domain.key)
        if known is not None and known.uid != domain.uid:
            self._forget(domain.key, known.uid)
        if not own:
            self._touch(domain.key)

    def drop_domain(self, key: Key, uid: str) -> None:
        """The resource at `key` with this uid is gone; another one stays."""
        self._bury(uid)
        known = self._domains.get(key)
        if known is None or known.uid != uid:
            return
        del self._domains[key]
        self._forget(key, uid)
        if known.domain:
            _unlink(self._by_name, known.domain, key)
        self._touch(key)

    def put_claim(self, claim: Claim, *, writer: Key | None = None) -> None:
        """A version of a claim, from the watch, or from the answer to a write for `writer`, who
        knows and is not touched."""
        known = self._claims.get(claim.domain)
        if claim.uid in self._gone or (known is not None and not _newer(claim, known)):
            return
        self._claims[claim.domain] = claim
        self._index(known, claim)
        if known is not None:
            moved = known.id != claim.id
            if writer is None or (moved and writer != claim.holder.key):
                self._doubt(claim.holder.key)
        self._touch_all(known, claim, writer)

    def drop_claim(self, claim: Claim) -> None:
        """`claim` is gone; a newer one under the same name stays."""
        self._bury(claim.uid)
        known = self._claims.get(claim.domain)
        if known is None or known.uid != claim.uid:
            return
        del self._claims[claim.domain]
        self._index(known, None)
        self._touch_all(known, None, None)

    def memory(self, key: Key) -> Memory:
        """What this process remembers about `key`."""
        return self._memories.get(key, _NOTHING)

    def remember(self, key: Key, memory: Memory) -> None:
        """Replace what is remembered; for a resource that is gone nothing is."""
        if key in self._domains:
            self._memories[key] = memory

    def _doubt(self, key: Key) -> None:
        """Somebody else wrote the claim, who may have looked at the DNS after this process did. Two
        that each hold against the other what they saw once would write without end. And who comes
        to hold a claim is to be looked at as it is then."""
        memory = self._memories.get(key)
        if memory is not None:
            self._memories[key] = replace(memory, check=None)

    def _forget(self, key: Key, uid: str) -> None:
        self._bury(uid)
        self._memories.pop(key, None)

    def _bury(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > _GONE_KEPT:
            self._gone.popitem(last=False)

    def _index(self, known: Claim | None, claim: Claim | None) -> None:
        """Keep the indexes in step with a claim that came, changed or went."""
        if known is not None and claim is not None and _same_seats(known, claim):
            return
        before = known.keys if known is not None else ()
        after = claim.keys if claim is not None else ()
        for key in before:
            if known is not None and key not in after:
                _unlink(self._by_seat, key, known.domain)
        for key in after:
            if claim is not None and key not in before:
                _link(self._by_seat, key, claim.domain)
        counted = Counter(_taken(claim))
        counted.subtract(_taken(known))
        for namespace, number in counted.items():
            self._seats[namespace] += number
            if not self._seats[namespace]:
                del self._seats[namespace]

    def _touch_all(self, known: Claim | None, claim: Claim | None, writer: Key | None) -> None:
        touched: set[Key] = set()
        for version in (known, claim):
            if version is not None:
                touched |= {*version.keys, *self._by_name.get(version.domain, ())}
        for key in touched:
            if key != writer:
                self._touch(key)


def _same_seats(one: Claim, other: Claim) -> bool:
    return (one.holder, one.standing, one.contenders) == (
        other.holder,
        other.standing,
        other.contenders,
    )


def _taken(claim: Claim | None) -> Iterable[str]:
    """The namespaces of a claim's seats, without those that are vacant."""
    if claim is None:
        return ()
    return (s.holder.key.namespace for s in claim.seats if s.standing.vacant_since is None)


def _newer(new: CustomDomain | Claim, known: CustomDomain | Claim) -> bool:
    return int(new.resource_version) > int(known.resource_version)


def _link(index: dict[K, tuple[V, ...]], key: K, value: V) -> None:
    index[key] = (*index.get(key, ()), value)


def _unlink(index: dict[K, tuple[V, ...]], key: K, value: V) -> None:
    left = tuple(item for item in index.get(key, ()) if item != value)
    if left:
        index[key] = left
    else:
        index.pop(key, None)
