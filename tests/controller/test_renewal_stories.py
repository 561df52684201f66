"""Renewals as the CA wants them (RFC 9773): one by one, and all that there are at once."""

from datetime import timedelta

import pytest
from fake_api import CLAIMS, DOMAINS
from fake_cluster import NAME, SHOP, verbs
from virtual_time import EPOCH

from customdomains.model.domain import Key
from customdomains.model.renewal import RenewalInfo

HOUR, DAY = 3600.0, 86_400.0
WHY = "https://ca.example/incident"


def at(seconds):
    """A moment by the loop's clock."""
    return EPOCH + timedelta(seconds=seconds)


def at_once(now, retry=6 * HOUR):
    """What a CA says that revokes."""
    return RenewalInfo(at(now - DAY), at(now - HOUR), WHY, at(now + retry))


@pytest.fixture
def advised(cluster):
    """A controller and `SHOP`, which is active, with a CA that offers renewal information."""
    cluster.ca.advises = True
    cluster.ca.lifetime = timedelta(days=90)
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(10)
    assert cluster.status(SHOP)["phase"] == "active"
    cluster.forget_writes()
    return cluster


def record(cluster, name=NAME):
    """What the claim has of the certificate."""
    return cluster.claim(name).certificate


def test_a_window_is_written_once_and_asked_for_as_often_as_the_ca_wants(advised):
    start = advised.loop.time() + 30 * DAY
    ari_id = record(advised).facts.ari_id
    advised.ca.advice[ari_id] = RenewalInfo(at(start), at(start + DAY), None, None)
    advised.run_for(5 * DAY)
    assert 9 <= len(advised.ca.asked) <= 12, "twice a day"
    assert verbs(advised)["update", CLAIMS] == 1
    assert at(start) <= record(advised).renewal_time <= at(start + DAY)
    shown = advised.status(SHOP)["certificate"]["renewalTime"]
    assert shown == record(advised).renewal_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    meaningful = [item for item in advised.meaningful if item[1][0] == DOMAINS]
    assert len(meaningful) == 1


def test_it_is_renewed_in_the_window_and_the_ca_is_told_what_it_replaces(advised):
    advised.wanted[NAME] += 1
    start = advised.loop.time() + 30 * DAY
    first = record(advised)
    advised.ca.advice[first.facts.ari_id] = RenewalInfo(at(start), at(start + DAY), None, None)
    advised.run_for(30 * DAY)
    assert record(advised) == advised.claim(NAME).certificate
    assert advised.ca.replaced == []
    advised.run_for(DAY + 60)
    assert advised.ca.replaced == [first.facts.ari_id]
    second = record(advised)
    assert at(start) <= second.issued_at <= at(start + DAY + 60)
    assert second.renewal is None
    asked = len(advised.ca.asked)
    advised.run_for(2 * DAY)
    assert {each for _, each in advised.ca.asked[asked:]} == {second.facts.ari_id}


def test_what_is_called_back_is_renewed_within_hours_with_its_reason(advised):
    advised.wanted[NAME] += 1
    first = record(advised)
    advised.run_for(DAY)
    process = advised.processes["a"]
    process.announced.events.clear()
    advised.ca.advice[first.facts.ari_id] = at_once(advised.loop.time())
    advised.run_for(13.5 * HOUR)
    assert record(advised).facts.ari_id != first.facts.ari_id
    assert advised.status(SHOP)["phase"] == "active"
    told = [reason for _, reason in process.announced.events]
    assert told == ["RenewalAdvised", "OrderPlaced", "CertificateIssued"]


def test_a_ca_that_calls_everything_back_always_is_not_hammered(advised):
    advised.wanted[NAME] += 100
    for number in range(100):
        url = f"https://ca/order/{number}"
        advised.ca.advice[url] = at_once(advised.loop.time())
    advised.run_for(2 * DAY)
    assert 2 <= len(advised.ca.orders) <= 9, "more than one each quarter of a day"


@pytest.mark.parametrize("known", [False, True])
def test_without_answers_the_last_window_counts_or_two_thirds(advised, known):
    advised.wanted[NAME] += 1
    first = record(advised)
    start = advised.loop.time() + 40 * DAY
    if known:
        advised.ca.advice[first.facts.ari_id] = RenewalInfo(at(start), at(start + DAY), None, None)
        advised.run_for(DAY)
    advised.ca.mute = True
    advised.forget_writes()
    advised.run_for(39 * DAY)
    assert advised.meaningful == [], "an answer that does not come is written"
    assert record(advised).facts == first.facts
    advised.run_for(22 * DAY)
    renewed = record(advised).issued_at
    least, most = (start, start + DAY) if known else (60 * DAY, 60 * DAY + 60)
    assert at(least) <= renewed <= at(most + 60)
    assert advised.claim(NAME).failure is None


def test_a_restart_asks_no_more_than_once_and_writes_nothing(advised):
    start = advised.loop.time() + 30 * DAY
    ari_id = record(advised).facts.ari_id
    advised.ca.advice[ari_id] = RenewalInfo(at(start), at(start + DAY), WHY, None)
    advised.run_for(DAY)
    advised.forget_writes()
    for _ in range(3):
        advised.kill("a")
        asked = len(advised.ca.asked)
        advised.start("a")
        advised.run_for(13.5 * HOUR)
        assert 1 <= len(advised.ca.asked) - asked <= 3
    assert advised.meaningful == []
    assert advised.status(SHOP)["certificate"]["renewalExplanation"] == WHY


