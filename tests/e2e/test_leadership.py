"""Two controllers: one works, the other takes over, and nothing is done twice."""

import os
import signal

import pytest

from e2e.certificates import assert_serves
from e2e.ledger import orders_for
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

LEASE_SECONDS = 15.0
LONG_LEASE = {"controller": {"leaseDuration": f"{LEASE_SECONDS:g}s"}}


def test_the_second_takes_over_when_the_leader_is_killed(stage: Stage, domain):
    standby = stage.operator("controller")
    standby.start("controller")
    try:
        leader = stage.leader()
        trap = stage.trap_controller(lambda call: b"tls.crt" in call.body, before=False)
        domain.create()
        domain.wait(lambda status: status.get("records"), "records to set")
        domain.delegate()
        domain.check()
        assert trap.sprung.wait(30), "the leader is killed with the certificate just stored"
        # The Lease is left to expire.
        until(lambda: stage.leader() not in {"", leader}, "the other one leads")
        domain.wait_phase("active")
        (order,) = orders_for(stage.ca.calls, domain.domain)
        assert order.finalized == 1
        assert_serves(domain.secret() or {}, stage.pebble.roots(), domain.domain)
        until(lambda: domain.secret("-next") is None, "the waiting key is gone")
    finally:
        standby.stop()
    assert "Traceback" not in standby.log_of("controller").read_text()


def test_who_stops_in_order_hands_over_at_once(stage: Stage, domain):
    stage.stop_controller()
    first, second = (stage.operator("controller", changes=LONG_LEASE) for _ in range(2))
    try:
        first.start("controller")
        leader = stage.wait_leading()
        second.start("controller")
        domain.create()
        domain.wait(lambda status: status.get("records"), "records to set")
        assert stage.leader() == leader
        leaving = first.process("controller")
        os.kill(leaving.pid, signal.SIGTERM)
        assert leaving.wait(15) == 0
        # Long before the Lease would have expired.
        until(
            lambda: stage.leader() not in {"", leader},
            "the second leads",
            timeout=LEASE_SECONDS * 2 / 3,
        )
        domain.bring_to_active()
        assert second.process("controller").running
    finally:
        first.stop()
        second.stop()
    assert "Traceback" not in first.log_of("controller").read_text()
