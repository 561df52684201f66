"""A certificate's Secret that somebody deletes or changes is noticed and mended."""

from collections import Counter
from datetime import timedelta

import pytest
from fake_api import CLAIMS, DOMAINS
from fake_cluster import NAME, SHOP, FakeCluster
from tampering import change_secret, delete_secret, stored

from customdomains.cluster.secretforms import MANAGED_BY, MANAGER, ROLE_LABEL
from customdomains.model.domain import Key

DAY = 86_400.0
TYPE = {"type": "kubernetes.io/tls"}


def condition(cluster: FakeCluster, kind: str = "CertificateIssued") -> dict[str, str]:
    return next(each for each in cluster.status(SHOP)["conditions"] if each["type"] == kind)


def gets(cluster: FakeCluster, monkeypatch) -> Counter[str]:
    """How often which Secret is read from now on."""
    read: Counter[str] = Counter()
    original = cluster.api.get

    def get(place):
        if place[0] == "secrets" and cluster.by_operator:
            read[place[2]] += 1
        return original(place)

    monkeypatch.setattr(cluster.api, "get", get)
    return read


def test_a_deleted_one_is_there_again_in_seconds_with_a_new_certificate(issued):
    before = stored(issued)
    delete_secret(issued)
    issued.run_for(30)
    after = stored(issued)
    assert after.key_pem != before.key_pem
    assert issued.status(SHOP)["phase"] == "active"
    assert issued.ca.finalized[NAME] == 2
    told = [reason for _, reason in issued.processes["a"].announced.events]
    assert told[4:] == ["SecretDamaged", "OrderPlaced", "CertificateIssued"]
    have = issued.claim(NAME).certificate
    assert (have.kept.loss, have.kept.early) == (None, 1)


def test_it_is_said_as_long_as_it_is_not_there(issued):
    issued.ca.down = True
    delete_secret(issued)
    issued.run_for(30)
    assert issued.status(SHOP)["phase"] == "failed"
    said = condition(issued)
    assert (said["status"], said["reason"]) == ("False", "CAUnreachable")
    assert said["message"].startswith("the Secret shop-tls is gone; ")
    issued.dns.records[NAME] = "none"
    issued.annotate(SHOP, check_requested_at="1")
    issued.run_for(5)
    assert "the Secret shop-tls is gone" in condition(issued)["message"]


@pytest.mark.parametrize("changed", ["tls.key", "tls.crt"])
def test_one_that_was_edited_is_put_right(issued, changed):
    change_secret(issued, data={changed: "something else"})
    issued.run_for(30)
    pair = stored(issued)
    assert pair.chain_pem.endswith(f" for {pair.key_pem}")
    assert (issued.status(SHOP)["phase"], issued.ca.finalized[NAME]) == ("active", 2)


def test_a_chain_that_was_cut_is_noticed_by_its_digest(issued):
    chain = stored(issued).chain_pem
    change_secret(issued, data={}, annotations={"customdomains.dev/chain": "0" * 64})
    issued.run_for(30)
    assert issued.ca.finalized[NAME] == 2
    assert stored(issued).chain_pem != chain


def test_what_others_add_is_looked_at_once_and_writes_nothing(issued, monkeypatch):
    issued.run_for(60)
    read = gets(issued, monkeypatch)
    issued.forget_writes()
    change_secret(issued, labels={"team": "a"}, annotations={"mirror": "yes"})
    issued.run_for(3600)
    assert read == {"shop-tls": 1}
    assert issued.meaningful == []
    assert issued.status(SHOP)["phase"] == "active"


def test_labels_that_were_taken_away_in_part_are_put_back_without_the_ca(issued):
    change_secret(issued, labels={ROLE_LABEL: None})
    issued.run_for(30)
    [body] = issued.api.find("secrets")
    assert body["metadata"]["labels"][ROLE_LABEL] == "certificate"
    assert (issued.ca.finalized[NAME], issued.status(SHOP)["phase"]) == (1, "active")


def test_one_that_is_not_ours_any_more_is_told_of_and_never_written(issued):
    before = stored(issued)
    change_secret(issued, labels={MANAGED_BY: "somebody"})
    issued.run_for(30)
    assert condition(issued)["reason"] == "SecretConflict"
    assert "not made by this operator" in condition(issued)["message"]
    issued.forget_writes()
    issued.run_for(2 * DAY)
    assert {place[0] for _, place in issued.writes} <= {CLAIMS, DOMAINS}
    assert stored(issued) == before
    assert issued.ca.finalized[NAME] == 1

    change_secret(issued, labels={MANAGED_BY: MANAGER})
    issued.run_for(30)
    assert (issued.status(SHOP)["phase"], issued.ca.finalized[NAME]) == ("active", 1)
    assert condition(issued)["reason"] == "Issued"
    assert stored(issued) == before


def test_somebody_else_s_in_its_place_is_never_overwritten(issued):
    delete_secret(issued)
    theirs = {"metadata": {"namespace": "one", "name": "shop-tls"}, **TYPE, "data": {}}
    issued._as_user(issued.api.create, "secrets", theirs)
    issued.run_for(3600)
    assert issued.secrets()["one/shop-tls"] == {}
    assert condition(issued)["reason"] == "SecretConflict"
    assert issued.ca.finalized[NAME] == 1


