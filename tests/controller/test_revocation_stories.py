"""Certificates that are revoked: when their domain is gone, and when their key is compromised."""

import pytest
from fake_api import CLAIMS
from fake_cluster import NAME, SHOP, FakeCluster, verbs
from fake_controller import RETENTION
from tampering import change_secret, delete_secret, stored

from customdomains.cluster.secretforms import MANAGED_BY, REVOKE_ANNOTATION
from customdomains.controller.sweep import INTERVAL

DAY = 86_400.0
KEPT = RETENTION.total_seconds() + 3 * INTERVAL
CESSATION, COMPROMISE = 5, 1


def issue(cluster: FakeCluster, **certificate: bool) -> str:
    """A domain with its certificate, as revocations name it."""
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME, certificate=certificate)
    cluster.run_for(20)
    assert cluster.status(SHOP)["phase"] == "active"
    return leaf(cluster)


def leaf(cluster: FakeCluster) -> str:
    """The certificate in the Secret."""
    return stored(cluster).chain_pem.partition(" for ")[0]


def serial(cluster: FakeCluster) -> str:
    have = cluster.claim(NAME).certificate
    assert have is not None
    return have.facts.serial_number


def message(cluster: FakeCluster) -> str:
    conditions = cluster.status(SHOP)["conditions"]
    said: str = next(c["message"] for c in conditions if c["type"] == "CertificateIssued")
    return said


def events(cluster: FakeCluster) -> list[str]:
    return [
        reason for process in cluster.processes.values() for _, reason in process.announced.events
    ]


# --- with the domain -----------------------------------------------------------------------------


def test_it_is_revoked_before_its_secret_goes_where_that_is_wanted(cluster):
    certificate = issue(cluster, revokeOnDelete=True)
    cluster.delete(SHOP)
    cluster.run_for(DAY / 2)
    assert cluster.ca.revoked == {}, "who comes back within a day finds it"
    cluster.run_for(KEPT - DAY / 2)
    assert cluster.ca.revoked == {certificate: CESSATION}
    assert cluster.secrets() == {}


def test_otherwise_it_is_not_and_that_costs_nothing(cluster):
    issue(cluster)
    assert cluster.claim(NAME).certificate.kept.revoke is False
    cluster.delete(SHOP)
    cluster.run_for(KEPT)
    assert (cluster.ca.revoked, cluster.secrets()) == ({}, {})


@pytest.mark.parametrize("released", [True, False])
def test_also_where_the_operator_was_off_during_the_deletion(cluster, released):
    certificate = issue(cluster, revokeOnDelete=True)
    if released:
        cluster.annotate(SHOP, release_on_delete="true")
        cluster.run_for(5)
    cluster.kill("a")
    cluster.delete(SHOP)
    cluster.run_for(3 * DAY)
    cluster.start("b")
    cluster.run_for(KEPT)
    assert cluster.ca.revoked == {certificate: CESSATION}
    assert cluster.secrets() == {}


def test_it_may_be_wanted_later_and_not_any_more(cluster):
    certificate = issue(cluster)
    cluster.forget_writes()
    cluster.edit(SHOP, certificate={"revokeOnDelete": True})
    cluster.run_for(20)
    assert verbs(cluster)["patch", "secrets"] == 1
    assert verbs(cluster)["update", CLAIMS] == 1
    cluster.edit(SHOP, certificate={"revokeOnDelete": False})
    cluster.run_for(20)
    [body] = cluster.api.find("secrets")
    assert REVOKE_ANNOTATION not in body["metadata"]["annotations"]
    cluster.edit(SHOP, certificate={"revokeOnDelete": True})
    cluster.run_for(20)
    cluster.forget_writes()
    cluster.run_for(DAY)
    assert cluster.meaningful == []
    assert cluster.ca.finalized[NAME] == 1
    cluster.delete(SHOP)
    cluster.run_for(KEPT)
    assert cluster.ca.revoked == {certificate: CESSATION}


