"""What a tenant who deletes and creates again gets back, and what nobody inherits."""

import secrets
from collections.abc import Iterator

import pytest

from e2e.certificates import assert_serves
from e2e.domains import API, Domain, condition_of
from e2e.ledger import orders_for
from e2e.stage import Stage
from e2e.tenants import end_namespace, make_namespace
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

TRANSFER_TO = "customdomains.dev/transfer-to"


@pytest.fixture
def other(stage: Stage, domain: Domain) -> Iterator[Domain]:
    """The same domain, wanted in another namespace."""
    namespace = make_namespace(stage.plane)
    yield Domain(stage.plane, stage.dns, namespace, domain.domain, stage.zone)
    stage.plane.request("DELETE", f"{API}/namespaces/{namespace}/customdomains")


def vacated(domain: Domain) -> dict[str, object]:
    """The claim as soon as it is known that its CustomDomain is gone."""

    def vacant() -> dict[str, object]:
        claim = domain.claim() or {}
        standing = claim.get("status", {}).get("standing", {})
        return claim if standing.get("vacantSince") else {}

    return until(vacant, f"{domain.domain} is vacant", explain=domain.claim)


def registered(domain: Domain) -> dict[str, object]:
    """Its status as soon as it has records to set."""
    return domain.create().wait(lambda status: status.get("records"), "records to set")


def test_pruned_and_created_again_it_has_its_id_token_and_certificate(stage: Stage, domain):
    before = domain.create().bring_to_active()
    secret = domain.secret()
    domain.delete()
    vacated(domain)
    domain.create()
    again = domain.wait_phase("active")
    for field in ("id", "verificationToken"):
        assert again[field] == before[field]
    assert again["certificate"]["serialNumber"] == before["certificate"]["serialNumber"]
    assert domain.secret() == secret
    assert len(orders_for(stage.ca.calls, domain.domain)) == 1

    # A GitOps tool that renames what it manages prunes the old one, before or after.
    domain.delete()
    vacated(domain)
    renamed = stage.domain(domain.namespace, "renamed")
    renamed.create(domainName=domain.domain)
    status = renamed.wait(lambda status: status.get("records"), "records to set")
    assert status["id"] == before["id"]
    renamed.delete()


def test_released_on_delete_nothing_is_kept(stage: Stage, domain):
    before = registered(domain)
    domain.annotate("customdomains.dev/release-on-delete", "true")
    domain.wait_checked()
    domain.delete()
    until(lambda: domain.claim() is None, "the claim is gone")
    assert registered(domain)["id"] != before["id"]


def test_kept_name_is_anothers_who_proves_it(stage: Stage, domain, other):
    before = domain.create().bring_to_active()
    domain.delete()
    vacated(domain)
    second = registered(other)
    assert condition_of(second, "Claimed")["reason"] == "Contending"
    assert second["id"] != before["id"]
    assert other.wait_checked()["phase"] == "pending"
    other.delegate()
    other.check()
    assert other.wait_phase("active")["id"] == second["id"]

    # Who comes back has its identity still, and no right to the name.
    late = registered(domain)
    assert (late["id"], condition_of(late, "Claimed")["reason"]) == (before["id"], "Contending")
    assert other.wait_checked()["phase"] == "active"


def test_name_of_a_namespace_that_was_deleted_is_not_inherited(stage: Stage, domain, other):
    home = other.namespace
    before = other.create().bring_to_active()
    end_namespace(stage.plane, home)
    vacated(other)
    assert make_namespace(stage.plane, home) == home
    # The CNAME of the former tenant is still there, and proves nothing for this one.
    after = registered(other)
    assert after["id"] != before["id"]
    assert after["verificationToken"] != before["verificationToken"]
    assert other.wait_checked()["phase"] == "pending"
    assert other.secret() is None


def test_administrator_hands_a_name_to_the_namespace_made_anew(stage: Stage, domain, other):
    home = other.namespace
    before = other.create().bring_to_active()
    end_namespace(stage.plane, home)
    vacated(other)
    make_namespace(stage.plane, home)
    path = f"{API}/domainclaims/{other.domain}"
    stage.plane.request("PATCH", path, {"metadata": {"annotations": {TRANSFER_TO: home}}})
    other.create()
    again = other.wait_phase("active")
    assert (again["id"], again["verificationToken"]) == (
        before["id"],
        before["verificationToken"],
    )
    assert_serves(other.secret() or {}, stage.pebble.roots(), other.domain)
    meta = (other.claim() or {})["metadata"]
    assert TRANSFER_TO not in meta.get("annotations", {}), "it counts once"


def test_deleted_while_the_operator_is_off(stage: Stage, domain, other):
    before = domain.create().bring_to_active()
    gone = stage.domain(domain.namespace, "gone").create()
    gone.wait(lambda status: status.get("records"), "records to set")
    stage.stop_controller()
    domain.delete()
    gone.delete()
    other.create()
    stage.start_controller()
    vacated(domain)
    vacated(gone)
    second = other.wait(lambda status: status.get("records"), "records to set")
    assert second["id"] != before["id"]
    assert other.wait_checked()["phase"] == "pending"


@pytest.mark.parametrize("claims_too", [False, True], ids=["resources", "claims too"])
def test_restored_from_a_backup_under_new_uids(stage: Stage, domain, claims_too):
    before = domain.create().bring_to_active()
    until(lambda: domain.secret("-next") is None, "the waiting key is gone")
    backup, claim = domain.body() or {}, domain.claim() or {}
    stage.stop_controller()
    domain.delete()
    if claims_too:
        stage.plane.request("DELETE", f"{API}/domainclaims/{domain.domain}")
        stage.plane.request("POST", f"{API}/domainclaims", as_backed_up(claim))
    path = f"{API}/namespaces/{domain.namespace}/customdomains"
    stage.plane.request("POST", path, as_backed_up(backup))
    stage.start_controller()
    uid = (domain.body() or {})["metadata"]["uid"]
    until(
        lambda: (domain.claim() or {})["spec"]["holderRef"].get("uid") == uid,
        "the claim has the new uid",
        explain=domain.claim,
    )
    after = domain.wait_phase("active")
    assert (after["id"], after["certificate"]) == (before["id"], before["certificate"])
    assert len(orders_for(stage.ca.calls, domain.domain)) == 1


def as_backed_up(body: dict) -> dict:
    """Without what the API server gives an object."""
    kept = {"name", "namespace", "labels", "annotations"}
    meta = {key: value for key, value in body["metadata"].items() if key in kept}
    return {**body, "metadata": meta}


def test_contenders_status_is_rebuilt_as_it_was(stage: Stage, domain, other):
    registered(domain)
    before = registered(other)
    path = f"{API}/namespaces/{other.namespace}/customdomains/{other.name}/status"
    junk = {
        "id": secrets.token_hex(16),
        "verificationToken": secrets.token_hex(32),
        "phase": "active",
        "domain": domain.domain,
    }
    stage.plane.request("PATCH", path, {"status": junk})
    fields = ("id", "verificationToken", "phase", "conditions")
    other.wait(
        lambda status: all(status.get(each) == before[each] for each in fields),
        "the status is as it was",
    )
    claim = other.claim() or {}
    assert [seat["id"] for seat in claim["status"]["contenders"]] == [before["id"]]
