"""The API server goes away: DNS goes on answering, and the controller takes up again."""

import pytest

from e2e.certificates import assert_serves
from e2e.ledger import orders_for
from e2e.relay import Call
from e2e.responder import txt_at
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

LONG_LEASE = {"controller": {"leaseDuration": "120s"}}


def test_api_server_is_restarted_in_the_middle_of_an_order(stage: Stage, domain):
    # The shared controller's Lease is shorter than any start of an API server.
    stage.stop_controller()
    patient = stage.operator("controller", changes=LONG_LEASE)
    patient.start("controller")
    stage.wait_leading()
    try:
        domain.create()
        domain.wait(lambda status: status.get("records"), "records to set")
        claim = domain.claim()
        assert claim is not None
        name = f"{claim['spec']['id']}.{stage.zone}."
        gone = stage.ca.arm(is_challenge, stage.plane.stop_apiserver, before=False)
        domain.delegate()
        domain.check()
        assert gone.sprung.wait(30), "the order is under way"
        try:
            code, texts = txt_at(stage.responder, name)
            assert code == "NOERROR"
            assert claim["spec"]["token"] in texts
            assert len(texts) == 2, "the challenge's value is served as well"
            assert txt_at(stage.responder, f"{'e' * 32}.{stage.zone}.")[0] == "NXDOMAIN"
        finally:
            stage.plane.start_apiserver()
        domain.wait_phase("active")
        assert patient.process("controller").running
        (order,) = orders_for(stage.ca.calls, domain.domain)
        assert order.finalized == 1
        assert_serves(domain.secret() or {}, stage.pebble.roots(), domain.domain)
        later = stage.domain(domain.namespace, "later").create()
        token_alone = ("NOERROR", [claim["spec"]["token"]])
        until(lambda: txt_at(stage.responder, name) == token_alone, "the responder has caught up")
        later.bring_to_active()
    finally:
        patient.stop()
    assert "Traceback" not in patient.log_of("controller").read_text()


def is_challenge(call: Call) -> bool:
    """Whether the CA is told that the challenge can be looked at."""
    return call.path.startswith("/chalZ/")


def test_controller_that_loses_its_lease_ends_and_the_next_one_goes_on(stage: Stage, domain):
    cut = stage.ca.arm(is_challenge, stage.apiserver.stop, before=False)
    domain.create()
    domain.wait(lambda status: status.get("records"), "records to set")
    domain.delegate()
    domain.check()
    assert cut.sprung.wait(30), "the order is under way"
    try:
        assert stage.controller.process("controller").wait(30) == 1
    finally:
        stage.apiserver.start()
    log = stage.log()
    assert "the Lease could not be renewed" in log
    assert "Traceback" not in log
    stage.start_controller()
    domain.wait_phase("active")
    (order,) = orders_for(stage.ca.calls, domain.domain)
    assert order.finalized == 1
