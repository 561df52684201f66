"""How many writes it takes, counted: the design's budget, and nothing for nothing."""

from dataclasses import replace

import build
import pytest
from build import DAY, MINUTE, SECOND
from interpreter import Interpreter

from customdomains.model.certificate import CertificateFacts, IssuedCertificate, PlacedOrder
from customdomains.model.evidence import Evidence
from customdomains.policy.findings import delegation_target
from customdomains.policy.jobs import CompleteOrder, DropNextKey, PlaceOrder

USER, NEXT_KEY, TLS, NEXT_KEY_GONE = "user", "next key", "tls", "next key gone"
BUDGET = 10


def delegated(it: Interpreter) -> Evidence:
    assert it.claim is not None
    target = delegation_target(it.claim, build.ZONE)
    return build.evidence(build.answer(*it.claim.texts, cname=target))


def place(it: Interpreter) -> None:
    assert isinstance(it.order_job, PlaceOrder)
    it.finish_order(PlacedOrder("https://ca.example.net/1", (build.DIGEST,), it.now + 7 * DAY))


def complete(it: Interpreter) -> None:
    assert isinstance(it.order_job, CompleteOrder)
    it.writes += [NEXT_KEY, TLS]
    it.finish_order(
        IssuedCertificate("PEM", CertificateFacts("0a", it.now, it.now + 90 * DAY, "f" * 64))
    )
    assert isinstance(it.order_job, DropNextKey)
    it.writes.append(NEXT_KEY_GONE)
    it.finish_order(None)


def active(it: Interpreter) -> list[str]:
    assert it.status["phase"] == "active"
    return it.writes


def begin() -> Interpreter:
    it = Interpreter()
    it.domain = build.domain(created=it.now)
    it.status = {"observedGeneration": -1}
    it.writes.append(USER)
    it.turn()
    return it


def test_a_delegated_domain_stays_in_the_budget() -> None:
    it = begin()
    it.finish_check(build.MISSING)
    it.now += 3 * SECOND
    it.turn()
    it.finish_check(delegated(it))
    place(it)
    complete(it)
    wanted = [USER, "claim", "status", "claim", "status", NEXT_KEY, TLS, "claim"]
    assert active(it) in ([*wanted, "status", NEXT_KEY_GONE], [*wanted, NEXT_KEY_GONE, "status"])
    assert len(it.writes) == BUDGET


def test_with_the_record_there_before_it_takes_one_less() -> None:
    it = begin()
    it.finish_check(delegated(it))
    place(it)
    complete(it)
    assert len(active(it)) == BUDGET - 1


@pytest.mark.parametrize("seconds", [1, 10, 29])
def test_a_slow_ca_costs_no_write(seconds: int) -> None:
    it = begin()
    it.finish_check(build.MISSING)
    it.now += 3 * SECOND
    it.turn()
    it.finish_check(delegated(it))
    it.now += seconds * SECOND
    it.turn()
    place(it)
    it.now += MINUTE
    it.turn()
    complete(it)
    assert len(active(it)) == BUDGET


def test_an_idle_domain_writes_nothing_for_years() -> None:
    """Between renewals, over rechecks and restarts."""
    it = begin()
    it.finish_check(delegated(it))
    place(it)
    complete(it)
    writes, checks = len(it.writes), 0
    assert it.claim is not None
    assert it.claim.certificate is not None
    while it.now < it.claim.certificate.renewal_time - DAY:
        assert it.due is not None
        it.now = it.due
        it.turn()
        if it.check_job is not None:
            checks += 1
            it.finish_check(delegated(it))
        if checks % 5 == 0:
            it.restart()
    assert len(it.writes) == writes
    assert 55 <= checks <= 80


def test_a_deleted_status_is_rebuilt_to_the_letter_in_one_write() -> None:
    it = begin()
    it.finish_check(delegated(it))
    place(it)
    complete(it)
    before, writes = it.status, len(it.writes)
    it.status = {}
    it.turn()
    assert it.status == before
    assert len(it.writes) == writes + 1


def test_a_domain_deleted_and_created_again_keeps_all_with_two_writes() -> None:
    it = begin()
    it.finish_check(delegated(it))
    place(it)
    complete(it)
    before, claim, writes = dict(it.status), it.claim, len(it.writes)
    assert claim is not None
    it.domain = build.domain(uid="new", created=it.now)
    it.status = {"observedGeneration": -1}
    it.turn()
    assert it.writes[writes:] == ["claim", "status"]
    assert it.claim is not None
    assert it.claim.holder.uid == "new"
    assert replace(it.claim, holder=claim.holder, resource_version=claim.resource_version) == claim
    assert it.status == before
