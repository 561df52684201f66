"""A tenant with all rights on CustomDomains and their status writes what it likes: no effect."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from customdomains.devcluster.kubectl import KubectlError
from e2e.domains import Domain
from e2e.ledger import orders_for
from e2e.responder import txt_at
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

FORGED_ID = "f" * 32
FORGED_TOKEN = "0" * 64
LONG_AGO = "2020-01-01T00:00:00Z"
FAR_AHEAD = "2090-01-01T00:00:00Z"


def forgeries(domain: Domain, zone: str) -> dict[str, Any]:
    """Every field of the status, as an attacker would like it."""
    return {
        "observedGeneration": 99,
        "id": FORGED_ID,
        "verificationToken": FORGED_TOKEN,
        "domain": "bank.example.com",
        "phase": "active",
        "lastHandledCheckRequest": "forged",
        "records": [
            {
                "purpose": "Delegation",
                "type": "CNAME",
                "name": f"{domain.challenge_name}.",
                "value": f"{FORGED_ID}.{zone}.",
                "state": "Present",
                "message": "found as wanted",
            }
        ],
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": "Forged",
                "message": "forged",
                "lastTransitionTime": LONG_AGO,
                "observedGeneration": 99,
            }
            for kind in ("Ready", "Claimed", "Verified", "CertificateIssued")
        ],
        "verification": {
            "method": "Delegated",
            "verifiedAt": LONG_AGO,
            "goneSince": LONG_AGO,
            "lastCheckedAt": FAR_AHEAD,
            "nextCheckAt": FAR_AHEAD,
            "attempts": 7,
        },
        "certificate": {
            "secretName": "somebody-elses",
            "issuer": "forged",
            "serialNumber": "1",
            "issuedAt": LONG_AGO,
            "notBefore": LONG_AGO,
            "notAfter": LONG_AGO,
            "renewalTime": LONG_AGO,
            "order": {"url": "https://127.0.0.1:1/forged", "placedAt": LONG_AGO},
        },
    }


@pytest.fixture
def tenant(stage: Stage, namespace: str) -> Path:
    """The kubeconfig of a user who may do anything with CustomDomains in one namespace."""
    plane, user = stage.plane, f"tenant-{namespace}"
    kubeconfig = plane.user_kubeconfig(user)
    scope = ("-n", namespace)
    resources = "customdomains.customdomains.dev,customdomains.customdomains.dev/status"
    plane.run_kubectl("create", "role", "own", *scope, "--verb=*", f"--resource={resources}")
    plane.run_kubectl("create", "rolebinding", "own", *scope, "--role=own", f"--user={user}")
    return kubeconfig


def forge(stage: Stage, tenant: Path, domain: Domain, patch: Any, kind: str = "merge") -> None:
    """Write the status as the tenant."""
    stage.plane.run_kubectl(
        *("patch", "customdomain", domain.name, "-n", domain.namespace, "--subresource=status"),
        *(f"--type={kind}", f"--patch={json.dumps(patch)}"),
        kubeconfig=tenant,
    )


def settled(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status without what changes with every check: the moments, and how long each took."""
    changing = {"lastCheckedAt", "nextCheckAt", "attempts", "ttl", "milliseconds"}

    def steady(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: steady(v) for k, v in value.items() if k not in changing}
        return [steady(each) for each in value] if isinstance(value, list) else value

    settled: dict[str, Any] = steady({"verification": {}, **status})
    return settled


def wait_restored(domain: Domain, before: Mapping[str, Any]) -> None:
    """Until the status is, to the letter, what it was."""
    until(
        lambda: settled(domain.status()) == settled(before),
        f"the status of {domain.domain} is restored",
        explain=lambda: (domain.status(), before),
    )


def looked_up(status: Mapping[str, Any]) -> bool:
    """Whether the status tells what the DNS said, as it will until a record is set."""
    records = status.get("records", [])
    return bool(records) and all(record["state"] != "Unknown" for record in records)


