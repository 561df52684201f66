"""Whole lives, told from the outside: requests, challenges answered by hand, outages."""

from dataclasses import replace

import build
import pytest
from build import DAY, HOUR, MINUTE, SECOND
from interpreter import Interpreter

from customdomains.model.certificate import (
    CertificateFacts,
    IssuedCertificate,
    OrderError,
    PlacedOrder,
)
from customdomains.model.domain import Issuance
from customdomains.model.evidence import Evidence
from customdomains.model.reasons import Reason
from customdomains.policy.findings import delegation_target
from customdomains.policy.jobs import CompleteOrder, DropNextKey, PlaceOrder


class Life:
    """An interpreter whose jobs go as the story wants; counts the orders."""

    def __init__(self, *, delegated: bool = True, **spec: object) -> None:
        self.it = Interpreter()
        self.it.domain = build.domain(created=self.it.now, **spec)
        self.it.status = {"observedGeneration": -1}
        self.delegated = delegated
        self.texts: tuple[str, ...] | None = None
        self.orders = 0
        self.ca_works = True
        self.dns_works = True
        self.it.turn()

    @property
    def phase(self) -> object:
        return self.it.status["phase"]

    def evidence(self) -> Evidence:
        claim = self.it.claim
        assert claim is not None
        if not self.dns_works:
            return build.SILENT
        if self.delegated:
            target = delegation_target(claim, build.ZONE)
            return build.evidence(build.answer(*claim.texts, cname=target))
        texts = (claim.token,) if self.texts is None else self.texts
        return build.evidence(build.answer(*texts) if texts else build.nothing())

    def work(self) -> None:
        """Let all jobs end that are out."""
        while self.it.check_job is not None or self.it.order_job is not None:
            if self.it.check_job is not None:
                self.it.finish_check(self.evidence())
            else:
                self._order()

    def _order(self) -> None:
        it = self.it
        match it.order_job:
            case PlaceOrder() if self.ca_works:
                self.orders += 1
                digest = f"digest-{self.orders}"
                it.finish_order(PlacedOrder(f"https://ca/{self.orders}", (digest,), it.now + DAY))
            case CompleteOrder() if self.ca_works:
                facts = CertificateFacts("0a", it.now, it.now + 90 * DAY, "f" * 64)
                it.finish_order(IssuedCertificate("PEM", facts))
            case DropNextKey():
                it.finish_order(None)
            case _:
                it.finish_order(OrderError(Reason.CA_UNREACHABLE, "the CA is down"))

    def ask(self, mark: str) -> None:
        assert self.it.domain is not None
        self.it.domain = replace(self.it.domain, issue_requested=mark)
        self.it.turn()
        self.work()

    def check(self, mark: str) -> None:
        assert self.it.domain is not None
        self.it.domain = replace(self.it.domain, check_requested=mark)
        self.it.turn()
        self.work()

    def until(self, hours: float) -> None:
        """Let time pass, from due time to due time."""
        self.it.pass_until(self.it.now + hours * HOUR, self.work)


def test_a_request_in_active_renews_once() -> None:
    life = Life()
    life.work()
    assert (life.phase, life.orders) == ("active", 1)
    life.ask("a")
    assert (life.phase, life.orders) == ("active", 2)
    life.it.restart()
    life.work()
    life.until(72)
    assert life.orders == 2
    life.ask("b")
    assert life.orders == 3


def test_a_request_from_before_the_proof_is_answered_after_it() -> None:
    life = Life(delegated=False, issue_requested="early")
    life.texts = ()
    life.until(1)
    assert (life.phase, life.orders) == ("pending", 0)
    life.texts = None
    life.until(1)
    assert (life.phase, life.orders) == ("certificate_pending", 1)
    assert life.it.claim is not None
    assert life.it.claim.issue_handled == "early"


def test_a_request_while_an_order_is_under_way_places_no_second() -> None:
    life = Life(delegated=False)
    life.work()
    assert life.phase == "verified"
    life.ask("a")
    life.ask("b")
    assert (life.phase, life.orders) == ("certificate_pending", 1)
    assert life.it.claim is not None
    assert life.it.claim.issue_handled == "b"


def test_on_request_waits_for_it() -> None:
    life = Life(issuance=Issuance.ON_REQUEST)
    life.until(48)
    assert (life.phase, life.orders) == ("verified", 0)
    life.ask("a")
    assert (life.phase, life.orders) == ("active", 1)


