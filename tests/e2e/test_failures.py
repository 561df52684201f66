"""What fails says why, in words, and goes on when it is mended and somebody asks."""

import base64
from typing import Any

import pytest

from customdomains.devcluster.controlplane import ControlPlane
from e2e.certificates import assert_serves
from e2e.domains import Domain, condition_of
from e2e.ledger import orders_for
from e2e.relay import Call
from e2e.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.acme]


def make_foreign(plane: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    """A Secret that somebody else has made."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {"precious": base64.b64encode(b"not yours").decode()},
    }
    made: dict[str, Any] = plane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    return made


def assert_failed(domain: Domain, reason: str, phase: str = "failed") -> str:
    """Phase and conditions name `reason`; returns what is said."""
    status = domain.wait(
        lambda status: condition_of(status, "CertificateIssued").get("reason") == reason,
        f"the reason {reason}",
    )
    assert status["phase"] == phase
    ready = condition_of(status, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert ("Stalled" in {each["type"] for each in status["conditions"]}) == (phase == "failed")
    return str(ready["message"])


def register_and_delegate(domain: Domain) -> None:
    """All that a tenant with a CNAME does."""
    domain.create()
    domain.wait(lambda status: status.get("records"), "records to set")
    domain.delegate()
    domain.check()


def test_failures_are_named_and_end_when_they_are_mended(stage: Stage, namespace):
    """One test for all, since after a failure even who asks is heard only after some seconds."""
    deleted, renamed, waiting, unreachable, late = (
        stage.domain(namespace, label)
        for label in ("deleted", "renamed", "waiting", "unreachable", "late")
    )
    foreign = {
        name: make_foreign(stage.plane, namespace, name)
        for name in (deleted.secret_name, renamed.secret_name, f"{waiting.secret_name}-next")
    }
    for each in (deleted, renamed, waiting):
        register_and_delegate(each)
    for each in (deleted, renamed, waiting):
        said = assert_failed(each, "SecretConflict")
        name = f"{each.secret_name}-next" if each is waiting else each.secret_name
        assert f"the Secret {name} is there already" in said
        mend = "" if each is waiting else ", or choose another name in spec.certificate.secretName"
        assert f"delete it{mend}" in said
        assert orders_for(stage.ca.calls, each.domain) == []
        path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
        assert stage.plane.request("GET", path) == foreign[name]

    # The CA goes away under an order that is placed already, and stays away for another domain.
    at_finalize = stage.ca.arm(is_finalization, stage.ca.stop, before=True)
    register_and_delegate(late)
    late.wait(lambda _: at_finalize.sprung.is_set(), "the CA is asked to finalize")
    try:
        register_and_delegate(unreachable)
        said = assert_failed(unreachable, "CAUnreachable")
        assert "The next try is at" in said
        assert "customdomains.dev/check-requested-at" in said
        late_said = assert_failed(late, "CAUnreachable", "certificate_pending")
        assert "an order is placed, but" in late_said
    finally:
        stage.ca.start()

    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    stage.plane.request("DELETE", f"{secrets}/{deleted.secret_name}")
    stage.plane.request("DELETE", f"{secrets}/{waiting.secret_name}-next")
    renamed.patch({"spec": {"certificate": {"secretName": "another"}}})
    for each in (deleted, waiting, unreachable, late):
        each.check()
    for each in (deleted, renamed, waiting, unreachable, late):
        active = each.wait_phase("active")
        assert not condition_of(active, "Stalled")
        (order,) = orders_for(stage.ca.calls, each.domain)
        assert order.finalized == 1
        secret = stage.plane.request("GET", f"{secrets}/{active['certificate']['secretName']}")
        assert_serves(secret, stage.pebble.roots(), each.domain)
    assert renamed.secret() == foreign[renamed.secret_name]
    assert renamed.status()["certificate"]["secretName"] == "another"


def test_order_that_the_ca_has_forgotten_is_replaced(stage: Stage, domain):
    """Pebble is restarted under an order: accounts and orders are gone."""
    restarted = stage.ca.arm(is_finalization, stage.restart_pebble, before=True)
    register_and_delegate(domain)
    domain.wait(lambda _: restarted.sprung.is_set(), "the CA is restarted")
    domain.wait(lambda status: status["phase"] in {"failed", "active"}, "the order's end")
    domain.check()
    domain.wait_phase("active")
    assert_serves(domain.secret() or {}, stage.pebble.roots(), domain.domain)
    assert [order.finalized for order in orders_for(stage.ca.calls, domain.domain)] == [0, 1]


def is_finalization(call: Call) -> bool:
    """Whether the CA is asked for the certificate."""
    return call.path.startswith("/finalize-order/")
