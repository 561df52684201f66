"""Which names edge proxies may serve, by the claims there are."""

from dataclasses import replace
from typing import Any

import build
import pytest
from build import DAY, NOW, RULES, SECOND

from customdomains.model.claim import NOBODY, Claim, Standing
from customdomains.policy.edge import may_be_served

ZONE, SHOP = "example.com", "shop.example.com"
WILD = (ZONE, f"*.{ZONE}")
STRANGER = build.holder(namespace_uid="stranger")

PROVED = build.proof()
GONE = build.proof(gone_since=NOW - RULES.grace_period + SECOND)
LAPSED = build.proof(gone_since=NOW - RULES.grace_period)
VACANT = Standing(vacant_since=NOW - DAY)


def own(**changed: Any) -> Claim:
    return build.claim(domain=SHOP, **changed)


def above(**changed: Any) -> Claim:
    """A wildcard, proved."""
    values: dict[str, Any] = {
        "domain": ZONE,
        "verification": PROVED,
        "certificate": build.certificate(names=WILD),
    }
    return build.claim(**(values | changed))


def served(name: str, *claims: Claim) -> bool:
    return may_be_served(name, {claim.domain: claim for claim in claims}.get, RULES, NOW)


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        (own(), False),
        (own(verification=PROVED), True),
        (own(verification=GONE), True),
        (own(verification=LAPSED), False),
        (own(verification=PROVED, standing=VACANT), False),
        (own(verification=PROVED, standing=Standing(expired_at=NOW - DAY)), False),
        (own(holder=NOBODY, reserved_for="tenant"), False),
        (own(verification=PROVED, failure=build.failure()), True),
    ],
)
def test_by_its_own_claim(claim, wanted):
    assert served(SHOP, claim) is wanted
    assert not served(f"www.{SHOP}", claim)
    assert not served(ZONE, claim)


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        (above(), True),
        (above(certificate=None, order=build.order(names=WILD)), True),
        (above(certificate=build.certificate(names=(ZONE,))), False),
        (above(certificate=None), False),
        (above(verification=GONE), True),
        (above(verification=LAPSED), False),
        (above(verification=None), False),
        (above(standing=VACANT), False),
    ],
)
def test_by_the_wildcard_one_label_above(claim, wanted):
    assert served(SHOP, claim) is wanted
    assert not served(f"www.{SHOP}", claim), "a wildcard stands for one label"
    assert not served("com", claim)


@pytest.mark.parametrize("wildcard", [above(), above(verification=LAPSED)])
def test_the_own_claim_comes_first(wildcard):
    assert served(SHOP, own(verification=PROVED, holder=STRANGER), wildcard)
    assert not served(SHOP, own(verification=LAPSED, holder=STRANGER), wildcard)
    assert not served(SHOP, own(), wildcard), "registered beside its own wildcard, not yet proved"


def test_a_stranger_who_has_proved_nothing_takes_no_name_from_under_a_wildcard():
    squatted = own(holder=STRANGER)
    assert served(SHOP, squatted, above())
    assert not served(SHOP, squatted, above(verification=LAPSED))
    assert not served(SHOP, squatted, above(certificate=None))


def test_a_claim_that_nobody_holds_decides_nothing():
    for nobodys in (own(verification=LAPSED, standing=VACANT), own(holder=NOBODY)):
        assert served(SHOP, nobodys, above())


def test_a_contender_decides_nothing():
    standing = own(verification=PROVED)
    contender = own(holder=STRANGER, id="f" * 32).seats[0]
    assert served(SHOP, replace(standing, contenders=(contender,)))
    assert not served(SHOP, own(contenders=(contender,)))
