"""What is told by webhooks of a change: which messages are in the write that makes it."""

import json
from dataclasses import replace
from typing import Any

import build
import pytest
from build import DAY, HOUR, NOW

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim, Contender
from customdomains.model.reasons import Phase
from customdomains.model.seat import Standing
from customdomains.model.webhook import Message
from customdomains.policy.decide import decide
from customdomains.policy.rules import Rules
from customdomains.policy.telling import OUTBOX, TEXT_LENGTH, opened, parted
from customdomains.policy.world import Memory, Plan, ReplaceClaim

RULES: Rules = replace(build.RULES, claims=replace(build.RULES.claims, webhooks=True))


def told_as(phase: Phase | None, **changed: Any) -> Claim:
    return build.claim(standing=Standing(told=phase), **changed)


def plan(claim: Claim, memory: Memory | None = None, **changed: Any) -> Plan:
    world = build.world(
        claim=claim, rules=RULES, memory=memory or build.seen(build.DELEGATED), **changed
    )
    return decide(world, NOW)


def news(plan: Plan) -> list[tuple[str, Phase | None, Phase | None]]:
    assert isinstance(plan.claim, ReplaceClaim)
    return [(m.type.removeprefix("domain."), m.previous, m.status) for m in plan.claim.claim.outbox]


ACTIVE: dict[str, Any] = {"verification": build.proof(), "certificate": build.certificate()}


def test_nothing_that_has_not_changed_is_told_or_written() -> None:
    assert plan(told_as(Phase.ACTIVE, **ACTIVE)).claim is None


def test_one_from_before_is_not_written_to_for_that() -> None:
    assert plan(told_as(None, **ACTIVE)).claim is None


@pytest.mark.parametrize("told", [None, Phase.ACTIVE])
def test_a_proof_that_is_gone_is_told_with_the_write(told: Phase | None) -> None:
    found = plan(told_as(told, **ACTIVE), build.seen(build.MISSING))
    assert news(found) == [("proof_gone", Phase.ACTIVE, Phase.ACTIVE)]
    assert isinstance(found.claim, ReplaceClaim)
    assert found.claim.claim.standing == Standing(told=Phase.ACTIVE)


def test_the_end_of_the_grace_period_is_a_reason_to_write() -> None:
    gone = build.proof(gone_since=NOW - 4 * DAY)
    claim = told_as(Phase.ACTIVE, verification=gone, certificate=build.certificate())
    found = plan(claim, build.seen(build.MISSING))
    assert news(found) == [("failed", Phase.ACTIVE, Phase.FAILED)]
    assert isinstance(found.claim, ReplaceClaim)
    assert replace(found.claim.claim, outbox=(), standing=claim.standing) == claim


def test_the_end_of_a_certificate_is_a_reason_to_write() -> None:
    old = build.certificate(facts=build.facts(NOW - 100 * DAY))
    suspended = build.domain(suspend=True)
    found = plan(
        told_as(Phase.ACTIVE, verification=build.proof(), certificate=old), domain=suspended
    )
    assert news(found) == [("verified", Phase.ACTIVE, Phase.VERIFIED)]


def test_a_proof_that_comes_with_the_order_is_told_before_it() -> None:
    found = plan(told_as(Phase.PENDING, order=build.order()))
    assert news(found) == [
        ("verified", Phase.PENDING, Phase.VERIFIED),
        ("certificate_pending", Phase.VERIFIED, Phase.CERTIFICATE_PENDING),
    ]


def test_a_seat_that_gets_its_resource_is_told_as_new() -> None:
    half = build.claim(holder=build.holder(uid=None))
    assert news(plan(half, Memory())) == [("pending", None, Phase.PENDING)]


def test_who_has_lost_the_name_is_told_so_by_its_own_decision() -> None:
    seat = replace(build.seat(lost_at=NOW - HOUR), standing=Standing(NOW, lost_at=NOW, told=None))
    lost = replace(seat, standing=replace(seat.standing, told=Phase.ACTIVE))
    found = plan(build.contested(lost), Memory())
    assert news(found) == [("lost", Phase.ACTIVE, Phase.FAILED)]


def test_messages_have_all_that_a_backend_needs_and_no_token() -> None:
    found = plan(told_as(Phase.ACTIVE, **ACTIVE), build.seen(build.MISSING))
    assert isinstance(found.claim, ReplaceClaim)
    (message,) = found.claim.claim.outbox
    content = json.loads(message.body(build.DOMAIN))
    text = content["data"].pop("message")
    assert "the proof of ownership is gone" in text
    assert content == {
        "type": "domain.proof_gone",
        "timestamp": "2026-03-01T12:00:00Z",
        "data": {
            "id": build.ID,
            "domain_name": build.DOMAIN,
            "namespace": "tenant",
            "name": "shop",
            "status": "active",
            "previous_status": "active",
            "reason": "ProofGone",
        },
    }


