"""What is remembered of the API server's answers: for how long, how many, and who is asked at once.

On a clock of its own; that the real API server is asked so is tested with the reviews.
"""

import asyncio

import pytest

from customdomains.api import remembering
from customdomains.api.errors import Busy, Failed
from customdomains.api.remembering import KEPT, KEPT_NO, MAX_ASKING, MAX_REQUESTS, MOST, Remembered
from customdomains.cluster import Forbidden, Unavailable


class Answers:
    """What is asked, and how often; questions wait while `open` is not set."""

    def __init__(self) -> None:
        self.count = 0
        self.at_once = 0
        self.most_at_once = 0
        self.error: Exception | None = None
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    def of(self, value):
        async def ask():
            self.count += 1
            self.asked.set()
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await self.open.wait()
            self.at_once -= 1
            if self.error is not None:
                raise self.error
            return value

        return ask

    async def until(self, count: int) -> None:
        """Wait until there were as many questions."""
        while self.count < count:
            self.asked.clear()
            await self.asked.wait()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(remembering, "time", clock)
    return clock


@pytest.mark.parametrize(("value", "seconds"), [(True, KEPT), (False, KEPT_NO), (None, KEPT_NO)])
async def test_an_answer_counts_for_its_time_and_no_longer(clock, value, seconds):
    assert KEPT <= 30
    kept, answers = Remembered("the caller"), Answers()
    assert await kept.answer(b"k", answers.of(value)) is value
    clock.now += seconds - 0.01
    assert await kept.answer(b"k", answers.of("new")) is value
    clock.now += 0.01
    assert await kept.answer(b"k", answers.of("new")) == "new"
    assert answers.count == 2


async def test_the_time_begins_with_the_question(clock):
    """What was true when it was asked may be wrong when the answer comes."""
    kept, answers = Remembered("the caller"), Answers()
    answers.open.clear()
    asking = asyncio.ensure_future(kept.answer(b"k", answers.of(True)))
    await answers.until(1)
    clock.now += KEPT - 1
    answers.open.set()
    assert await asking
    clock.now += 1
    assert not await kept.answer(b"k", answers.of(False))


async def test_a_yes_that_becomes_a_no_is_forgotten(clock):
    kept, answers = Remembered("the caller"), Answers()
    await kept.answer(b"k", answers.of(True))
    clock.now += KEPT
    assert not await kept.answer(b"k", answers.of(False))
    clock.now += KEPT_NO
    assert await kept.answer(b"k", answers.of(True))


async def test_the_same_question_is_asked_once_and_one_who_leaves_takes_nothing_along():
    kept, answers = Remembered("the caller"), Answers()
    answers.open.clear()
    asking = [asyncio.ensure_future(kept.answer(b"k", answers.of(True))) for _ in range(20)]
    await answers.until(1)
    asking[0].cancel()
    answers.open.set()
    answered = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answered[0], asyncio.CancelledError)
    assert answered[1:] == [True] * 19
    assert answers.count == 1


async def test_failures_are_everybody_s_and_are_not_remembered(caplog):
    kept, answers = Remembered("the caller"), Answers()
    answers.error = Forbidden(403, "Forbidden", "not allowed to create tokenreviews")
    questions = [kept.answer(b"k", answers.of(True)) for _ in range(3)]
    for failed in await asyncio.gather(*questions, return_exceptions=True):
        assert isinstance(failed, Failed)
        assert failed.code == "storage_error"
    assert answers.count == 1
    answers.error = Unavailable(0, "Timeout", "no answer")
    with pytest.raises(Failed, match="gave no answer"):
        await kept.answer(b"k", answers.of(True))
    assert len(caplog.messages) == 1
    answers.error = None
    assert await kept.answer(b"k", answers.of(True))
    assert await kept.answer(b"k", answers.of(False))


async def test_questions_are_bounded_and_take_turns():
    kept, answers = Remembered("the caller"), Answers()
    answers.open.clear()
    asking = [
        asyncio.ensure_future(kept.answer(bytes([number]), answers.of(True)))
        for number in range(MAX_ASKING)
    ]
    await answers.until(MAX_REQUESTS)
    with pytest.raises(Busy) as shed:
        await kept.answer(b"one more", answers.of(True))
    assert shed.value.retry_after == 1
    answers.open.set()
    assert all(await asyncio.gather(*asking))
    assert answers.most_at_once == MAX_REQUESTS
    assert await kept.answer(b"one more", answers.of(True))


async def test_memory_is_bounded_and_what_is_refused_pushes_out_nobody_who_is_known():
    assert 2 * MOST <= 10_000
    kept, answers = Remembered("the caller"), Answers()
    await kept.answer(b"known", answers.of(True))
    for number in range(MOST + 10):
        await kept.answer(b"no %d" % number, answers.of(False))
    assert len(kept._no) == MOST
    assert await kept.answer(b"known", answers.of(False))
    for number in range(MOST):
        await kept.answer(b"yes %d" % number, answers.of(True))
    assert len(kept._yes) == MOST
    assert not await kept.answer(b"known", answers.of(False))
    assert kept._asking == {}
