"""What once went wrong, or would, told step by step."""

from datetime import timedelta

from fake_api import CLAIMS, DOMAINS
from fake_cluster import NAME, SHOP, verbs
from fake_controller import RETENTION, RULES

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


def test_a_deleted_domain_is_kept_for_its_namespace_and_its_secret_for_a_day(issued):
    before = issued.claim(NAME)
    issued.delete(SHOP)
    issued.run_for(1)
    vacant = issued.claim(NAME)
    assert vacant.standing.vacant_since is not None
    assert (vacant.id, vacant.token, vacant.verification) == (
        before.id,
        before.token,
        before.verification,
    )
    issued.forget_writes()
    issued.run_for(RETENTION.total_seconds() + 3 * INTERVAL)
    assert issued.secrets() == {}
    assert verbs(issued) == {("patch", "secrets"): 1, ("delete", "secrets"): 1}
    issued.run_for(RULES.claims.retention.total_seconds() - RETENTION.total_seconds())
    assert issued.claims == []
    assert verbs(issued)["update", CLAIMS] == 0


def test_it_is_free_at_once_where_that_is_wanted(issued):
    issued.annotate(SHOP, release_on_delete="true")
    issued.run_for(1)
    assert issued.claim(NAME).standing.release
    issued.delete(SHOP)
    issued.run_for(1)
    assert issued.claims == []


def test_it_is_free_at_once_where_that_was_wanted_from_the_start(cluster):
    cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.annotate(SHOP, release_on_delete="true")
    cluster.run_for(1)
    assert verbs(cluster)["update", CLAIMS] == 0
    cluster.delete(SHOP)
    cluster.run_for(1)
    assert cluster.claims == []


def test_a_deletion_that_nobody_told_is_found_by_the_sweep(issued):
    issued.processes["a"].deaf = True
    issued.delete(SHOP)
    issued.run_for(INTERVAL + 1)
    assert issued.claim(NAME).standing.vacant_since is not None


def test_a_deletion_while_the_operator_is_off_is_found_at_its_start(issued):
    issued.kill("a")
    issued.delete(SHOP)
    issued.run_for(600)
    issued.start("a")
    issued.run_for(1)
    assert issued.claim(NAME).standing.vacant_since is not None
    issued.kill("a")
    issued.run_for(RULES.claims.retention.total_seconds())
    issued.start("a")
    issued.run_for(1)
    assert issued.claims == []


def test_pruned_by_accident_and_made_again_days_later_it_is_as_it_was(issued):
    before, status = issued.claim(NAME), issued.status(SHOP)
    issued.delete(SHOP)
    issued.run_for(6 * DAY)
    issued.forget_writes()
    issued.apply(Key("one", "renamed"), NAME, certificate={"secretName": "shop-tls"})
    issued.run_for(20)
    after = issued.claim(NAME)
    assert (after.id, after.token) == (before.id, before.token)
    assert after.verification == before.verification
    again = issued.status(Key("one", "renamed"))
    assert (again["phase"], again["id"]) == ("active", status["id"])
    assert issued.secrets().keys() == {"one/shop-tls"}, "its Secret was gone"


def test_pruned_and_made_again_at_once_it_needs_no_other_certificate(issued):
    certificate = issued.claim(NAME).certificate
    issued.delete(SHOP)
    issued.run_for(DAY / 2)
    issued.apply(SHOP, NAME)
    issued.run_for(20)
    assert issued.claim(NAME).certificate == certificate
    assert issued.status(SHOP)["phase"] == "active"
    assert issued.ca.finalized[NAME] == 1
    issued.run_for(3 * DAY)
    assert issued.secrets().keys() == {"one/shop-tls"}


def test_who_comes_back_to_find_its_record_gone_hears_so_at_once(issued):
    issued.delete(SHOP)
    issued.run_for(DAY / 2)
    issued.dns.records[NAME] = "none"
    issued.apply(SHOP, NAME)
    issued.run_for(1)
    assert issued.status(SHOP)["conditions"][2]["reason"] == "ProofGone"


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
    assert issued.claim(NAME).standing.vacant_since is not None
    assert issued.status(SHOP)["phase"] == "active"
    issued.run_for(RULES.claims.retention.total_seconds() + 1)
    assert [claim.domain for claim in issued.claims] == ["blog.example.com"]


def test_a_namespace_made_anew_does_not_inherit(issued):
    before = issued.claim(NAME)
    issued.renew_namespace("one")
    issued.apply(SHOP, NAME)
    issued.run_for(10)
    kept = issued.claim(NAME)
    assert (kept.id, kept.standing.vacant_since is None) == (before.id, False)
    status = issued.status(SHOP)
    assert (status["phase"], status["conditions"][0]["reason"]) == ("pending", "Contending")
    assert status["id"] != before.id
    issued.dns.records[NAME] = "delegated:one"
    issued.annotate(SHOP, check_requested_at="1")
    issued.run_for(10)
    assert issued.claim(NAME).id == status["id"]
    assert issued.status(SHOP)["phase"] == "active"


def test_a_namespace_made_anew_inherits_what_an_administrator_hands_over(issued):
    before = issued.claim(NAME)
    issued.renew_namespace("one")
    issued.run_for(10)
    issued.hand_over(NAME, "one")
    issued.apply(SHOP, NAME)
    issued.run_for(10)
    after = issued.claim(NAME)
    assert (after.id, after.token, after.verification) == (
        before.id,
        before.token,
        before.verification,
    )
    assert after.holder.uid == issued.domain(SHOP).uid
    assert after.metadata is None
    assert issued.status(SHOP)["phase"] == "active"


def test_the_second_in_a_namespace_takes_the_seat_of_the_first_when_that_is_gone(issued):
    before = issued.claim(NAME)
    issued.apply(BLOG, NAME, certificate={"secretName": "blog"})
    issued.run_for(10)
    ready = issued.status(BLOG)["conditions"][0]
    assert ready["reason"] == "HeldByAnother"
    assert "the CustomDomain shop in this namespace" in ready["message"]
    issued.delete(SHOP)
    issued.run_for(10)
    status = issued.status(BLOG)
    assert (status["phase"], status["id"]) == ("active", before.id)
    assert status["certificate"]["secretName"] == "blog"


def test_a_registration_over_http_may_take_ten_minutes(cluster):
    cluster.start("a")
    cluster.register_half(SHOP, NAME)
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
    cluster.register_half(SHOP, NAME)
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


def test_many_that_nobody_answers_for_keep_none_waiting(cluster):
    """They are of one namespace, which is all customers of a platform whose backend uses HTTP."""
    cluster.start("a")
    cluster.dns.silence = 5.0
    for number in range(20):
        dead = f"dead{number}.example.com"
        cluster.dns.records[dead] = "dead"
        cluster.apply(Key("one", f"dead{number}"), dead)
    cluster.run_for(120)
    cluster.apply(SHOP, NAME)
    cluster.run_for(10)
    assert cluster.status(SHOP)["phase"] == "pending"
    cluster.dns.records[NAME] = "token"
    cluster.run_for(2)
    assert cluster.status(SHOP)["phase"] == "verified"
    assert {cluster.status(Key("one", f"dead{n}"))["phase"] for n in range(20)} == {"pending"}
