"""What comes of a try to deliver a webhook, and of what is delivered."""

from dataclasses import replace
from datetime import datetime, timedelta

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, SECOND
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.claim import NOBODY, Claim
from customdomains.model.reasons import Phase
from customdomains.model.webhook import Message, Receipt
from customdomains.policy.delivery import (
    LIFE,
    Again,
    Delivered,
    GivenUp,
    Verdict,
    first_try,
    weigh,
)
from customdomains.policy.succession import is_over
from customdomains.policy.telling import digest_of, settled

DOWN = Receipt(503)
SILENT = Receipt(None, "there was no answer within 10 s")
HERE, THERE = digest_of("https://here.example.net/"), digest_of("https://there.example.net/")


def message(number: int = 1, **changed: object) -> Message:
    values: dict[str, object] = {
        "id": f"msg_{number}",
        "type": "domain.active",
        "at": NOW,
        "subject": build.ID,
        "key": build.KEY,
        "status": Phase.ACTIVE,
        "previous": Phase.VERIFIED,
        "reason": "Ready",
        "text": "the domain is verified",
    }
    return Message(**(values | changed))  # type: ignore[arg-type]


def ended(receipt: Receipt, age: timedelta, chance: float = 1.0) -> Verdict:
    return weigh(message(), receipt, NOW + age, chance)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered_however_late(status: int) -> None:
    assert ended(Receipt(status), 2 * DAY) == Delivered()


@pytest.mark.parametrize("receipt", [DOWN, SILENT, Receipt(301), Receipt(404), Receipt(199)])
@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), 5 * SECOND),
        (5 * SECOND, 5 * SECOND),
        (20 * SECOND, 20 * SECOND),
        (30 * MINUTE, 30 * MINUTE),
        (5 * HOUR, HOUR),
    ],
)
def test_all_else_is_tried_again_ever_more_slowly(
    receipt: Receipt, age: timedelta, wait: timedelta
) -> None:
    assert ended(receipt, age) == Again(NOW + age + wait)
    assert ended(receipt, age, 0.0) == Again(NOW + age + wait / 2)


def test_the_last_try_is_after_a_day() -> None:
    assert ended(DOWN, DAY - 5 * MINUTE) == Again(NOW + DAY)
    assert ended(DOWN, DAY) == GivenUp("it was tried for a day; at last the answer was 503")
    assert ended(SILENT, DAY) == GivenUp(
        "it was tried for a day; at last there was no answer within 10 s"
    )


def test_410_is_the_end_at_once() -> None:
    assert isinstance(ended(Receipt(410), timedelta(0)), GivenUp)


@pytest.mark.parametrize(
    ("rest", "until"),
    [(2 * MINUTE, 2 * MINUTE), (timedelta(0), timedelta(0)), (DAY, HOUR)],
)
def test_who_wants_peace_has_it_for_an_hour_at_most(rest: timedelta, until: timedelta) -> None:
    verdict = ended(Receipt(429, rest=rest), timedelta(0))
    assert verdict == Again(NOW + max(until, 5 * SECOND), NOW + until)


@given(st.timedeltas(timedelta(0), LIFE), st.floats(0, 1, exclude_max=True))
def test_tries_are_at_least_some_seconds_apart_and_end(age: timedelta, chance: float) -> None:
    verdict = ended(DOWN, age, chance)
    if isinstance(verdict, GivenUp):
        assert age >= LIFE
    else:
        assert isinstance(verdict, Again)
        moment = NOW + age
        assert verdict.at <= NOW + LIFE
        assert verdict.at >= min(moment + 2.5 * SECOND, NOW + LIFE)
        assert verdict.at <= moment + HOUR


@pytest.mark.parametrize(
    ("now", "chance", "moment"),
    [
        (NOW, 0.9, NOW),
        (NOW - MINUTE, 0.9, NOW - MINUTE),  # the clock was set back
        (NOW + 20 * SECOND, 0.5, NOW + 30 * SECOND),
        (NOW + DAY, 0.5, NOW + DAY + 30 * SECOND),
    ],
)
def test_a_new_process_makes_up_for_old_tries_within_a_minute(
    now: datetime, chance: float, moment: datetime
) -> None:
    assert first_try(message(), now, chance) == moment


# --- what is delivered ----------------------------------------------------------------------------


BOTH = frozenset({HERE, THERE})


def outbox(*messages: Message) -> Claim:
    return build.claim(outbox=messages)


def test_what_all_have_is_taken_out() -> None:
    claim = outbox(message(1), message(2))
    done = {"msg_1": BOTH}
    assert settled(claim, done, BOTH) == outbox(message(2))


def test_what_some_have_says_so_and_is_the_same_after_that() -> None:
    claim = outbox(message(1))
    half = settled(claim, {"msg_1": frozenset({HERE})}, BOTH)
    assert half == outbox(message(1, done=(HERE,)))
    assert settled(half, {}, BOTH) == half
    assert settled(half, {"msg_1": frozenset({THERE})}, BOTH) == outbox()


def test_a_receiver_that_is_not_told_any_more_holds_nothing_up() -> None:
    half = outbox(message(1, done=(HERE,)))
    assert settled(half, {}, frozenset({HERE})) == outbox()
    assert settled(half, {}, frozenset({THERE})) == outbox(message(1))
    assert settled(half, {}, frozenset()) == outbox()


def test_a_claim_that_nobody_holds_is_not_over_until_all_is_told() -> None:
    left = replace(build.claim(), id="", token="", holder=NOBODY)
    assert is_over(left, NOW)
    assert not is_over(replace(left, outbox=(message(),)), NOW)
