"""Domains whose certificates cert-manager makes, told step by step.

What cert-manager says is set by hand here; the real one is in tests/e2e.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fake_api import CLAIMS, DOMAINS
from fake_cluster import NAME, SHOP, FakeCluster, verbs

from customdomains.model.domain import Key
from customdomains.model.times import format_time

CERTIFICATES = "certificates"
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
LETS = {"issuerRef": {"name": "lets", "kind": "ClusterIssuer", "group": "cert-manager.io"}}
HANDED = {"certManager": LETS, "secretName": "shop-cm"}


def certificate(cluster: FakeCluster, key: Key = SHOP) -> dict[str, Any] | None:
    found = [each for each in cluster.api.find(CERTIFICATES) if _key(each) == key]
    return found[0] if found else None


def _key(body: dict[str, Any]) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])


def says(cluster: FakeCluster, *, ready: bool, key: Key = SHOP, **status: Any) -> None:
    """What cert-manager writes; a certificate that it makes is for 90 days."""
    now = cluster.loop.now()
    condition = {
        "type": "Ready",
        "status": str(ready),
        "reason": "Ready" if ready else "DoesNotExist",
        "message": "is up to date" if ready else "Secret does not exist",
        "lastTransitionTime": format_time(now),
    }
    written: dict[str, Any] = {"conditions": [condition]}
    if ready:
        written["notBefore"] = format_time(now)
        written["notAfter"] = format_time(now + timedelta(days=90))
        written["renewalTime"] = format_time(now + timedelta(days=60))
    changes = {"metadata": {}, "status": written | status}
    cluster._as_user(cluster.api.patch, CERTIFICATES, key.namespace, key.name, changes)


def condition(cluster: FakeCluster, key: Key = SHOP) -> dict[str, str]:
    conditions = cluster.status(key)["conditions"]
    return next(each for each in conditions if each["type"] == "CertificateIssued")


def phase(cluster: FakeCluster) -> str:
    found: str = cluster.status(SHOP)["phase"]
    return found


@pytest.fixture
def handed(cluster: FakeCluster) -> Iterator[FakeCluster]:
    """A delegated domain whose Certificate is there; cert-manager has said nothing yet."""
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME, certificate=HANDED)
    cluster.run_for(10)
    yield cluster
    assert cluster.ca.ordered_at == []
    assert cluster.claim(NAME) is None or cluster.claim(NAME).order is None


# --- handing over ---------------------------------------------------------------------------------


def test_a_proved_domain_gets_a_certificate_of_cert_managers(handed: FakeCluster):
    body = certificate(handed)
    assert body["metadata"]["labels"]["customdomains.dev/id"] == handed.claim(NAME).id
    (owner,) = body["metadata"]["ownerReferences"]
    uid = handed.domain(SHOP).uid
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("CustomDomain", uid, False)
    assert body["spec"] == {
        "secretName": "shop-cm",
        "dnsNames": [NAME],
        "issuerRef": LETS["issuerRef"],
        "privateKey": {"rotationPolicy": "Always"},
    }
    assert phase(handed) == "certificate_pending"
    assert condition(handed)["reason"] == "AwaitingCertManager"
    assert handed.status(SHOP)["certificate"]["certManager"] == {"name": "shop"}


def test_it_is_active_once_cert_manager_says_ready(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    status = handed.status(SHOP)
    assert (status["phase"], condition(handed)["status"]) == ("active", "True")
    shown = status["certificate"]
    assert (shown["secretName"], shown["issuer"]) == ("shop-cm", "ClusterIssuer/lets")
    assert "notAfter" in shown
    told = [reason for _, reason in handed.processes["a"].announced.events]
    assert told == ["Registered", "Verified", "CertificateHandedOver", "CertificateIssued"]


def test_what_it_writes_is_counted(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    assert verbs(handed) == {
        ("create", CLAIMS): 1,
        ("create", CERTIFICATES): 1,
        ("update", CLAIMS): 2,
        ("update", DOMAINS): 2,
    }


def test_when_nothing_changes_nothing_is_written(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    handed.forget_writes()
    handed.run_for(3 * HOUR)
    assert handed.meaningful == []


def test_what_cert_manager_says_is_told(handed: FakeCluster):
    says(handed, ready=False)
    handed.run_for(5)
    assert condition(handed)["message"].endswith("it says DoesNotExist: Secret does not exist")
    assert phase(handed) == "certificate_pending"


def test_a_failed_request_is_told_in_cert_managers_words(handed: FakeCluster):
    issuing = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "no quota left"}
    says(handed, ready=False, conditions=[{"type": "Ready", "status": "False"}, issuing])
    handed.run_for(5)
    assert condition(handed)["message"].endswith("it says Failed: no quota left")


def test_a_renewal_is_seen(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    handed.run_for(60 * DAY)
    says(handed, ready=True)
    handed.run_for(2 * HOUR)
    ends = format_time(handed.claim(NAME).handed.not_after)
    assert handed.status(SHOP)["certificate"]["notAfter"] == ends
    assert handed.claim(NAME).handed.not_after - handed.loop.now() > timedelta(days=89)


def test_one_that_expires_is_not_served_as_active(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(91 * DAY)
    assert phase(handed) == "certificate_pending"
    assert condition(handed)["reason"] == "CertificateExpired"


def test_on_request_it_is_handed_over_when_somebody_asks(cluster: FakeCluster):
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME, certificate={**HANDED, "issuance": "OnRequest"})
    cluster.run_for(HOUR)
    assert certificate(cluster) is None
    assert (phase(cluster), condition(cluster)["reason"]) == ("verified", "AwaitingIssueRequest")
    cluster.annotate(SHOP, issue_requested_at="now")
    cluster.run_for(10)
    assert certificate(cluster) is not None
    assert cluster.claim(NAME).issue_handled == "now"


def test_without_a_proof_nothing_is_handed_over(cluster: FakeCluster):
    cluster.start("a")
    cluster.apply(SHOP, NAME, certificate=HANDED)
    cluster.run_for(HOUR)
    assert certificate(cluster) is None
    assert phase(cluster) == "pending"


# --- changes --------------------------------------------------------------------------------------


def test_a_changed_spec_changes_the_certificate(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    key = {"algorithm": "ECDSA", "size": 384}
    handed.edit(SHOP, wildcard=True, certificate={**HANDED, "privateKey": key})
    handed.run_for(10 * MINUTE)
    spec = certificate(handed)["spec"]
    assert set(spec["dnsNames"]) == {NAME, f"*.{NAME}"}
    assert spec["privateKey"] == {**key, "rotationPolicy": "Always"}


def test_what_somebody_else_changes_is_put_right_on_a_fresh_proof(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    changes = {"metadata": {}, "spec": {"dnsNames": ["other.example.com"], "duration": "24h"}}
    handed._as_user(handed.api.patch, CERTIFICATES, "one", "shop", changes)
    handed.run_for(2 * HOUR)
    spec = certificate(handed)["spec"]
    assert (spec["dnsNames"], spec["duration"]) == ([NAME], "24h")


def test_one_that_is_deleted_is_there_again(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    handed._as_user(handed.api.delete, CERTIFICATES, "one", "shop", {})
    handed.run_for(2 * HOUR)
    assert certificate(handed) is not None


def test_a_suspended_domain_is_left_as_it_is(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    handed.edit(SHOP, suspend=True)
    handed.edit(SHOP, certificate={"certManager": LETS, "secretName": "other"})
    handed.run_for(2 * HOUR)
    assert certificate(handed)["spec"]["secretName"] == "shop-cm"


# --- what is not ours -----------------------------------------------------------------------------


def _conflict(cluster: FakeCluster, plural: str, body: dict[str, Any]) -> None:
    cluster._as_user(cluster.api.create, plural, body)
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME, certificate=HANDED)
    cluster.run_for(MINUTE)


def test_a_foreign_secret_is_never_given_to_cert_manager(cluster: FakeCluster):
    meta = {"namespace": "one", "name": "shop-cm"}
    _conflict(cluster, "secrets", {"metadata": meta, "type": "Opaque", "data": {}})
    assert certificate(cluster) is None
    assert (phase(cluster), condition(cluster)["reason"]) == ("failed", "SecretConflict")
    assert "choose another name in spec.certificate.secretName" in condition(cluster)["message"]
    cluster.edit(SHOP, certificate={"certManager": LETS, "secretName": "free"})
    cluster.run_for(10)
    assert certificate(cluster)["spec"]["secretName"] == "free"
    assert phase(cluster) == "certificate_pending"


def test_a_secret_that_cert_manager_made_for_it_is_used_again(cluster: FakeCluster):
    notes = {"cert-manager.io/certificate-name": "shop"}
    meta = {"namespace": "one", "name": "shop-cm", "annotations": notes}
    _conflict(cluster, "secrets", {"metadata": meta, "type": "kubernetes.io/tls", "data": {}})
    assert certificate(cluster) is not None


def test_a_foreign_certificate_is_never_touched(cluster: FakeCluster):
    meta = {"namespace": "one", "name": "shop"}
    body = {"metadata": meta, "spec": {"secretName": "mine"}}
    _conflict(cluster, CERTIFICATES, body)
    assert certificate(cluster)["spec"] == {"secretName": "mine"}
    assert (phase(cluster), condition(cluster)["reason"]) == ("failed", "CertificateConflict")
    cluster.delete(SHOP)
    cluster.run_for(HOUR)
    assert certificate(cluster) is not None


def test_who_waits_for_a_conflict_to_end_waits_ever_longer(cluster: FakeCluster):
    meta = {"namespace": "one", "name": "shop"}
    _conflict(cluster, CERTIFICATES, {"metadata": meta, "spec": {}})
    cluster.forget_writes()
    cluster.run_for(DAY)
    assert cluster.meaningful == []
    cluster._as_user(cluster.api.delete, CERTIFICATES, "one", "shop", {})
    cluster.run_for(2 * HOUR)
    assert certificate(cluster) is not None


# --- taking back ----------------------------------------------------------------------------------


def test_a_proof_that_is_gone_for_too_long_ends_it(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    handed.dns.records[NAME] = "none"
    handed.run_for(2 * DAY)
    assert certificate(handed) is not None
    handed.run_for(3 * DAY)
    assert certificate(handed) is None
    assert handed.claim(NAME).handed is None
    assert phase(handed) == "failed"
    handed.dns.records[NAME] = "delegated"
    handed.run_for(DAY)
    assert certificate(handed) is not None


def test_one_who_loses_the_domain_loses_the_certificate_too(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    rival = Key("two", "shop")
    handed.apply(rival, NAME, certificate=HANDED)
    handed.dns.records[NAME] = "none"
    handed.run_for(4 * DAY)
    handed.dns.records[NAME] = "delegated:two"
    handed.run_for(DAY)
    assert handed.claim(NAME).holder.key == rival
    assert certificate(handed, SHOP) is None
    assert certificate(handed, rival) is not None
    assert all(seat.handed is None for seat in handed.claim(NAME).contenders)


def test_it_is_taken_back_for_an_issuer_of_our_own(cluster: FakeCluster):
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME, certificate=HANDED)
    cluster.run_for(10)
    says(cluster, ready=True)
    cluster.run_for(5)
    cluster.edit(SHOP, certificate={"secretName": "shop-own"})
    cluster.run_for(10 * MINUTE)
    assert certificate(cluster) is None
    claim = cluster.claim(NAME)
    assert (claim.handed, claim.certificate.secret_name) == (None, "shop-own")
    assert phase(cluster) == "active"


def test_an_own_certificate_serves_until_cert_manager_has_one(issued: FakeCluster):
    issued.edit(SHOP, certificate=HANDED)
    issued.run_for(10 * MINUTE)
    assert phase(issued) == "active"
    assert "cert-manager is to have the next one made" in condition(issued)["message"]
    assert issued.claim(NAME).certificate is not None
    says(issued, ready=True)
    issued.run_for(10 * MINUTE)
    claim = issued.claim(NAME)
    assert (claim.certificate, claim.handed.secret_name) == (None, "shop-cm")
    issued.run_for(3 * DAY)
    assert "one/shop-tls" not in issued.secrets()
    assert issued.ca.finalized[NAME] == 1


def test_our_own_secret_is_not_given_away(issued: FakeCluster):
    issued.edit(SHOP, certificate={"certManager": LETS})
    issued.run_for(10 * MINUTE)
    assert certificate(issued) is None
    assert phase(issued) == "active"
    assert "choose another name in spec.certificate.secretName" in condition(issued)["message"]


def test_never_means_never_for_cert_manager_too(handed: FakeCluster):
    handed.edit(SHOP, certificate={**HANDED, "issuance": "Never"})
    handed.run_for(MINUTE)
    assert certificate(handed) is None
    assert phase(handed) == "verified"


# --- kills ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", range(1, 26, 2))
def test_killed_anywhere_it_is_found_again(cluster: FakeCluster, steps: int):
    """And what was created just before a kill, while nobody wants it any more, is deleted."""
    first = cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    first.steps_to_live = steps
    cluster.apply(SHOP, NAME, certificate=HANDED)
    cluster.run_for(30)
    cluster.edit(SHOP, certificate={"secretName": "shop-own"})
    if "a" in cluster.processes:
        cluster.kill("a")
    cluster.start("b")
    cluster.run_for(10 * MINUTE)
    assert certificate(cluster) is None
    assert cluster.claim(NAME).handed is None
    assert phase(cluster) == "active"


@pytest.mark.parametrize("steps", range(1, 10))
def test_killed_while_it_is_taken_back(handed: FakeCluster, steps: int):
    says(handed, ready=True)
    handed.run_for(5)
    handed.processes["a"].steps_to_live = steps
    handed.edit(SHOP, certificate={**HANDED, "issuance": "Never"})
    handed.run_for(5)
    if "a" in handed.processes:
        handed.kill("a")
    handed.start("b")
    handed.run_for(10 * MINUTE)
    assert certificate(handed) is None
    assert handed.claim(NAME).handed is None
    assert phase(handed) == "verified"


@pytest.mark.parametrize("fault", ["before", "after", "busy"])
def test_a_lost_answer_changes_nothing(cluster: FakeCluster, fault: str):
    process = cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME, certificate=HANDED)
    while cluster.claim(NAME) is None or cluster.claim(NAME).handed is None:
        cluster.run_for(0.005)
    process.client.faults.extend(["", fault, fault, fault, fault])
    cluster.run_for(5 * MINUTE)
    assert certificate(cluster) is not None
    assert phase(cluster) == "certificate_pending"


def test_after_a_restart_each_is_looked_at_at_a_moment_of_its_own(handed: FakeCluster):
    says(handed, ready=True)
    handed.run_for(5)
    handed.kill("a")
    says(handed, ready=True, notAfter="2100-01-01T00:00:00Z")
    handed.start("b")
    handed.run_for(5)
    before = handed.claim(NAME).handed.not_after.year
    handed.run_for(2 * HOUR)
    assert (before == 2100, handed.claim(NAME).handed.not_after.year) == (False, 2100)
