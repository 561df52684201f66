"""When records are looked for in wrong places, and for how long it counts what was found."""

from datetime import datetime
from typing import Any

import build
import pytest
from build import HOUR, MINUTE, NOW, SECOND, ZONE

from customdomains.model.certificate import Method
from customdomains.model.evidence import Evidence, Nearby, Outcome, Place
from customdomains.policy.findings import judge, proofs_of
from customdomains.policy.jobs import CheckDns
from customdomains.policy.nearby import after, enough, looks_nearby
from customdomains.policy.world import Check

CLAIM = build.claim()
YOUNG = build.claim(created=NOW - MINUTE)
PROVED = build.claim(verification=build.proof())
GONE = build.claim(verification=build.proof(gone_since=NOW - HOUR))
LATE = build.nothing(Outcome.TIMED_OUT)
FOUND = (Nearby(Place.APEX, "example.com", (), (build.TOKEN,)),)


@pytest.mark.parametrize(
    ("claim", "found", "nearby_at", "wanted"),
    [
        (YOUNG, None, None, False),
        (CLAIM, None, None, True),
        (PROVED, None, None, False),
        (GONE, None, None, True),
        (YOUNG, build.MISSING, None, True),
        (YOUNG, build.MISSING, NOW - 19 * SECOND, False),
        (YOUNG, build.MISSING, NOW - 20 * SECOND, True),
        (YOUNG, build.MISSING, NOW + SECOND, True),  # the clock was set back
        (YOUNG, build.SILENT, None, False),
        (YOUNG, build.evidence(build.answer(build.TOKEN), build.nothing()), None, False),
        (YOUNG, build.TOKENED, None, False),
        (GONE, build.MISSING, NOW - HOUR, True),
    ],
)
def test_when_to_look(
    claim: Any, found: Evidence | None, nearby_at: datetime | None, wanted: bool
) -> None:
    check = None if found is None else Check(NOW, found, None, nearby_at)
    finding = None if found is None else judge(found, claim, ZONE, NOW)
    assert looks_nearby(claim, check, finding, NOW) is wanted


def look(at: datetime, found: tuple[Nearby, ...] | None) -> Check:
    return Check(at, Evidence("x", (build.nothing(),), nearby=found), None)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (build.MISSING, False),
        (build.SILENT, False),
        (build.evidence(build.answer("something else", cname="elsewhere.example.org")), False),
        (build.TOKENED, True),
        (build.DELEGATED, True),
        (build.evidence(build.answer(build.DIGEST)), True),
        (build.evidence(build.nothing(), build.answer(build.TOKEN)), True),
        (build.evidence(build.answer(build.TOKEN, outcome=Outcome.BOGUS)), False),
    ],
)
def test_who_has_the_record_needs_no_look(found: Evidence, wanted: bool) -> None:
    claim = build.claim(order=build.order(Method.MANUAL))
    assert enough(CheckDns("x", None, True, proofs_of(claim, ZONE)), found) is wanted
    assert not enough(CheckDns("x", None), found)


NEAR, PLAIN = CheckDns("x", None, nearby=True), CheckDns("x", None)


def test_what_was_found_counts_until_the_next_look() -> None:
    first = after(None, look(NOW, FOUND), NEAR)
    assert first.nearby_at == NOW
    second = after(first, look(NOW + SECOND, None), PLAIN)
    assert (second.nearby_at, second.evidence.nearby) == (NOW, FOUND)
    assert second.evidence.answers == (build.nothing(),)
    third = after(second, look(NOW + MINUTE, ()), NEAR)
    assert (third.nearby_at, third.evidence.nearby) == (NOW + MINUTE, ())


def test_a_look_that_saw_nothing_is_not_repeated_at_once() -> None:
    """A lookup that can't look nearby, or had no time for it, gives None."""
    first = after(None, look(NOW, FOUND), NEAR)
    failed = after(first, look(NOW + MINUTE, None), NEAR)
    assert (failed.nearby_at, failed.evidence.nearby) == (NOW + MINUTE, FOUND)
    assert after(None, look(NOW, None), PLAIN).nearby_at is None
