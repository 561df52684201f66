"""Contests for a name, told step by step."""

from collections import Counter
from dataclasses import replace

import pytest
from fake_api import CLAIMS
from fake_cluster import NAME, SHOP, FakeCluster, verbs
from fake_controller import RETENTION, RULES

from customdomains.controller.sweep import INTERVAL
from customdomains.model.domain import Key
from customdomains.policy.rules import ClaimRules

SITE = Key("two", "site")
HOUR, DAY = 3600.0, 86_400.0
GRACE = RULES.grace_period.total_seconds()
EXPIRY = RULES.claims.pending_expiry.total_seconds()


def ready(cluster: FakeCluster, key: Key) -> dict:
    return cluster.status(key)["conditions"][0]


def told(cluster: FakeCluster, key: Key) -> list[str]:
    return [reason for to, reason in cluster.processes["a"].announced.events if to == key]


@pytest.fixture
def pending(cluster: FakeCluster) -> FakeCluster:
    """`SHOP` has registered the name, which `SITE` in another namespace wants as well."""
    cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(1)
    cluster.apply(SITE, f"{NAME.upper()}.")
    cluster.run_for(1)
    return cluster


@pytest.fixture
def contested(issued: FakeCluster) -> FakeCluster:
    """`SHOP` has proved the name and has its certificate; `SITE` wants it as well."""
    issued.apply(SITE, NAME)
    issued.run_for(1)
    return issued


# --- who contends ---------------------------------------------------------------------------------


def test_the_second_has_an_id_and_a_token_of_its_own_for_two_writes(pending):
    first, second = pending.status(SHOP), pending.status(SITE)
    assert (first["phase"], second["phase"]) == ("pending", "pending")
    assert ready(pending, SITE)["reason"] == "Contending"
    assert len({first["id"], second["id"]}) == 2
    assert len({first["verificationToken"], second["verificationToken"]}) == 2
    assert "records" in second
    assert told(pending, SITE) == ["Contending"]
    pending.kill("a")
    pending.forget_writes()
    pending.start("a")
    pending.run_for(HOUR)
    assert pending.meaningful == []
    claim = pending.claim(NAME)
    assert [seat.holder.key for seat in claim.seats] == [SHOP, SITE]


def test_fifty_at_once_are_one_holder_and_as_many_others_as_there_is_room_for():
    namespaces = tuple(f"tenant-{number}" for number in range(50))
    cluster = FakeCluster(namespaces)
    try:
        cluster.start("a")
        cluster.start("b")
        for namespace in namespaces:
            cluster.apply(Key(namespace, "shop"), NAME)
        cluster.run_for(60)
        claim = cluster.claim(NAME)
        reasons = Counter(ready(cluster, Key(name, "shop"))["reason"] for name in namespaces)
        assert reasons.pop("TooManyContenders") == 50 - 1 - RULES.claims.contenders
        assert reasons.pop("Contending") == RULES.claims.contenders
        assert sum(reasons.values()) == 1, "exactly one holds it"
        assert len({seat.token for seat in claim.seats}) == 1 + RULES.claims.contenders
        for namespace in namespaces:
            others = [name for name in namespaces if name != namespace]
            said = str(cluster.status(Key(namespace, "shop")))
            assert not [name for name in others if f"{name} " in said or f"{name}'" in said]
        cluster.forget_writes()
        cluster.run_for(300)
        assert cluster.meaningful == []
    finally:
        cluster.close()


@pytest.mark.parametrize("at_once", [True, False])
def test_a_namespace_gets_no_more_seats_than_its_quota(at_once):
    rules = replace(RULES, claims=ClaimRules(per_namespace=3))
    cluster = FakeCluster(("one",), rules)
    keys = [Key("one", f"shop-{number}") for number in range(8)]
    try:
        cluster.start("a")
        for number, key in enumerate(keys):
            cluster.apply(key, f"{number}.example.com")
            if not at_once:
                cluster.run_for(1)
        cluster.run_for(5)
        reasons = Counter(ready(cluster, key)["reason"] for key in keys)
        assert reasons == {"RecordMissing": 3, "QuotaExceeded": 5}
        held = next(key for key in keys if ready(cluster, key)["reason"] == "RecordMissing")
        cluster.delete(held)
        cluster.run_for(700)
        left = Counter(ready(cluster, key)["reason"] for key in keys if key != held)
        assert left == {"RecordMissing": 3, "QuotaExceeded": 4}
    finally:
        cluster.close()


def test_a_name_reserved_beforehand_is_for_its_namespace_alone(cluster):
    cluster.start("a")
    cluster.reserve(NAME, "two")
    cluster.apply(SHOP, NAME)
    cluster.apply(SITE, NAME)
    cluster.dns.records[NAME] = "delegated:two"
    cluster.run_for(10)
    assert ready(cluster, SHOP)["reason"] == "Reserved"
    assert "two" not in str(cluster.status(SHOP))
    assert cluster.status(SITE)["phase"] == "active"
    cluster.delete(SITE)
    cluster.run_for(8 * DAY)
    claim = cluster.claim(NAME)
    assert (claim.seats, claim.reserved_for) == ((), "two")
    assert ready(cluster, SHOP)["reason"] == "Reserved"


