"""A CA's limit through the processes: who waits, what is said, and that it goes on by itself."""

import pytest
import yaml

from customdomains.devcluster.operatorprocs import ISSUER
from e2e.domains import Domain, condition_of
from e2e.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.acme]


def test_a_domain_waits_for_the_accounts_budget_and_goes_on(stage: Stage, domain: Domain):
    issuer = yaml.safe_load(stage.controller.config.read_text())["issuers"][0]
    issuer["limits"] = {"ordersPerAccount": {"most": 1, "per": "8s"}}
    stage.stop_controller()
    stage.free_lease()
    controller = stage.operator("controller")
    controller.launch("controller", CUSTOMDOMAINS_ISSUERS=yaml.safe_dump([issuer]))
    try:
        controller.wait_ready("controller")
        domain.create().bring_to_active()
        later = stage.domain(domain.namespace, "later").create()
        later.wait(lambda status: status.get("records"), "records to set")
        later.delegate()
        later.check()
        status = later.wait(
            lambda status: condition_of(status, "CertificateIssued")["reason"] == "AwaitingBudget",
            "that it waits",
        )
        assert status["phase"] == "verified"
        assert condition_of(status, "CertificateIssued")["message"].startswith(
            f"the limit of 1 new order in 8 seconds at the issuer {ISSUER}, which all domains "
            "share, is reached; it is the turn of this one at about "
        )
        later.wait_phase("active")
        assert "Traceback" not in controller.log_of("controller").read_text()
    finally:
        controller.stop()