def test_as_long_as_the_ca_can_t_be_asked_the_secret_is_kept(cluster, monkeypatch):
    certificate = issue(cluster, revokeOnDelete=True)
    cluster.ca.down = True
    tries = []
    original = cluster.ca.revoke

    def revoke(*arguments):
        tries.append(cluster.loop.time())
        return original(*arguments)

    monkeypatch.setattr(cluster.ca, "revoke", revoke)
    cluster.delete(SHOP)
    cluster.run_for(10 * DAY)
    assert list(cluster.secrets()) == ["one/shop-tls"]
    assert 8 <= len(tries) <= 22, "ever more slowly, then daily"
    cluster.ca.down = False
    cluster.run_for(2 * DAY)
    assert cluster.ca.revoked == {certificate: CESSATION}
    assert cluster.secrets() == {}


@pytest.mark.parametrize("steps", range(12))
def test_killed_amid_revoking_it_is_revoked_and_goes(cluster, steps):
    certificate = issue(cluster, revokeOnDelete=True)
    cluster.delete(SHOP)
    cluster.run_for(RETENTION.total_seconds() - 2 * INTERVAL)
    cluster.kill("a")
    process = cluster.start("b")
    cluster.run_for(2 * INTERVAL)
    process.steps_to_live = steps
    cluster.run_for(3 * INTERVAL)
    cluster.start("c")
    cluster.run_for(INTERVAL)
    assert cluster.ca.revoked == {certificate: CESSATION}
    assert cluster.secrets() == {}


def test_who_comes_back_in_time_keeps_an_unrevoked_certificate(cluster):
    issue(cluster, revokeOnDelete=True)
    cluster.delete(SHOP)
    cluster.run_for(DAY / 2)
    cluster.apply(SHOP, NAME, certificate={"revokeOnDelete": True})
    cluster.run_for(3 * DAY)
    assert (cluster.ca.revoked, cluster.ca.finalized[NAME]) == ({}, 1)
    assert cluster.status(SHOP)["phase"] == "active"


# --- a compromised key ---------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["now", "serial"])
@pytest.mark.parametrize("reuses", [True, False])
def test_a_new_key_is_in_place_before_the_old_certificate_is_revoked(issued, said, reuses):
    """That nothing in use is revoked is asserted by the CA."""
    issued.ca.reuses = reuses
    before, old = stored(issued), leaf(issued)
    number = serial(issued)
    issued.annotate(SHOP, key_compromised=number.upper() if said == "serial" else "now")
    issued.run_for(30)
    assert stored(issued).key_pem != before.key_pem
    assert issued.ca.revoked == {old: COMPROMISE}
    assert issued.status(SHOP)["phase"] == "active"
    assert message(issued).endswith(
        f"; {number}, whose key was reported as compromised, is revoked"
    )
    shown = issued.status(SHOP)["certificate"]["keyCompromise"]
    assert (shown["ending"], shown["serialNumber"]) == ("Revoked", number)
    assert events(issued)[4:] == [
        "KeyCompromised",
        "OrderPlaced",
        "CertificateIssued",
        "CertificateRevoked",
    ]
    issued.forget_writes()
    issued.run_for(DAY)
    assert issued.meaningful == []
    assert issued.ca.finalized[NAME] == 2, "handled once"


def test_when_the_annotation_is_gone_so_is_the_memory_of_it(issued):
    issued.annotate(SHOP, key_compromised="now")
    issued.run_for(30)
    issued.annotate(SHOP, key_compromised="")
    issued.run_for(30)
    assert issued.claim(NAME).compromise is None
    assert "compromised" not in message(issued)
    issued.annotate(SHOP, key_compromised="now")
    issued.run_for(5 * 60)
    assert "early as well" in message(issued), "the second within ten minutes waits"
    assert issued.status(SHOP)["phase"] == "active"
    issued.run_for(6 * 60)
    assert len(issued.ca.revoked) == 2
    assert issued.ca.finalized[NAME] == 3


def test_another_s_serial_number_is_told_to_be_none_of_ours(issued):
    issued.annotate(SHOP, key_compromised="00:ff")
    issued.run_for(30)
    assert 'says "00:ff", which is no certificate here' in message(issued)
    assert events(issued)[-1] == "KeyCompromiseUnknown"
    assert (issued.ca.revoked, issued.ca.finalized[NAME]) == ({}, 1)
    assert issued.status(SHOP)["phase"] == "active"


