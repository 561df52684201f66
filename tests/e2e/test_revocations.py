"""Secrets that people lay hands on, and certificates that end early, through the processes.

Pebble says itself what it has revoked, and why.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from customdomains.model.times import parse_time
from e2e.certificates import assert_serves, decoded
from e2e.domains import Domain
from e2e.relay import Call
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

KEY_COMPROMISED = "customdomains.dev/key-compromised"
CESSATION, COMPROMISE = 5, 1
NOT_YET = timedelta(seconds=-1)


def serial_in(secret: dict[str, Any]) -> str:
    leaf = x509.load_pem_x509_certificates(decoded(secret, "tls.crt"))[0]
    return f"{leaf.serial_number:x}"


def path_of(domain: Domain) -> str:
    return f"/api/v1/namespaces/{domain.namespace}/secrets/{domain.secret_name}"


def whole_again(stage: Stage, domain: Domain, before: str) -> dict[str, Any]:
    """The Secret with the next certificate, once the status knows of it."""
    domain.wait(
        lambda status: (
            status.get("phase") == "active"
            and status.get("certificate", {}).get("serialNumber") not in {None, before}
        ),
        "another certificate",
    )
    secret = domain.secret()
    assert secret is not None
    assert_serves(secret, stage.pebble.roots(), domain.domain)
    return secret


def revoked(stage: Stage, serial: str) -> dict[str, Any]:
    """What the CA says of a certificate once it is revoked."""

    def told() -> dict[str, Any]:
        status = stage.pebble.certificate_status(serial)
        return status if status["Status"] == "Revoked" else {}

    return until(told, f"{serial} is revoked", explain=stage.log)


@pytest.fixture
def active(stage: Stage, domain: Domain) -> Domain:
    domain.create()
    domain.bring_to_active()
    return domain


@pytest.mark.parametrize("how", ["deleted", "edited"])
def test_a_secret_that_somebody_laid_hands_on_is_whole_again(stage: Stage, active: Domain, how):
    secret = active.secret()
    assert secret is not None
    if how == "deleted":
        stage.plane.request("DELETE", path_of(active))
    else:
        data = {"tls.key": base64.b64encode(b"something else").decode()}
        stage.plane.request("PATCH", path_of(active), {"data": data})
    after = whole_again(stage, active, serial_in(secret))
    assert decoded(after, "tls.key") != decoded(secret, "tls.key")


def test_one_whose_labels_are_gone_is_left_alone(stage: Stage, active: Domain):
    labels = {"app.kubernetes.io/managed-by": "somebody"}
    stage.plane.request("PATCH", path_of(active), {"metadata": {"labels": labels}})
    active.wait(
        lambda _: active.condition("CertificateIssued").get("reason") == "SecretConflict",
        "the conflict",
    )
    secret = active.secret()
    assert secret is not None
    assert secret["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "somebody"
    labels = {"app.kubernetes.io/managed-by": "customdomain-operator"}
    stage.plane.request("PATCH", path_of(active), {"metadata": {"labels": labels}})
    active.wait_phase("active")
    found = active.secret()
    assert found is not None
    assert serial_in(found) == serial_in(secret)


def test_nobody_but_the_controller_watches_secrets(stage: Stage):
    watching = [
        account
        for account in ("controller", "api", "dns")
        if stage.allows(account, "watch", resource="secrets")
    ]
    assert watching == ["controller"]


def test_a_compromised_key_is_replaced_before_its_certificate_is_revoked(
    stage: Stage, active: Domain
):
    before = active.secret()
    assert before is not None
    old = serial_in(before)
    active.annotate(KEY_COMPROMISED, old)
    assert revoked(stage, old)["Reason"] == COMPROMISE
    after = whole_again(stage, active, old)
    assert decoded(after, "tls.key") != decoded(before, "tls.key")
    assert stage.pebble.certificate_status(serial_in(after))["Status"] == "Valid"
    status = active.wait(
        lambda status: status["certificate"]["keyCompromise"]["ending"] == "Revoked", "its end"
    )
    assert status["certificate"]["keyCompromise"] == {
        "request": old,
        "ending": "Revoked",
        "serialNumber": old,
    }


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_amid_a_revocation_the_next_controller_finishes(
    stage: Stage, active: Domain, before: bool
):
    secret = active.secret()
    assert secret is not None
    old = serial_in(secret)
    is_it: Callable[[Call], bool] = lambda call: call.path.endswith("/revoke-cert")  # noqa: E731
    trap = stage.ca.arm(is_it, stage.kill_controller, before=before)
    active.annotate(KEY_COMPROMISED, "now")
    until(trap.sprung.is_set, "the controller is killed")
    status = stage.pebble.certificate_status(old)["Status"]
    assert status == ("Valid" if before else "Revoked")
    stage.start_controller()
    assert revoked(stage, old)["Reason"] == COMPROMISE
    active.wait(
        lambda status: status["certificate"]["keyCompromise"]["ending"] == "Revoked", "its end"
    )


def test_it_is_revoked_with_its_domain_although_the_operator_was_off(stage: Stage, domain: Domain):
    domain.create(certificate={"revokeOnDelete": True})
    domain.bring_to_active()
    secret = domain.secret()
    assert secret is not None
    stage.stop_controller()
    domain.delete()
    brief = {"leaseDuration": "3s", "secretRetention": "1s"}
    # It sweeps at its start, and then every ten minutes: each start is one step.
    with stage.another_controller(controller=brief):
        until(lambda: "vacantSince" in standing(domain), "the seat is vacant")
    with stage.another_controller(controller=brief):
        until(lambda: orphaned_for(domain) is not NOT_YET, "the sweep knows that nobody uses it")
    assert stage.pebble.certificate_status(serial_in(secret))["Status"] == "Valid"
    until(lambda: orphaned_for(domain) > timedelta(seconds=1), "it is kept for long enough")
    with stage.another_controller(controller=brief):
        until(lambda: domain.secret() is None, "the Secret is gone")
    assert stage.pebble.certificate_status(serial_in(secret))["Reason"] == CESSATION


def standing(domain: Domain) -> dict[str, Any]:
    """How the holder's seat stands."""
    found: dict[str, Any] = (domain.claim() or {}).get("status", {}).get("standing", {})
    return found


def orphaned_for(domain: Domain) -> timedelta:
    """For how long its Secret is marked as nobody's."""
    secret = domain.secret() or {"metadata": {}}
    since = parse_time(
        secret["metadata"].get("annotations", {}).get("customdomains.dev/orphaned-at")
    )
    return NOT_YET if since is None else datetime.now(UTC) - since
