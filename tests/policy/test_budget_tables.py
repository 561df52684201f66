"""What counts for which limit of a CA, and how much room is left."""

from dataclasses import replace
from datetime import timedelta

import build
import pytest
from build import DAY, DOMAIN, HOUR, MINUTE, NOW, SECOND
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.certificate import Method, Way
from customdomains.policy.budget import (
    LETS_ENCRYPT,
    Bucket,
    Demand,
    IssuerLimits,
    Kind,
    Limit,
    Rank,
    certificate_buckets,
    demand_at,
    failure_buckets,
    free_at,
    left,
    rank_of,
    spend,
)
from customdomains.policy.jobs import Choice, PlaceOrder
from customdomains.policy.limits import in_words, rounded_up

COUNTED = replace(LETS_ENCRYPT, renewals_exempt=False)
NAMES = (DOMAIN, f"*.{DOMAIN}")
FIRST = Demand("main", NAMES)
RENEWAL = Demand("main", NAMES, renewal=True, urgent_by=NOW + DAY)
TOLD = replace(RENEWAL, replaces=True)
PER_DOMAIN = Bucket(Kind.DOMAIN, "example.com")
PER_NAMES = Bucket(Kind.NAMES, f"*.{DOMAIN} {DOMAIN}")


@pytest.mark.parametrize(
    ("demand", "limits", "rank", "buckets"),
    [
        (FIRST, LETS_ENCRYPT, Rank.NEW, (PER_DOMAIN, PER_NAMES)),
        (RENEWAL, LETS_ENCRYPT, Rank.EXEMPT, (PER_NAMES,)),
        (TOLD, LETS_ENCRYPT, Rank.EXEMPT, ()),
        (RENEWAL, COUNTED, Rank.RENEWAL, (PER_DOMAIN, PER_NAMES)),
        (TOLD, COUNTED, Rank.RENEWAL, (PER_DOMAIN, PER_NAMES)),
        # What replaces an expired one, or is for other names, is urgent, and counts.
        (replace(FIRST, urgent_by=NOW), LETS_ENCRYPT, Rank.RENEWAL, (PER_DOMAIN, PER_NAMES)),
        (FIRST, IssuerLimits(), Rank.NEW, ()),
        (FIRST, IssuerLimits(domain=Limit(1, DAY)), Rank.NEW, (PER_DOMAIN,)),
    ],
)
def test_what_an_order_counts_for(demand, limits, rank, buckets):
    assert rank_of(demand, limits) is rank
    assert certificate_buckets(demand, limits) == buckets


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("a.b.example.com", "example.com"),
        ("example.com", "example.com"),
        ("shop.example.co.uk", "example.co.uk"),
        ("me.github.io", "me.github.io"),
        ("github.io", "github.io"),
        ("a.b.internal", "b.internal"),
    ],
)
def test_the_registered_domain(name, registered):
    [bucket] = certificate_buckets(Demand("a", (name,)), IssuerLimits(domain=Limit(1, DAY)))
    assert bucket.subject == registered


def test_a_failed_validation_is_of_the_identifier():
    assert failure_buckets(NAMES, LETS_ENCRYPT) == (Bucket(Kind.FAILURES, DOMAIN),)
    assert failure_buckets(NAMES, IssuerLimits()) == ()


def placing(**changed):
    values = {
        "claim": build.claim(certificate=build.certificate(issuer="main")),
        "choice": Choice(("main", "spare")),
        "names": (DOMAIN,),
        "ways": {"main": (Way(Method.DELEGATED),)},
        "secret_name": "shop-tls",
        "request": None,
    }
    return PlaceOrder(**(values | changed))


HAVE = build.certificate(issuer="main")


@pytest.mark.parametrize(
    ("job", "at", "renewal", "replaces"),
    [
        (placing(), NOW, True, False),
        (placing(replaces="ari"), NOW, True, True),
        (placing(names=NAMES), NOW, False, False),
        (placing(choice=Choice(("spare",)), replaces="ari"), NOW, False, False),
        (placing(), HAVE.facts.not_after, False, False),
        (placing(claim=build.claim()), NOW, False, False),
    ],
)
def test_what_is_a_renewal(job, at, renewal, replaces):
    demand = demand_at(job.choice.issuers[0], job, at)
    assert (demand.issuer, demand.names) == (job.choice.issuers[0], job.names)
    assert (demand.renewal, demand.replaces) == (renewal, replaces)
    have = job.claim.certificate
    assert demand.urgent_by == (have.facts.not_after if have else None)


# --- buckets --------------------------------------------------------------------------------------

FIVE = Limit(5, timedelta(hours=1))
PACE = 12 * MINUTE


def test_a_burst_and_then_one_by_one():
    empty_at = None
    for number in range(5):
        assert left(empty_at, FIVE, NOW) == 5 - number
        assert free_at(empty_at, FIVE, NOW) == NOW
        empty_at = spend(empty_at, FIVE, NOW)
    assert left(empty_at, FIVE, NOW) == 0
    assert free_at(empty_at, FIVE, NOW) == NOW + PACE
    assert left(empty_at, FIVE, NOW + PACE) == 1
    assert left(empty_at, FIVE, NOW + HOUR) == 5


def test_what_is_held_takes_room():
    assert free_at(None, FIVE, NOW, held=4) == NOW
    assert free_at(None, FIVE, NOW, held=5) == NOW + PACE
    assert left(None, FIVE, NOW, held=3) == 2
    assert left(None, FIVE, NOW, held=9) == 0


class TokenBucket:
    """How a CA counts: so many tokens at most, refilled evenly."""

    def __init__(self, limit):
        self._limit = limit
        self._tokens = float(limit.most)
        self._at = NOW

    def take(self, at):
        gained = (at - self._at) / self._limit.pace
        self._tokens = min(self._tokens + gained, self._limit.most)
        self._at = at
        assert self._tokens >= 1 - 1e-6, "the CA would have refused"
        self._tokens -= 1


limits = st.builds(Limit, st.integers(1, 40), st.integers(1, 10**6).map(lambda s: s * SECOND))


@given(limits, st.lists(st.floats(0, 3), max_size=80))
def test_whatever_comes_when_the_ca_never_has_to_refuse(limit, gaps):
    """Whoever goes as soon as there is room is admitted by the CA's own count, over any window."""
    empty_at, at, ca = None, NOW, TokenBucket(limit)
    for gap in gaps:
        at = free_at(empty_at, limit, at + gap * limit.pace)
        assert left(empty_at, limit, at) >= 1
        empty_at = spend(empty_at, limit, at)
        ca.take(at)


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (timedelta(0), timedelta(0)),
        (SECOND, MINUTE),
        (59 * MINUTE + SECOND, HOUR),
        (HOUR + SECOND, HOUR + 15 * MINUTE),
        (5 * HOUR, 5 * HOUR),
        (2 * DAY + MINUTE, 2 * DAY + HOUR),
    ],
)
def test_moments_are_told_rounded_up(ahead, told):
    assert rounded_up(NOW + ahead, NOW) == NOW + told


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (3 * HOUR, "3 hours"),
        (HOUR, "an hour"),
        (7 * DAY, "7 days"),
        (DAY, "a day"),
        (90 * SECOND, "90 seconds"),
        (MINUTE, "a minute"),
        (90 * MINUTE, "90 minutes"),
    ],
)
def test_lengths_of_time_in_words(length, words):
    assert in_words(length) == words
