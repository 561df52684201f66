"""Domains handed to cert-manager, by the processes under their roles, with its own controllers.

These are those of cert-manager for self-signed certificates; nothing deletes what an ownerReference
says: that is Kubernetes' garbage collector, which is not here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from customdomains.devcluster.controlplane import ControlPlane
from e2e.certmanager import GROUP, running_cert_manager
from e2e.domains import Domain, condition_of, found
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = pytest.mark.cluster

SELF = {"certManager": {"issuerRef": {"name": "self"}}}


@pytest.fixture(scope="module")
def cert_manager(control_plane: ControlPlane, run_dir: Path) -> Iterator[None]:
    """Running, and its kinds installed."""
    with running_cert_manager(control_plane, run_dir / "cert-manager"):
        yield


@pytest.fixture
def issuer(cert_manager: None, control_plane: ControlPlane, namespace: str) -> None:
    """A self-signed one, `self`, in the test's namespace."""
    body = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Issuer",
        "metadata": {"name": "self", "namespace": namespace},
        "spec": {"selfSigned": {}},
    }
    control_plane.request("POST", f"{GROUP}/namespaces/{namespace}/issuers", body)


def certificate_of(domain: Domain) -> dict[str, Any] | None:
    path = f"{GROUP}/namespaces/{domain.namespace}/certificates/{domain.name}"
    return found(domain.plane, path)


def secret_of(domain: Domain, name: str) -> dict[str, Any] | None:
    return found(domain.plane, f"/api/v1/namespaces/{domain.namespace}/secrets/{name}")


def handed(domain: Domain, **certificate: Any) -> Domain:
    """Registered, delegated, and asked for a look."""
    domain.create(certificate={**SELF, **certificate})
    domain.wait(lambda status: status.get("records"), "records to set")
    domain.delegate()
    domain.check()
    return domain


def issued(status: dict[str, Any]) -> dict[str, Any]:
    return condition_of(status, "CertificateIssued")


# First, as long as its kinds are not there.
def test_without_cert_manager_it_is_said(stage: Stage, domain: Domain) -> None:
    handed(domain)
    status = domain.wait_phase("failed")
    assert issued(status)["reason"] == "CertManagerMissing"
    assert "cert-manager is not installed in this cluster" in issued(status)["message"]
    assert "Traceback" not in stage.log()


@pytest.mark.usefixtures("issuer")
def test_a_proved_domain_gets_a_certificate_by_cert_manager(stage: Stage, domain: Domain) -> None:
    handed(domain, secretName="shop-cm")
    status = domain.wait_phase("active")
    shown = status["certificate"]
    assert (shown["issuer"], shown["secretName"]) == ("Issuer/self", "shop-cm")
    assert shown["certManager"] == {"name": domain.name}
    body = certificate_of(domain)
    assert body is not None
    assert body["spec"]["dnsNames"] == [domain.domain]
    assert body["status"]["notAfter"] == shown["notAfter"]
    resource = domain.body()
    assert resource is not None
    (owner,) = body["metadata"]["ownerReferences"]
    assert owner["uid"] == resource["metadata"]["uid"]
    secret = secret_of(domain, "shop-cm")
    assert secret is not None
    assert secret["metadata"]["annotations"]["cert-manager.io/certificate-name"] == domain.name
    assert not stage.refused_writes()


@pytest.mark.usefixtures("issuer")
def test_a_wildcard_and_the_kind_of_key_are_handed_on(stage: Stage, domain: Domain) -> None:
    handed(domain, secretName="shop-cm", privateKey={"algorithm": "ECDSA", "size": 384})
    domain.wait_phase("active")
    domain.patch({"spec": {"wildcard": True}})
    names = {domain.domain, f"*.{domain.domain}"}

    def covers() -> bool:
        return set((certificate_of(domain) or {})["spec"]["dnsNames"]) == names

    until(covers, "the Certificate is for the wildcard, too", explain=domain.status)
    domain.wait(lambda s: s["phase"] == "active" and issued(s)["status"] == "True", "active again")
    key = (certificate_of(domain) or {})["spec"]["privateKey"]
    assert key == {"algorithm": "ECDSA", "size": 384, "rotationPolicy": "Always"}


@pytest.mark.usefixtures("issuer")
def test_an_issuer_that_is_not_there_is_told_in_cert_managers_words(
    stage: Stage, domain: Domain
) -> None:
    domain.create(certificate={"certManager": {"issuerRef": {"name": "nobody"}}})
    domain.wait(lambda status: status.get("records"), "records to set")
    domain.delegate()
    domain.check()
    status = domain.wait(
        lambda s: (
            issued(s).get("reason") == "AwaitingCertManager" and "says" in issued(s)["message"]
        ),
        "what cert-manager says",
    )
    assert status["phase"] == "certificate_pending"
    assert "Issuer/nobody" in issued(status)["message"]


@pytest.mark.usefixtures("issuer")
def test_a_foreign_secret_is_refused_and_stays_as_it_is(stage: Stage, domain: Domain) -> None:
    secrets = f"/api/v1/namespaces/{domain.namespace}/secrets"
    body = {"metadata": {"name": "shop-cm"}, "stringData": {"password": "mine"}}
    domain.plane.request("POST", secrets, body)
    handed(domain, secretName="shop-cm")
    status = domain.wait_phase("failed")
    assert issued(status)["reason"] == "SecretConflict"
    assert certificate_of(domain) is None
    domain.patch({"spec": {"certificate": {"secretName": "free"}}})
    domain.wait_phase("active")
    kept = secret_of(domain, "shop-cm")
    assert kept is not None
    assert list(kept["data"]) == ["password"]


@pytest.mark.usefixtures("issuer")
def test_from_our_own_to_cert_manager_and_back(stage: Stage, domain: Domain) -> None:
    domain.create()
    domain.bring_to_active()
    domain.patch({"spec": {"certificate": {**SELF, "secretName": "shop-cm"}}})
    status = domain.wait(
        lambda s: s["certificate"].get("issuer") == "Issuer/self", "cert-manager's certificate"
    )
    assert status["phase"] == "active"
    claim = domain.claim()
    assert claim is not None
    assert "certificate" not in claim["status"]
    domain.patch({"spec": {"certificate": {"certManager": None, "secretName": "shop-own"}}})
    until(lambda: certificate_of(domain) is None, "the Certificate is taken back")
    domain.wait(
        lambda s: s.get("certificate", {}).get("secretName") == "shop-own", "our own certificate"
    )
    secret = secret_of(domain, "shop-own")
    assert secret is not None
    assert secret_of(domain, "shop-cm") is not None


@pytest.mark.usefixtures("issuer")
def test_a_proof_that_is_gone_for_too_long_ends_it(stage: Stage, domain: Domain) -> None:
    with stage.another_controller(verification={"gracePeriod": "2s"}):
        handed(domain, secretName="shop-cm")
        domain.wait_phase("active")
        stage.dns.clear(domain.challenge_name)
        domain.check()
        domain.wait_phase("failed")
        until(lambda: certificate_of(domain) is None, "the Certificate is taken back")
    assert secret_of(domain, "shop-cm") is not None
