"""A right record in a wrong place: found soon, told steadily, looked for sparely."""

from datetime import timedelta
from itertools import pairwise

from fake_cluster import NAME, SHOP

from customdomains.policy.nearby import NEARBY_DELAY


def told(cluster):
    return {c["type"]: c for c in cluster.status(SHOP)["conditions"]}["Verified"]


def test_a_misplaced_record_is_named_within_seconds_and_goes_on_being_named(cluster):
    cluster.start("a")
    cluster.dns.records[NAME] = "misplaced"
    cluster.apply(SHOP, NAME)
    cluster.run_for(10)
    assert told(cluster)["reason"] == "WrongName"
    assert f"is at {NAME}. instead" in told(cluster)["message"]
    cluster.forget_writes()
    cluster.run_for(1800)
    assert cluster.meaningful == []
    assert told(cluster)["reason"] == "WrongName"


def test_a_restart_says_the_same_without_a_word_in_between(cluster):
    cluster.start("a")
    cluster.dns.records[NAME] = "misplaced"
    cluster.apply(SHOP, NAME)
    cluster.run_for(600)
    cluster.kill("a")
    cluster.forget_writes()
    cluster.start("a")
    cluster.run_for(120)
    assert cluster.writes == []


def test_it_is_looked_for_sparely_and_no_more_once_the_proof_is_there(cluster):
    cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(200)
    looks = cluster.dns.looked_nearby
    assert 7 <= len(looks) <= 200 / NEARBY_DELAY.total_seconds()
    assert all(later - earlier >= NEARBY_DELAY for earlier, later in pairwise(looks))
    cluster.dns.records[NAME] = "delegated"
    cluster.run_for(10)
    looks.clear()
    cluster.run_for(timedelta(days=3).total_seconds())
    assert looks == []


def test_it_is_forgotten_when_it_is_gone(cluster):
    cluster.start("a")
    cluster.dns.records[NAME] = "misplaced"
    cluster.apply(SHOP, NAME)
    cluster.run_for(30)
    cluster.dns.records[NAME] = "none"
    cluster.run_for(30)
    assert told(cluster)["reason"] == "RecordMissing"
