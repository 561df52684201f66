"""Facts that are kept for a while."""

import asyncio

import pytest

from customdomains.dns.memory import Memory


class World:
    """A clock, and a fetch that says what it was given."""

    def __init__(self, size=100):
        self.now = 0.0
        self.fetched = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.memory = Memory(self.fetch, clock=lambda: self.now, size=size)

    async def fetch(self, key, before):
        await self.gate.wait()
        self.fetched.append((key, before))
        if key == "broken":
            raise RuntimeError("broken")
        return f"{key} at {self.now:.0f}", 10.0


@pytest.fixture
def world():
    return World()


async def test_a_value_is_fetched_once_in_its_time(world):
    assert await world.memory.get("a") == "a at 0"
    world.now = 9.9
    assert await world.memory.get("a") == "a at 0"
    world.now = 10.0
    assert await world.memory.get("a") == "a at 10"
    assert world.fetched == [("a", None), ("a", "a at 0")]


async def test_all_who_ask_wait_for_one_fetch(world):
    world.gate.clear()
    asking = [asyncio.create_task(world.memory.get("a")) for _ in range(5)]
    await asyncio.sleep(0)
    world.gate.set()
    assert await asyncio.gather(*asking) == ["a at 0"] * 5
    assert len(world.fetched) == 1


async def test_who_stops_waiting_leaves_the_fetch_to_the_others(world):
    world.gate.clear()
    first, second = (asyncio.create_task(world.memory.get("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    world.gate.set()
    assert await second == "a at 0"


async def test_a_fetch_that_breaks_is_made_again(world):
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await world.memory.get("broken")
    assert len(world.fetched) == 2


async def test_no_more_are_kept_than_there_is_room_for():
    world = World(size=3)
    for key in "abcd":
        await world.memory.get(key)
    assert len(world.memory) == 3
    await world.memory.get("d")
    await world.memory.get("a")
    assert [key for key, _ in world.fetched] == list("abcda")


async def test_what_nobody_asks_for_any_more_is_not_kept(world):
    for key in "abc":
        await world.memory.get(key)
    world.now = 310.0
    await world.memory.get("d")
    assert len(world.memory) == 1


async def test_a_value_that_is_put_counts_from_then_on(world):
    await world.memory.get("a")
    world.now = 9.0
    world.memory.put("a", "better", 10.0)
    world.now = 18.0
    assert await world.memory.get("a") == "better"
