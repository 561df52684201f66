"""When to look again."""

from datetime import timedelta
from itertools import pairwise

import build
import pytest
from build import DAY, HOUR, ID, MINUTE, NOW, SECOND
from hypothesis import given
from hypothesis import strategies as st

from customdomains.policy import schedule

hexadecimal = st.text("0123456789abcdef", min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("waited", "delay"),
    [
        (timedelta(0), 3 * SECOND),
        (5 * MINUTE - SECOND, 3 * SECOND),
        (5 * MINUTE, 25 * SECOND),
        (HOUR, 3 * MINUTE),
        (10 * HOUR, 30 * MINUTE),
        (30 * DAY, 4 * HOUR),
    ],
)
def test_waiting_for_a_record(waited: timedelta, delay: timedelta) -> None:
    assert schedule.waiting_delay(waited) == delay


def test_after_failures() -> None:
    by_itself = [schedule.failure_delay(count) for count in (1, 2, 3, 4, 90)]
    assert by_itself == [MINUTE, 10 * MINUTE, 100 * MINUTE, DAY, DAY]
    asked = [schedule.asked_delay(count) for count in (1, 2, 3, 90)]
    assert asked == [10 * SECOND, 40 * SECOND, 90 * SECOND, HOUR]


@given(hexadecimal, st.integers(0, 10**6))
def test_jitter_only_shortens_and_little(identity: str, attempt: int) -> None:
    assert 0.9 * HOUR <= schedule.jittered(HOUR, identity, attempt) <= HOUR


@given(hexadecimal, st.integers(1, 10**7), st.integers(0, 10**7))
def test_rechecks_come_once_an_interval(identity: str, seconds: int, later: int) -> None:
    interval, now = timedelta(seconds=seconds), NOW + timedelta(seconds=later)
    moment = schedule.next_recheck(NOW, interval, identity, now)
    assert moment >= NOW + interval / 2
    assert now - min(interval / 4, HOUR) < moment <= now + interval
    if moment > now:
        assert schedule.next_recheck(NOW, interval, identity, moment) == moment


def test_rechecks_of_many_spread_over_half_the_interval() -> None:
    ids = [f"{number * 0x0FFFFFFF & 0xFFFFFFFF:08x}{ID[8:]}" for number in range(1000)]
    moments = sorted(schedule.next_recheck(NOW, DAY, one, NOW) - NOW for one in ids)
    assert DAY / 2 <= moments[0] < DAY * 0.51
    assert DAY * 0.99 < moments[-1] <= DAY
    assert max(b - a for a, b in pairwise(moments)) < build.HOUR
