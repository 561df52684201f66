"""What once went wrong, or would, told step by step."""

from datetime import timedelta

from fake_api import CLAIMS, DOMAINS
from fake_cluster import NAME, SHOP, verbs
from fake_controller import RETENTION

from customdomains.controller.sweep import INTERVAL
from customdomains.model.domain import Key

BLOG = Key("one", "blog")
DAY = 86_400.0


# --- the write budget ----------------------------------------------------------------------------


def test_a_delegated_domain_costs_nine_writes_of_the_operator(cluster):
    process = cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(1)
    cluster.dns.records[NAME] = "delegated"
    cluster.run_for(10)
    assert verbs(cluster) == {
        ("create", CLAIMS): 1,
        ("update", CLAIMS): 2,
        ("update", DOMAINS): 3,
        ("create", "secrets"): 2,
        ("delete", "secrets"): 1,
    }
    told = [reason for _, reason in process.announced.events]
    assert told == ["Registered", "Verified", "OrderPlaced", "CertificateIssued"]


def test_a_restart_writes_nothing(issued):
    issued.kill("a")
    issued.forget_writes()
    issued.start("a")
    issued.run_for(600)
    assert issued.writes == []


def test_an_idle_day_writes_no_more_than_the_time_of_its_check(issued):
    issued.forget_writes()
    issued.run_for(5 * DAY)
    assert issued.meaningful == []
    assert len(issued.writes) <= 6


# --- deletions and re-creations ------------------------------------------------------------------


def test_a_deleted_domain_is_released_at_once_and_its_secret_a_day_later(issued):
    issued.delete(SHOP)
    issued.run_for(1)
    assert issued.claims == []
    assert issued.secrets()
    issued.run_for(RETENTION.total_seconds() + 3 * INTERVAL)
    assert issued.secrets() == {}


def test_a_deletion_that_nobody_told_is_found_by_the_sweep(issued):
    issued.processes["a"].deaf = True
    issued.delete(SHOP)
    issued.run_for(INTERVAL + 1)
    assert issued.claims == []


def test_made_anew_it_keeps_id_token_and_certificate(issued):
    before = issued.claim(NAME)
    issued.delete(SHOP)
    issued.apply(SHOP, NAME)
    issued.run_for(10)
    after = issued.claim(NAME)
    assert (after.id, after.token, after.certificate) == (
        before.id,
        before.token,
        before.certificate,
    )
    assert after.holder.uid == issued.domain(SHOP).uid
    assert issued.ca.finalized[NAME] == 1


def test_made_anew_for_another_domain_it_lets_go_of_the_first(issued):
    issued.dns.records["blog.example.com"] = "delegated"
    issued.delete(SHOP)
    issued.apply(SHOP, "blog.example.com", certificate={"secretName": "blog"})
    issued.run_for(10)
    assert [claim.domain for claim in issued.claims] == ["blog.example.com"]
    assert issued.status(SHOP)["phase"] == "active"


def test_a_namespace_made_anew_does_not_inherit(issued):
    before = issued.claim(NAME)
    issued.renew_namespace("one")
    issued.apply(SHOP, NAME)
    issued.run_for(10)
    assert issued.claim(NAME).id != before.id
    assert issued.status(SHOP)["phase"] == "active"


def test_a_name_that_is_taken_goes_to_who_waits_when_it_is_free(issued):
    issued.apply(BLOG, NAME, certificate={"secretName": "blog"})
    issued.run_for(10)
    assert issued.status(BLOG)["conditions"][0]["reason"] == "HeldByAnother"
    issued.delete(SHOP)
    issued.run_for(10)
    assert issued.status(BLOG)["phase"] == "active"


def test_a_registration_over_http_may_take_ten_minutes(cluster):
    cluster.start("a")
    cluster.reserve(SHOP, NAME)
    identity = cluster.claim(NAME).id
    cluster.run_for(590)
    cluster.apply(SHOP, NAME)
    cluster.run_for(10)
    assert (cluster.claim(NAME).id, cluster.claim(NAME).holder.uid) == (
        identity,
        cluster.domain(SHOP).uid,
    )


def test_a_registration_over_http_that_was_given_up_is_released(cluster):
    cluster.start("a")
    cluster.reserve(SHOP, NAME)
    cluster.run_for(590)
    assert cluster.claims
    cluster.run_for(INTERVAL + 20)
    assert cluster.claims == []


def test_a_claim_that_an_administrator_deleted_is_minted_anew(issued):
    issued.delete_claim(NAME)
    issued.run_for(10)
    assert issued.status(SHOP)["id"] == issued.claim(NAME).id


# --- Secrets -------------------------------------------------------------------------------------


def test_another_secret_s_name_amid_an_order_finds_the_order_s_key(cluster):
    process = cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    while not cluster.ca.finalized[NAME]:
        cluster.run_for(0.01)
    process.dead = True
    cluster.edit(SHOP, certificate={"secretName": "mine"})
    cluster.run_for(0)
    cluster.start("b")
    cluster.run_for(10)
    assert (cluster.status(SHOP)["phase"], cluster.ca.finalized[NAME]) == ("active", 1)
    assert set(cluster.secrets()) == {"one/mine"}


def test_a_secret_of_somebody_else_is_a_failure_in_words(cluster):
    cluster.start("a")
    theirs = {"metadata": {"namespace": "one", "name": "shop-tls"}, "type": "Opaque", "data": {}}
    cluster._as_user(cluster.api.create, "secrets", theirs)
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(20)
    condition = cluster.status(SHOP)["conditions"][0]
    assert cluster.status(SHOP)["phase"] == "failed"
    assert condition["reason"] == "SecretConflict"
    assert "spec.certificate.secretName" in condition["message"]
    assert cluster.secrets() == {"one/shop-tls": {}}
    assert cluster.ca.orders == {}


# --- two at once ---------------------------------------------------------------------------------


def test_two_that_saw_different_things_do_not_write_without_end(issued):
    other = issued.start("b")
    issued.run_for(60)
    issued.dns.records[NAME] = "token"
    issued.annotate(SHOP, check_requested_at="1")
    issued.run_for(1)
    other.lag = 60.0
    issued.forget_writes()
    issued.run_for(600)
    assert verbs(issued)["update", CLAIMS] <= 4


# --- a tenant who writes status ------------------------------------------------------------------


def test_forged_status_is_restored_ever_more_slowly(issued):
    wanted = issued.status(SHOP)["id"]
    issued.forget_writes()
    restored = 0
    for _ in range(600):
        if issued.status(SHOP).get("id") == wanted:
            restored += 1
            issued.forge(SHOP, {"phase": "failed", "id": "0" * 32})
        issued.run_for(1)
    assert 5 <= restored <= 30
    assert verbs(issued).keys() == {("update", DOMAINS)}
    issued.run_for(timedelta(minutes=2).total_seconds())
    assert issued.status(SHOP)["id"] == wanted
