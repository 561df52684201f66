"""What the metrics count."""

from dataclasses import replace
from typing import Any

import build
import pytest
from build import DAY, HOUR, NOW, SECOND

from customdomains.model.claim import NOBODY, Claim
from customdomains.model.seat import Contender, Standing
from customdomains.policy.census import PROOFS, SEATS, count_proofs, count_seats

GONE = build.claim(verification=build.proof(gone_since=NOW - 72 * HOUR))
RESERVED = build.claim(id="", token="", holder=NOBODY, reserved_for="tenant")


def contender(**standing: Any) -> Contender:
    return Contender("b" * 32, "c" * 64, build.holder(namespace_uid="else"), Standing(**standing))


def contended(*seats: Contender, **standing: Any) -> Claim:
    return build.claim(contenders=seats, standing=Standing(**standing))


@pytest.mark.parametrize(
    ("claim", "counted"),
    [
        (build.claim(), {"held": 1}),
        (RESERVED, {"reserved": 1}),
        (replace(RESERVED, contenders=(contender(),)), {"reserved": 1, "contending": 1}),
        (contended(vacant_since=NOW), {"vacant": 1}),
        (contended(expired_at=NOW), {"expired": 1}),
        (contended(expired_at=NOW, vacant_since=NOW), {"vacant": 1}),
        (contended(contender(), contender()), {"held": 1, "contending": 2}),
        (contended(contender(lost_at=NOW)), {"held": 1, "lost": 1}),
        (contended(contender(lost_at=NOW, vacant_since=NOW)), {"held": 1, "vacant": 1}),
        (contended(contender(expired_at=NOW), vacant_since=NOW), {"vacant": 1, "expired": 1}),
    ],
)
def test_seats(claim: Claim, counted: dict[str, int]) -> None:
    assert count_seats([claim, claim]) == {kind: 2 * counted.get(kind, 0) for kind in SEATS}


def test_no_claims_are_noughts() -> None:
    assert count_seats([]) == dict.fromkeys(SEATS, 0)
    assert count_proofs([], build.RULES, NOW) == dict.fromkeys(PROOFS, 0)


@pytest.mark.parametrize(
    ("claim", "counted"),
    [
        (build.claim(), {}),
        (build.claim(verification=build.proof()), {"current": 1}),
        (build.claim(verification=build.proof(gone_since=NOW)), {"gone": 1}),
        (build.claim(verification=build.proof(gone_since=NOW - DAY)), {"gone": 1}),
        (GONE, {"expired": 1}),
    ],
)
def test_proofs(claim: Claim, counted: dict[str, int]) -> None:
    wanted = {state: counted.get(state, 0) for state in PROOFS}
    assert count_proofs([claim], build.RULES, NOW) == wanted


def test_a_proof_expires_with_its_grace_period() -> None:
    assert count_proofs([GONE], build.RULES, NOW - SECOND)["gone"] == 1