def test_ids_are_the_same_for_the_same_write_and_differ_else() -> None:
    one, again = (plan(told_as(Phase.ACTIVE, **ACTIVE), build.seen(build.MISSING)) for _ in "12")
    assert one == again
    later = told_as(Phase.ACTIVE, resource_version="10", **ACTIVE)
    other = plan(later, build.seen(build.MISSING))
    assert isinstance(one.claim, ReplaceClaim)
    assert isinstance(other.claim, ReplaceClaim)
    assert one.claim.claim.outbox[0].id != other.claim.claim.outbox[0].id
    two = plan(told_as(Phase.PENDING, order=build.order()))
    assert isinstance(two.claim, ReplaceClaim)
    assert len({message.id for message in two.claim.claim.outbox}) == 2


def old_messages(count: int) -> tuple[Message, ...]:
    return tuple(
        Message(
            f"old_{n}", "domain.failed", NOW, build.ID, build.KEY, Phase.FAILED, None, "Why", ""
        )
        for n in range(count)
    )


def test_what_falls_out_of_a_full_outbox_is_told_by_an_event() -> None:
    full = told_as(Phase.ACTIVE, outbox=old_messages(OUTBOX), **ACTIVE)
    found = plan(full, build.seen(build.MISSING))
    assert isinstance(found.claim, ReplaceClaim)
    outbox = found.claim.claim.outbox
    assert [message.id for message in outbox[:-1]] == [f"old_{n}" for n in range(1, OUTBOX)]
    (event,) = [a for a in found.announcements if a.reason == "WebhookDropped"]
    assert event.warning
    assert event.to == build.KEY
    assert "old_0" in event.note


def test_a_long_reason_is_cut() -> None:
    failing = told_as(
        Phase.VERIFIED,
        verification=build.proof(),
        failure=build.failure(message="x" * 500),
    )
    found = plan(failing)
    assert isinstance(found.claim, ReplaceClaim)
    assert len(found.claim.claim.outbox[0].text) == TEXT_LENGTH


# --- coming and going -----------------------------------------------------------------------------


def test_a_registration_is_told_with_the_claims_create() -> None:
    claim = build.claim(uid="", resource_version="")
    world = build.world(claim=None, rules=RULES)
    made = opened(world, claim, claim.id, NOW)
    assert [(m.type, m.status) for m in made.outbox] == [("domain.pending", Phase.PENDING)]
    assert made.standing == Standing(told=Phase.PENDING)
    assert opened(build.world(claim=None), claim, claim.id, NOW) == claim


def gone(claim: Claim, after: Claim | None, seat: Contender | None = None) -> Claim | None:
    seat = seat or claim.holder_seat
    assert seat is not None
    return parted(claim, seat, after, NOW)


def test_a_claim_that_would_be_deleted_stays_unheld_until_that_is_told() -> None:
    left = gone(told_as(Phase.ACTIVE, metadata={"labels": {"a": "b"}}, **ACTIVE), None)
    assert left is not None
    assert (left.id, left.token, left.seats, left.certificate) == ("", "", (), None)
    assert left.metadata is None
    (message,) = left.outbox
    assert (message.type, message.previous, message.status, message.subject) == (
        "domain.deleted",
        Phase.ACTIVE,
        None,
        build.ID,
    )


def test_what_was_never_there_is_not_told_of_and_what_waits_is_kept() -> None:
    half = build.claim(holder=build.holder(uid=None))
    assert gone(half, None) is None
    left = gone(replace(half, outbox=old_messages(2)), None)
    assert left is not None
    assert left.outbox == old_messages(2)
    assert left.seats == ()


def test_who_is_away_already_is_not_told_of_again() -> None:
    vacant = build.claim(standing=Standing(vacant_since=NOW - DAY))
    assert gone(vacant, None) is None


def test_a_contender_that_goes_is_told_of_and_the_rest_stays() -> None:
    claim = build.contested()
    left = gone(claim, replace(claim, contenders=()), claim.contenders[0])
    assert left is not None
    assert left.holder == claim.holder
    assert [message.subject for message in left.outbox] == [build.ID]


def test_a_manual_proof_has_no_token_in_what_is_told() -> None:
    """Neither the token of a claim nor a challenge's value is for receivers."""
    pending = told_as(
        Phase.PENDING,
        order=build.order(Method.MANUAL),
    )
    found = plan(pending, build.seen(build.TOKENED))
    assert isinstance(found.claim, ReplaceClaim)
    said = "".join(message.text for message in found.claim.claim.outbox)
    assert build.TOKEN not in said
    assert build.DIGEST not in said
