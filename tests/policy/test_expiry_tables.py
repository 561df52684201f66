"""What is near its end: which renewals are late, which work is urgent, what is counted."""

from dataclasses import replace
from datetime import datetime, timedelta

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, SECOND
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.certificate import CertificateFacts
from customdomains.model.claim import Claim, Standing
from customdomains.model.domain import Issuance
from customdomains.model.renewal import RenewalWindow
from customdomains.policy.announcements import announce
from customdomains.policy.expiry import (
    count_left,
    count_renewals,
    mark_late,
    next_stage,
    rank,
    soonest,
)
from customdomains.policy.world import LONG_AGO, Memory, World

DUE = NOW
"""Of the certificate below: a third of ninety days before its end."""

STAGE = 10 * DAY


def claim(
    late: int = 0, *, name: str = build.DOMAIN, end: datetime = NOW + 30 * DAY, **changed: object
) -> Claim:
    """One with a certificate of ninety days that ends then."""
    facts = CertificateFacts("0a", end - 90 * DAY, end, "f" * 64)
    have = build.certificate(facts=facts, issued_at=end - 90 * DAY, late=late)
    return build.claim(domain=name, certificate=have, **changed)


def world(started: datetime = LONG_AGO, **memory: object) -> World:
    """A process that has been up for as long as can be."""
    return build.world(started=started, memory=replace(Memory(), **memory))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "known", "stage"),
    [
        (-SECOND, 0, 0),
        (timedelta(0), 0, 0),
        (STAGE - SECOND, 0, 0),
        (STAGE, 0, 1),
        (STAGE, 1, 1),
        (2 * STAGE - SECOND, 1, 1),
        (2 * STAGE, 1, 2),
        (2 * STAGE, 0, 2),
        (3 * STAGE - SECOND, 2, 2),
        (3 * STAGE, 1, 1),
    ],
)
def test_each_third_is_a_stage_and_the_end_is_told_for_itself(
    after: timedelta, known: int, stage: int
) -> None:
    marked = mark_late(build.domain(), world(), claim(known), DUE + after)
    assert marked == claim(stage)


def test_what_was_said_is_not_taken_back() -> None:
    assert mark_late(build.domain(), world(), claim(2), NOW - DAY) == claim(2)


@pytest.mark.parametrize(
    ("domain", "who"),
    [
        (build.domain(suspend=True), world()),
        (build.domain(issuance=Issuance.NEVER), world()),
        (build.domain(), world(ordering_since=NOW)),
        (build.domain(), world(started=DUE + STAGE - HOUR + SECOND)),
    ],
    ids=["suspended", "not wanted", "it is at work", "it was away"],
)
def test_nothing_is_late_that(domain: object, who: World) -> None:
    assert mark_late(domain, who, claim(), DUE + STAGE) == claim()  # type: ignore[arg-type]


def test_a_process_that_has_just_started_tells_of_what_has_failed() -> None:
    failed = claim(failure=build.failure())
    marked = mark_late(build.domain(), world(started=DUE + STAGE), failed, DUE + STAGE)
    assert marked.certificate is not None
    assert marked.certificate.late == 1


@pytest.mark.parametrize(
    ("after", "known", "due"),
    [
        (-DAY, 0, STAGE),
        (STAGE - SECOND, 0, STAGE),
        (STAGE, 1, 2 * STAGE),
        (2 * STAGE, 2, None),
    ],
)
def test_it_is_looked_at_when_the_next_stage_begins(
    after: timedelta, known: int, due: timedelta | None
) -> None:
    moment = next_stage(build.domain(), world(), claim(known), DUE + after)
    assert moment == (None if due is None else DUE + due)


def test_who_was_away_looks_again_after_a_while() -> None:
    now = DUE + STAGE + DAY
    moment = next_stage(build.domain(), world(started=now), claim(), now)
    assert moment == now + HOUR
    assert mark_late(build.domain(), world(started=now), claim(), moment) == claim(1)


def test_it_is_told_once_a_stage_with_what_stands_in_the_way() -> None:
    before, after = claim(failure=build.failure()), claim(1, failure=build.failure())
    (told,) = announce(before, after, None)
    assert (told.reason, told.warning) == ("RenewalLate", True)
    assert "expires at 2026-03-31T12:00:00Z" in told.note
    assert "due since 2026-03-01T12:00:00Z" in told.note
    assert told.note.endswith("The CA does not answer")
    assert announce(after, after, None) == ()
    assert [each.reason for each in announce(after, claim(2), None)] == ["RenewalLate"]