def test_each_forged_field_of_a_waiting_domain_is_put_right(stage: Stage, domain, tenant):
    fields = forgeries(domain, stage.zone)
    labels = [*(field.lower() for field in fields), "everything", "nothing"]
    waiting = {label: stage.domain(domain.namespace, label).create() for label in labels}
    before = {
        label: each.wait(looked_up, "what the first check found") for label, each in waiting.items()
    }
    for field, value in fields.items():
        forge(stage, tenant, waiting[field.lower()], {"status": {field: value}})
    forge(stage, tenant, waiting["everything"], {"status": fields})
    forge(stage, tenant, waiting["nothing"], [{"op": "remove", "path": "/status"}], "json")

    for label, each in waiting.items():
        wait_restored(each, before[label])
        assert orders_for(stage.ca.calls, each.domain) == []
        claim = each.claim()
        assert claim is not None
        assert claim["spec"]["id"] == before[label]["id"]
        assert claim["spec"]["token"] == before[label]["verificationToken"]
        assert "status" not in claim
        assert txt_at(stage.responder, f"{claim['spec']['id']}.{stage.zone}.") == (
            "NOERROR",
            [claim["spec"]["token"]],
        )
    assert txt_at(stage.responder, f"{FORGED_ID}.{stage.zone}.")[0] == "NXDOMAIN"


def test_forged_id_and_token_prove_nothing(stage: Stage, domain, tenant):
    domain.create()
    before = domain.wait(lambda status: status.get("records"), "records to set")
    forged = {"status": forgeries(domain, stage.zone)}

    forge(stage, tenant, domain, forged)
    domain.set_txt(FORGED_TOKEN)
    by_token = domain.wait_checked()
    assert (by_token["phase"], by_token["id"]) == ("pending", before["id"])
    assert {each["state"] for each in by_token["records"]} == {"Mismatch", "Conflict"}

    forge(stage, tenant, domain, forged)
    stage.dns.clear(domain.challenge_name)
    stage.dns.set_cname(domain.challenge_name, f"{FORGED_ID}.{stage.zone}")
    domain.check()
    by_cname = domain.wait(
        lambda status: (
            {each["state"] for each in status.get("records", [])} == {"Conflict", "Mismatch"}
            and status.get("id") == before["id"]
        ),
        "the CNAME is not the one wanted",
    )
    assert by_cname["phase"] == "pending"
    domain.issue()
    domain.wait_checked()
    assert orders_for(stage.ca.calls, domain.domain) == []
    assert domain.secret() is None


def test_forged_status_of_an_active_domain_orders_nothing(stage: Stage, domain, tenant):
    domain.create()
    before = domain.bring_to_active()
    forge(stage, tenant, domain, {"status": forgeries(domain, stage.zone)})
    wait_restored(domain, before)
    forge(stage, tenant, domain, [{"op": "remove", "path": "/status"}], "json")
    wait_restored(domain, before)
    assert len(orders_for(stage.ca.calls, domain.domain)) == 1


def test_forged_status_outlives_no_restart(stage: Stage, domain, tenant):
    domain.create()
    before = domain.bring_to_active()
    stage.stop_controller()
    forge(stage, tenant, domain, {"status": forgeries(domain, stage.zone)})
    stage.start_controller()
    wait_restored(domain, before)
    assert len(orders_for(stage.ca.calls, domain.domain)) == 1


@pytest.mark.parametrize(
    "attempt",
    [
        ("get", "domainclaims"),
        ("delete", "domainclaims", "--all"),
        ("patch", "domainclaim", "{domain}", "--type=merge", "--patch={{}}"),
    ],
    ids=lambda attempt: attempt[0],
)
def test_claims_are_out_of_a_tenants_reach(stage: Stage, domain, tenant, attempt):
    arguments = [each.format(domain=domain.domain) for each in attempt]
    with pytest.raises(KubectlError, match="orbidden"):
        stage.plane.run_kubectl(*arguments, kubeconfig=tenant)
