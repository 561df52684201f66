"""Every way to answer a challenge, through the processes: Pebble looks for real, and so do we."""

import base64
from collections.abc import Iterator

import pytest
import yaml
from cryptography import x509

from e2e.domains import Domain
from e2e.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

KINDS = ("dns-01", "dns-account-01", "dns-persist-01", "http-01")


@pytest.fixture(scope="module")
def kinds(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The kinds of challenges that are used with the CA."""
    return getattr(request, "param", KINDS)


@pytest.fixture(scope="module")
def open_stage(shared_stage: Stage, kinds: tuple[str, ...]) -> Iterator[Stage]:
    """A controller that uses all kinds, in the shared one's place, and an api process to which the
    domains lead, at the port where Pebble asks."""
    stage = shared_stage
    issuer = yaml.safe_load(stage.controller.config.read_text())["issuers"][0]
    port = stage.pebble.http_port
    settings = {
        "CUSTOMDOMAINS_ISSUERS": yaml.safe_dump([issuer | {"challenges": list(kinds)}]),
        "CUSTOMDOMAINS_API_CHALLENGELISTEN": f"127.0.0.1:{port}",
        "CUSTOMDOMAINS_LOOKUPS_HTTPPORT": str(port),
    }
    stage.stop_controller()
    stage.free_lease()
    controller, api = stage.operator("controller"), stage.operator("api")
    try:
        for name, operator in (("api", api), ("controller", controller)):
            operator.launch(name, **settings)
        for name, operator in (("api", api), ("controller", controller)):
            operator.wait_ready(name)
        stage.wait_leading()
        yield stage
        for name, operator in (("api", api), ("controller", controller)):
            log = operator.log_of(name).read_text()
            assert "Traceback" not in log
            assert "PRIVATE KEY" not in log
    finally:
        controller.stop()
        api.stop()


@pytest.fixture
def shop(open_stage: Stage, namespace: str) -> Domain:
    """A domain that is not registered yet."""
    return open_stage.domain(namespace)


def prove(shop: Domain, **spec) -> dict:
    """Register it and set the token; the status when it rests."""
    shop.create(**spec)
    shop.wait(lambda status: status.get("records"), "records to set")
    shop.set_txt(shop.record("TXT")["value"])
    shop.check()
    return shop.wait(
        lambda status: status.get("phase") == "verified" and len(status["records"]) > 1,
        "verified, and the records that would do",
    )


def issued_by(shop: Domain, challenge: str, *names: str) -> dict:
    """The status once there is a certificate, which came by this kind of challenge."""
    status = shop.wait_phase("active")
    assert status["certificate"]["challenge"] == challenge
    secret = shop.secret()
    assert secret is not None
    leaf = x509.load_pem_x509_certificates(base64.b64decode(secret["data"]["tls.crt"]))[0]
    sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(sans.get_values_for_type(x509.DNSName)) == set(names or (shop.domain,))
    return status


def set_listed(stage: Stage, shop: Domain, purpose: str, kind: str) -> None:
    """Set a record as the status lists it, and ask for a check."""
    (wanted,) = (r for r in shop.records(purpose) if r["type"] == kind)
    name = wanted["name"].removesuffix(".")
    if kind == "CNAME":
        stage.dns.set_cname(name, wanted["value"])
    else:
        stage.dns.set_txt(name, wanted["value"])
    shop.check()


@pytest.mark.parametrize("wildcard", [False, True])
def test_a_record_that_stays_gets_one_certificate_after_another(open_stage, shop, wildcard):
    spec = {"wildcard": True} if wildcard else {}
    names = (shop.domain, f"*.{shop.domain}") if wildcard else (shop.domain,)
    prove(shop, **spec)
    set_listed(open_stage, shop, "Persistent", "TXT")
    first = issued_by(shop, "dns-persist-01", *names)
    (record,) = shop.records("Persistent")
    assert record["state"] == "Present"
    assert "; policy=wildcard" in record["value"] or not wildcard
    shop.issue()
    number = first["certificate"]["serialNumber"]
    shop.wait(
        lambda status: status["certificate"].get("serialNumber") not in {None, number}, "a new one"
    )
    issued_by(shop, "dns-persist-01", *names)


@pytest.mark.parametrize("wildcard", [False, True])
def test_the_account_s_label_leads_to_the_responder(open_stage, shop, wildcard):
    spec = {"wildcard": True} if wildcard else {}
    prove(shop, **spec)
    set_listed(open_stage, shop, "Delegation", "CNAME")
    names = (shop.domain, f"*.{shop.domain}") if wildcard else (shop.domain,)
    issued_by(shop, "dns-account-01", *names)


def test_a_domain_that_leads_to_the_platform_needs_nothing_else(open_stage, shop):
    prove(shop)
    open_stage.dns.put([{"name": shop.domain, "type": "A", "values": ["127.0.0.1"]}])
    shop.check()
    status = issued_by(shop, "http-01")
    assert (
        f"http://{shop.domain} leads to the operator" in status["certificate"]["challengeMessage"]
    )
    claim = shop.claim()
    assert claim is not None
    assert claim["status"]["certificate"]["method"] == "HTTP"


def test_a_domain_that_leads_elsewhere_as_well_is_not_ordered_for(open_stage, shop):
    """By one of its addresses nobody answers, and a CA may ask that one."""
    prove(shop)
    both = {"name": shop.domain, "type": "A", "values": ["127.0.0.1", "127.0.0.9"]}
    open_stage.dns.put([both])
    status = shop.wait_checked()
    assert status["phase"] == "verified"
    open_stage.dns.put([both | {"values": ["127.0.0.1"]}])
    shop.check()
    issued_by(shop, "http-01")


def test_delegated_it_is_as_it_was(open_stage, shop):
    """Also with a persistent record there: the CNAME comes first."""
    status = shop.create().bring_to_active()
    assert status["certificate"]["challenge"] == "dns-01"
    claim = shop.claim()
    assert claim is not None
    assert not {"challenge", "method", "persistent"} & set(claim["status"]["certificate"])


@pytest.mark.parametrize("kinds", [("http-01",)], indirect=True)
def test_a_wildcard_can_t_be_had_over_http_and_the_refusal_says_so(open_stage, shop):
    open_stage.dns.put([{"name": shop.domain, "type": "A", "values": ["127.0.0.1"]}])
    shop.create(wildcard=True)
    shop.wait(lambda status: status.get("records"), "records to set")
    shop.set_txt(shop.record("TXT")["value"])
    shop.check()
    status = shop.wait(lambda status: status.get("phase") == "verified", "verified")
    ready = shop.condition("Ready")
    assert ready["reason"] == "NoChallenge"
    assert f"a certificate for *.{shop.domain} needs a DNS challenge" in ready["message"]
    assert "certificate" not in status
    shop.patch({"spec": {"wildcard": False}})
    issued_by(shop, "http-01")


@pytest.mark.parametrize("kinds", [("dns-account-01",)], indirect=True)
def test_the_account_s_label_by_hand(open_stage, shop):
    prove(shop)
    shop.issue()
    shop.wait_phase("certificate_pending")
    (record,) = shop.records("Challenge")
    assert record["name"].endswith(f"._acme-challenge.{shop.domain}.")
    open_stage.dns.set_txt(record["name"].removesuffix("."), record["value"])
    shop.check()
    issued_by(shop, "dns-account-01")