# --- who wins -------------------------------------------------------------------------------------


def test_the_first_to_prove_it_has_it(pending):
    second = pending.status(SITE)
    pending.dns.records[NAME] = "delegated:two"
    pending.forget_writes()
    pending.run_for(10)
    assert pending.status(SITE)["phase"] == "active"
    assert pending.claim(NAME).id == second["id"]
    lost = pending.status(SHOP)
    assert (lost["phase"], ready(pending, SHOP)["reason"]) == ("failed", "Lost")
    assert "two" not in str(lost)
    assert told(pending, SITE)[:3] == ["Contending", "Verified", "TakenOver"]
    assert told(pending, SHOP) == ["Registered", "Lost"]
    # The take-over carries the proof; then order and certificate.
    assert verbs(pending)["update", CLAIMS] == 3


def test_a_token_proves_only_the_registration_it_is_of(pending):
    pending.dns.records[NAME] = "token:one"
    pending.run_for(10)
    assert pending.claim(NAME).holder.key == SHOP
    assert pending.status(SHOP)["phase"] == "verified"
    assert ready(pending, SITE)["reason"] == "Contending"
    assert pending.status(SITE)["conditions"][2]["status"] == "False"


def test_a_verified_holder_stays_whatever_others_prove(contested):
    contested.dns.records[NAME] = "token:one token:two"
    contested.run_for(6 * DAY)
    assert contested.claim(NAME).holder.key == SHOP
    assert contested.status(SHOP)["phase"] == "active"
    message = ready(contested, SITE)["message"]
    assert "proved to own it" in message
    assert "Your record is there" in message
    contested.forget_writes()
    contested.run_for(HOUR)
    assert contested.meaningful == []


def test_it_goes_over_when_the_proof_is_gone_past_its_grace(contested):
    contested.dns.records[NAME] = "token:two"
    contested.annotate(SHOP, check_requested_at="1")
    contested.run_for(GRACE - HOUR)
    assert contested.claim(NAME).holder.key == SHOP
    assert contested.status(SHOP)["phase"] == "active"
    assert "counts until" in ready(contested, SITE)["message"]
    contested.run_for(HOUR + 60)
    assert contested.claim(NAME).holder.key == SITE
    assert contested.status(SITE)["phase"] == "verified"
    assert ready(contested, SHOP)["reason"] == "Lost"


def test_who_suspends_a_domain_can_not_keep_it_from_its_owner(contested):
    contested.edit(SHOP, suspend=True)
    contested.dns.records[NAME] = "token:two"
    contested.run_for(GRACE + 2 * DAY)
    assert contested.claim(NAME).holder.key == SITE


def test_the_loser_keeps_its_secret_for_as_long_as_it_is_there(contested):
    contested.dns.records[NAME] = "delegated:two"
    contested.annotate(SHOP, check_requested_at="1")
    contested.run_for(GRACE + 3 * HOUR)
    assert contested.status(SITE)["phase"] == "active"
    lost = contested.status(SHOP)
    assert lost["certificate"]["secretName"] == "shop-tls"
    contested.run_for(30 * DAY)
    assert contested.secrets().keys() == {"one/shop-tls", "two/site-tls"}
    contested.delete(SHOP)
    contested.run_for(RETENTION.total_seconds() + 3 * INTERVAL)
    assert contested.secrets().keys() == {"two/site-tls"}


def test_the_loser_contends_again_when_asked(pending):
    pending.dns.records[NAME] = "token:two"
    pending.run_for(10)
    before = pending.status(SHOP)
    pending.run_for(HOUR)
    assert ready(pending, SHOP)["reason"] == "Lost"
    pending.dns.records[NAME] = "token:one"
    pending.annotate(SHOP, check_requested_at="1")
    pending.annotate(SITE, check_requested_at="1")
    pending.run_for(10)
    assert ready(pending, SHOP)["reason"] == "Contending"
    assert pending.status(SHOP)["id"] == before["id"]
    pending.run_for(GRACE + HOUR)
    assert pending.claim(NAME).holder.key == SHOP
    assert ready(pending, SITE)["reason"] == "Lost"


# --- who proves nothing ---------------------------------------------------------------------------


def test_who_proves_nothing_expires_until_asked(pending):
    pending.delete(SITE)
    pending.run_for(EXPIRY - HOUR)
    assert pending.status(SHOP)["phase"] == "pending"
    pending.run_for(2 * HOUR)
    before = pending.status(SHOP)
    assert (before["phase"], ready(pending, SHOP)["reason"]) == ("failed", "ClaimExpired")
    assert told(pending, SHOP)[-1] == "ClaimExpired"
    pending.dns.records[NAME] = "delegated:one"
    pending.run_for(3 * DAY)
    assert pending.status(SHOP)["phase"] == "failed"
    pending.annotate(SHOP, check_requested_at="1")
    pending.run_for(10)
    after = pending.status(SHOP)
    assert (after["phase"], after["id"]) == ("active", before["id"])


