"""What ends by itself: an operator whose times are seconds."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.domains import Domain, condition_of
from e2e.stage import Stage
from e2e.tenants import events_of, make_namespace
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

QUOTA = 3
SECONDS = {
    "claims": {"pendingExpiry": "4s", "retention": "2s", "perNamespace": QUOTA},
    "verification": {"gracePeriod": "2s"},
}


@pytest.fixture(scope="module")
def hasty(shared_stage: Stage) -> Iterator[Stage]:
    """In place of the shared controller, one with times of seconds."""
    with shared_stage.another_controller(**SECONDS):
        yield shared_stage


@pytest.fixture
def domain(hasty: Stage, namespace: str) -> Domain:
    """A domain that nobody has registered yet."""
    return hasty.domain(namespace)


@pytest.fixture
def other(hasty: Stage, domain: Domain) -> Domain:
    """The same domain, wanted in another namespace."""
    return Domain(hasty.plane, hasty.dns, make_namespace(hasty.plane), domain.domain, hasty.zone)


def claimed(reason: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a status gives this reason for the condition Claimed."""
    return lambda status: condition_of(status, "Claimed").get("reason") == reason


def proved_by_hand(domain: Domain) -> dict[str, Any]:
    """Registered and verified by a TXT record, so that no certificate is ordered."""
    domain.create()
    status = domain.wait(lambda status: status.get("records"), "records to set")
    domain.set_txt(status["verificationToken"])
    domain.check()
    return domain.wait_phase("verified")


def test_who_proves_nothing_makes_room_and_is_heard_again_when_it_asks(hasty: Stage, domain, other):
    del hasty
    first = domain.create().wait(lambda status: status.get("records"), "records to set")
    expired = domain.wait(claimed("ClaimExpired"), "it expires")
    assert expired["phase"] == "failed"
    assert condition_of(expired, "Stalled")["status"] == "True"
    assert "customdomains.dev/check-requested-at" in condition_of(expired, "Claimed")["message"]
    other.create().wait(claimed("Held"), "another has it at once")

    domain.check()
    again = domain.wait(claimed("Contending"), "it contends")
    assert (again["phase"], again["id"]) == ("pending", first["id"])
    domain.set_txt(first["verificationToken"])
    domain.check()
    domain.wait(claimed("Held"), "it has proved it")
    other.wait(claimed("Lost"), "the other has lost it")
    other.delete()


def test_name_that_is_kept_for_somebody_is_free_after_a_while(hasty: Stage, domain):
    del hasty
    before = proved_by_hand(domain)
    domain.delete()
    until(lambda: domain.claim() is None, "the claim is gone", explain=domain.claim)
    after = domain.create().wait(lambda status: status.get("records"), "records to set")
    assert after["id"] != before["id"]


def test_proof_that_is_gone_counts_for_a_while_and_comes_back(hasty: Stage, domain):
    before = proved_by_hand(domain)
    # Who can't be asked says nothing.
    hasty.dns.fail(domain.challenge_name)
    unknown = domain.wait_checked()
    assert (unknown["phase"], condition_of(unknown, "Verified")["status"]) == ("verified", "True")
    assert "goneSince" not in unknown["verification"]
    hasty.dns.fail(domain.challenge_name, failing=False)

    hasty.dns.clear(domain.challenge_name)
    gone = domain.wait_checked()
    assert condition_of(gone, "Verified")["reason"] in {"ProofGone", "ProofExpired"}
    failed = domain.wait_phase("failed")
    assert condition_of(failed, "Ready")["reason"] == "ProofExpired"
    until(lambda: "ProofGone" in dict(events_of(domain)), "the Event")

    domain.set_txt(before["verificationToken"])
    domain.check()
    back = domain.wait_phase("verified")
    assert back["id"] == before["id"]


def test_holder_whose_proof_is_gone_for_too_long_is_displaced(hasty: Stage, domain, other):
    proved_by_hand(domain)
    second = other.create().wait(lambda status: status.get("records"), "records to set")
    # The domain was sold: the new owner takes the old record away, and sets its own.
    hasty.dns.clear(domain.challenge_name)
    domain.check()
    domain.wait_phase("failed")
    other.set_txt(second["verificationToken"])
    other.check()
    other.wait(claimed("Held"), "the name is theirs")
    other.wait_phase("verified")
    domain.wait(claimed("Lost"), "the former holder has lost it")
    until(lambda: "Lost" in dict(events_of(domain)), "the Event", explain=lambda: events_of(domain))
    other.delete()


def test_namespace_has_as_many_as_it_may(hasty: Stage, namespace):
    few = [hasty.domain(namespace, f"q{number}").create() for number in range(QUOTA)]
    for each in few:
        each.wait(lambda status: status.get("id"), "it is registered")
    more = hasty.domain(namespace, "more").create()
    refused = more.wait_phase("failed")
    assert condition_of(refused, "Claimed")["reason"] == "QuotaExceeded"
    assert str(QUOTA) in condition_of(refused, "Claimed")["message"]
    assert more.claim() is None
    few[0].delete()
    until(lambda: few[0].claim() is None, "its seat is gone")
    more.check()
    more.wait(claimed("Held"), "there is room")
