"""When to look again."""

from datetime import timedelta

import pytest
from build import DAY, HOUR, MINUTE, NOW, SECOND
from hypothesis import given
from hypothesis import strategies as st

from customdomains.policy import schedule

hexadecimal = st.text("0123456789abcdef", min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("waited", "delay"),
    [
        (timedelta(0), 1.5 * SECOND),
        (MINUTE - SECOND, 1.5 * SECOND),
        (MINUTE, 3.5 * SECOND),
        (5 * MINUTE - SECOND, 3.5 * SECOND),
        (5 * MINUTE, 25 * SECOND),
        (HOUR, 3 * MINUTE),
        (10 * HOUR, 30 * MINUTE),
        (30 * DAY, 4 * HOUR),
    ],
)
def test_waiting_for_a_record(waited: timedelta, delay: timedelta) -> None:
    assert schedule.waiting_delay(waited) == delay
    assert schedule.waiting_delay(waited, in_vain=True) == max(delay, 3.5 * SECOND)


def test_after_failures() -> None:
    by_itself = [schedule.failure_delay(count) for count in (1, 2, 3, 4, 90)]
    assert by_itself == [MINUTE, 10 * MINUTE, 100 * MINUTE, DAY, DAY]
    asked = [schedule.asked_delay(count) for count in (1, 2, 3, 90)]
    assert asked == [10 * SECOND, 40 * SECOND, 90 * SECOND, HOUR]


@given(hexadecimal, st.integers(0, 10**6))
def test_jitter_only_shortens_and_little(identity: str, attempt: int) -> None:
    assert 0.9 * HOUR <= schedule.jittered(HOUR, identity, attempt) <= HOUR


@pytest.mark.parametrize(
    ("lasting", "delay"),
    [
        (timedelta(0), 5 * MINUTE),
        (25 * MINUTE, 5 * MINUTE),
        (5 * HOUR, HOUR),
        (30 * DAY, 4 * HOUR),
        (-HOUR, 5 * MINUTE),  # the clock was set back
    ],
)
def test_while_nothing_can_be_decided(lasting: timedelta, delay: timedelta) -> None:
    assert schedule.undecided_delay(lasting) == delay


@pytest.mark.parametrize(
    ("over", "delay"),
    [
        (-72 * HOUR, 15 * MINUTE),
        (timedelta(0), 15 * MINUTE),
        (DAY, 144 * MINUTE),
        (9 * DAY, 4 * HOUR),
    ],
)
def test_while_a_proof_is_gone(over: timedelta, delay: timedelta) -> None:
    assert schedule.gone_delay(over) == delay


@given(hexadecimal, st.integers(1, 10**7), st.integers(0, 10**7))
def test_rechecks_come_once_an_interval(identity: str, seconds: int, later: int) -> None:
    interval, now = timedelta(seconds=seconds), NOW + timedelta(seconds=later)
    first = schedule.next_recheck(now, interval, identity)
    assert now < first <= now + 1.1 * interval + SECOND
    second = schedule.next_recheck(first, interval, identity)
    assert 0.9 * interval - SECOND <= second - first <= 1.1 * interval + SECOND
    between = first + (second - first) / 2
    assert schedule.next_recheck(between, interval, identity) == second, "no check moves a moment"


@given(hexadecimal, st.integers(1, 10**7), st.integers(0, 10**7))
def test_a_new_process_makes_up_for_what_it_may_have_missed(
    identity: str, seconds: int, later: int
) -> None:
    interval, started = timedelta(seconds=seconds), NOW + timedelta(seconds=later)
    lateness = min(interval / 4, HOUR)
    missed = schedule.next_recheck(started - lateness, interval, identity)
    first = schedule.first_recheck(started, interval, identity)
    if missed <= started:
        assert started < first == missed + lateness
    else:
        assert first == schedule.next_recheck(started, interval, identity)
