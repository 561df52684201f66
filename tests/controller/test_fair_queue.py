"""The queue: each key once, never two workers on one, namespaces in turns, nothing lost."""

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from customdomains.controller.queue import FairQueue
from customdomains.model.domain import Key

A, B = Key("one", "a"), Key("one", "b")


async def test_a_key_waits_once():
    queue = FairQueue()
    queue.add(A)
    queue.add(A)
    assert (await queue.get(), len(queue)) == (A, 0)


async def test_what_comes_while_a_key_is_worked_on_is_not_lost():
    queue = FairQueue()
    queue.add(A)
    key = await queue.get()
    queue.add(key)
    queue.add(key)
    assert (len(queue), queue.working) == (0, 1)
    queue.done(key)
    assert (len(queue), queue.working) == (1, 0)
    queue.done(await queue.get())
    assert (len(queue), queue.working) == (0, 0)


async def test_namespaces_take_turns():
    queue = FairQueue()
    for number in range(1000):
        queue.add(Key("crowd", str(number)))
    queue.add(Key("single", "only"))
    first = [await queue.get() for _ in range(2)]
    assert Key("single", "only") in first


async def test_a_cancelled_worker_passes_its_wake_up_on():
    queue = FairQueue()
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    queue.add(A)  # wakes the first, which is cancelled before it comes to run
    first.cancel()
    assert await second == A


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 4))
def test_every_added_key_is_worked_on_after_it_was_added(numbers: list[int], workers: int):
    async def scenario() -> None:
        queue, busy, seen = FairQueue(), set(), Counter()
        added_unseen: set[Key] = set()

        async def work() -> None:
            while True:
                key = await queue.get()
                assert key not in busy, "two workers have the same key"
                busy.add(key)
                added_unseen.discard(key)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                busy.remove(key)
                seen[key] += 1
                queue.done(key)

        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        for number in numbers:
            key = Key(str(number % 2), str(number))
            queue.add(key)
            added_unseen.add(key)
            await asyncio.sleep(0)
        for _ in range(8 * len(numbers) + 8):
            await asyncio.sleep(0)
        assert not added_unseen
        assert (len(queue), queue.working) == (0, 0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())


async def test_a_namespace_has_its_share_and_no_more():
    queue = FairQueue(share=2)
    for number in range(4):
        queue.add(Key("greedy", str(number)))
    first, second = await queue.get(), await queue.get()
    third = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not third.done()
    queue.add(Key("modest", "one"))
    assert await third == Key("modest", "one")
    fourth = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not fourth.done()
    queue.done(first)
    assert (await fourth).namespace == "greedy"
    queue.done(second)
    assert (await queue.get()).namespace == "greedy"


async def test_within_a_namespace_the_least_rank_goes_first_and_namespaces_in_turns():
    queue = FairQueue()
    for name, rank in (("c", (2, 1.0)), ("a", ()), ("d", (2, 1.0)), ("b", (1, 9.0))):
        queue.add(Key("one", name), rank)
    queue.add(Key("two", "late"), (9, 9.0))
    queue.add(Key("one", "d"), ())  # one that waits keeps its place
    taken = [(await queue.get()).name for _ in range(5)]
    assert taken == ["a", "late", "b", "c", "d"]


async def test_what_comes_back_has_the_rank_it_was_added_with():
    queue = FairQueue()
    queue.add(Key("one", "a"))
    assert (await queue.get()).name == "a"
    queue.add(Key("one", "a"), (3, 0.0))
    queue.add(Key("one", "b"), (2, 0.0))
    queue.done(Key("one", "a"))
    assert [(await queue.get()).name for _ in range(2)] == ["b", "a"]