def test_set_from_the_start_it_is_about_nothing(cluster):
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.annotate(SHOP, key_compromised="now")
    cluster.run_for(30)
    assert cluster.status(SHOP)["phase"] == "active"
    assert (cluster.ca.revoked, cluster.ca.finalized[NAME]) == ({}, 1)


def test_what_is_not_in_its_secret_any_more_can_t_be_revoked_which_is_said(issued):
    issued.processes["a"].lag = 5.0
    delete_secret(issued)
    issued.annotate(SHOP, key_compromised="now")
    issued.run_for(60)
    assert issued.status(SHOP)["phase"] == "active"
    assert "can't revoke it" in message(issued)
    assert "RevocationFailed" in events(issued)
    assert issued.ca.revoked == {}


def test_it_is_told_why_it_is_not_revoked_yet(issued, monkeypatch):
    old = leaf(issued)
    original = issued.ca.revoke

    def down(*arguments):
        issued.ca.down = True
        try:
            return original(*arguments)
        finally:
            issued.ca.down = False

    monkeypatch.setattr(issued.ca, "revoke", down)
    issued.annotate(SHOP, key_compromised="now")
    issued.run_for(30)
    assert issued.status(SHOP)["phase"] == "active"
    assert "is being revoked; that failed: the CA does not answer. The next try is" in message(
        issued
    )
    issued.run_for(DAY)
    count = issued.claim(NAME).compromise.count
    assert 3 <= count <= 5
    assert events(issued).count("RevocationFailed") == count
    monkeypatch.setattr(issued.ca, "revoke", original)
    issued.run_for(DAY)
    assert issued.ca.revoked == {old: COMPROMISE}


def test_where_the_challenge_is_answered_by_hand_it_is_an_order_that_somebody_asked_for(cluster):
    cluster.start("a")
    cluster.dns.records[NAME] = "digests"
    cluster.apply(SHOP, NAME)
    cluster.run_for(10)
    cluster.annotate(SHOP, issue_requested_at="1")
    cluster.run_for(30)
    assert cluster.status(SHOP)["phase"] == "active"
    old = leaf(cluster)
    cluster.annotate(SHOP, key_compromised="now")
    cluster.run_for(60)
    assert cluster.ca.revoked == {old: COMPROMISE}
    assert cluster.status(SHOP)["phase"] == "active"


def test_where_no_certificate_is_wanted_any_more_it_is_revoked_at_once(issued):
    old = leaf(issued)
    issued.ca.may_revoke_used = True
    issued.edit(SHOP, certificate={"issuance": "Never"})
    issued.annotate(SHOP, key_compromised="now")
    issued.run_for(30)
    assert issued.ca.revoked == {old: COMPROMISE}
    assert issued.ca.finalized[NAME] == 1


@pytest.mark.parametrize("steps", range(0, 48, 3))
def test_killed_at_any_step_the_next_controller_finishes(issued, steps):
    old, before = leaf(issued), stored(issued)
    issued.processes["a"].steps_to_live = steps
    issued.annotate(SHOP, key_compromised="now")
    issued.run_for(60)
    issued.start("b")
    issued.run_for(120)
    assert issued.ca.revoked == {old: COMPROMISE}
    assert stored(issued).key_pem != before.key_pem
    assert issued.status(SHOP)["phase"] == "active"
    assert issued.ca.finalized[NAME] == 2


def test_an_order_under_way_with_the_same_key_is_given_up(issued):
    """Where keys are used again the next certificate was about to get the compromised one."""
    issued.ca.reuses = True
    key = stored(issued).key_pem
    issued.processes["a"].self_check.silent = True
    issued.edit(SHOP, wildcard=True)
    issued.run_for(20)
    assert issued.claim(NAME).order is not None
    issued.annotate(SHOP, key_compromised="now")
    issued.run_for(20)
    issued.processes["a"].self_check.silent = False
    issued.run_for(3600)
    assert stored(issued).key_pem != key
    assert issued.status(SHOP)["phase"] == "active"
    assert list(issued.ca.revoked.values()) == [COMPROMISE]


def test_a_secret_that_is_not_ours_holds_up_the_report_in_words(issued):
    change_secret(issued, labels={MANAGED_BY: "somebody"})
    issued.annotate(SHOP, key_compromised="now")
    issued.run_for(60)
    assert "not made by this operator" in message(issued)
    assert issued.ca.revoked == {}
