"""What is left of a failure when the registration goes that it was of."""

from dataclasses import replace

import build
import pytest
from build import DAY, MINUTE, NOW, SECOND

from customdomains.model.certificate import OrderError
from customdomains.model.claim import NOBODY, Claim, Contender, Failure, Standing
from customdomains.model.domain import Key
from customdomains.model.identity import Identity
from customdomains.model.reasons import Reason
from customdomains.policy import certificates, succession
from customdomains.policy.rules import ClaimRules
from customdomains.policy.seats import enter, take_up

NEW = Identity("c" * 32, "d" * 64)
RULES = ClaimRules()
PROVED = build.claim(verification=build.proof())

FAILED = Failure(
    Reason.CHALLENGE_FAILED, "no answer", NOW, 4, NOW + DAY, NOW + MINUTE, "7 a b", unplaced=True
)


@pytest.mark.parametrize(
    ("failure", "kept"),
    [
        (FAILED, True),
        (replace(FAILED, reason=Reason.CA_RATE_LIMITED), True),
        (replace(FAILED, retry_at=NOW), False),
        (replace(FAILED, reason=Reason.SECRET_CONFLICT), False),
        (replace(FAILED, reason=Reason.CA_UNREACHABLE), False),
    ],
)
def test_what_a_ca_remembers_of_a_name_outlives_its_registration(
    failure: Failure, kept: bool
) -> None:
    after = succession.remove(replace(PROVED, failure=failure), PROVED.id, NOW)
    assert (after is not None) is kept
    if after is None:
        return
    assert (after.holder, after.id, after.token, after.verification) == (NOBODY, "", "", None)
    assert not succession.is_over(after, NOW)
    assert succession.is_over(after, failure.retry_at)
    newcomer = build.holder(key=Key("b", "shop"), namespace_uid="uid-b", uid="new")
    entered = enter(after, newcomer, NEW, NOW + SECOND, RULES, 0)
    assert isinstance(entered, Claim)
    assert (entered.id, entered.verification) == (NEW.id, None)
    wants = build.domain(key=newcomer.key, uid="new")
    assert certificates.retry_at(wants, entered) == failure.retry_at
    assert not certificates.is_open(wants, entered), "it was another who asked"
    asks = replace(wants, check_requested="now")
    assert certificates.retry_at(asks, entered) == failure.earliest
    again = certificates.failed(
        entered, OrderError(Reason.CHALLENGE_FAILED, "again"), "", NOW + DAY, issuer="pebble"
    )
    assert again.failure is not None
    assert again.failure.count == failure.count + 1


def test_being_made_anew_shortens_no_wait() -> None:
    claim = replace(PROVED, failure=FAILED)
    seat_ = claim.holder_seat
    assert seat_ is not None
    again = take_up(claim, seat_, replace(claim.holder, uid="another"), NOW, RULES)
    assert certificates.retry_at(build.domain(uid="another"), again) == FAILED.retry_at
    assert certificates.retry_at(build.domain(), claim) == FAILED.earliest


def test_an_heir_has_not_failed() -> None:
    other = Contender("a" * 32, "t", build.RIVAL, Standing(since=NOW))
    after = succession.remove(replace(PROVED, failure=FAILED, contenders=(other,)), PROVED.id, NOW)
    assert after is not None
    assert (after.id, after.failure) == (other.id, None)