def test_what_a_ca_says_is_told_with_its_reason() -> None:
    before = claim()
    assert before.certificate is not None
    window = RenewalWindow(NOW - DAY, NOW - HOUR, NOW, "https://ca.example/why")
    after = replace(before, certificate=replace(before.certificate, renewal=window))
    (told,) = announce(before, after, None)
    assert (told.reason, told.warning) == ("RenewalAdvised", False)
    assert told.note.endswith("due at 2026-03-01T12:00:00Z; it says why: https://ca.example/why")
    assert announce(after, after, None) == ()


def windowed(of: Claim, start: datetime, end: datetime) -> Claim:
    """The claim after the CA has named a window."""
    assert of.certificate is not None
    window = RenewalWindow(start, end, NOW)
    return replace(of, certificate=replace(of.certificate, renewal=window))


# --- what goes first -----------------------------------------------------------------------------


def test_the_order_of_work() -> None:
    """What has expired, what is called back, newcomers, then by how soon it ends."""
    ended, soon, later = claim(end=NOW - DAY), claim(end=NOW + DAY), claim(end=NOW + 20 * DAY)
    called = [windowed(each, NOW - DAY, NOW - ago) for each, ago in ((soon, HOUR), (later, DAY))]
    wanted = windowed(later, NOW, NOW + 2 * DAY)
    found = sorted(
        [later, wanted, soon, None, *reversed(called), ended], key=lambda each: rank(each, NOW)
    )
    assert found == [ended, *called, None, soon, wanted, later]


@given(st.integers(1, 365 * 86_400), st.integers(1, 365 * 86_400))
def test_nobody_waits_behind_newcomers_for_more_than_a_hundredth_of_what_is_left(
    left: int, other: int
) -> None:
    mine, its = (claim(end=NOW + timedelta(seconds=each)) for each in (left, other))
    assert rank(mine, NOW) <= rank(None, NOW + timedelta(seconds=left / 100))
    assert (rank(mine, NOW) < rank(its, NOW)) == (left < other)


# --- what is counted -----------------------------------------------------------------------------

KEPT = claim(standing=Standing(vacant_since=NOW))


def test_counted_by_days_left() -> None:
    ends = (0, 1, 3, 7, 14, 30)
    claims = [claim(end=NOW + each * DAY) for each in ends] + [
        claim(end=NOW + each * DAY - SECOND) for each in ends
    ]
    counted = count_left([*claims, build.claim(), KEPT], NOW)
    assert counted == {"expired": 2, "1": 1, "3": 2, "7": 2, "14": 2, "30": 2, "more": 1}
    assert sum(count_left([], NOW).values()) == 0
    assert list(count_left([], NOW)) == ["expired", "1", "3", "7", "14", "30", "more"]


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (-SECOND, "scheduled"),
        (timedelta(0), "due"),
        (STAGE - SECOND, "due"),
        (STAGE, "late"),
        (3 * STAGE - SECOND, "late"),
        (3 * STAGE, "expired"),
    ],
)
def test_counted_by_how_it_stands(after: timedelta, state: str) -> None:
    counted = count_renewals([claim(), build.claim(), KEPT], DUE + after)
    assert counted == {"scheduled": 0, "due": 0, "late": 0, "expired": 0} | {state: 1}


def test_a_short_lived_one_is_late_within_minutes() -> None:
    end = NOW + 20 * MINUTE
    have = build.certificate(
        facts=CertificateFacts("0a", end - HOUR, end, "f" * 64), issued_at=end - HOUR
    )
    held = build.claim(certificate=have)
    assert mark_late(build.domain(), world(), held, NOW + 6 * MINUTE) == held
    marked = mark_late(build.domain(), world(), held, NOW + 7 * MINUTE)
    assert marked.certificate is not None
    assert marked.certificate.late == 1


def test_as_many_as_are_wanted_and_the_soonest() -> None:
    claims = [claim(name=f"d{n}.example.com", end=NOW + (n * 7 % 10) * DAY) for n in range(10)]
    found = soonest([*claims, build.claim(), KEPT], 3)
    assert [each.domain for each in found] == ["d0.example.com", "d3.example.com", "d6.example.com"]
    assert soonest(claims, 0) == []
    assert len(soonest(claims, 99)) == 10
