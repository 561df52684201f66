"""Leadership: one at a time by everybody's own clock, whatever the API server says meanwhile."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from virtual_time import VirtualLoop

from customdomains.cluster import AlreadyExists, Conflict, LeaseRecord, NotFound, Unavailable
from customdomains.controller.leadership import Elector, LeadershipLostError, LeaseTimes

TIMES = LeaseTimes(15.0)


class FakeLease:
    """One Lease. `faults` are used up, one a call, as in `fake_api`; `slow` takes its time-out."""

    def __init__(self) -> None:
        self.record: LeaseRecord | None = None
        self.version = 0
        self.faults: deque[str] = deque()
        self.down = False

    async def read(self, timeout: float) -> LeaseRecord:
        return await self._call(self._found, timeout)

    async def create(self, record: LeaseRecord, timeout: float) -> LeaseRecord:
        return await self._call(lambda: self._create(record), timeout)

    async def replace(self, record: LeaseRecord, timeout: float) -> LeaseRecord:
        return await self._call(lambda: self._replace(record), timeout)

    def touch(self) -> None:
        """Somebody sets a label."""
        self._store(self._found())

    def _found(self) -> LeaseRecord:
        if self.record is None:
            raise NotFound(404, "NotFound", "no Lease")
        return self.record

    def _create(self, record: LeaseRecord) -> LeaseRecord:
        if self.record is not None:
            raise AlreadyExists(409, "AlreadyExists", "there is one")
        return self._store(record)

    def _replace(self, record: LeaseRecord) -> LeaseRecord:
        if self._found().resource_version != record.resource_version:
            raise Conflict(409, "Conflict", "not the newest")
        return self._store(record)

    def _store(self, record: LeaseRecord) -> LeaseRecord:
        self.version += 1
        self.record = replace(record, resource_version=str(self.version))
        return self.record

    async def _call(self, execute: Callable[[], LeaseRecord], timeout: float) -> LeaseRecord:
        fault = self.faults.popleft() if self.faults else ""
        await asyncio.sleep(timeout if self.down or fault == "slow" else 0.01)
        if self.down or fault in {"before", "slow"}:
            raise Unavailable(0, "ConnectionFailed", "no answer")
        answer = execute()
        if fault == "after":
            raise Unavailable(0, "ConnectionFailed", "no answer")
        return answer


class Controllers:
    """Electors on one Lease, each with a wall clock of its own."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.lease = FakeLease()
        self.ended: dict[str, BaseException | None] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.electors: dict[str, Elector] = {}

    def start(self, name: str, skew: timedelta = timedelta(0)) -> None:
        def now() -> datetime:
            return self.loop.now() + skew

        elector = Elector(
            self.lease,
            name,
            TIMES,
            now=now,
            monotonic=self.loop.time,
            random=lambda: 0.5,
            sleep=asyncio.sleep,
        )
        self.electors[name] = elector
        self.tasks[name] = self.loop.create_task(self._lead(name, elector))

    async def _lead(self, name: str, elector: Elector) -> None:
        try:
            await elector.acquire()
            await elector.hold()
        except LeadershipLostError as error:
            self.ended[name] = error
        finally:
            await elector.release()

    def stop(self, name: str) -> None:
        """SIGTERM: it ends in order."""
        task = self.tasks.pop(name)
        task.cancel()
        self.loop.run(asyncio.wait({task}))

    def kill(self, name: str) -> None:
        """It ends without a word."""
        self.electors.pop(name)._held = None
        self.tasks.pop(name).cancel()
        self.loop.run_for(0)

    def leading(self) -> list[str]:
        return [name for name, elector in self.electors.items() if elector.leading]

    def watch(self, seconds: float) -> None:
        """Let time pass; at no moment two lead."""
        for _ in range(round(seconds * 10)):
            self.loop.run_for(0.1)
            assert len(self.leading()) <= 1, "two lead"


@pytest.fixture
def them(loop: VirtualLoop):
    them = Controllers(loop)
    yield them
    for name in list(them.tasks):
        them.stop(name)


def test_the_first_leads_and_the_others_wait(them):
    for name in ("a", "b", "c"):
        them.start(name)
    them.watch(120)
    assert len(them.leading()) == 1
    assert them.lease.record.transitions == 0
    assert not them.ended


def test_a_killed_one_is_followed_after_the_lease_s_duration(them):
    them.start("a")
    them.watch(20)
    them.start("b")
    them.watch(20)
    killed = them.loop.time()
    them.kill("a")
    while not them.leading():
        them.watch(0.1)
    assert TIMES.duration - TIMES.retry <= them.loop.time() - killed
    assert them.loop.time() - killed <= TIMES.duration + 2 * TIMES.retry
    assert (them.leading(), them.lease.record.transitions) == (["b"], 1)


def test_one_that_ends_in_order_is_followed_at_once(them):
    them.start("a")
    them.watch(5)
    them.start("b")
    them.watch(5)
    them.stop("a")
    them.watch(TIMES.retry + 0.2)
    assert them.leading() == ["b"]


@pytest.mark.parametrize("hours", [-5, 5])
def test_clocks_that_differ_do_not_matter(them, hours):
    them.start("a", timedelta(hours=hours))
    them.watch(5)
    them.start("b")
    them.watch(120)
    assert them.leading() == ["a"]


def test_an_outage_ends_the_leader_before_another_may_follow(them):
    them.start("a")
    them.watch(5)
    them.start("b")
    them.watch(5)
    them.lease.down = True
    them.watch(TIMES.duration - 1)
    assert them.leading() == []
    assert "could not be renewed" in str(them.ended["a"])
    them.lease.down = False
    them.watch(2 * TIMES.duration)
    assert them.leading() == ["b"]


def test_a_short_outage_is_survived(them):
    them.start("a")
    them.watch(5)
    them.lease.faults.extend(["before", "before", "slow"])
    them.watch(60)
    assert them.leading() == ["a"]


@pytest.mark.parametrize("fault", ["after", "label"])
def test_a_conflict_with_ourselves_or_with_a_label_is_no_loss(them, fault):
    them.start("a")
    them.watch(5)
    if fault == "after":
        them.lease.faults.append("after")
    else:
        them.lease.touch()
    them.watch(60)
    assert (them.leading(), them.ended) == (["a"], {})


def test_a_lease_that_another_took_ends_the_leader(them):
    them.start("a")
    them.watch(5)
    taken = replace(them.lease.record, holder="somebody else")
    them.lease._store(taken)
    them.watch(5)
    assert "somebody else took the Lease" in str(them.ended["a"])
    assert them.lease.record.holder == "somebody else", "it is not given back by who lost it"


def test_an_answer_that_was_lost_while_acquiring(them):
    them.lease.faults.extend(["", "after"])
    them.start("a")
    them.watch(5)
    assert them.leading() == ["a"]


def test_a_lost_answer_does_not_keep_the_lease_from_being_given_back(them):
    them.start("a")
    them.watch(5)
    them.lease.touch()
    them.stop("a")
    assert them.lease.record.holder == ""


def test_a_lease_by_hand_without_anything_in_it_is_free(them):
    them.lease._store(LeaseRecord("", 0, None, None, 0))
    them.start("a")
    them.watch(1)
    assert them.leading() == ["a"]
