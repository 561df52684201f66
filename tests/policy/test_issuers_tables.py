"""Which issuer an order goes to, and when another one may stand in for it."""

from dataclasses import replace
from datetime import timedelta

import build
import pytest
from build import DAY, NOW, RULES, SECOND

from customdomains.model.certificate import Fallback, OrderError
from customdomains.model.reasons import Reason
from customdomains.policy.certificates import certificate_due, without_foreign_order
from customdomains.policy.issuers import TROUBLE, Choice, chain_of, choose, none_left, yields

ISSUERS = ("pebble", "other", "third")
CHAINED = replace(RULES, issuers=ISSUERS, fallbacks={"pebble": "other", "other": "third"})
PROVED = build.claim(verification=build.proof())
INSTEAD = Fallback("pebble", Reason.CAA_FORBIDS)


def failed(**changed):
    return replace(PROVED, failure=build.failure(**{"issuer": "pebble"} | changed))


def lasting(left: timedelta):
    """A certificate for 90 days of which so much is left."""
    facts = build.facts(NOW + left - 90 * DAY)
    facts = replace(facts, not_before=NOW + left - 90 * DAY, not_after=NOW + left)
    return replace(PROVED, certificate=replace(build.certificate(), facts=facts))


@pytest.mark.parametrize(
    ("wanted", "fallbacks", "chain"),
    [
        (None, {}, ("pebble",)),
        ("other", {}, ("other",)),
        ("nobody", {"nobody": "pebble"}, ()),
        (None, CHAINED.fallbacks, ISSUERS),
        ("pebble", CHAINED.fallbacks, ISSUERS),
        ("other", CHAINED.fallbacks, ("other", "third")),
        ("third", CHAINED.fallbacks, ("third",)),
        (None, {"pebble": "other", "other": "pebble"}, ("pebble", "other")),
    ],
)
def test_the_chain_begins_with_what_is_wanted(wanted, fallbacks, chain):
    rules = replace(CHAINED, fallbacks=fallbacks)
    assert chain_of(build.domain(issuer=wanted), rules) == chain


FAILED_BY_CAA = {"reason": Reason.CAA_FORBIDS}


@pytest.mark.parametrize(
    ("claim", "choice"),
    [
        (PROVED, Choice(ISSUERS, hurried=True)),
        (failed(), Choice(ISSUERS, hurried=True)),
        (failed(unplaced=True), Choice(ISSUERS, hurried=True, again=True)),
        (failed(unplaced=True, reason=Reason.CHALLENGE_FAILED), Choice(ISSUERS, hurried=True)),
        (failed(unplaced=True, reason=Reason.CAA_UNKNOWN), Choice(ISSUERS, hurried=True)),
        # We have seen the record ourselves, and look again.
        (failed(unplaced=True, **FAILED_BY_CAA), Choice(ISSUERS, hurried=True)),
        # Only the CA has seen it.
        (failed(**FAILED_BY_CAA), Choice(ISSUERS[1:], INSTEAD, hurried=True)),
        (failed(issuer="other", **FAILED_BY_CAA), Choice(ISSUERS[2:], INSTEAD, hurried=True)),
        (failed(issuer="third", **FAILED_BY_CAA), Choice(ISSUERS, hurried=True)),
        (failed(issuer="", **FAILED_BY_CAA), Choice(ISSUERS, hurried=True)),
        (lasting(30 * DAY + SECOND), Choice(ISSUERS)),
        (lasting(30 * DAY), Choice(ISSUERS, hurried=True)),
        (lasting(-DAY), Choice(ISSUERS, hurried=True)),
    ],
)
def test_where_an_order_is_placed(claim, choice):
    assert choose(build.domain(), claim, CHAINED, NOW) == choice


def test_a_certificate_for_other_names_is_none():
    found = choose(build.domain(wildcard=True), lasting(80 * DAY), CHAINED, NOW)
    assert found == Choice(ISSUERS, hurried=True)


def test_without_such_an_issuer_there_is_no_choice():
    assert choose(build.domain(issuer="nobody"), PROVED, CHAINED, NOW) is None
    assert choose(build.domain(), PROVED, replace(RULES, issuers=()), NOW) is None


@pytest.mark.parametrize("reason", sorted(TROUBLE))
@pytest.mark.parametrize(
    ("hurried", "again", "back_in", "goes_on"),
    [
        (True, True, None, True),
        (True, False, None, False),
        (True, False, timedelta(seconds=60), False),
        (True, False, timedelta(seconds=61), True),
        (False, True, None, False),
        (False, False, DAY, False),
    ],
)
def test_when_trouble_at_one_brings_the_next(reason, hurried, again, back_in, goes_on):
    choice = Choice(ISSUERS, hurried=hurried, again=again)
    error = OrderError(reason, "no", retry_at=NOW + back_in if back_in else None)
    assert yields(choice, error, NOW) is goes_on


def test_no_other_failure_brings_the_next_but_caa():
    for reason in set(Reason) - TROUBLE:
        error = OrderError(reason, "no", retry_at=NOW + DAY)
        for hurried in (True, False):
            choice = Choice(ISSUERS, hurried=hurried, again=True)
            assert yields(choice, error, NOW) is (reason is Reason.CAA_FORBIDS)


def test_the_failure_of_one_is_told_as_it_is():
    error = OrderError(Reason.CA_REFUSED, "No.", retry_at=NOW, order_lost=True)
    assert none_left([("pebble", error)]) is error


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [(None, None, None), (NOW + DAY, None, None), (NOW + DAY, NOW + SECOND, NOW + SECOND)],
)
def test_what_failed_everywhere_is_tried_as_soon_as_it_may_be_anywhere(first, second, both):
    told = none_left(
        [
            ("pebble", OrderError(Reason.CA_RATE_LIMITED, "The limit. " * 90, retry_at=first)),
            ("other", OrderError(Reason.CA_UNREACHABLE, "It is away.", retry_at=second)),
        ]
    )
    assert (told.reason, told.retry_at) == (Reason.CA_RATE_LIMITED, both)
    assert told.message.endswith("; nor does other: It is away")
    assert len(told.message) < 300


# --- what stands in counts as what is wanted -----------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "at", "stays"),
    [
        (None, "other", True),
        ("pebble", "other", True),
        ("pebble", "third", True),
        ("other", "pebble", False),
        ("third", "other", False),
    ],
)
def test_an_order_elsewhere_is_ours(wanted, at, stays):
    claim = replace(PROVED, order=replace(build.order(), issuer=at))
    after = without_foreign_order(build.domain(issuer=wanted), claim, CHAINED)
    assert (after.order is not None) is stays


@pytest.mark.parametrize(
    ("wanted", "by", "fallback", "due"),
    [
        ("pebble", "other", INSTEAD, False),
        ("pebble", "other", None, True),
        ("other", "other", INSTEAD, True),
        ("third", "other", INSTEAD, True),
        (None, "other", INSTEAD, False),
        (None, "other", None, False),
    ],
)
def test_a_certificate_from_elsewhere_will_do_until_its_renewal(wanted, by, fallback, due):
    have = replace(build.certificate(), issuer=by, fallback=fallback)
    claim = replace(PROVED, certificate=have)
    domain = build.domain(issuer=wanted)
    assert certificate_due(domain, claim, CHAINED, NOW) is due
    assert certificate_due(domain, claim, CHAINED, have.renewal_time)
