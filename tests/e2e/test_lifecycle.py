"""The main job: a domain goes from registered to a certificate that serves."""

from collections import Counter
from collections.abc import Iterable

import pytest
import yaml

from customdomains.devcluster.audit import Write
from e2e.certificates import assert_serves
from e2e.domains import Domain, condition_of
from e2e.ledger import orders_for
from e2e.stage import ACCOUNTS, Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

HEX = set("0123456789abcdef")

WRITE_BUDGET = Counter(
    {
        ("create", "customdomains", ""): 1,  # the user's own
        ("create", "domainclaims", ""): 1,
        ("update", "customdomains", "status"): 3,  # pending, certificate_pending, active
        ("update", "domainclaims", ""): 2,  # proved and ordered; issued
        ("create", "secrets", ""): 2,  # the key that waits; the certificate with it
        ("delete", "secrets", ""): 1,
    }
)
LEFT_OUT = {"leases", "events"}


def writes_about(stage: Stage, domain: Domain) -> list[Write]:
    """All writes about one domain, its Secrets and its claim, in their order."""
    own = {domain.name, domain.domain, domain.secret_name, f"{domain.secret_name}-next"}
    return [write for write in stage.plane.writes() if write.name in own]


def counted(writes: Iterable[Write]) -> Counter[tuple[str, str, str]]:
    """How many of each kind there are, Lease and Events apart."""
    return Counter(
        (write.verb, write.resource, write.subresource)
        for write in writes
        if write.resource not in LEFT_OUT
    )


def events_about(domain: Domain) -> list[str]:
    """The reasons of the Events in the domain's namespace."""
    path = f"/apis/events.k8s.io/v1/namespaces/{domain.namespace}/events"
    return [item["reason"] for item in domain.plane.request("GET", path)["items"]]


def test_delegated_domain_gets_its_certificate_within_the_write_budget(stage: Stage, domain):
    # The CA's account, made once in a cluster's life, is not this domain's.
    first = stage.domain(domain.namespace, "first").create()
    first.bring_to_active()
    until(lambda: first.secret("-next") is None, "the first domain is through")
    before = len(stage.plane.writes())
    manifest = yaml.safe_dump(domain.manifest())
    stage.plane.run_kubectl("apply", "-f", "-", stdin=manifest)

    status = domain.wait(lambda status: status.get("records"), "records to set")
    assert status["phase"] == "pending"
    assert len(status["id"]) == 32
    assert set(status["id"]) <= HEX
    assert len(status["verificationToken"]) == 64
    assert set(status["verificationToken"]) <= HEX
    assert status["domain"] == domain.domain
    assert {(each["type"], each["name"], each["value"]) for each in status["records"]} == {
        ("TXT", f"{domain.challenge_name}.", status["verificationToken"]),
        ("CNAME", f"{domain.challenge_name}.", f"{status['id']}.{stage.zone}."),
    }
    assert condition_of(status, "Claimed")["status"] == "True"
    assert condition_of(status, "Reconciling")["status"] == "True"

    domain.delegate()
    active = domain.wait_phase("active")
    assert (active["id"], active["verificationToken"]) == (
        status["id"],
        status["verificationToken"],
    )
    for kind in ("Ready", "Claimed", "Verified", "CertificateIssued"):
        assert condition_of(active, kind)["status"] == "True"
    assert not condition_of(active, "Reconciling")
    assert not condition_of(active, "Stalled")
    until(lambda: domain.secret("-next") is None, "the waiting key is gone")

    leaf = assert_serves(domain.secret() or {}, stage.pebble.roots(), domain.domain)
    assert int(active["certificate"]["serialNumber"], 16) == leaf.serial_number
    assert active["certificate"]["secretName"] == domain.secret_name
    (order,) = orders_for(stage.ca.calls, domain.domain)
    assert order.finalized == 1

    events = until(lambda: "CertificateIssued" in (e := events_about(domain)) and e, "the Events")
    told = Counter(events) - Counter({"Registered": 1, "Verified": 1, "OrderPlaced": 1})
    assert len(events) <= 2 * 4, events
    assert told["CertificateIssued"] == 2, events
    writes = writes_about(stage, domain)
    assert counted(writes) == WRITE_BUDGET
    assert {write.code for write in writes} <= {200, 201}
    assert counted(stage.plane.writes()[before:]).total() == WRITE_BUDGET.total() == 10
    ours = {write.user for write in writes if write.verb != "create" or write.resource == "secrets"}
    assert ours == {ACCOUNTS["controller"]}