def test_an_expired_holder_makes_way_for_who_waits(cluster):
    cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(3 * DAY)
    cluster.apply(SITE, NAME)
    cluster.run_for(EXPIRY - 3 * DAY + HOUR)
    assert ready(cluster, SHOP)["reason"] == "ClaimExpired"
    assert ready(cluster, SITE)["reason"] == "RecordMissing"
    assert cluster.claim(NAME).holder.key == SITE
    assert told(cluster, SITE) == ["Contending", "Registered"]
    cluster.run_for(EXPIRY)
    assert ready(cluster, SITE)["reason"] == "ClaimExpired"


# --- who goes -------------------------------------------------------------------------------------


def test_who_goes_without_a_proof_makes_way_and_comes_back_behind(pending):
    first, second = pending.status(SHOP)["id"], pending.status(SITE)["id"]
    pending.delete(SHOP)
    pending.run_for(1)
    assert pending.claim(NAME).id == second
    pending.apply(SHOP, NAME)
    pending.run_for(1)
    assert pending.claim(NAME).id == second
    assert (pending.status(SHOP)["id"], ready(pending, SHOP)["reason"]) == (first, "Contending")


def test_who_goes_with_a_proof_is_waited_for_unless_another_proves_it(contested):
    first = contested.status(SHOP)["id"]
    contested.delete(SHOP)
    contested.run_for(10)
    assert contested.claim(NAME).id == first
    assert "has deleted it" in ready(contested, SITE)["message"]
    contested.dns.records[NAME] = "token:one token:two"
    contested.run_for(10)
    assert contested.claim(NAME).holder.key == SITE
    contested.apply(SHOP, NAME)
    contested.run_for(10)
    assert contested.status(SHOP)["id"] == first
    assert ready(contested, SHOP)["reason"] == "Contending"


def test_whoever_waited_has_it_when_nobody_came_back(contested):
    second = contested.status(SITE)["id"]
    contested.dns.records[NAME] = "none"
    contested.delete(SHOP)
    contested.run_for(RULES.claims.retention.total_seconds() - HOUR)
    contested.annotate(SITE, check_requested_at="1")
    contested.run_for(2 * HOUR)
    claim = contested.claim(NAME)
    assert (claim.id, claim.contenders) == (second, ())


def test_a_contender_that_goes_is_forgotten_a_week_later(contested):
    contested.delete(SITE)
    contested.run_for(1)
    assert [s.standing.vacant_since is None for s in contested.claim(NAME).seats] == [True, False]
    contested.run_for(RULES.claims.retention.total_seconds() + 1)
    assert contested.claim(NAME).contenders == ()
    assert contested.status(SHOP)["phase"] == "active"


def test_a_contender_that_goes_unheard_is_found_by_the_sweep(contested):
    contested.processes["a"].deaf = True
    contested.delete(SITE)
    contested.run_for(INTERVAL + 1)
    assert contested.claim(NAME).contenders[0].standing.vacant_since is not None


@pytest.mark.parametrize("key", [SHOP, SITE])
def test_a_stale_cache_sends_nobody_away(contested, key):
    """Only a live read shows that somebody is gone."""
    before = contested.claim(NAME)
    contested.processes["a"].store.drop_domain(key, contested.domain(key).uid)
    contested.run_for(1)
    assert contested.claim(NAME) == before


def test_a_contender_s_namespace_made_anew_inherits_nothing(contested):
    before = contested.status(SITE)
    contested.renew_namespace("two")
    contested.apply(SITE, NAME)
    contested.run_for(10)
    after = contested.status(SITE)
    assert after["id"] != before["id"]
    assert after["verificationToken"] != before["verificationToken"]
    old = next(seat for seat in contested.claim(NAME).contenders if seat.id == before["id"])
    assert old.standing.vacant_since is not None


def test_who_inherits_from_a_deletion_over_http_is_told(pending):
    second = pending.status(SITE)["id"]
    pending.delete_over_http(SHOP)
    pending.run_for(1)
    assert pending.claim(NAME).id == second
    assert told(pending, SITE) == ["Contending", "Registered"]
    pending.delete_over_http(SITE)
    pending.run_for(10)
    assert pending.claims == []


def test_restored_under_new_uids_everybody_has_what_they_had(contested):
    contested.dns.records[NAME] = "token:one token:two"
    contested.run_for(10)
    before = [contested.status(key) for key in (SHOP, SITE)]
    contested.kill("a")
    for key in (SITE, SHOP):
        contested.delete(key)
        contested.apply(key, NAME)
    contested.start("a")
    contested.run_for(10)
    after = [contested.status(key) for key in (SHOP, SITE)]
    for was, now in zip(before, after, strict=True):
        assert (now["id"], now["phase"]) == (was["id"], was["phase"])
    assert contested.ca.finalized[NAME] == 1
