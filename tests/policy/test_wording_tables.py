"""How moments, durations and lists are put into words."""

from datetime import UTC, datetime, timedelta

import pytest
from build import NOW, answer, nothing
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.evidence import Outcome
from customdomains.policy.wording import for_up_to, listed, outcomes, server_of, until, values


@pytest.mark.parametrize(
    ("at", "seconds", "told"),
    [
        (NOW, 0, "for a few minutes"),
        (NOW, 300, "for a few minutes"),
        (NOW, 301, "until 2026-03-01T12:10:00Z"),
        (NOW, 600, "until 2026-03-01T12:10:00Z"),
        (NOW, 601, "until 2026-03-01T12:15:00Z"),
        (NOW + timedelta(microseconds=1), 600, "until 2026-03-01T12:15:00Z"),
        (NOW, 86_400, "until 2026-03-02T12:00:00Z"),
        (NOW, 2**31, "until 2094-03-19T15:15:00Z"),
        (datetime(9999, 12, 31, 23, 58, tzinfo=UTC), 301, "for years"),
        (datetime(9999, 12, 31, 23, 50, tzinfo=UTC), 301, "for years"),
    ],
)
def test_until_when(at: datetime, seconds: int, told: str) -> None:
    assert until(at, seconds) == told


@given(st.timedeltas(timedelta(0), timedelta(days=9)), st.integers(301, 10**6))
def test_a_moment_is_never_told_too_early_nor_much_too_late(later: timedelta, seconds: int) -> None:
    at = NOW + later
    told = datetime.fromisoformat(until(at, seconds).removeprefix("until "))
    late = told - (at + timedelta(seconds=seconds))
    assert timedelta(0) <= late < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "for a few minutes"),
        (300, "for a few minutes"),
        (301, "for up to 6 minutes"),
        (3600, "for up to 60 minutes"),
        (7200, "for up to 2 hours"),
        (7201, "for up to 3 hours"),
        (172_800, "for up to 2 days"),
    ],
)
def test_how_long(seconds: int, told: str) -> None:
    assert for_up_to(seconds) == told


def test_lists_are_short_and_in_order() -> None:
    assert listed(["b", "a", "b"]) == "a, b"
    assert listed(["d", "c", "b", "a", "a"]) == "a, b, c and 1 more"
    assert values(["x\n", "y" * 99]) == f'"x\\n", "{"y" * 77}..."'


def test_servers_with_the_same_trouble_stand_together() -> None:
    late, gone = nothing(Outcome.TIMED_OUT, server="a:53"), nothing(Outcome.UNREACHABLE)
    assert outcomes((late, gone, nothing(Outcome.TIMED_OUT, server="b:53"))) == (
        "no answer in time: a:53, b:53; not reachable: 192.0.2.53:53"
    )
    assert server_of(answer(host="ns.example.net")) == "ns.example.net (192.0.2.53:53)"
    many = (nothing(o, server=f"{n}" * 99) for o in Outcome for n in range(9))
    assert len(outcomes(many)) <= 400
