"""When a Secret is looked at, what that changes, and when a replacement has to wait: as tables."""

from dataclasses import replace
from typing import Any

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, SECOND

from customdomains.model.certificate import OrderError
from customdomains.model.claim import Claim
from customdomains.model.compromise import Compromise, Ending
from customdomains.model.domain import Issuance
from customdomains.model.kept import Kept, Loss
from customdomains.model.reasons import Reason
from customdomains.policy import keeping, spoils
from customdomains.policy.jobs import (
    InspectSecret,
    KeepResult,
    MarkSecret,
    RevokeCertificate,
    SecretState,
)
from customdomains.policy.world import Memory, Sight

GONE = Loss(Reason.SECRET_DAMAGED, "the Secret shop-tls is gone", NOW - HOUR)
SERIAL = build.facts().serial_number
PENDING = Compromise("now", Ending.PENDING, SERIAL, "pebble", "QUJD", NOW + 80 * DAY)
OTHER = replace(PENDING, serial_number="ff")


def claim(kept: Kept = Kept(100), **changed: Any) -> Claim:  # noqa: B008 - frozen
    return build.claim(
        verification=build.proof(), certificate=build.certificate(kept=kept), **changed
    )


def job(of: Claim, *, sight: Sight | None = None, memory: Memory = Memory(), **domain: Any):  # noqa: B008
    world = build.world(claim=of, secret=sight, memory=memory)
    return keeping.keep_job(world, build.domain(**domain), of, NOW)


@pytest.mark.parametrize(
    ("sight", "kept", "memory", "looks"),
    [
        (None, Kept(100), Memory(), False),
        (Sight(100, 500), Kept(100), Memory(), False),
        (Sight(101, 500), Kept(100), Memory(), True),
        (Sight(101, 500), Kept(100), Memory(inspected=101), False),
        (Sight(102, 500), Kept(100), Memory(inspected=101), True),
        (Sight(99, 99), Kept(100), Memory(), False),  # the watch is behind our own write
        (Sight(100, 500), Kept(None), Memory(), True),
        (Sight(None, 500), Kept(100), Memory(), True),
        (Sight(None, 99), Kept(100), Memory(), False),
        (Sight(None, 500), Kept(100, GONE), Memory(), False),
        (Sight(501, 501), Kept(500, GONE), Memory(), True),
        (Sight(None, 500), Kept(100), Memory(inspected=501), False),
        (Sight(None, 500), Kept(100), Memory(keeping=True), False),
        (Sight(None, 500), Kept(100), Memory(ordering_since=NOW), False),
    ],
)
def test_when_a_secret_is_looked_at(sight, kept, memory, looks):
    of = claim(kept)
    found = job(of, sight=sight, memory=memory)
    assert found == (InspectSecret(of, sight.as_of) if looks else None)
    assert job(of, sight=sight, memory=memory, suspend=True) is None


def test_nothing_is_done_where_nothing_is_wanted():
    assert job(build.claim(), sight=Sight(None, 500)) is None
    assert job(claim()) is None


@pytest.mark.parametrize(
    ("kept", "wanted", "marks"),
    [
        (Kept(1), True, True),
        (Kept(1, revoke=True), True, False),
        (Kept(1, revoke=True), False, True),
        (Kept(1, GONE), True, False),
    ],
)
def test_when_the_wish_to_revoke_is_written_on_it(kept, wanted, marks):
    of = claim(kept)
    assert job(of, revoke=wanted) == (MarkSecret(of, 0, wanted) if marks else None)


@pytest.mark.parametrize(
    "said", ["now", SERIAL, SERIAL.upper(), "0a:1b:2c", "a1b2c", "0x0A1B2C", f" {SERIAL}"]
)
def test_how_a_certificate_may_be_named(said):
    of = claim()
    assert job(of, compromised=said) == InspectSecret(of, 0, said)
    assert keeping.heed(build.domain(compromised=said), of, NOW) == of


@pytest.mark.parametrize("said", ["a1b2d", "yes", "0", "nowadays"])
def test_what_names_none_is_told_once(said):
    domain = build.domain(compromised=said)
    after = keeping.heed(domain, claim(), NOW)
    assert after.compromise == Compromise(said, Ending.UNKNOWN)
    assert keeping.heed(domain, after, NOW) == after
    assert keeping.heed(build.domain(), after, NOW).compromise is None


@pytest.mark.parametrize(
    ("known", "issuance", "due"),
    [
        (PENDING, Issuance.AUTOMATIC, False),
        (PENDING, Issuance.NEVER, True),
        (OTHER, Issuance.AUTOMATIC, True),
        (replace(OTHER, retry_at=NOW + SECOND), Issuance.AUTOMATIC, False),
        (replace(OTHER, retry_at=NOW), Issuance.AUTOMATIC, True),
        (replace(OTHER, ending=Ending.REVOKED), Issuance.AUTOMATIC, False),
    ],
)
def test_when_it_is_revoked(known, issuance, due):
    of = claim(compromise=known)
    found = job(of, compromised="now", issuance=issuance)
    assert found == (RevokeCertificate(of) if due else None)