def test_a_renewal_that_goes_on_failing_is_told_of_twice(advised):
    process = advised.processes["a"]
    advised.run_for(59 * DAY)
    process.announced.events.clear()
    advised.ca.down = True
    advised.run_for(32 * DAY)
    told = [reason for _, reason in process.announced.events]
    assert told.count("RenewalLate") == 2
    assert advised.status(SHOP)["phase"] == "failed"


# --- short lives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("advises", [False, True])
@pytest.mark.parametrize("lifetime", [6 * DAY, 6 * HOUR, HOUR])
def test_short_lived_ones_never_end(cluster, lifetime, advises):
    cluster.ca.lifetime = timedelta(seconds=lifetime)
    cluster.ca.advises = advises
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.wanted[NAME] += 100
    cluster.run_for(10)
    for _ in range(10 * 12):
        if advises:
            have = record(cluster)
            start, end = (have.facts.not_before + have.lifetime * part for part in (0.6, 0.7))
            cluster.ca.advice[have.facts.ari_id] = RenewalInfo(start, end)
        cluster.run_for(lifetime / 12)
        assert cluster.status(SHOP)["phase"] == "active"
        assert record(cluster).facts.not_after > cluster.loop.now()
    assert 12 <= len(cluster.ca.orders) <= 18


@pytest.mark.parametrize("lifetime", [6 * DAY, 6 * HOUR, HOUR])
def test_short_lived_ones_outlive_an_outage_of_half_the_time_for_the_renewal(cluster, lifetime):
    cluster.ca.lifetime = timedelta(seconds=lifetime)
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.wanted[NAME] += 1
    cluster.run_for(10)
    first = record(cluster)
    cluster.run_for(lifetime * 0.6)
    cluster.ca.down = True
    cluster.run_for(lifetime * (2 / 3 + 1 / 6 - 0.6))
    assert record(cluster).facts == first.facts
    cluster.ca.down = False
    cluster.run_for(lifetime / 8)
    assert record(cluster).facts != first.facts
    assert record(cluster).issued_at < first.facts.not_after


# --- all at once ---------------------------------------------------------------------------------

MANY = 40


def many(cluster):
    """So many domains with certificates that end on different days, and one of another tenant;
    their names, those first that end first."""
    cluster.ca.advises = True
    cluster.start("a")
    ends = {}
    for number in range(MANY):
        name = f"shop{number}.example.com"
        cluster.ca.lifetime = timedelta(days=60 + number * 7 % MANY)
        cluster.dns.records[name] = "delegated"
        cluster.apply(Key("one", f"shop{number}"), name)
        cluster.run_for(5)
        ends[name] = cluster.claim(name).certificate.facts.not_after
    cluster.dns.records["other.example.com"] = "delegated"
    cluster.apply(Key("two", "other"), "other.example.com")
    cluster.run_for(5)
    cluster.wanted.update(ends.keys())
    cluster.wanted["other.example.com"] += 1
    cluster.ca.lifetime = timedelta(days=90)
    return sorted(ends, key=lambda name: ends[name])


def placed_since(cluster, before):
    """For which domains orders were placed, in turn."""
    return [order.names[0] for order in list(cluster.ca.orders.values())[before:]]


def test_all_that_are_called_back_are_renewed_by_their_ca_s_word(cluster):
    names = many(cluster)
    old = {cluster.claim(name).certificate.facts.ari_id for name in names}
    cluster.run_for(DAY)
    for ari_id in old:
        cluster.ca.advice[ari_id] = at_once(cluster.loop.time())
    before = len(cluster.ca.orders)
    cluster.run_for(13.5 * HOUR)
    assert sorted(placed_since(cluster, before)) == sorted(names)
    assert set(cluster.ca.replaced) == old
    renewed = {cluster.claim(name).certificate.facts.ari_id for name in names}
    assert not renewed & old
    assert all(cluster.claim(name).failure is None for name in names)
    asked = len(cluster.ca.asked)
    cluster.run_for(2 * DAY)
    later = {each for _, each in cluster.ca.asked[asked:]}
    assert renewed <= later
    assert not later & old, "what is replaced is asked about"


def test_of_all_that_are_due_the_most_urgent_go_first(cluster):
    names = many(cluster)
    start = cluster.loop.time() + 2 * DAY
    for name in [*names, "other.example.com"]:
        ari_id = cluster.claim(name).certificate.facts.ari_id
        cluster.ca.advice[ari_id] = RenewalInfo(at(start), at(start + 1), None, None)
    cluster.run_for(DAY)
    cluster.kill("a")  # they become due while nobody is there
    cluster.run_for(2 * DAY)
    cluster.start("a")
    before = len(cluster.ca.orders)
    cluster.run_for(300)
    placed = placed_since(cluster, before)
    assert sorted(placed) == sorted([*names, "other.example.com"])
    assert placed.index("other.example.com") < 10, "another tenant's one waits behind them all"
    order = [name for name in placed if name != "other.example.com"]
    shifts = [abs(order.index(name) - place) for place, name in enumerate(names)]
    assert max(shifts) <= 8, shifts
    assert order[0] in names[:6]
