"""When a certificate is due, and when its CA is asked about that."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, SECOND
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.certificate import CertificateFacts
from customdomains.model.claim import CertificateRecord, Claim
from customdomains.model.domain import Issuance
from customdomains.model.renewal import RenewalInfo, RenewalWindow
from customdomains.model.scope import Scope, ScopeKind
from customdomains.policy import renewal
from customdomains.policy.checking import Case
from customdomains.policy.jobs import AskRenewal
from customdomains.policy.world import RenewalCheck

ARI = "aki.serial"
ISSUED = NOW - 10 * DAY
END = ISSUED + 90 * DAY
WHY = "https://ca.example/why"


def certificate(
    window: tuple[datetime, datetime] | None = None,
    *,
    told_at: datetime = ISSUED,
    serial: str = "0a",
    lifetime: timedelta = 90 * DAY,
    issued_at: datetime = ISSUED,
    **changed: Any,
) -> CertificateRecord:
    """One of ten days ago whose CA offers renewal information."""
    facts = CertificateFacts(serial, ISSUED, ISSUED + lifetime, "f" * 64, ari_id=ARI)
    said = RenewalWindow(*window, told_at) if window else None
    return build.certificate(issued_at=issued_at, facts=facts, renewal=said, **changed)


# --- the moment ----------------------------------------------------------------------------------

WINDOW = (NOW + 40 * DAY, NOW + 44 * DAY)


def test_moments_are_even_over_the_window_and_stay() -> None:
    moments = [certificate(WINDOW, serial=f"{n:x}").renewal_time for n in range(4000)]
    again = [certificate(WINDOW, serial=f"{n:x}").renewal_time for n in range(4000)]
    assert moments == again
    tenths = [int((moment - WINDOW[0]) / (4 * DAY) * 10) for moment in moments]
    assert all(320 <= tenths.count(tenth) <= 480 for tenth in range(10))


def test_another_window_is_another_draw() -> None:
    shares = set()
    for shift in range(20):
        start, end = (moment + shift * DAY for moment in WINDOW)
        shares.add((certificate((start, end)).renewal_time - start) // HOUR)
    assert len(shares) > 10


@pytest.mark.parametrize(
    ("have", "due"),
    [
        (certificate(), ISSUED + 60 * DAY),
        (certificate((NOW - 9 * DAY, NOW - 8 * DAY), told_at=NOW), NOW),
        (certificate((ISSUED - DAY, ISSUED), told_at=ISSUED), ISSUED + HOUR),
        (certificate((ISSUED - DAY, ISSUED), lifetime=6 * MINUTE), ISSUED + 2 * MINUTE),
        (certificate((END + DAY, END + 2 * DAY)), END - 90 * DAY / 20),
        (certificate((NOW, NOW + SECOND)), NOW),
    ],
    ids=[
        "nothing said",
        "at once: since it was said",
        "called back when it came: after a rest",
        "a short-lived one rests for less",
        "after its end: before it",
        "a second long",
    ],
)
def test_due(have: CertificateRecord, due: datetime) -> None:
    assert have.renewal_time == due


moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1))  # noqa: DTZ001


@given(moments, st.timedeltas(SECOND, 400 * DAY), st.integers(0, 2**80), st.integers(1, 90 * 86400))
def test_there_is_always_time_before_the_end(
    start: datetime, length: timedelta, serial: int, seconds: int
) -> None:
    begins = start.replace(tzinfo=NOW.tzinfo)
    have = certificate(
        (begins, begins + length), serial=f"{serial:x}", lifetime=timedelta(seconds=seconds)
    )
    assert have.renewal_time <= have.facts.not_after - have.lifetime / 20 + SECOND
    assert have.renewal_time >= ISSUED


# --- what an answer changes ----------------------------------------------------------------------


def check(*window: datetime, why: str | None = None, ari_id: str = ARI) -> RenewalCheck:
    """An answer of now."""
    return RenewalCheck(ari_id, NOW, RenewalInfo(*window, why) if window else None)


@pytest.mark.parametrize(
    ("have", "answer", "changes"),
    [
        (certificate(), check(*WINDOW), True),
        (certificate(), check(), False),
        (certificate(WINDOW), check(), False),
        (certificate(WINDOW), check(*WINDOW), False),
        (certificate(WINDOW), check(*WINDOW, why=WHY), True),
        (certificate(WINDOW), check(WINDOW[0] + HOUR, WINDOW[1] - HOUR), False),
        (certificate(WINDOW), check(WINDOW[0], WINDOW[1] + HOUR + SECOND), True),
        (certificate(WINDOW), check(WINDOW[0] - HOUR - SECOND, WINDOW[1]), True),
        (certificate(WINDOW), check(NOW - HOUR, NOW - MINUTE), True),
        (
            certificate((NOW - 9 * DAY, NOW - 8 * DAY), told_at=NOW - DAY),
            check(NOW - HOUR, NOW - MINUTE),
            False,
        ),
        (certificate(WINDOW), check(*WINDOW, why=WHY, ari_id="another"), False),
        (
            certificate((NOW + HOUR, NOW + 2 * HOUR), lifetime=6 * DAY),
            check(NOW + HOUR, NOW + 4 * HOUR),
            True,
        ),
    ],
    ids=[
        "the first",
        "none",
        "none, where there was one",
        "the same",
        "with a reason",
        "a little moved",
        "later",
        "sooner",
        "at once",
        "at once again",
        "about another certificate",
        "an hour is much in six days",
    ],
)
def test_an_answer_changes_the_claim(
    have: CertificateRecord, answer: RenewalCheck, changes: bool
) -> None:
    claim = build.claim(certificate=have)
    after = renewal.heed(claim, answer, NOW)
    assert (after != claim) == changes
    if changes:
        assert answer.info is not None
        wanted = RenewalWindow(
            answer.info.start, answer.info.end, NOW, explanation=answer.info.explanation
        )
        assert after == replace(claim, certificate=replace(have, renewal=wanted))
        assert renewal.heed(after, answer, NOW + HOUR) == after, "it is written twice"


def test_no_certificate_no_change() -> None:
    assert renewal.heed(build.claim(), check(*WINDOW), NOW) == build.claim()
    assert renewal.heed(build.claim(certificate=certificate()), None, NOW).certificate is not None


# --- when it is asked ----------------------------------------------------------------------------


def case(
    have: CertificateRecord | None = None,
    *,
    domain: dict[str, Any] | None = None,
    started: datetime = NOW,
    now: datetime = NOW,
    claim: dict[str, Any] | None = None,
    **memory: Any,
) -> Case:
    """The case of a certificate."""
    held: Claim = build.claim(
        **({"verification": build.proof(), "certificate": have or certificate()} | (claim or {}))
    )
    world = build.world(claim=held, memory=replace(build.Memory(), **memory), started=started)
    return Case(world, build.domain(**(domain or {})), held, None, now)


@pytest.mark.parametrize(
    "nothing",
    [
        case(build.certificate()),
        case(certificate(issuer="gone")),
        case(domain={"suspend": True}),
        case(domain={"issuance": Issuance.NEVER}),
        case(asking=True),
        case(ordering_since=NOW),
        case(claim={"order": build.order()}),
        case(certificate((NOW - DAY, NOW - HOUR), told_at=NOW - MINUTE)),
        case(now=END),
        case(claim={"certificate": None}),
    ],
    ids=[
        "no such answers",
        "no such issuer",
        "suspended",
        "not wanted",
        "asked already",
        "at work",
        "ordered",
        "due",
        "expired",
        "none",
    ],
)
def test_where_the_answer_would_change_nothing_it_is_not_asked(nothing: Case) -> None:
    assert renewal.next_ask(nothing) is None
    assert renewal.ask_job(nothing) is None


def test_a_due_question_is_a_job() -> None:
    due = case(renewal=RenewalCheck(ARI, NOW - DAY))
    assert renewal.ask_job(due) == AskRenewal("pebble", ARI)
    assert renewal.ask_job(case(renewal=RenewalCheck(ARI, NOW))) is None


INFO = RenewalInfo(*WINDOW)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (RenewalCheck(ARI, NOW, INFO, NOW + 6 * HOUR), 6 * HOUR, 6 * HOUR),
        (RenewalCheck(ARI, NOW, INFO, NOW), MINUTE, MINUTE),
        (RenewalCheck(ARI, NOW, INFO, NOW + 9 * DAY), DAY, DAY),
        (RenewalCheck(ARI, NOW, INFO), timedelta(0), 13.2 * HOUR),
        (RenewalCheck(ARI, NOW), 5.4 * HOUR, 6 * HOUR),
        (RenewalCheck(ARI, NOW, None, NOW + 10 * HOUR), 10 * HOUR, 10 * HOUR),
        (RenewalCheck(ARI, NOW + HOUR, INFO), timedelta(0), timedelta(0)),
        (RenewalCheck("another", NOW, INFO, NOW + 6 * HOUR), timedelta(0), 13.2 * HOUR),
    ],
    ids=[
        "as it wants",
        "at least a minute",
        "at most a day",
        "twice a day",
        "nothing came of it: six hours",
        "an outage with its end",
        "the clock was set back",
        "another certificate",
    ],
)
def test_it_is_asked_again(asked: RenewalCheck, least: timedelta, most: timedelta) -> None:
    due = renewal.next_ask(case(renewal=asked))
    assert due is not None
    assert NOW + least <= due <= NOW + most


def test_a_little_before_it_is_due_it_is_asked_unless_the_ca_names_another_time() -> None:
    renewed = NOW + 90 * MINUTE
    soon, look = certificate((renewed, renewed + SECOND)), renewed - HOUR
    assert renewal.next_ask(case(soon)) == look
    plain = RenewalCheck(ARI, NOW - MINUTE, INFO)
    assert renewal.next_ask(case(soon, renewal=plain)) == look
    named = replace(plain, again_at=NOW + 6 * HOUR)
    assert renewal.next_ask(case(soon, renewal=named)) == NOW + 6 * HOUR
    late = case(soon, renewal=replace(plain, at=look), now=look + MINUTE)
    due = renewal.next_ask(late)
    assert due is not None
    assert due > look + MINUTE, "it is asked without end"


@pytest.mark.parametrize(
    ("lifetime", "most"), [(6 * DAY, 13.2 * HOUR), (6 * HOUR, 33 * MINUTE), (HOUR, 5.5 * MINUTE)]
)
def test_short_lived_ones_are_asked_about_sooner(lifetime: timedelta, most: timedelta) -> None:
    facts = CertificateFacts("0a", NOW, NOW + lifetime, "f" * 64, ari_id=ARI)
    due = renewal.next_ask(case(build.certificate(issued_at=NOW, facts=facts)))
    assert due is not None
    assert NOW < due <= NOW + most


def test_thousands_are_spread_after_a_start() -> None:
    started, hours = NOW - SECOND, [0] * 12
    for number in range(6000):
        identity = f"{number * 715_827:08x}{number * 2_654_435_761 % 2**32:08x}" + "0" * 16
        due = renewal.next_ask(case(claim={"id": identity}, started=started))
        assert due is not None
        assert due > started
        hours[min(int((due - started) / HOUR), 11)] += 1
    # The first hour makes up for what may have been missed in the one before.
    assert hours[0] <= 2 * 550
    assert all(400 <= count <= 650 for count in hours[1:10])


# --- what an order says that it replaces ---------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "issuer", "replaced"),
    [
        (build.claim(), "pebble", None),
        (build.claim(certificate=build.certificate()), "pebble", None),
        (build.claim(certificate=certificate()), "pebble", ARI),
        (build.claim(certificate=certificate()), "other", None),
        (
            build.claim(certificate=certificate(), failure=build.failure(unplaced=True)),
            "pebble",
            None,
        ),
        (
            build.claim(certificate=certificate(), failure=build.failure(unplaced=True, count=2)),
            "pebble",
            ARI,
        ),
        (build.claim(certificate=certificate(), failure=build.failure(count=9)), "pebble", ARI),
        (
            build.claim(
                certificate=certificate(),
                failure=build.failure(unplaced=True, scope=Scope(ScopeKind.ACCOUNT)),
            ),
            "pebble",
            ARI,
        ),
    ],
    ids=[
        "none",
        "no id",
        "its own",
        "another CA",
        "tried once",
        "tried twice",
        "it was placed",
        "a limit",
    ],
)
def test_replaced(claim: Claim, issuer: str, replaced: str | None) -> None:
    assert renewal.replaced(claim, issuer) == replaced
