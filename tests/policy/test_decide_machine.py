"""Whatever happens, in whatever order: the design's invariants hold and there is a way on.

The interpreter asserts at every turn; the rules here make things happen.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import build
import pytest
from build import DAY, HOUR, MINUTE, SECOND
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from interpreter import Interpreter

from customdomains.model.certificate import (
    CertificateFacts,
    IssuedCertificate,
    OrderError,
    PlacedOrder,
)
from customdomains.model.domain import Issuance
from customdomains.model.evidence import Evidence, Outcome
from customdomains.model.reasons import Phase, Reason
from customdomains.policy.findings import delegation_target
from customdomains.policy.world import CompleteOrder, DropNextKey, PlaceOrder

TROUBLES = st.sampled_from(
    [Reason.CA_UNREACHABLE, Reason.CA_RATE_LIMITED, Reason.ORDER_INVALID, Reason.SECRET_CONFLICT]
)
REQUESTS = st.sampled_from([None, "a", "b", "c"])
RECORDS = st.sampled_from(
    [
        "delegated",
        "token",
        "digests",
        "token and digests",
        "missing",
        "wrong",
        "elsewhere",
        "silent",
    ]
)


class Life(RuleBasedStateMachine):
    """One domain's life."""

    def __init__(self) -> None:
        super().__init__()
        self.it = Interpreter()
        self.records = "missing"
        self.orders = 0
        self.registrations = 0
        self.identity: tuple[str, str] | None = None
        self.shown: Evidence | None = None

    @initialize()
    def register(self) -> None:
        self.create()

    @precondition(lambda self: self.it.domain is None)
    @rule()
    def create(self) -> None:
        self.registrations += 1
        uid = f"uid-{self.registrations}"
        self.it.domain = build.domain(uid=uid, created=self.it.now)
        self.it.status = {"observedGeneration": -1}
        self.it.turn()

    @precondition(lambda self: self.it.domain is not None)
    @rule(seen_in_time=st.booleans())
    def delete(self, seen_in_time: bool) -> None:
        """A deletion with the creation right behind it may look like a change of the uid."""
        self.it.domain = None
        if seen_in_time:
            self.it.turn()

    @precondition(lambda self: self.it.domain is None)
    @rule()
    def make_the_namespace_again(self) -> None:
        self.it.namespace_uid += "x"

    @precondition(lambda self: self.it.domain is not None)
    @rule(
        change=st.sampled_from(
            [
                {"wildcard": True},
                {"wildcard": False},
                {"suspend": True},
                {"suspend": False},
                {"issuer": None},
                {"issuer": "other"},
                {"issuer": "unknown"},
                {"secret_name": "shop-tls"},
                {"secret_name": "elsewhere"},
                {"issuance": Issuance.AUTOMATIC},
                {"issuance": Issuance.ON_REQUEST},
                {"issuance": Issuance.NEVER},
            ]
        )
    )
    def change_the_spec(self, change: dict[str, Any]) -> None:
        domain = self.it.domain
        assert domain is not None
        changed = replace(domain, **change)
        if changed != domain:
            self.it.domain = replace(changed, generation=domain.generation + 1)
        self.it.turn()

    @precondition(lambda self: self.it.domain is not None)
    @rule(check=REQUESTS, issue=REQUESTS)
    def ask(self, check: str | None, issue: str | None) -> None:
        assert self.it.domain is not None
        self.it.domain = replace(self.it.domain, check_requested=check, issue_requested=issue)
        self.it.turn()

    @precondition(lambda self: self.it.domain is not None)
    @rule(
        forged=st.sampled_from(
            [{}, {"phase": "active", "id": "f" * 32}, {"verification": {"method": "Delegated"}}]
        )
    )
    def forge_the_status(self, forged: dict[str, Any]) -> None:
        before, writes = self.it.claim, len(self.it.writes)
        self.it.status = dict(forged)
        self.it.turn()
        assert self.it.claim == before
        assert len(self.it.writes) <= writes + 1

    @rule(records=RECORDS)
    def set_records(self, records: str) -> None:
        self.records = records

    @precondition(lambda self: self.it.check_job is not None)
    @rule()
    def a_check_ends(self) -> None:
        self.shown = self.evidence()
        self.it.finish_check(self.shown)

    def evidence(self) -> Evidence:
        claim = self.it.claim
        if claim is None:
            return build.MISSING
        digests = claim.order.digests if claim.order else (build.DIGEST,)
        answers = {
            "delegated": build.answer(*claim.texts, cname=delegation_target(claim, build.ZONE)),
            "token": build.answer(claim.token),
            "digests": build.answer(*digests),
            "token and digests": build.answer(claim.token, *digests),
            "missing": build.nothing(),
            "wrong": build.answer("something\x1b[31m else\n"),
            "elsewhere": build.answer(cname="x." * 120 + "net"),
            "silent": build.nothing(Outcome.SERVER_FAILURE),
        }
        return build.evidence(answers[self.records])

    @precondition(lambda self: self.it.order_job is not None)
    @rule(life=st.sampled_from([90 * DAY, 3 * MINUTE]), expires=st.sampled_from([None, DAY]))
    def an_order_goes_well(self, life: timedelta, expires: timedelta | None) -> None:
        match self.it.order_job:
            case PlaceOrder() as job:
                self.orders += 1
                url = f"https://ca.example.net/order/{self.orders}"
                digests = tuple(f"{self.orders}-{number}" for number, _ in enumerate(job.names))
                ends = expires and self.it.now + expires
                self.it.finish_order(PlacedOrder(url, digests, ends))
            case CompleteOrder():
                begins = self.it.now - HOUR
                facts = CertificateFacts("0a", begins, begins + HOUR + life, "f" * 64)
                self.it.finish_order(IssuedCertificate("PEM", facts))
            case DropNextKey():
                self.it.finish_order(None)

    @precondition(lambda self: self.it.order_job is not None)
    @rule(reason=TROUBLES, lost=st.booleans(), wait=st.sampled_from([None, SECOND, DAY]))
    def an_order_fails(self, reason: Reason, lost: bool, wait: timedelta | None) -> None:
        if isinstance(self.it.order_job, DropNextKey):
            self.it.finish_order(None)
            return
        until = wait and self.it.now + wait
        error = OrderError(reason, "It went wrong. " * 90, order_lost=lost, retry_at=until)
        self.it.finish_order(error)

    @precondition(lambda self: self.it.order_job is not None)
    @rule()
    def an_order_comes_to_nothing(self) -> None:
        self.it.finish_order(None)

    @precondition(lambda self: self.it.due is not None)
    @rule()
    def wait_until_due(self) -> None:
        assert self.it.due is not None
        self.it.now = max(self.it.due, self.it.now)
        self.it.turn()

    @rule(
        passed=st.sampled_from([SECOND / 3, 7 * SECOND, 6 * MINUTE, HOUR, DAY, 4 * DAY, 80 * DAY])
    )
    def time_passes(self, passed: timedelta) -> None:
        self.it.now += passed
        self.it.turn()

    @rule(back=st.sampled_from([SECOND, HOUR, 2 * DAY]))
    def the_clock_is_set_back(self, back: timedelta) -> None:
        self.it.now -= back
        self.it.turn()

    @rule()
    def restart(self) -> None:
        self.it.restart()

    @precondition(lambda self: self.at_rest())
    @rule()
    def a_restart_writes_nothing(self) -> None:
        """With the same answers from the DNS; one that did not answer is not asked again."""
        assert self.shown is not None
        writes = list(self.it.writes)
        self.it.restart()
        while self.it.check_job is not None:
            self.it.finish_check(self.shown)
        assert self.it.writes == writes

    def at_rest(self) -> bool:
        it = self.it
        return (
            it.domain is not None
            and it.check_job is None
            and it.order_job is None
            and it.memory.check is not None
            and it.memory.check.evidence is self.shown
            and bool(it.memory.check.evidence.conclusive)
            and it.memory.check.at == it.now
        )

    @precondition(lambda self: self.it.domain is not None)
    @rule()
    def then_everything_goes_well(self) -> None:
        """From wherever it is, the way to a certificate is open."""
        it = self.it
        assert it.domain is not None
        self.records = "delegated"
        good = {"suspend": False, "issuance": Issuance.AUTOMATIC, "issuer": None}
        it.domain = replace(it.domain, **good, generation=it.domain.generation + 1)
        it.turn()
        if it.status.get("id") is None and it.claim is not None and it.status.get("phase"):
            return  # another namespace's claim: only its holder can let it go
        for _ in range(40):
            if it.status.get("phase") == Phase.ACTIVE and self.is_wanted():
                return
            if it.check_job is not None:
                self.a_check_ends()
            elif it.order_job is not None:
                self.an_order_goes_well(90 * DAY, None)
            else:
                assert it.due is not None
                it.now = it.due
                it.turn()
        raise AssertionError(f"no way to a certificate from {it.claim}, {it.status}")

    def is_wanted(self) -> bool:
        claim, domain = self.it.claim, self.it.domain
        have = claim.certificate if claim else None
        return domain is not None and have is not None and have.secret_name == domain.secret_name

    @invariant()
    def the_identity_stays(self) -> None:
        claim = self.it.claim
        if claim is None:
            self.identity = None
            return
        identity = (claim.id, claim.token)
        assert self.identity in {None, identity}
        self.identity = identity

    @invariant()
    def the_phase_tells_the_truth(self) -> None:
        claim, phase = self.it.claim, self.it.status.get("phase")
        if self.it.domain is None or claim is None or self.it.status.get("id") != claim.id:
            return
        if phase in {Phase.VERIFIED, Phase.CERTIFICATE_PENDING}:
            assert claim.verification is not None
        if phase == Phase.ACTIVE:
            assert claim.certificate is not None
        if phase == Phase.FAILED:
            ready = self.it.status["conditions"][0]
            assert ready["type"] == "Ready"
            assert len(ready["message"]) > 20


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestLife = pytest.mark.timeout(300)(Life.TestCase)