@pytest.mark.parametrize("delegated", [True, False])
def test_a_ca_that_was_down_is_tried_again(delegated: bool) -> None:
    """Nobody has to ask twice, whoever answers the challenge."""
    life = Life(delegated=delegated, issue_requested="a")
    life.ca_works = False
    life.work()
    life.until(1)
    assert (life.phase, life.orders) == ("failed", 0)
    life.ca_works = True
    life.until(2)
    assert life.orders == 1
    assert life.phase == ("active" if delegated else "certificate_pending")


def test_a_check_goes_on_at_once_after_a_failure() -> None:
    life = Life()
    life.ca_works = False
    life.until(30)
    assert life.phase == "failed"
    life.ca_works = True
    life.check("now")
    assert life.phase == "active"


def test_requests_do_not_hammer_a_ca() -> None:
    life = Life()
    life.ca_works = False
    life.work()
    tries = 0
    for number in range(1000):
        before = life.it.claim
        life.check(str(number))
        tries += life.it.claim != before
        life.it.now += SECOND
        life.it.turn()
        life.work()
    assert tries < 15


def test_by_hand_with_the_token_replaced_by_the_digest() -> None:
    life = Life(delegated=False)
    life.work()
    life.ask("a")
    challenge = next(r for r in life.it.status["records"] if r["purpose"] == "Challenge")
    assert (challenge["value"], challenge["state"]) == ("digest-1", "Missing")
    life.texts = ("digest-1",)
    life.until(0.1)
    assert life.phase == "active"
    life.it.restart()
    life.until(24 * 30)
    assert life.phase == "active"
    assert life.it.status["conditions"][2]["reason"] == "Proved"
    assert life.it.writes[-1] == "status"
    life.texts = ("something else",)
    life.until(24 * 2)
    assert life.it.status["conditions"][2]["reason"] == "ProofGone"


def test_an_outage_of_the_dns_takes_nothing_down() -> None:
    life = Life()
    life.work()
    life.dns_works = False
    life.until(24 * 30)
    assert life.phase == "active"
    assert life.it.claim is not None
    assert life.it.claim.verification is not None
    assert life.it.claim.verification.gone_since is None


def test_gone_then_failed_then_back() -> None:
    life = Life()
    life.work()
    life.delegated, life.texts = False, ()
    life.until(25)
    assert life.phase == "active"
    life.until(73)
    assert life.phase == "failed"
    assert life.orders == 1
    life.delegated = True
    life.until(0.5)
    assert life.phase == "active"
    assert life.orders == 1


def test_suspended_nothing_is_done_and_nothing_lost() -> None:
    life = Life()
    life.work()
    assert life.it.domain is not None
    before = life.it.claim
    life.it.domain = replace(life.it.domain, suspend=True, generation=2)
    life.it.turn()
    writes = len(life.it.writes)
    life.until(24 * 80)
    assert life.it.claim == before
    assert life.it.writes[writes:] == ["status"], "that a new one is due"
    life.it.domain = replace(life.it.domain, suspend=False, generation=3)
    life.it.turn()
    life.work()
    assert (life.phase, life.orders) == ("active", 2)


def test_an_order_nobody_answers_expires_and_says_so() -> None:
    life = Life(delegated=False)
    life.work()
    life.ask("a")
    life.until(25)
    assert (life.phase, life.orders) == ("failed", 1)
    ready = life.it.status["conditions"][0]
    assert ready["reason"] == "OrderExpired"
    assert "ask for a new order" in ready["message"]
    life.until(24 * 7)
    assert life.orders == 1
    life.ask("b")
    assert (life.phase, life.orders) == ("certificate_pending", 2)


def test_a_wildcard_added_to_an_order_by_hand_needs_no_new_request() -> None:
    life = Life(delegated=False)
    life.work()
    life.ask("a")
    assert life.it.domain is not None
    life.it.domain = replace(life.it.domain, wildcard=True, generation=2)
    life.it.turn()
    life.until(MINUTE / HOUR)
    assert life.orders == 2
    assert life.it.claim is not None
    assert life.it.claim.order is not None
    assert life.it.claim.order.names == (build.DOMAIN, f"*.{build.DOMAIN}")
