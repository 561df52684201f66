"""Seats: who gets one, who keeps it, who loses it, as tables of claims before and after."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import build
import pytest
from build import DAY, HOUR, NOW, SECOND

from customdomains.model.claim import NOBODY, TRANSFER_TO, Claim, Contender, Holder, Standing
from customdomains.model.domain import Key
from customdomains.model.identity import Identity
from customdomains.model.reasons import Reason
from customdomains.policy import seats, succession
from customdomains.policy.rules import ClaimRules
from customdomains.policy.seats import Refusal

NEW = Identity("f" * 32, "e" * 64)
RULES = build.RULES
CLAIM_RULES = ClaimRules(contenders=3)
OTHER = Holder(Key("other", "site"), "other-uid", "site-uid")
PROVED = build.claim(verification=build.proof())


def seat(name: str, since: datetime = NOW - HOUR, **standing: Any) -> Contender:
    """The seat of the namespace `name`."""
    holder = Holder(Key(name, "site"), f"{name}-uid", f"{name}-site")
    return Contender(f"id-{name}", f"token-{name}", holder, Standing(since=since, **standing))


def reserved(namespace: str, **changed: Any) -> Claim:
    free = {"id": "", "token": "", "holder": NOBODY, "reserved_for": namespace}
    return build.claim(**(free | changed))


def vacant(claim: Claim, since: datetime = NOW - HOUR, **more: Any) -> Claim:
    return replace(claim, standing=Standing(since=claim.since, vacant_since=since, **more))


def entered(claim: Claim, holder: Holder = OTHER, rules: ClaimRules = CLAIM_RULES) -> Any:
    return seats.enter(claim, holder, NEW, NOW, rules, seats=0)


# --- whose seat it is -----------------------------------------------------------------------------

CONTESTED = replace(PROVED, contenders=(seat("a"), seat("b", vacant_since=NOW - DAY)))
HANDED = {"annotations": {TRANSFER_TO: "other", "kept": "1"}}

FOUND: list[tuple[str, Claim, Holder, str | None]] = [
    ("the holder's", CONTESTED, build.holder(), build.ID),
    ("made anew", CONTESTED, build.holder(uid="anew"), build.ID),
    ("between the two writes over HTTP", CONTESTED, build.holder(uid=None), build.ID),
    ("another name in its namespace", CONTESTED, build.holder(key=Key("tenant", "b")), None),
    ("the same, once it is vacant", vacant(CONTESTED), build.holder(key=Key("tenant", "b")),
     build.ID),
    ("a contender's", CONTESTED, seat("a").holder, "id-a"),
    ("a vacant one, under another name", CONTESTED,
     replace(seat("b").holder, key=Key("b", "anew")), "id-b"),
    ("another namespace of the same name", CONTESTED, build.holder(namespace_uid="anew"), None),
    ("the same, vacant", vacant(CONTESTED), build.holder(namespace_uid="anew"), None),
    ("a stranger's", CONTESTED, OTHER, None),
    ("nobody holds it", reserved("tenant"), build.holder(), None),
    ("handed over", replace(vacant(PROVED), metadata=HANDED), OTHER, build.ID),
    ("handed over to one who contends", replace(
        vacant(PROVED), metadata=HANDED, contenders=(seat("other"),)), seat("other").holder,
     build.ID),
    ("handed over too early", replace(PROVED, metadata=HANDED), OTHER, None),
    ("handed over to somebody else", replace(vacant(PROVED), metadata=HANDED),
     seat("a").holder, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "claim", "holder", "wanted"), FOUND, ids=[r[0] for r in FOUND])
def test_whose_seat(name: str, claim: Claim, holder: Holder, wanted: str | None) -> None:
    found = seats.find_seat(claim, holder)
    assert (found.id if found else None) == wanted


# --- who gets one ---------------------------------------------------------------------------------

FULL = replace(PROVED, contenders=(seat("a"), seat("b"), seat("c")))
EXPIRED = build.claim(standing=Standing(since=NOW - 9 * DAY, expired_at=NOW - DAY, asked="a"))
NO_CONTESTS = replace(CLAIM_RULES, contests=False)

REFUSED: list[tuple[str, Claim, Holder, ClaimRules, Reason]] = [
    ("another one of the namespace holds it", PROVED, build.holder(key=Key("tenant", "b")),
     CLAIM_RULES, Reason.HELD_BY_ANOTHER),
    ("another one of the namespace contends", CONTESTED,
     replace(seat("a").holder, key=Key("a", "b")), CLAIM_RULES, Reason.HELD_BY_ANOTHER),
    ("another one of the namespace has expired", EXPIRED, build.holder(key=Key("tenant", "b")),
     CLAIM_RULES, Reason.HELD_BY_ANOTHER),
    ("reserved", reserved("tenant"), OTHER, CLAIM_RULES, Reason.RESERVED),
    ("reserved and held", replace(PROVED, reserved_for="tenant"), OTHER, CLAIM_RULES,
     Reason.RESERVED),
    ("no contests", build.claim(), OTHER, NO_CONTESTS, Reason.HELD_BY_ANOTHER),
    ("full", FULL, OTHER, CLAIM_RULES, Reason.TOO_MANY_CONTENDERS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "claim", "holder", "rules", "reason"), REFUSED, ids=[r[0] for r in REFUSED]
)
def test_who_gets_no_seat(
    name: str, claim: Claim, holder: Holder, rules: ClaimRules, reason: Reason
) -> None:
    refusal = seats.enter(claim, holder, NEW, NOW, rules, seats=0)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    assert refusal == seats.refuse(claim, holder, rules, seats=0)
    namespaces = {other.holder.key.namespace for other in claim.seats} | {claim.reserved_for or ""}
    words = set(refusal.message.replace(",", " ").split())
    assert not words & (namespaces - {holder.key.namespace}), "it names another namespace"


@pytest.mark.parametrize(("room", "words"), [(1, "and one other waits"), (2, "and 2 others wait")])
def test_how_many_wait_is_said(room: int, words: str) -> None:
    waiting = tuple(seat(name) for name in ("a", "b")[:room])
    claim = replace(build.claim(), contenders=waiting)
    refusal = seats.refuse(claim, OTHER, ClaimRules(contenders=room), seats=0)
    assert refusal is not None
    assert words in refusal.message


def test_a_quota_is_for_newcomers() -> None:
    rules = ClaimRules(per_namespace=2)
    assert seats.over_quota("tenant", 1, rules) is None
    refusal = seats.enter(build.claim(), OTHER, NEW, NOW, rules, seats=2)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.QUOTA_EXCEEDED
    assert "has 2 domains" in refusal.message
    away = vacant(build.claim())
    back = seats.enter(away, build.holder(uid="anew"), NEW, NOW, rules, seats=2)
    assert isinstance(back, Claim)
    assert seats.over_quota("tenant", 10**6, ClaimRules()) is None


CONTENDS: list[tuple[str, Claim, ClaimRules, tuple[str, ...]]] = [
    ("who is held off by a holder", build.claim(), CLAIM_RULES, (NEW.id,)),
    ("who comes to a proved tombstone", vacant(PROVED), NO_CONTESTS, (NEW.id,)),
    ("who waits with others", replace(PROVED, contenders=(seat("a"),)), CLAIM_RULES,
     ("id-a", NEW.id)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "claim", "rules", "wanted"), CONTENDS, ids=[r[0] for r in CONTENDS]
)
def test_who_contends(name: str, claim: Claim, rules: ClaimRules, wanted: tuple[str, ...]) -> None:
    after = entered(claim, rules=rules)
    assert tuple(other.id for other in after.contenders) == wanted
    assert replace(after, contenders=claim.contenders) == claim
    mine = seats.find_seat(after, OTHER)
    assert mine == Contender(NEW.id, NEW.token, OTHER, Standing(since=NOW))


HOLDS: list[tuple[str, Claim, tuple[str, ...]]] = [
    ("a reserved name", reserved("other"), ()),
    ("who has expired", EXPIRED, (build.ID,)),
    ("who is away and has proved nothing", vacant(build.claim()), (build.ID,)),
    ("who is away, and others sleep",
     replace(vacant(build.claim()), contenders=(seat("a", expired_at=NOW - DAY),)),
     ("id-a", build.ID)),
]  # fmt: skip


@pytest.mark.parametrize("rules", [CLAIM_RULES, NO_CONTESTS])
@pytest.mark.parametrize(("name", "claim", "others"), HOLDS, ids=[r[0] for r in HOLDS])
def test_who_holds_it_at_once(
    name: str, claim: Claim, others: tuple[str, ...], rules: ClaimRules
) -> None:
    after = entered(claim, rules=rules)
    assert (after.id, after.token, after.holder) == (NEW.id, NEW.token, OTHER)
    assert after.standing == Standing(since=NOW)
    assert tuple(other.id for other in after.contenders) == others
    former = next((other for other in after.contenders if other.id == claim.id), None)
    assert former is None or (former.token, former.holder) == (claim.token, claim.holder)


EXPIRED_SEATS = tuple(seat(f"e{n}", expired_at=NOW - n * DAY) for n in range(seats.IDLE_SEATS))
AWAY_SEATS = (seat("one", vacant_since=NOW - HOUR), seat("two", vacant_since=NOW - 2 * HOUR))
ROOM = [
    ("there is room for some who are idle", EXPIRED_SEATS[1:], set()),
    ("then those go who are away", (*EXPIRED_SEATS, AWAY_SEATS[0]), {"id-one"}),
    ("the longest away first", (*EXPIRED_SEATS[1:], *AWAY_SEATS), {"id-two"}),
    ("then who has expired first", (*EXPIRED_SEATS, seat("old", expired_at=NOW - 99 * DAY)),
     {"id-old"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "idle", "gone"), ROOM, ids=[r[0] for r in ROOM])
def test_who_makes_room(name: str, idle: tuple[Contender, ...], gone: set[str]) -> None:
    contends = (seat("a"), seat("b"))
    after = entered(replace(PROVED, contenders=(*idle, *contends)))
    left = {other.id for other in after.contenders}
    assert left == {other.id for other in (*idle, *contends)} - gone | {NEW.id}
    assert len(left) <= CLAIM_RULES.contenders + seats.IDLE_SEATS


# --- who comes back -------------------------------------------------------------------------------


def test_who_comes_back_finds_all_as_it_was() -> None:
    have = replace(PROVED, certificate=build.certificate(), order=build.order())
    after = entered(vacant(have), build.holder(key=Key("tenant", "anew"), uid=None))
    assert after.holder == build.holder(key=Key("tenant", "anew"), uid=None)
    assert replace(after, holder=have.holder, standing=have.standing) == have
    assert after.standing == Standing(since=NOW)


def test_who_was_away_for_long_needs_another_certificate() -> None:
    """Its Secret is gone."""
    have = replace(PROVED, certificate=build.certificate(), order=build.order())
    after = entered(vacant(have, NOW - DAY), build.holder())
    assert (after.certificate, after.order) == (None, None)
    assert after.verification == have.verification


def test_who_was_made_anew_at_once_changes_nothing_else() -> None:
    mine = seats.find_seat(PROVED, build.holder(uid="anew"))
    assert mine is not None
    after = seats.take_up(PROVED, mine, build.holder(uid="anew"), NOW, CLAIM_RULES)
    assert after == replace(PROVED, holder=build.holder(uid="anew"))


@pytest.mark.parametrize("standing", [{"expired_at": NOW - DAY}, {"lost_at": NOW - DAY}])
def test_who_slept_and_was_made_anew_is_awake(standing: dict[str, Any]) -> None:
    sleeping = seat("a", **standing)
    claim = replace(PROVED, contenders=(sleeping,))
    again = replace(sleeping.holder, uid="anew")
    after = seats.take_up(claim, sleeping, again, NOW, CLAIM_RULES)
    assert after.contenders == (replace(sleeping, holder=again, standing=Standing(since=NOW)),)
    same = seats.take_up(claim, sleeping, sleeping.holder, NOW, CLAIM_RULES)
    assert same == claim


def test_a_seat_handed_over_is_taken_up_once_and_without_the_secrets_of_its_namespace() -> None:
    have = replace(PROVED, certificate=build.certificate(), order=build.order())
    claim = replace(vacant(have), metadata=HANDED, contenders=(seat("a"), seat("other")))
    heir = seat("other").holder
    found = seats.find_seat(claim, heir)
    assert found is not None
    after = seats.take_up(claim, found, heir, NOW, CLAIM_RULES)
    assert (after.id, after.token, after.holder) == (claim.id, claim.token, heir)
    assert after.verification == claim.verification
    assert (after.certificate, after.order) == (None, None)
    assert after.metadata == {"annotations": {"kept": "1"}}
    assert after.contenders == (seat("a"),)


# --- who may take it over -------------------------------------------------------------------------

GONE = build.claim(verification=build.proof(gone_since=NOW - HOUR))

OPEN: list[tuple[str, Claim, ClaimRules, datetime | None]] = [
    ("nothing proved", build.claim(), CLAIM_RULES, NOW),
    ("nothing proved, no contests", build.claim(), NO_CONTESTS, None),
    ("proved", PROVED, CLAIM_RULES, None),
    ("gone", GONE, CLAIM_RULES, NOW - HOUR + RULES.grace_period),
    ("gone, no contests", GONE, NO_CONTESTS, None),
    ("proved and away", vacant(PROVED), CLAIM_RULES, NOW),
    ("proved and away, no contests", vacant(PROVED), NO_CONTESTS, NOW),
    ("reserved for another", replace(build.claim(), reserved_for="tenant"), CLAIM_RULES, None),
    ("reserved for it", replace(build.claim(), reserved_for="a"), CLAIM_RULES, NOW),
]


@pytest.mark.parametrize(("name", "claim", "rules", "wanted"), OPEN, ids=[r[0] for r in OPEN])
def test_from_when_it_may_be_taken_over(
    name: str, claim: Claim, rules: ClaimRules, wanted: datetime | None
) -> None:
    assert seats.open_from(claim, seat("a"), NOW, replace(RULES, claims=rules)) == wanted


def test_the_loser_keeps_identity_and_certificate() -> None:
    have = replace(
        GONE,
        certificate=build.certificate(),
        order=build.order(),
        failure=build.failure(),
        issue_handled="a",
        contenders=(seat("a"), seat("b")),
    )
    proof = build.proof(verified_at=NOW)
    after = succession.take_over(have, seat("b"), proof, NOW, "asked")
    assert (after.id, after.token, after.holder) == ("id-b", "token-b", seat("b").holder)
    assert after.verification == proof
    assert (after.order, after.failure, after.issue_handled) == (None, None, None)
    assert after.certificate is None
    lost = Standing(since=have.created, lost_at=NOW, asked="asked")
    loser = Contender(have.id, have.token, have.holder, lost, have.certificate)
    assert after.contenders == (seat("a"), loser)
    assert succession.is_asleep(loser)
    assert not succession.is_woken(loser, "asked")
    assert not succession.is_woken(loser, None)
    assert succession.is_woken(loser, "asked again")


def test_a_loser_who_takes_it_back_has_its_certificate() -> None:
    loser = replace(seat("a"), certificate=build.certificate())
    after = succession.take_over(
        replace(build.claim(), contenders=(loser,)), loser, build.proof(), NOW, None
    )
    assert after.certificate == build.certificate()
    assert [other.id for other in after.contenders] == [build.ID]


# --- expiry ---------------------------------------------------------------------------------------

EXPIRES: list[tuple[str, Claim, Contender, datetime | None]] = [
    ("a holder", build.claim(), build.claim().holder_seat, build.claim().created + 7 * DAY),
    ("a holder since", build.claim(standing=Standing(since=NOW)),
     build.claim(standing=Standing(since=NOW)).holder_seat, NOW + 7 * DAY),
    ("a verified holder", GONE, GONE.holder_seat, None),
    ("a contender", PROVED, seat("a"), NOW - HOUR + 7 * DAY),
    ("who has expired", PROVED, seat("a", expired_at=NOW), None),
    ("who has lost", PROVED, seat("a", lost_at=NOW), None),
    ("who is away", PROVED, seat("a", vacant_since=NOW), None),
]  # type: ignore[list-item] # fmt: skip


@pytest.mark.parametrize(("name", "claim", "whose", "wanted"), EXPIRES, ids=[r[0] for r in EXPIRES])
def test_when_it_expires(
    name: str, claim: Claim, whose: Contender, wanted: datetime | None
) -> None:
    assert seats.expires_at(claim, whose, CLAIM_RULES) == wanted


def test_an_expired_holder_goes_behind_the_first_who_waits() -> None:
    claim = build.claim(
        contenders=(seat("a", expired_at=NOW), seat("b", lost_at=NOW), seat("c"), seat("d"))
    )
    mine = claim.holder_seat
    assert mine is not None
    after = succession.expire(claim, mine, "asked", NOW)
    assert (after.id, after.holder, after.standing) == (
        "id-c",
        seat("c").holder,
        Standing(since=NOW),
    )
    assert [other.id for other in after.contenders] == ["id-a", "id-b", "id-d", claim.id]
    former = after.contenders[-1]
    assert former.standing == Standing(since=claim.created, expired_at=NOW, asked="asked")
    again = succession.revive(after, former, NOW)
    assert again.id == "id-c"
    assert again.contenders[-1].standing == Standing(since=NOW)


def test_who_expired_alone_holds_it_again_when_woken() -> None:
    mine = EXPIRED.holder_seat
    assert mine is not None
    assert succession.revive(EXPIRED, mine, NOW).standing == Standing(since=NOW)


def test_the_first_to_wake_holds_it() -> None:
    other = seat("a", expired_at=NOW)
    claim = replace(EXPIRED, contenders=(other,))
    after = succession.revive(claim, other, NOW)
    assert after.id == "id-a"
    assert [left.id for left in after.contenders] == [build.ID]


# --- leaving --------------------------------------------------------------------------------------


def left(claim: Claim, seat_id: str = build.ID) -> Claim | None:
    mine = next(each for each in claim.seats if each.id == seat_id)
    return succession.vacate(claim, mine, NOW)


def test_a_vacant_seat_is_kept() -> None:
    after = left(PROVED)
    assert after == replace(PROVED, standing=Standing(since=PROVED.created, vacant_since=NOW))


def test_a_proved_one_is_kept_before_those_who_wait() -> None:
    after = left(CONTESTED)
    assert after is not None
    assert after.id == build.ID
    assert after.contenders == CONTESTED.contenders


def test_an_unproved_one_makes_way_and_is_kept_behind() -> None:
    after = left(build.claim(contenders=(seat("a"),)))
    assert after is not None
    assert after.id == "id-a"
    assert [other.standing.vacant_since for other in after.contenders] == [NOW]


def test_one_to_be_released_is_gone_at_once() -> None:
    kept = PROVED.holder_seat
    assert kept is not None
    claim = succession.release_on_delete(PROVED, kept, release=True)
    assert claim.standing.release
    assert left(claim) is None
    assert succession.release_on_delete(PROVED, kept, release=False) == PROVED
    contended = left(replace(claim, contenders=(seat("a"),)))
    assert contended is not None
    assert (contended.id, contended.contenders) == ("id-a", ())


def test_a_contender_leaves_alone() -> None:
    after = left(CONTESTED, "id-a")
    assert after is not None
    assert [other.standing.vacant_since for other in after.contenders] == [NOW, NOW - DAY]
    assert succession.remove(CONTESTED, "id-a", NOW) == replace(
        CONTESTED, contenders=CONTESTED.contenders[1:]
    )


LINE = (
    seat("away", vacant_since=NOW),
    seat("expired", expired_at=NOW, asked="a"),
    seat("lost", lost_at=NOW),
    seat("one"),
    seat("two"),
)
HEIRS: list[tuple[tuple[Contender, ...], str, Standing]] = [
    (LINE, "id-one", Standing(since=NOW)),
    (LINE[:3], "id-lost", Standing(since=NOW)),
    (LINE[:2], "id-expired", LINE[1].standing),
    (LINE[:1], "id-away", LINE[0].standing),
]


@pytest.mark.parametrize(("line", "heir", "standing"), HEIRS, ids=[r[1] for r in HEIRS])
def test_who_is_next(line: tuple[Contender, ...], heir: str, standing: Standing) -> None:
    claim = replace(PROVED, certificate=build.certificate(), contenders=line)
    after = succession.remove(claim, claim.id, NOW)
    assert after is not None
    assert (after.id, after.standing) == (heir, standing)
    assert (after.verification, after.certificate) == (None, None)
    assert {other.id for other in after.contenders} == {o.id for o in line} - {heir}


def test_nobody_is_left() -> None:
    assert succession.remove(PROVED, PROVED.id, NOW) is None


def test_a_reserved_name_goes_back_to_nobody() -> None:
    claim = replace(PROVED, reserved_for="tenant", contenders=(seat("a"),))
    after = succession.remove(claim, claim.id, NOW)
    assert after == replace(reserved("tenant"), contenders=(seat("a"),))
    mine = seat("tenant")
    after = succession.remove(replace(claim, contenders=(seat("a"), mine)), claim.id, NOW)
    assert after is not None
    assert (after.id, after.contenders) == (mine.id, (seat("a"),))


def test_nobody_is_promoted_to_a_name_reserved_for_another() -> None:
    claim = build.claim(reserved_for="tenant", contenders=(seat("a"), seat("tenant")))
    mine = claim.holder_seat
    assert mine is not None
    assert succession.expire(claim, mine, None, NOW + SECOND).id == "id-tenant"
