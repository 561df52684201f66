"""The line in front of a CA: fair between namespaces, urgent first, nobody starves."""

from datetime import timedelta

from build import DAY, NOW
from hypothesis import given
from hypothesis import strategies as st

from customdomains.controller.turns import RENEWALS_IN_A_ROW, Turns
from customdomains.model.domain import Key
from customdomains.policy.budget import Rank


def order_of(turns: Turns) -> list[str]:
    taken = []
    while (key := turns.take(counted=True)) is not None:
        taken.append(f"{key.namespace}/{key.name}")
    return taken


def test_one_tenants_five_hundred_delay_anothers_one_by_one_turn():
    turns = Turns()
    for number in range(500):
        turns.add(Key("big", f"{number:03}"), Rank.NEW, NOW)
    small = Key("small", "one")
    turns.add(small, Rank.NEW, NOW + DAY)
    assert turns.ahead(small) == 1
    assert order_of(turns)[:3] == ["big/000", "small/one", "big/001"]


def test_the_most_urgent_of_a_namespace_goes_first():
    turns = Turns()
    for name, days in (("b", 2), ("c", 3), ("a", 1)):
        turns.add(Key("n", name), Rank.RENEWAL, NOW + timedelta(days=days))
    assert turns.ahead(Key("n", "c")) == 2
    assert order_of(turns) == ["n/a", "n/b", "n/c"]


def test_renewals_go_first_and_yet_new_ones_are_not_left_behind():
    turns = Turns()
    for number in range(6):
        turns.add(Key("n", f"new{number}"), Rank.NEW, NOW)
        turns.add(Key("n", f"old{number}"), Rank.RENEWAL, NOW)
    turns.add(Key("n", "told"), Rank.EXEMPT, NOW)
    assert order_of(turns) == [
        "n/told",
        *("n/old0", "n/old1", "n/old2", "n/new0"),
        *("n/old3", "n/old4", "n/old5", "n/new1"),
        *(f"n/new{number}" for number in range(2, 6)),
    ]


def test_what_costs_nothing_does_not_wait_for_the_account():
    turns = Turns()
    turns.add(Key("n", "new"), Rank.NEW, NOW)
    assert turns.take(counted=False) is None
    assert not turns.waiting(counted=False)
    turns.add(Key("n", "told"), Rank.EXEMPT, NOW)
    assert turns.take(counted=False) == Key("n", "told")
    assert len(turns) == 1


def test_who_asks_again_keeps_the_place():
    turns = Turns()
    for name in ("a", "b"):
        turns.add(Key("n", name), Rank.NEW, NOW)
    turns.add(Key("n", "a"), Rank.NEW, NOW + DAY)
    assert turns.take(counted=True) == Key("n", "a")


def test_who_became_more_urgent_gets_a_better_place():
    turns = Turns()
    turns.add(Key("n", "a"), Rank.RENEWAL, NOW)
    turns.add(Key("n", "b"), Rank.RENEWAL, NOW + DAY)
    turns.add(Key("n", "b"), Rank.RENEWAL, NOW - DAY)
    assert turns.take(counted=True) == Key("n", "b")
    assert len(turns) == 1


keys = st.builds(Key, st.sampled_from("abcd"), st.sampled_from("12345"))
joins = st.tuples(keys, st.sampled_from([Rank.NEW, Rank.RENEWAL]), st.integers(0, 9))


@given(st.lists(joins, max_size=30), st.lists(joins, min_size=40, max_size=60))
def test_nobody_starves(first, later):
    """However many come meanwhile, the only one of a namespace has its turn after one new domain of
    each other namespace, with as many renewals between them as may go in a row."""
    turns, mine = Turns(), Key("mine", "one")
    for key, rank, days in first:
        turns.add(key, rank, NOW + timedelta(days=days))
    turns.add(mine, Rank.NEW, NOW + timedelta(days=99))
    taken = 0
    for key, rank, days in later:
        if turns.take(counted=True) == mine:
            break
        taken += 1
        turns.add(key, rank, NOW + timedelta(days=days))
    assert taken < 5 * (RENEWALS_IN_A_ROW + 1)


@given(st.lists(joins, max_size=40))
def test_who_is_ahead_of_whom_is_told_about_right(joined):
    """Of those that wait at that moment; it is exact where all are in one line."""
    turns = Turns()
    for each, _, days in joined:
        turns.add(each, Rank.NEW, NOW + timedelta(days=days))
    waiting = {key for key, _, _ in joined}
    said = {key: turns.ahead(key) for key in waiting}
    position = 0
    while (key := turns.take(counted=True)) is not None:
        assert abs(said[key] - position) < 4  # as many namespaces as there are
        position += 1