def test_one_that_comes_back_from_a_backup_needs_no_other_certificate(issued):
    [body] = issued.api.find("secrets")
    issued.ca.down = True
    delete_secret(issued)
    issued.run_for(30)
    assert condition(issued)["status"] == "False"
    meta = {k: body["metadata"][k] for k in ("name", "namespace", "labels", "annotations")}
    backup = {"metadata": meta, "type": body["type"], "data": body["data"]}
    issued._as_user(issued.api.create, "secrets", backup)
    issued.run_for(10)
    issued.ca.down = False
    issued.run_for(DAY)
    assert (condition(issued)["reason"], issued.ca.finalized[NAME]) == ("Issued", 1)
    assert "SecretBack" in [reason for _, reason in issued.processes["a"].announced.events]


# --- a controller that was off ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["deleted", "edited"])
def test_what_happened_while_the_operator_was_off_is_found_at_its_start(issued, how):
    issued.kill("a")
    if how == "deleted":
        delete_secret(issued)
    else:
        change_secret(issued, data={"tls.key": "PRIVATE of somebody"})
    issued.run_for(600)
    issued.start("b")
    issued.run_for(30)
    pair = stored(issued)
    assert pair.chain_pem.endswith(f" for {pair.key_pem}")
    assert (issued.status(SHOP)["phase"], issued.ca.finalized[NAME]) == ("active", 2)


def test_a_start_reads_no_secret_that_nobody_changed(issued, monkeypatch):
    issued.run_for(60)
    issued.kill("a")
    read = gets(issued, monkeypatch)
    issued.start("b")
    issued.run_for(3600)
    assert read == {}


@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_killed_anywhere_on_the_way_it_is_mended_by_the_next(issued, steps):
    issued.processes["a"].steps_to_live = steps
    delete_secret(issued)
    issued.run_for(60)
    issued.start("b")
    issued.run_for(60)
    pair = stored(issued)
    assert pair.chain_pem.endswith(f" for {pair.key_pem}")
    assert issued.status(SHOP)["phase"] == "active"
    assert issued.ca.finalized[NAME] == 2


# --- a watch that is behind, and one that there is not ------------------------------------------


def test_a_watch_that_is_behind_takes_nothing_for_gone(cluster, monkeypatch):
    process = cluster.start("a")
    process.lag = 5.0
    read = gets(cluster, monkeypatch)
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(120)
    assert cluster.status(SHOP)["phase"] == "active"
    known = read["shop-tls"]
    cluster.run_for(3600)
    assert read["shop-tls"] == known
    assert cluster.ca.finalized[NAME] == 1
    cluster.edit(SHOP, wildcard=True)
    cluster.run_for(120)
    assert (cluster.status(SHOP)["phase"], cluster.ca.finalized[NAME]) == ("active", 2)
    assert "SecretDamaged" not in [reason for _, reason in process.announced.events]


def test_without_the_watch_all_else_goes_on(cluster):
    process = cluster.start("a")
    process.secret_watch._as_of = None
    process.secret_watch.hear = lambda *_: ("", None, None)
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    assert cluster.status(SHOP)["phase"] == "active"
    delete_secret(cluster)
    cluster.run_for(60)
    assert cluster.status(SHOP)["phase"] == "active"


# --- who does it on and on ----------------------------------------------------------------------


def test_whoever_deletes_it_on_and_on_gets_five_in_a_week(issued):
    orders = []
    for _ in range(14 * 24):
        if "one/shop-tls" in issued.secrets():
            delete_secret(issued)
        issued.run_for(3600)
        orders.append(len(issued.ca.orders))
    week = 7 * 24
    assert orders[week - 1] == 5
    assert orders[-1] <= 7
    assert max(later - now for now, later in zip(orders, orders[week:], strict=False)) <= 5
    assert "to be replaced early as well" in condition(issued)["message"]
    assert condition(issued)["reason"] == "SecretDamaged"


def test_who_leaves_it_alone_for_a_week_starts_over(issued):
    for _ in range(3):
        delete_secret(issued)
        issued.run_for(2 * DAY)
    assert issued.claim(NAME).certificate.kept.early == 3
    issued.run_for(timedelta(days=8).total_seconds())
    delete_secret(issued)
    issued.run_for(30)
    assert issued.status(SHOP)["phase"] == "active"
    assert issued.claim(NAME).certificate.kept.early == 1


def test_one_tenant_s_deleted_secrets_keep_no_other_waiting(cluster):
    cluster.start("a")
    keys = [Key("one", f"shop{n}") for n in range(20)]
    for key in keys:
        cluster.dns.records[f"{key.name}.example.com"] = "delegated"
        cluster.apply(key, f"{key.name}.example.com")
    other = Key("two", "shop")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(other, NAME)
    cluster.run_for(60)
    for key in keys:
        delete_secret(cluster, f"{key.name}-tls")
    delete_secret(cluster, namespace="two")
    cluster.run_for(5)
    assert "two/shop-tls" in cluster.secrets()
    cluster.run_for(60)
    assert len(cluster.secrets()) == 21