def test_what_has_expired_is_not_revoked_any_more():
    of = claim(compromise=replace(OTHER, not_after=NOW))
    after = keeping.heed(build.domain(compromised="now"), of, NOW)
    assert after.compromise == Compromise("now", Ending.EXPIRED, "ff")


# --- what a look changes -------------------------------------------------------------------------


def looked(of: Claim, state: SecretState, *, request: str | None = None, at=NOW) -> Claim:
    return keeping.take_in(of, KeepResult(InspectSecret(of, 500, request), state, at))


def test_a_loss_is_written_once_and_taken_back():
    lost = looked(claim(), SecretState(500, GONE))
    assert lost.certificate.kept == Kept(500, GONE)
    again = looked(lost, SecretState(600, replace(GONE, at=NOW)))
    assert again == lost, "written though nothing is new"
    back = looked(lost, SecretState(700), at=NOW + MINUTE)
    assert back.certificate.kept == Kept(700, None, NOW + MINUTE)


def test_what_is_whole_changes_nothing():
    assert looked(claim(), SecretState(500)) == claim()


def test_what_an_order_under_way_has_stored_is_no_loss():
    ordered = claim(order=build.order())
    url = build.order().url
    assert looked(ordered, SecretState(500, GONE, order=url)) == ordered
    assert looked(ordered, SecretState(500, GONE, order="another")) != ordered


def test_a_look_at_a_former_certificate_counts_for_nothing():
    of = claim()
    result = KeepResult(InspectSecret(of, 500), SecretState(500, GONE), NOW)
    newer = replace(of.certificate, facts=replace(build.facts(), serial_number="ff"))
    renewed = replace(of, certificate=newer)
    assert keeping.take_in(renewed, result) == renewed
    elsewhere = replace(of, id="f" * 32)
    assert keeping.take_in(elsewhere, result) == elsewhere


def test_a_report_gives_up_the_order_and_keeps_what_is_to_be_revoked():
    of = claim(order=build.order())
    after = looked(of, SecretState(500, leaf="QUJD"), request="now")
    assert (after.order, after.compromise) == (
        None,
        replace(PENDING, not_after=after.certificate.facts.not_after),
    )
    lost = looked(of, SecretState(500, GONE), request="now")
    assert lost.compromise == Compromise("now", Ending.LOST, SERIAL)
    assert lost.certificate.kept.loss == GONE


def test_a_failed_revocation_is_tried_ever_more_slowly():
    of = claim(compromise=OTHER)
    delays = []
    for _ in range(5):
        error = OrderError(Reason.CA_UNREACHABLE, "It is down")
        of = keeping.take_in(of, KeepResult(RevokeCertificate(of), error, NOW))
        delays.append(of.compromise.retry_at - NOW)
    assert delays == [MINUTE, 10 * MINUTE, 100 * MINUTE, DAY, DAY]
    named = OrderError(Reason.CA_RATE_LIMITED, "Later", retry_at=NOW + 7 * DAY)
    of = keeping.take_in(of, KeepResult(RevokeCertificate(of), named, NOW))
    assert of.compromise.retry_at == NOW + 7 * DAY
    done = keeping.take_in(of, KeepResult(RevokeCertificate(of), None, NOW))
    assert done.compromise == Compromise("now", Ending.REVOKED, "ff")


# --- how often -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("early", "wait"),
    [(0, 0 * DAY), (1, 10 * MINUTE), (2, DAY), (3, 3 * DAY), (4, 7 * DAY), (9, 7 * DAY)],
)
def test_how_old_it_has_to_be_to_be_replaced_once_more(early, wait):
    have = build.certificate(kept=Kept(early=early))
    assert spoils.replaced_from(have) == have.issued_at + wait


@pytest.mark.parametrize(
    ("kept", "age", "after"),
    [
        (Kept(), HOUR, 0),
        (Kept(loss=GONE), DAY, 1),
        (Kept(loss=GONE, early=3), DAY, 4),
        (Kept(loss=GONE, early=3), 8 * DAY, 1),
        (Kept(early=3), DAY, 2),
        (Kept(early=3), 60 * DAY, 0),
    ],
)
def test_how_many_were_early_in_a_row(kept, age, after):
    have = build.certificate(kept=kept, issued_at=NOW - age)
    assert spoils.early_after(build.claim(certificate=have), NOW) == after
    assert spoils.early_after(build.claim(), NOW) == 0