def test_nothing_is_written_when_nothing_changed(stage: Stage, domain):
    domain.create().bring_to_active()
    until(lambda: domain.secret("-next") is None, "the waiting key is gone")
    marks = []

    def after_the_controller_has_seen(mark: str) -> int:
        """How many writes there were when the controller had worked through all before `mark`."""
        witness = stage.domain(domain.namespace, mark)
        witness.create()
        witness.wait(lambda status: status.get("records"), "records to set")
        marks.append(witness)
        return len(writes_about(stage, domain))

    settled = after_the_controller_has_seen("w1")
    for value in ("a", "b", "c"):
        domain.annotate("example.com/means-nothing", value)
        after_the_controller_has_seen(f"w2{value}")
    assert after_the_controller_has_seen("w3") == settled + 3, writes_about(stage, domain)[settled:]

    stage.stop_controller()
    stage.start_controller()
    assert after_the_controller_has_seen("w4") == settled + 3, writes_about(stage, domain)[settled:]
    for witness in marks:
        by_controller = [
            write
            for write in writes_about(stage, witness)
            if write.user == ACCOUNTS["controller"] and write.resource not in LEFT_OUT
        ]
        # Its claim and one status: the restart has written nothing about those that wait either.
        assert len(by_controller) == 2, by_controller


def test_manual_domain_waits_for_what_its_owner_has_to_do(stage: Stage, domain):
    domain.create()
    status = domain.wait(lambda status: status.get("records"), "records to set")
    token = status["verificationToken"]
    domain.set_txt(token)
    domain.check()

    verified = domain.wait_phase("verified")
    resting = condition_of(verified, "CertificateIssued")
    assert (resting["status"], resting["reason"]) == ("False", "AwaitingIssueRequest")
    assert "customdomains.dev/issue-requested-at" in resting["message"]
    assert "over HTTP" in resting["message"]
    assert not condition_of(verified, "Reconciling")
    assert orders_for(stage.ca.calls, domain.domain) == []

    domain.issue()
    pending = domain.wait_phase("certificate_pending")
    assert condition_of(pending, "CertificateIssued")["reason"] == "AwaitingChallengeRecord"
    (challenge,) = (each for each in pending["records"] if each["purpose"] == "Challenge")
    assert (challenge["type"], challenge["name"]) == ("TXT", f"{domain.challenge_name}.")
    assert challenge["value"] != token

    # In the token's place: a DNS panel that holds one value a name must do.
    domain.set_txt(challenge["value"])
    domain.check()
    active = domain.wait_phase("active")
    assert condition_of(active, "Verified")["status"] == "True"
    assert_serves(domain.secret() or {}, stage.pebble.roots(), domain.domain)
    (order,) = orders_for(stage.ca.calls, domain.domain)
    assert order.finalized == 1

    # And it stays proved when the record is looked at again.
    still = domain.wait_checked()
    assert still["phase"] == "active"
    assert condition_of(still, "Ready")["status"] == "True"


def test_manual_domain_changes_over_to_the_cname_and_goes_on_by_itself(stage: Stage, domain):
    domain.create()
    status = domain.wait(lambda status: status.get("records"), "records to set")
    cname = domain.record("CNAME")["value"]
    domain.set_txt(status["verificationToken"])
    domain.check()
    domain.wait_phase("verified")
    stage.dns.clear(domain.challenge_name)
    stage.dns.set_cname(domain.challenge_name, cname)
    domain.check()
    active = domain.wait_phase("active")
    assert active["verification"]["method"] == "Delegated"
    (record,) = active["records"]
    assert (record["purpose"], record["state"]) == ("Delegation", "Present")


def test_wildcard_is_covered_by_two_values_at_one_name(stage: Stage, domain):
    domain.create(wildcard=True)
    active = domain.bring_to_active()
    names = (domain.domain, f"*.{domain.domain}")
    assert_serves(domain.secret() or {}, stage.pebble.roots(), *names)
    (order,) = orders_for(stage.ca.calls, domain.domain)
    assert (order.names, order.finalized) == (frozenset(names), 1)
    assert active["certificate"]["secretName"] == domain.secret_name


def test_wildcard_by_hand_asks_for_both_values(stage: Stage, domain):
    domain.create(wildcard=True)
    status = domain.wait(lambda status: status.get("records"), "records to set")
    domain.set_txt(status["verificationToken"])
    domain.check()
    domain.wait_phase("verified")
    domain.issue()
    domain.wait_phase("certificate_pending")
    first, second = (each["value"] for each in domain.records("Challenge"))
    domain.set_txt(first)
    half = domain.wait_checked()
    assert half["phase"] == "certificate_pending"
    states = {each["value"]: each["state"] for each in half["records"]}
    assert (states[first], states[second]) == ("Present", "Missing")
    domain.set_txt(first, second)
    domain.check()
    domain.wait_phase("active")
    names = (domain.domain, f"*.{domain.domain}")
    assert_serves(domain.secret() or {}, stage.pebble.roots(), *names)
