"""The agenda: the last due time counts, nobody is forgotten, a clock that is set does no harm."""

from datetime import timedelta

import pytest
from virtual_time import EPOCH, VirtualLoop

from customdomains.controller.agenda import LONGEST_NAP, Agenda
from customdomains.controller.engine import FIRST_BACKOFF, LONGEST_BACKOFF, Backoff
from customdomains.model.domain import Key

A, B, C = (Key("one", name) for name in "abc")


class Woken:
    """Which keys were woken, and when."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.skew = timedelta(0)
        self.seen: list[tuple[Key, float]] = []
        self.agenda = Agenda(lambda: loop.now() + self.skew, self._wake)

    def _wake(self, key: Key) -> None:
        self.seen.append((key, round(self._loop.time(), 3)))

    def call(self, method: str, *arguments: object) -> None:
        """In the loop, as everything is."""

        async def inside() -> None:
            getattr(self.agenda, method)(*arguments)

        self._loop.run(inside())


@pytest.fixture
def woken(loop: VirtualLoop):
    return Woken(loop)


def at(seconds: float):
    return EPOCH + timedelta(seconds=seconds)


def test_keys_are_woken_when_due_and_once(loop, woken):
    woken.call("set", A, at(50))
    woken.call("set", B, at(10))
    woken.call("set", C, at(0))
    loop.run_for(100)
    assert woken.seen == [(C, 0.0), (B, 10.0), (A, 50.0)]
    assert len(woken.agenda) == 0


def test_the_last_due_time_counts(loop, woken):
    woken.call("set", A, at(10))
    woken.call("set", A, at(40))
    woken.call("set", B, at(30))
    woken.call("set", B, None)
    loop.run_for(100)
    assert woken.seen == [(A, 40.0)]


def test_at_latest_only_brings_forward(loop, woken):
    woken.call("at_latest", A, at(20))
    woken.call("at_latest", A, at(90))
    woken.call("at_latest", A, at(10))
    loop.run_for(100)
    assert woken.seen == [(A, 10.0)]


def test_a_clock_that_is_set_forward_is_noticed_within_a_nap(loop, woken):
    woken.call("set", A, at(86_400))
    woken.skew = timedelta(days=2)
    loop.run_for(LONGEST_NAP + 1)
    assert woken.seen == [(A, LONGEST_NAP)]


def test_rescheduling_for_ever_keeps_the_heap_small(woken):
    for turn in range(10_000):
        woken.call("set", A, at(1000 + turn))
    assert len(woken.agenda._heap) < 100


def test_closed_it_wakes_nobody(loop, woken):
    woken.call("set", A, at(1))
    woken.call("close")
    loop.run_for(10)
    assert woken.seen == []


# --- backoff -------------------------------------------------------------------------------------


@pytest.fixture
def backoff(loop, woken):
    return Backoff(woken.agenda, loop.now, lambda: 1.0)


def fail(loop: VirtualLoop, backoff: Backoff, key: Key) -> None:
    async def inside() -> None:
        backoff.failed(key)

    loop.run(inside())


def test_each_failure_doubles_the_wait_up_to_a_limit(loop, woken, backoff):
    for _ in range(14):
        fail(loop, backoff, A)
        loop.run_for(400)
    waits = [moment - 400 * turn for turn, (_, moment) in enumerate(woken.seen)]
    first, longest = FIRST_BACKOFF.total_seconds(), LONGEST_BACKOFF.total_seconds()
    assert waits == pytest.approx([min(first * 2**n, longest) for n in range(14)], abs=0.01)


def test_a_success_forgives(loop, woken, backoff):
    fail(loop, backoff, A)
    fail(loop, backoff, A)
    backoff.succeeded(A)
    loop.run_for(10)
    woken.seen.clear()
    fail(loop, backoff, A)
    loop.run_for(10)
    assert woken.seen == [(A, pytest.approx(10 + FIRST_BACKOFF.total_seconds(), abs=0.01))]


def test_a_key_is_held_until_its_wait_is_over_and_stays_on_the_agenda(loop, woken, backoff):
    assert not backoff.holds(A)
    fail(loop, backoff, A)
    woken.call("set", A, None)  # what a reconcile does that has nothing else to wait for

    async def ask() -> bool:
        return backoff.holds(A)

    assert loop.run(ask())
    loop.run_for(1)
    assert woken.seen
    assert not loop.run(ask())
