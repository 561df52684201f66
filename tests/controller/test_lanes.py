"""Lanes: as many jobs at once as there is room for, one a key, and no job kills the lane."""

import asyncio

import pytest

from customdomains.controller.lanes import Lane
from customdomains.model.domain import Key

A, B, C = (Key("one", name) for name in "abc")


class Jobs:
    """Jobs that end when they are let go."""

    def __init__(self, width: int) -> None:
        self.running: list[tuple[Key, str]] = []
        self.ran: list[tuple[Key, str]] = []
        self.most = 0
        self.gates: dict[Key, asyncio.Event] = {}
        self.lane: Lane[str] = Lane("test", width, self._run)

    async def _run(self, key: Key, job: str) -> None:
        self.running.append((key, job))
        self.most = max(self.most, len(self.running))
        try:
            await self.gates.setdefault(key, asyncio.Event()).wait()
            if job == "broken":
                raise RuntimeError("broken")
        finally:
            self.running.remove((key, job))
            self.ran.append((key, job))

    def let_go(self, key: Key) -> None:
        self.gates.setdefault(key, asyncio.Event()).set()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def jobs():
    jobs = Jobs(width=2)
    task = asyncio.create_task(jobs.lane.work())
    yield jobs
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_no_more_than_its_width_run_at_once(jobs):
    for key in (A, B, C):
        jobs.lane.put(key, "job")
    await settle()
    assert (len(jobs.running), len(jobs.lane)) == (2, 3)
    for key in (A, B, C):
        jobs.let_go(key)
    await settle()
    assert (len(jobs.ran), jobs.most, len(jobs.lane)) == (3, 2, 0)


async def test_a_job_for_a_key_that_is_busy_waits_for_it_and_the_newest_counts(jobs):
    jobs.lane.put(A, "first")
    await settle()
    jobs.lane.put(A, "second")
    jobs.lane.put(A, "third")
    await settle()
    assert jobs.running == [(A, "first")]
    jobs.let_go(A)
    await settle()
    assert jobs.ran == [(A, "first"), (A, "third")]


async def test_a_job_that_breaks_is_the_only_one_that_ends(jobs, caplog):
    jobs.lane.put(A, "broken")
    jobs.let_go(A)
    jobs.lane.put(B, "job")
    jobs.let_go(B)
    await settle()
    jobs.lane.put(A, "again")
    await settle()
    assert jobs.ran[-1] == (A, "again")
    assert "one/a broke" in caplog.text
