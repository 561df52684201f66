"""One domain, one holder; and names that nobody can hold."""

import urllib.error

import pytest

from e2e.certificates import assert_serves
from e2e.domains import Domain, condition_of
from e2e.ledger import orders_for
from e2e.stage import Stage
from e2e.tenants import make_namespace
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]


def assert_not_claimed(status: dict, reason: str) -> str:
    """The domain failed to be claimed for `reason`; returns what is said about it."""
    assert status["phase"] == "failed"
    for kind in ("Ready", "Claimed"):
        condition = condition_of(status, kind)
        assert (condition["status"], condition["reason"]) == ("False", reason)
    assert condition_of(status, "Stalled")["status"] == "True"
    assert not {"id", "verificationToken", "records"} & set(status)
    return str(condition_of(status, "Claimed")["message"])


def test_another_spelling_is_the_same_domain(stage: Stage, domain):
    domain.create()
    first = domain.wait(lambda status: status.get("records"), "records to set")
    namespace = make_namespace(stage.plane)
    other = Domain(stage.plane, stage.dns, namespace, domain.domain, stage.zone)
    other.create(domainName=f"{domain.domain.upper()}.")
    second = other.wait(lambda status: status.get("records"), "records to set")
    assert second["domain"] == domain.domain
    assert condition_of(second, "Claimed")["reason"] == "Contending"
    assert domain.status()["id"] == first["id"]

    # Nobody has proved anything, so who comes second has it when the first one goes.
    domain.delete()
    status = other.wait(
        lambda status: condition_of(status, "Claimed").get("reason") == "Held", "it has the name"
    )
    assert status["id"] == second["id"]
    assert other.bring_to_active()["id"] == status["id"]
    other.delete()


def test_without_contests_who_comes_second_waits_until_the_holder_is_gone(stage: Stage, domain):
    with stage.another_controller(claims={"contests": False}):
        domain.create()
        first = domain.wait(lambda status: status.get("records"), "records to set")
        namespace = make_namespace(stage.plane)
        other = Domain(stage.plane, stage.dns, namespace, domain.domain, stage.zone)
        other.create()
        message = assert_not_claimed(other.wait_phase("failed"), "HeldByAnother")
        assert domain.namespace not in message
        assert domain.name not in message.replace(domain.domain, "")

        # Whoever is told "failed" can't get there by asking.
        other.check()
        assert_not_claimed(
            other.wait(lambda s: s.get("lastHandledCheckRequest"), "the check"), "HeldByAnother"
        )
        assert domain.status()["id"] == first["id"]

        domain.delete()
        status = other.wait(lambda status: status.get("records"), "it has the name now")
        assert status["id"] != first["id"]
        assert status["verificationToken"] != first["verificationToken"]
        other.delete()


def test_second_in_the_same_namespace_is_no_holder_either(stage: Stage, domain):
    domain.create()
    domain.wait(lambda status: status.get("records"), "records to set")
    twin = stage.domain(domain.namespace, "twin")
    twin.create(domainName=domain.domain)
    assert_not_claimed(twin.wait_phase("failed"), "HeldByAnother")
    twin.delete()
    assert domain.claim() is not None


def test_delete_and_create_at_once_keeps_working(stage: Stage, domain):
    domain.create()
    domain.bring_to_active()
    domain.delete()
    domain.create()
    uid = (domain.body() or {})["metadata"]["uid"]

    def adopted() -> bool:
        holder = (domain.claim() or {"spec": {"holderRef": {}}})["spec"]["holderRef"]
        return bool(holder.get("uid") == uid and domain.status().get("id"))

    until(adopted, "the new resource holds the domain", explain=domain.claim)
    claim = domain.claim()
    assert claim is not None
    assert domain.status()["id"] == claim["spec"]["id"]
    domain.delegate(claim["spec"]["id"])
    domain.check()
    assert domain.wait_phase("active")["id"] == claim["spec"]["id"]
    assert all(order.finalized <= 1 for order in orders_for(stage.ca.calls, domain.domain))


def test_domain_registered_again_takes_its_own_secret_over(stage: Stage, domain):
    domain.create()
    first = domain.bring_to_active()
    before = domain.secret()
    domain.annotate("customdomains.dev/release-on-delete", "true")
    domain.wait_checked()
    domain.delete()
    until(lambda: domain.claim() is None, "the domain is free")
    assert domain.secret() == before, "a certificate in use outlives its CustomDomain"

    domain.create()
    domain.wait(lambda status: status.get("records"), "records to set")
    again = domain.bring_to_active()
    assert again["id"] != first["id"]
    assert again["certificate"]["serialNumber"] != first["certificate"]["serialNumber"]
    secret = domain.secret() or {}
    assert_serves(secret, stage.pebble.roots(), domain.domain)
    assert secret["metadata"]["labels"]["customdomains.dev/id"] == again["id"]
    until(lambda: domain.secret("-next") is None, "the waiting key is gone")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("co.uk", "PublicSuffix"),
        ("x.test", "SpecialUseName"),
        ("xn--a.com", "InvalidName"),
    ],
)
def test_name_that_nobody_can_register_says_why(stage: Stage, domain, name, reason):
    domain.create(domainName=name)
    message = assert_not_claimed(domain.wait_phase("failed"), reason)
    assert len(message) > 20
    claims = stage.plane.request("GET", "/apis/customdomains.dev/v1/domainclaims")["items"]
    assert name not in {claim["metadata"]["name"] for claim in claims}


@pytest.mark.parametrize(
    ("name", "said"),
    [("1.2.3.4", "not an IP address"), ("https://x.example.com", "without scheme")],
)
def test_name_with_wrong_syntax_is_refused_at_once(domain, name, said):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        domain.create(domainName=name)
    assert refusal.value.code == 422
    assert said in refusal.value.read().decode()
