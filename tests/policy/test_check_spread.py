"""How often the DNS is asked, and how evenly: for one domain and for a hundred thousand."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, SECOND

from customdomains.model.domain import Issuance
from customdomains.model.evidence import Evidence
from customdomains.policy import schedule
from customdomains.policy.decide import decide
from customdomains.policy.jobs import CheckDns
from customdomains.policy.nearby import after
from customdomains.policy.world import Check, Memory, World

MANY = 100_000
MEAN = MANY / (DAY / MINUTE)
"""Rechecks a minute, if they are spread evenly."""

CHANCE = 1.7
"""By how much the fullest minute of a day may be above the mean: the ids are random."""


@pytest.fixture(scope="module")
def ids() -> list[str]:
    source = random.Random(4)  # noqa: S311 - the same ids each time
    return [f"{source.getrandbits(128):032x}" for _ in range(MANY)]


def fullest(moments: Counter[int], start: timedelta, length: timedelta) -> int:
    """The number of checks in the fullest minute of a stretch of time."""
    first = start // MINUTE
    return max(moments[minute] for minute in range(first, first + length // MINUTE))


def test_a_hundred_thousand_registered_at_once_spread_evenly_for_days(ids: list[str]) -> None:
    minutes: Counter[int] = Counter()
    for number, identity in enumerate(ids):
        moment = NOW + number % 60 * SECOND  # all are proved within the same minute
        while True:
            moment = schedule.next_recheck(moment, DAY, identity)
            if moment >= NOW + 3 * DAY:
                break
            minutes[(moment - NOW) // MINUTE] += 1
            moment += 2 * SECOND  # for as long the check takes, and the next counts from its end
    for day in range(3):
        assert fullest(minutes, day * DAY, DAY) < CHANCE * MEAN
    emptiest = min(minutes[minute] for minute in range(1, 3 * 24 * 60))
    assert emptiest > MEAN / 2
    assert minutes.total() == pytest.approx(3 * MANY, rel=0.01)


def test_after_a_restart_they_are_spread_as_evenly(ids: list[str]) -> None:
    started = NOW + 2.3 * DAY
    minutes: Counter[int] = Counter()
    for identity in ids:
        moment = schedule.first_recheck(started, DAY, identity)
        minutes[(moment - started) // MINUTE] += 1
        moment = schedule.next_recheck(moment, DAY, identity)
        while moment < started + 2 * DAY:
            minutes[(moment - started) // MINUTE] += 1
            moment = schedule.next_recheck(moment, DAY, identity)
    assert fullest(minutes, timedelta(0), HOUR) < 2 * CHANCE * MEAN, "what may have been missed"
    assert fullest(minutes, HOUR, 2 * DAY - HOUR) < CHANCE * MEAN
    assert minutes.total() < 2.1 * MANY


def checks(world: World, found: Evidence, until: timedelta) -> Iterator[datetime]:
    """When `decide` has the DNS asked, from NOW on, while every check finds the same."""
    now, number = NOW, 0
    while now < NOW + until:
        plan = decide(world, now)
        if plan.claim is not None:
            break
        job = next((job for job in plan.jobs if isinstance(job, CheckDns)), None)
        if job is None:
            assert plan.due is not None
            assert plan.due > now
            now = plan.due
            continue
        yield now
        now, number = now + SECOND / 20, number + 1
        check = after(world.memory.check, Check(now, found, job.request), job)
        world = replace(world, memory=Memory(check=check, attempts=number))


def gaps(moments: list[datetime], since: timedelta, until: timedelta) -> list[timedelta]:
    """The times between checks, of those that end in the given stretch."""
    return [b - a for a, b in pairwise(moments) if NOW + since <= b < NOW + until]


def test_a_record_that_appears_is_seen_soon_and_the_waiting_costs_little() -> None:
    world = build.world(claim=build.claim(created=NOW))
    asked = list(checks(world, build.MISSING, 7 * DAY - MINUTE))
    assert asked[0] == NOW
    assert max(gaps(asked, timedelta(0), MINUTE)) < 2 * SECOND
    assert max(gaps(asked, MINUTE, 5 * MINUTE)) < 4 * SECOND
    assert max(gaps(asked, 5 * MINUTE, HOUR)) < 28 * SECOND
    assert max(gaps(asked, HOUR, DAY)) < 80 * MINUTE
    assert 3 * HOUR < max(gaps(asked, DAY, 7 * DAY)) <= 4.1 * HOUR
    assert len(asked) < 400


def test_where_nothing_can_be_said_there_is_no_such_hurry_after_a_second_try() -> None:
    world = build.world(claim=build.claim(created=NOW))
    second, *others = gaps(list(checks(world, build.SILENT, MINUTE)), timedelta(0), MINUTE)
    assert second < 2 * SECOND
    assert min(others) > 3 * SECOND
    assert max(others) < 4 * SECOND


def proved(world: World, **changed: object) -> World:
    """A domain that rests: proved an hour ago, and wants no certificate."""
    claim = build.claim(verification=build.proof(verified_at=NOW - HOUR, **changed))
    return replace(world, claim=claim, domain=build.domain(issuance=Issuance.NEVER))


def test_a_good_proof_is_checked_once_a_day() -> None:
    world = proved(build.world())
    asked = list(checks(world, build.DELEGATED, 30 * DAY))
    assert 29 <= len(asked) <= 31
    assert asked[0] == schedule.first_recheck(NOW, DAY, build.ID)
    for before, moment in pairwise(asked):
        assert moment == schedule.next_recheck(before, DAY, build.ID)


def test_servers_that_are_silent_for_a_month_are_asked_less_and_less() -> None:
    world = proved(build.world(started=NOW - 3 * DAY))
    asked = list(checks(world, build.SILENT, 30 * DAY))
    assert max(gaps(asked, timedelta(0), 20 * MINUTE)) <= 5.1 * MINUTE
    assert max(gaps(asked, HOUR, 30 * DAY)) <= 4.1 * HOUR
    assert len(asked) < 230


def test_while_a_proof_is_gone_it_is_looked_for_until_the_last_minute_of_its_grace() -> None:
    world = proved(build.world(), gone_since=NOW)
    asked = list(checks(world, build.MISSING, 30 * DAY))
    assert max(gaps(asked, timedelta(0), 72 * HOUR)) <= 15.1 * MINUTE
    assert max(gaps(asked, 80 * HOUR, 30 * DAY)) <= 4.1 * HOUR
    assert len(asked) < 650
