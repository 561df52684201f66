"""What is decided for those who contend, sleep, come back or are turned away."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, RULES, SECOND

from customdomains.model.claim import Claim, Standing
from customdomains.model.domain import Key
from customdomains.model.reasons import Reason
from customdomains.policy import schedule
from customdomains.policy.checking import LAST_ANSWER
from customdomains.policy.decide import decide
from customdomains.policy.jobs import CheckDns
from customdomains.policy.leaving import leave
from customdomains.policy.rules import ClaimRules, NameRules
from customdomains.policy.world import (
    EnterClaim,
    LeaveClaim,
    Memory,
    MintClaim,
    Plan,
    ReplaceClaim,
    World,
)

FRESH = build.seen(build.TOKENED, NOW - 2 * SECOND)
PROVED = build.contested(verification=build.proof())
GRACE = RULES.grace_period
NO_CONTESTS = replace(RULES, claims=ClaimRules(contests=False))
EXPIRES = NOW - HOUR + RULES.claims.pending_expiry
ASKED = build.domain(check_requested="again")


def gone(since: datetime) -> Claim:
    return build.contested(verification=build.proof(gone_since=since))


# --- taking a claim over --------------------------------------------------------------------------


class Row(NamedTuple):
    name: str
    takes: bool
    claim: Claim
    memory: Memory = FRESH
    world: dict[str, Any] = {}  # noqa: RUF012 - never changed


TAKES = [
    Row("a holder who has proved nothing", True, build.contested()),
    Row("without contests", False, build.contested(), world={"rules": NO_CONTESTS}),
    Row("from one who is away, without contests", True,
        replace(PROVED, standing=Standing(since=NOW - DAY, vacant_since=NOW - HOUR)),
        world={"rules": NO_CONTESTS}),
    Row("a name reserved for the holder", False, build.contested(reserved_for="rival")),
    Row("a name reserved for the contender", True, build.contested(reserved_for="tenant")),
    Row("without any look", False, build.contested(), Memory()),
    Row("with a look from the future", False, build.contested(),
        build.seen(build.TOKENED, NOW + MINUTE)),
    Row("with the holder's token", False, build.contested(),
        build.seen(build.evidence(build.answer(build.RIVAL_TOKEN)))),
    Row("with the holder's CNAME", False, build.contested(),
        build.seen(build.evidence(build.answer(
            build.RIVAL_TOKEN, cname=f"{build.RIVAL_ID}.{build.ZONE}")))),
    Row("suspended", False, build.contested(), world={"domain": build.domain(suspend=True)}),
]  # fmt: skip


@pytest.mark.parametrize("row", TAKES, ids=[row.name for row in TAKES])
def test_who_takes_a_claim_over(row: Row) -> None:
    plan = decide(build.world(claim=row.claim, memory=row.memory, **row.world), NOW)
    if not row.takes:
        assert plan.claim is None
        return
    assert isinstance(plan.claim, ReplaceClaim)
    after = plan.claim.claim
    assert (after.id, after.token, after.holder) == (build.ID, build.TOKEN, build.holder())
    assert after.verification is not None
    assert row.memory.check is not None
    assert after.verification.verified_at == row.memory.check.at
    assert [seat.id for seat in after.contenders] == [build.RIVAL_ID]


def test_a_take_over_is_told_on_both_sides() -> None:
    world = build.world(claim=gone(NOW - GRACE), memory=FRESH, holder_asked="then")
    plan = decide(world, NOW)
    told = {(each.reason, each.to, each.warning) for each in plan.announcements}
    assert told == {
        ("Verified", None, False),
        ("TakenOver", build.KEY, False),
        (Reason.LOST, build.RIVAL.key, True),
    }
    for each in plan.announcements:
        assert "rival" not in each.note
        assert "tenant" not in each.note
    assert isinstance(plan.claim, ReplaceClaim)
    loser = plan.claim.claim.contenders[0]
    assert (loser.standing.lost_at, loser.standing.asked) == (NOW, "then")


def test_one_who_is_away_hears_nothing() -> None:
    away = replace(PROVED, standing=Standing(since=NOW - DAY, vacant_since=NOW - HOUR))
    plan = decide(build.world(claim=away, memory=FRESH), NOW)
    assert {each.to for each in plan.announcements} == {None, build.KEY}


# --- while it waits -------------------------------------------------------------------------------


@pytest.mark.parametrize("since", [NOW - HOUR, NOW - GRACE + MINUTE])
def test_it_is_due_when_the_holder_s_proof_stops_to_count(since: datetime) -> None:
    """And looks again then, so that its own proof is fresh."""
    world = build.world(claim=gone(since), memory=FRESH)
    plan = decide(world, NOW)
    assert plan.due is not None
    assert plan.due <= since + GRACE
    late = replace(world, memory=build.seen(build.TOKENED, since + GRACE - HOUR))
    assert [type(job) for job in decide(late, since + GRACE).jobs] == [CheckDns]


def test_it_is_looked_at_as_densely_as_a_holder() -> None:
    young = build.contested(build.seat(since=NOW - MINUTE))
    plan = decide(build.world(claim=young, memory=build.seen(build.MISSING)), NOW)
    assert plan.due is not None
    assert plan.due - NOW <= schedule.DENSE_DELAY
    assert decide(build.world(claim=young), NOW).jobs == (
        CheckDns(f"_acme-challenge.{build.DOMAIN}", None, nearby=False),
    )


def test_it_gets_no_order() -> None:
    plan = decide(
        build.world(claim=PROVED, memory=FRESH, domain=build.domain(issue_requested="a")), NOW
    )
    assert plan.jobs == ()
    assert plan.status is not None
    assert plan.status.phase == "pending"


@pytest.mark.parametrize("contended", [True, False])
def test_who_suspends_a_proved_domain_is_looked_at_where_others_contend(contended: bool) -> None:
    others = (replace(build.seat(), id="f" * 32, holder=build.RIVAL),) if contended else ()
    claim = build.claim(verification=build.proof(gone_since=NOW - HOUR), contenders=others)
    plan = decide(build.world(claim=claim, domain=build.domain(suspend=True)), NOW)
    assert [type(job) for job in plan.jobs] == ([CheckDns] if contended else [])


# --- expiry and waking ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim", [build.claim(), build.contested()], ids=["a holder", "a contender"]
)
@pytest.mark.parametrize("suspend", [True, False])
def test_who_proves_nothing_expires(claim: Claim, suspend: bool) -> None:
    world = build.world(
        claim=claim, memory=build.seen(build.MISSING), domain=build.domain(suspend=suspend)
    )
    before = decide(world, EXPIRES - SECOND)
    assert before.claim is None
    assert before.due is not None
    assert before.due <= EXPIRES
    plan = decide(world, EXPIRES)
    assert isinstance(plan.claim, ReplaceClaim)
    mine = next(seat for seat in plan.claim.claim.seats if seat.id == build.ID)
    assert mine.standing.expired_at == EXPIRES
    assert [(each.reason, each.to) for each in plan.announcements] == [
        (Reason.CLAIM_EXPIRED, build.KEY)
    ]


def test_who_has_just_asked_gets_an_answer_first_but_not_by_asking_on_and_on() -> None:
    world = build.world(memory=build.seen(build.MISSING), domain=ASKED)
    assert decide(world, EXPIRES).claim is None
    assert [type(job) for job in decide(world, EXPIRES).jobs] == [CheckDns]
    plan = decide(world, EXPIRES + LAST_ANSWER)
    assert isinstance(plan.claim, ReplaceClaim)
    answered = replace(world, memory=build.seen(build.MISSING, EXPIRES, "again"))
    assert isinstance(decide(answered, EXPIRES).claim, ReplaceClaim)


def test_a_proof_in_the_last_moment_counts() -> None:
    world = build.world(memory=build.seen(build.TOKENED, EXPIRES))
    plan = decide(world, EXPIRES)
    assert isinstance(plan.claim, ReplaceClaim)
    assert plan.claim.claim.verification is not None
    assert plan.claim.claim.standing.expired_at is None


def test_a_verified_holder_never_expires() -> None:
    claim = build.claim(verification=build.proof(gone_since=NOW))
    world = build.world(claim=claim, memory=build.seen(build.MISSING, NOW + 99 * DAY))
    assert decide(world, NOW + 99 * DAY).claim is None


SLEEPS = [
    build.claim(standing=Standing(since=NOW - 9 * DAY, expired_at=NOW - DAY, asked="once")),
    build.contested(build.seat(expired_at=NOW - DAY, asked="once")),
    build.contested(build.seat(lost_at=NOW - DAY, asked="once"), verification=build.proof()),
]


@pytest.mark.parametrize("claim", SLEEPS, ids=["holder", "contender", "loser"])
def test_who_sleeps_does_nothing_until_asked(claim: Claim) -> None:
    for said in (None, "once"):
        domain = build.domain(check_requested=said)
        plan = decide(build.world(claim=claim, memory=FRESH, domain=domain), NOW)
        assert (plan.claim, plan.jobs, plan.due) == (None, (), None)
        assert plan.status is not None
        assert plan.status.phase == "failed"
        assert plan.status.meaning.get("lastHandledCheckRequest") == said
    plan = decide(build.world(claim=claim, memory=FRESH, domain=ASKED), NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    mine = next(seat for seat in plan.claim.claim.seats if seat.id == build.ID)
    assert mine.standing == Standing(since=NOW)
    assert (plan.claim.claim.id == build.ID) is (claim.id == build.ID)
    for memory in (build.seen(build.MISSING), build.seen(build.TOKENED, NOW - DAY)):
        awake = build.world(claim=plan.claim.claim, memory=memory, domain=ASKED)
        then = decide(awake, NOW)
        assert then.claim is None, "what was seen before it fell asleep is no proof"
        assert [type(job) for job in then.jobs] == [CheckDns]


# --- newcomers ------------------------------------------------------------------------------------

NEWCOMERS: list[tuple[str, dict[str, Any], type | Reason]] = [
    ("nobody has it", {"claim": None}, MintClaim),
    ("somebody has it", {"claim": build.contested(*PROVED.contenders[:0] or (
        replace(build.seat(), id="f" * 32, holder=replace(build.RIVAL, namespace_uid="x")),))},
     EnterClaim),
    ("not allowed", {"claim": None, "rules": replace(RULES, names=NameRules(allowed=("org",)))},
     Reason.NAME_NOT_ALLOWED),
    ("not allowed, and another has it",
     {"claim": replace(PROVED, contenders=()),
      "rules": replace(RULES, names=NameRules(denied=("com",)))},
     Reason.NAME_NOT_ALLOWED),
    ("as many as may", {"claim": None, "seats": 2, "rules": replace(
        RULES, claims=ClaimRules(per_namespace=2))}, Reason.QUOTA_EXCEEDED),
    ("as many as may, and another has it", {
        "claim": replace(PROVED, contenders=()), "seats": 2, "rules": replace(
            RULES, claims=ClaimRules(per_namespace=2))}, Reason.QUOTA_EXCEEDED),
    ("one more may", {"claim": None, "seats": 1, "rules": replace(
        RULES, claims=ClaimRules(per_namespace=2))}, MintClaim),
    ("no contests", {"claim": replace(PROVED, contenders=()), "rules": NO_CONTESTS},
     Reason.HELD_BY_ANOTHER),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parts", "wanted"), NEWCOMERS, ids=[r[0] for r in NEWCOMERS])
def test_newcomers(name: str, parts: dict[str, Any], wanted: type | Reason) -> None:
    plan = decide(build.world(**parts), NOW)
    if isinstance(wanted, Reason):
        assert plan.claim is None
        assert plan.status is not None
        assert plan.status.reason is wanted
        assert plan.due == (
            None if wanted is Reason.NAME_NOT_ALLOWED else NOW + schedule.HELD_DELAY
        )
    else:
        assert type(plan.claim) is wanted


@pytest.mark.parametrize(
    "rules",
    [
        replace(RULES, names=NameRules(denied=("com",))),
        replace(RULES, claims=ClaimRules(per_namespace=1)),
        NO_CONTESTS,
    ],
    ids=["denied since", "quota since", "no contests since"],
)
@pytest.mark.parametrize("claim", [build.claim(), build.contested()], ids=["holder", "contender"])
def test_rules_are_for_newcomers(claim: Claim, rules: Any) -> None:
    plan = decide(build.world(claim=claim, rules=rules, seats=9), NOW)
    assert [type(job) for job in plan.jobs] == [CheckDns]


# --- who comes back -------------------------------------------------------------------------------


def test_a_pruned_domain_comes_back_to_what_it_had_and_is_looked_at_at_once() -> None:
    kept = build.claim(
        verification=build.proof(verified_at=NOW - 30 * DAY),
        certificate=build.certificate(),
        standing=Standing(since=NOW - 30 * DAY, vacant_since=NOW - HOUR),
    )
    again = build.domain(uid="anew", key=Key("tenant", "renamed"), created=NOW - SECOND)
    plan = decide(build.world(key=again.key, claim=kept, domain=again), NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    after = plan.claim.claim
    assert (after.id, after.token, after.verification) == (kept.id, kept.token, kept.verification)
    assert after.certificate == kept.certificate
    assert after.holder == build.holder(key=again.key, uid="anew")
    then = build.world(key=again.key, claim=after, domain=again, started=NOW - DAY)
    plan = decide(then, NOW)
    assert [type(job) for job in plan.jobs] == [CheckDns]
    assert plan.status is None, "what the look finds is told with it"
    later = NOW + 2 * HOUR
    assert decide(replace(then, started=later), later).jobs == (), "only once it has come back"


def test_the_wish_to_be_released_is_noted_and_taken_back() -> None:
    world = build.world(domain=build.domain(release=True), memory=build.seen(build.MISSING))
    plan = decide(world, NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    assert plan.claim.claim.standing.release
    assert decide(replace(world, claim=plan.claim.claim), NOW).claim is None
    plan = decide(replace(world, claim=plan.claim.claim, domain=build.domain()), NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    assert not plan.claim.claim.standing.release


def test_who_got_a_seat_over_http_is_told_once_its_resource_is_there() -> None:
    claim = build.contested(replace(build.seat(), holder=build.holder(uid=None)))
    plan = decide(build.world(claim=claim), NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    assert [(each.reason, each.to) for each in plan.announcements] == [(Reason.CONTENDING, None)]


# --- who is gone ----------------------------------------------------------------------------------

RETENTION = RULES.claims.retention


def left(claim: Claim, number: int = 0, now: datetime = NOW) -> Plan:
    return leave(claim, claim.seats[number], now, RULES.claims)


@pytest.mark.parametrize("number", [0, 1])
def test_a_seat_is_vacated_and_given_up_when_nobody_has_come_back(number: int) -> None:
    plan = left(PROVED, number)
    assert isinstance(plan.claim, LeaveClaim)
    assert plan.claim.seat == PROVED.seats[number]
    vacant = plan.claim.after
    assert vacant is not None
    assert vacant.seats[number].standing.vacant_since == NOW
    assert left(vacant, number) == Plan(due=NOW + RETENTION)
    plan = left(vacant, number, NOW + RETENTION)
    assert isinstance(plan.claim, LeaveClaim)
    assert plan.claim.after is not None
    assert [seat.id for seat in plan.claim.after.seats] == [PROVED.seats[1 - number].id]


def test_the_last_one_deletes_the_claim() -> None:
    away = build.claim(standing=Standing(vacant_since=NOW - RETENTION))
    plan = left(away)
    assert isinstance(plan.claim, LeaveClaim)
    assert plan.claim.after is None
    reserved = left(replace(away, reserved_for="tenant"))
    assert isinstance(reserved.claim, LeaveClaim)
    assert reserved.claim.after is not None
    assert reserved.claim.after.seats == ()


def test_one_who_makes_way_is_told_to_whom_it_goes() -> None:
    plan = left(build.contested())
    assert [(each.reason, each.to) for each in plan.announcements] == [("Registered", build.KEY)]


@pytest.mark.parametrize("contends", [True, False])
def test_a_registration_over_http_that_was_cut_short(contends: bool) -> None:
    """It is waited for, and then leaves nothing behind."""
    began = NOW - timedelta(minutes=3)
    waits = build.holder(uid=None)
    if contends:
        claim = build.contested(replace(build.seat(since=began), holder=waits))
    else:
        claim = build.claim(holder=waits, created=began)
    number = 1 if contends else 0
    ends = began + schedule.CLAIM_PATIENCE
    assert left(claim, number) == Plan(due=ends)
    plan = left(claim, number, ends)
    assert isinstance(plan.claim, LeaveClaim)
    after = plan.claim.after
    assert (after.contenders if after else None) == (() if contends else None)


def test_one_that_came_back_over_http_and_was_cut_short_is_kept() -> None:
    began = NOW - schedule.CLAIM_PATIENCE
    claim = build.claim(
        holder=build.holder(uid=None),
        standing=Standing(since=began),
        verification=build.proof(),
    )
    plan = left(claim)
    assert isinstance(plan.claim, LeaveClaim)
    assert plan.claim.after is not None
    assert plan.claim.after.standing.vacant_since == NOW


def test_nothing_there_nothing_to_do() -> None:
    assert decide(build.world(domain=None, claim=None), NOW) == Plan()
    assert decide(World(build.KEY, None, PROVED, "", Memory(), RULES), NOW) == Plan()
