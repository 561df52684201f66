"""What the results of jobs change, and what comes of it: one story each."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, RULES, SECOND

from customdomains.model.certificate import (
    IssuedCertificate,
    Method,
    OrderError,
    PlacedOrder,
    Way,
)
from customdomains.model.claim import Claim
from customdomains.model.reasons import Reason
from customdomains.policy.decide import decide
from customdomains.policy.jobs import CheckDns, Choice, CompleteOrder, OrderResult, PlaceOrder
from customdomains.policy.world import Plan, ReplaceClaim, World

PROVED = build.claim(verification=build.proof())
FRESH = build.seen(build.DELEGATED, NOW - 2 * SECOND)
FRESH_BY_HAND = build.seen(build.TOKENED, NOW - 2 * SECOND)
WAITED = build.claim(verification=build.proof(Method.MANUAL), order=build.order(Method.MANUAL))


def written(world: World, now: datetime = NOW) -> Claim:
    plan = decide(world, now)
    assert isinstance(plan.claim, ReplaceClaim)
    return plan.claim.claim


AT_PEBBLE = Choice(("pebble",))
PLACE = PlaceOrder(
    PROVED,
    AT_PEBBLE,
    (build.DOMAIN,),
    {"pebble": (Way(Method.DELEGATED),)},
    "shop-tls",
    "a",
    "1 - a",
)
PLACED = PlacedOrder("https://ca.example.net/order/2", (build.DIGEST,), None)
COMPLETE = CompleteOrder(replace(PROVED, order=build.order()), "shop-tls", "1 - -")
ISSUED = IssuedCertificate("PEM", build.facts(NOW))


def test_proof_and_order_are_one_write() -> None:
    memory = replace(FRESH, result=OrderResult(PLACE, PLACED, NOW))
    claim = written(build.world(memory=memory))
    assert claim.verification is not None
    assert claim.order is not None
    assert claim.order.url == PLACED.url
    assert claim.issue_handled == "a"


def test_a_certificate_ends_order_and_failure() -> None:
    world = build.world(
        claim=replace(PROVED, order=build.order(), failure=build.failure()),
        memory=replace(FRESH, result=OrderResult(COMPLETE, ISSUED, NOW)),
    )
    claim = written(world)
    assert (claim.order, claim.failure) == (None, None)
    assert claim.certificate is not None
    assert claim.certificate.facts == ISSUED.facts
    assert claim.certificate.serving_since is None


def test_a_renewed_certificate_serves_since_the_first() -> None:
    have = build.certificate()
    world = build.world(
        claim=replace(PROVED, order=build.order(), certificate=have),
        memory=replace(FRESH, result=OrderResult(COMPLETE, ISSUED, NOW)),
    )
    renewed = written(world).certificate
    assert renewed is not None
    assert renewed.serving_since == have.issued_at


@pytest.mark.parametrize("lost", [True, False])
def test_a_failed_order_is_kept_unless_it_is_lost(lost: bool) -> None:
    error = OrderError(Reason.CHALLENGE_FAILED, "x" * 9000, order_lost=lost)
    world = build.world(
        claim=replace(PROVED, order=build.order()),
        memory=replace(FRESH, result=OrderResult(COMPLETE, error, NOW)),
    )
    claim = written(world)
    assert (claim.order is None) is lost
    assert claim.failure is not None
    assert (claim.failure.count, claim.failure.heard) == (1, "1 - -")
    assert len(claim.failure.message) <= 500


def test_why_no_order_was_placed_answers_the_request_and_it_is_tried_again() -> None:
    error = OrderError(Reason.CA_RATE_LIMITED, "slow down", retry_at=NOW + HOUR)
    world = build.world(
        domain=build.domain(issue_requested="a"),
        claim=PROVED,
        memory=replace(FRESH, result=OrderResult(PLACE, error, NOW)),
    )
    claim = written(world)
    assert claim.issue_handled == "a"
    assert claim.failure is not None
    assert claim.failure.unplaced
    assert claim.failure.retry_at == claim.failure.earliest == NOW + HOUR


@pytest.mark.parametrize(
    ("outcome", "job"),
    [(PLACED, PLACE), (ISSUED, COMPLETE), (OrderError(Reason.CA_REFUSED, "no"), COMPLETE)],
)
def test_results_of_another_registration_change_nothing(outcome: Any, job: Any) -> None:
    stranger = replace(job, claim=replace(job.claim, id="f" * 32))
    memory = replace(FRESH, result=OrderResult(stranger, outcome, NOW))
    quiet = replace(PROVED, certificate=build.certificate())
    assert decide(build.world(claim=quiet, memory=memory), NOW).claim is None


def test_a_certificate_of_an_order_that_was_replaced_is_not_taken() -> None:
    newer = replace(PROVED, order=build.order(url="https://ca.example.net/order/9"))
    memory = replace(FRESH, result=OrderResult(COMPLETE, ISSUED, NOW))
    assert decide(build.world(claim=newer, memory=memory), NOW).claim is None


def test_a_dropped_order_opens_its_request_again() -> None:
    world = build.world(
        domain=build.domain(issue_requested="a", wildcard=True),
        claim=replace(WAITED, issue_handled="a"),
        memory=build.seen(build.TOKENED),
    )
    claim = written(world)
    assert (claim.order, claim.issue_handled) == (None, None)
    plan = decide(replace(world, claim=claim), NOW)
    assert [type(job) for job in plan.jobs] == [PlaceOrder]


def test_an_order_follows_the_way_of_proving() -> None:
    world = build.world(
        claim=replace(PROVED, order=build.order()), memory=build.seen(build.TOKENED)
    )
    claim = written(world)
    assert claim.order is not None
    assert claim.order.method is Method.MANUAL
    assert decide(replace(world, claim=claim), NOW).jobs == ()


def test_a_proof_back_after_the_grace_period_is_a_new_one() -> None:
    gone = build.claim(verification=build.proof(gone_since=NOW - 4 * DAY))
    proved = written(build.world(claim=gone, memory=build.seen(build.DELEGATED))).verification
    assert proved is not None
    assert proved.verified_at == NOW
    short = build.claim(verification=build.proof(gone_since=NOW - DAY))
    proved = written(build.world(claim=short, memory=build.seen(build.DELEGATED))).verification
    assert proved is not None
    assert proved.verified_at == build.proof().verified_at


def test_an_order_that_is_over_at_once_is_not_replaced_at_once() -> None:
    """A CA whose clock is behind gives orders that look expired."""
    world = build.world(
        claim=replace(PROVED, order=build.order(placed_at=NOW, expires=NOW)), memory=FRESH
    )
    claim = written(world)
    assert claim.failure is not None
    assert claim.failure.reason is Reason.ORDER_EXPIRED
    plan = decide(replace(world, claim=claim), NOW)
    assert plan.jobs == ()
    assert plan.due == NOW + MINUTE


def test_a_certificate_that_looks_old_at_once_is_not_replaced_at_once() -> None:
    """By a clock that is far ahead every certificate is past its renewal."""
    have = build.certificate(issued_at=NOW, facts=build.facts(NOW - 80 * DAY))
    world = build.world(claim=replace(PROVED, certificate=have), memory=FRESH)
    assert decide(world, NOW).jobs == ()
    later = replace(world, memory=build.seen(build.DELEGATED, NOW + HOUR))
    assert [type(job) for job in decide(later, NOW + HOUR).jobs] == [PlaceOrder]


def test_after_a_restart_rechecks_go_on() -> None:
    """Woken by its own due times and nothing else, an idle domain is looked at once a day."""
    claim = replace(PROVED, certificate=build.certificate())
    now, world = NOW, build.world(claim=claim)
    plan = decide(world, now)
    for _ in range(3):
        assert plan.due is not None
        now = plan.due
        plan = decide(world, now)
        if plan.jobs:
            break
    assert [type(job) for job in plan.jobs] == [CheckDns]
    assert now - NOW <= RULES.recheck_interval


PROGRESS: list[tuple[str, Callable[[], World], str | None]] = [
    ("registered", lambda: build.world(memory=FRESH_BY_HAND), "Verified"),
    ("ordered", lambda: build.world(
        claim=PROVED, memory=replace(FRESH, result=OrderResult(PLACE, PLACED, NOW))),
     "OrderPlaced"),
    ("issued", lambda: build.world(
        claim=replace(PROVED, order=build.order()),
        memory=replace(FRESH, result=OrderResult(COMPLETE, ISSUED, NOW))), "CertificateIssued"),
    ("gone", lambda: build.world(claim=PROVED, memory=build.seen(build.MISSING)), "ProofGone"),
    ("back", lambda: build.world(
        claim=build.claim(verification=build.proof(gone_since=NOW - HOUR)), memory=FRESH),
     "ProofBack"),
    ("failed", lambda: build.world(
        claim=PROVED,
        memory=replace(FRESH, result=OrderResult(
            PLACE, OrderError(Reason.CA_REFUSED, "no"), NOW))), "CARefused"),
    ("adopted", lambda: build.world(claim=build.claim(holder=build.holder(uid="old"))), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "wanted"), PROGRESS, ids=[p[0] for p in PROGRESS])
def test_what_is_announced(name: str, make: Callable[[], World], wanted: str | None) -> None:
    plan: Plan = decide(make(), NOW)
    assert [told.reason for told in plan.announcements] == ([wanted] if wanted else [])
    assert all(len(told.note.encode()) <= 1024 for told in plan.announcements)
