"""The store: indexed right after any history, older versions and the dead passed over."""

from dataclasses import replace
from typing import Any

import build
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from customdomains.controller.store import Store
from customdomains.model.claim import NOBODY, Claim, Contender, Holder, Standing
from customdomains.model.domain import CustomDomain, Key
from customdomains.policy.world import Check, Memory

KEYS = [Key("one", "a"), Key("one", "b"), Key("two", "a")]
NAMES = ["a.example.com", "b.example.com", None]
CHECKED = Memory(check=Check(build.NOW, build.evidence(), None), attempts=3)


def version(number: int, **changed: Any) -> CustomDomain:
    return build.domain(resource_version=str(number), **changed)


def claim(number: int, **changed: Any) -> Claim:
    return build.claim(resource_version=str(number), **changed)


class Touched:
    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.store = Store(self.keys.append)


def test_an_older_version_is_passed_over():
    it = Touched()
    it.store.put_domain(version(9))
    it.store.put_domain(version(10, generation=2))
    it.store.put_domain(version(9))
    assert it.store.domain(build.KEY) == version(10, generation=2)
    assert it.keys == [build.KEY] * 2


def test_an_answer_to_our_own_write_touches_nothing():
    it = Touched()
    it.store.put_domain(version(9), own=True)
    it.store.put_claim(claim(10), writer=build.KEY)
    assert it.keys == []


def test_an_answer_that_comes_after_the_deletion_brings_nothing_back():
    it = Touched()
    it.store.put_domain(version(9))
    it.store.put_claim(claim(10, uid="claim"))
    it.store.drop_domain(build.KEY, build.UID)
    it.store.drop_claim(claim(10, uid="claim"))
    it.store.put_domain(version(11), own=True)
    it.store.put_claim(claim(12, uid="claim"), writer=build.KEY)
    assert it.store.domain(build.KEY) is None
    assert it.store.claim(build.DOMAIN) is None


def test_the_deletion_of_a_predecessor_leaves_the_new_one():
    it = Touched()
    it.store.put_domain(version(9, uid="old"))
    it.store.put_domain(version(11, uid="new"))
    it.store.drop_domain(build.KEY, "old")
    assert it.store.domain(build.KEY) == version(11, uid="new")


def test_what_was_remembered_goes_with_the_resource():
    it = Touched()
    it.store.put_domain(version(9, uid="old"))
    it.store.remember(build.KEY, CHECKED)
    it.store.put_domain(version(11, uid="new"))
    assert it.store.memory(build.KEY) == Memory()
    it.store.remember(build.KEY, CHECKED)
    it.store.drop_domain(build.KEY, "new")
    it.store.remember(build.KEY, CHECKED)
    assert it.store.memory(build.KEY) == Memory()


def test_a_check_does_not_count_against_what_another_writer_knows():
    it = Touched()
    it.store.put_domain(version(1))
    it.store.put_claim(claim(2))
    it.store.remember(build.KEY, CHECKED)
    it.store.put_claim(claim(3), writer=build.KEY)
    assert it.store.memory(build.KEY) == CHECKED
    it.store.put_claim(claim(4))
    assert it.store.memory(build.KEY) == replace(CHECKED, check=None)


@pytest.mark.parametrize(("writer", "doubted"), [(KEYS[1], True), (KEYS[0], False), (None, True)])
def test_who_comes_to_hold_a_claim_is_looked_at_anew(writer: Key | None, doubted: bool):
    """Unless it is the one who has just looked, and so came to hold it."""
    it = Touched()
    it.store.put_domain(version(1, key=KEYS[0]))
    it.store.put_claim(claim(2, holder=Holder(KEYS[1], "one-uid", "b")))
    it.store.remember(KEYS[0], CHECKED)
    it.store.put_claim(claim(3, id="f" * 32, holder=Holder(KEYS[0], "uid", "a")), writer=writer)
    assert (it.store.memory(KEYS[0]).check is None) is doubted


class History(RuleBasedStateMachine):
    """Puts and drops in any order, held against a model without any index."""

    def __init__(self) -> None:
        super().__init__()
        self.it = Touched()
        self.number = 0
        self.domains: dict[Key, CustomDomain] = {}
        self.claims: dict[str, Claim] = {}

    def next(self) -> int:
        self.number += 1
        return self.number

    @rule(key=st.sampled_from(KEYS), name=st.sampled_from(NAMES), anew=st.booleans())
    def put_domain(self, key: Key, name: str | None, *, anew: bool) -> None:
        number, known = self.next(), self.domains.get(key)
        uid = known.uid if known and not anew else f"domain-{number}"
        self.domains[key] = version(number, key=key, domain=name, uid=uid)
        self.it.store.put_domain(self.domains[key])

    @rule(key=st.sampled_from(KEYS))
    def drop_domain(self, key: Key) -> None:
        known = self.domains.pop(key, None)
        self.it.store.drop_domain(key, known.uid if known else "unheard of")

    @rule(
        seats=st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), max_size=3),
        name=st.sampled_from(NAMES[:2]),
    )
    def put_claim(self, seats: list[tuple[Key, bool]], name: str) -> None:
        number, known = self.next(), self.claims.get(name)
        uid = known.uid if known else f"claim-{number}"
        new = claim(number, domain=name, holder=NOBODY, id="", reserved_for="one", uid=uid)
        for key, vacant in seats:
            holder = Holder(key, build.NAMESPACE_UID, f"domain-{number - 1}")
            standing = Standing(vacant_since=build.NOW if vacant else None)
            if new.holder == NOBODY:
                new = replace(new, id=f"{number}", holder=holder, standing=standing)
            else:
                other = Contender(f"{number}-{len(new.contenders)}", "t", holder, standing)
                new = replace(new, contenders=(*new.contenders, other))
        self.claims[name] = new
        self.it.keys.clear()
        self.it.store.put_claim(new)
        wanted = {k for k, domain in self.domains.items() if domain.domain == name}
        wanted |= {*new.keys, *(known.keys if known else ())}
        assert set(self.it.keys) == wanted, "not everybody whom it concerns is touched"

    @rule(name=st.sampled_from(NAMES[:2]))
    def drop_claim(self, name: str) -> None:
        known = self.claims.pop(name, None)
        if known is not None:
            self.it.store.drop_claim(known)

    @invariant()
    def is_what_was_put(self) -> None:
        store = self.it.store
        assert {d.key: d for d in store.domains} == self.domains
        assert {c.domain: c for c in store.claims} == self.claims
        seats = [(c, seat) for c in self.claims.values() for seat in c.seats]
        for key in KEYS:
            domain = self.domains.get(key)
            found = store.claim_for(key)
            assert found == (self.claims.get(domain.domain or "") if domain else None)
            uid = domain.uid if domain else None
            left = [(c, s) for c, s in seats if s.holder.key == key and s.holder.uid != uid]
            assert sorted(store.leftovers(key), key=_by_id) == sorted(left, key=_by_id)
            taken = [s for _, s in seats if s.holder.key.namespace == key.namespace]
            there = [seat for seat in taken if seat.standing.vacant_since is None]
            assert store.seats(key.namespace) == len(there)


def _by_id(leftover: tuple[Claim, Contender]) -> str:
    return leftover[1].id


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
