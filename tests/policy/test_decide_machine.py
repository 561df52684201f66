"""Whatever happens, in whatever order: the design's invariants hold and there is a way on.

The interpreter asserts at every turn; the rules here make things happen.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import build
import pytest
from build import DAY, HOUR, MINUTE, RULES, SECOND
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from interpreter import Interpreter
from register import Register

from customdomains.model.certificate import (
    CertificateFacts,
    IssuedCertificate,
    OrderError,
    PlacedOrder,
)
from customdomains.model.claim import NOBODY, Claim
from customdomains.model.domain import Issuance, Key
from customdomains.model.evidence import Evidence, Outcome
from customdomains.model.reasons import Phase, Reason
from customdomains.model.renewal import RenewalInfo
from customdomains.policy.findings import delegation_target
from customdomains.policy.jobs import CompleteOrder, DropNextKey, PlaceOrder
from customdomains.policy.rules import ClaimRules
from customdomains.policy.succession import is_asleep

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
        "tokens of all",
        "missing",
        "wrong",
        "elsewhere",
        "silent",
    ]
)
SEATS = ClaimRules(contenders=1)
WHO = st.integers(0, 2)


class Lives(RuleBasedStateMachine):
    """Three namespaces, in each a CustomDomain that comes and goes, and one domain they all want.

    `it` is the one that things happen to just now.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register = Register(replace(RULES, claims=SEATS))
        names = ("tenant", "shop"), ("rival", "site"), ("third", "page")
        self.all = [
            Interpreter(self.register, Key(*name), f"{name[0]}-{name[1]}-uid") for name in names
        ]
        self.it = self.all[0]
        self.owner = self.it
        self.records = "missing"
        self.orders = 0
        self.registrations = 0
        self.shown: Evidence | None = None

    @initialize(first=WHO)
    def register_one(self, first: int) -> None:
        self.owner = self.it = self.all[first]
        self.create()

    @rule(who=WHO)
    def turn_to(self, who: int) -> None:
        self.it = self.all[who]

    @precondition(lambda self: self.it.domain is None)
    @rule()
    def create(self) -> None:
        self.registrations += 1
        uid = f"uid-{self.registrations}"
        self.it.domain = build.domain(key=self.it.key, uid=uid, created=self.it.now)
        self.it.status = {"observedGeneration": -1}
        self.it.turn()

    @precondition(lambda self: self.it.domain is not None)
    @rule(seen_in_time=st.booleans())
    def delete(self, seen_in_time: bool) -> None:
        """A deletion with the creation right behind it may look like a change of the uid."""
        self.it.remove()
        if seen_in_time:
            self.it.turn()

    @precondition(lambda self: self.it.domain is None)
    @rule()
    def make_the_namespace_again(self) -> None:
        self.it.namespace_uid += "x"

    @precondition(lambda self: self.it.domain is not None)
    @rule(name=st.sampled_from(["shop", "site", "again"]))
    def prune_and_rename(self, name: str) -> None:
        """Deleted, and made anew under another name, perhaps before anybody has seen it go."""
        self.it.remove()
        self.it.turn()
        if all(name != other.key.name for other in self.all if other is not self.it):
            self.it.key = self.it.key._replace(name=name)
        self.create()

    @precondition(lambda self: self.register.claim is None)
    @rule(who=WHO)
    def reserve(self, who: int) -> None:
        """An administrator keeps the name for one of them, before anybody has it."""
        if all(each.domain is None for each in self.all):
            namespace = self.all[who].key.namespace
            self.register.store(
                Claim(build.DOMAIN, "", "", NOBODY, reserved_for=namespace, uid="reserved")
            )

    @precondition(lambda self: self.it.domain is not None)
    @rule(release=st.booleans())
    def ask_for_release(self, release: bool) -> None:
        assert self.it.domain is not None
        self.it.domain = replace(self.it.domain, release=release)
        self.it.turn()

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
        self.it.turn()
        before, writes = self.it.claim, len(self.it.writes)
        self.it.status = dict(forged)
        self.it.turn()
        assert self.it.claim == before
        assert len(self.it.writes) <= writes + 1

    @rule(records=RECORDS, owner=WHO)
    def set_records(self, records: str, owner: int) -> None:
        """What is in the DNS, and for whose seat it was set."""
        self.records, self.owner = records, self.all[owner]

    @precondition(lambda self: self.it.check_job is not None)
    @rule()
    def a_check_ends(self) -> None:
        self.shown = self.evidence()
        self.it.finish_check(self.shown)

    def evidence(self) -> Evidence:
        claim, view = self.it.claim, self.owner.view
        if self.records == "tokens of all" and claim is not None:
            return build.evidence(build.answer(*(seat.token for seat in claim.seats)))
        if view is None and self.records not in {"wrong", "elsewhere", "silent"}:
            return build.MISSING
        wanted = view or build.claim()
        digests = wanted.order.digests if wanted.order else (build.DIGEST,)
        answers = {
            "delegated": build.answer(*wanted.texts, cname=delegation_target(wanted, build.ZONE)),
            "token": build.answer(wanted.token),
            "digests": build.answer(*digests),
            "token and digests": build.answer(wanted.token, *digests),
            "tokens of all": build.nothing(),
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
                ari_id = f"aki.{self.orders}" if self.orders % 2 else None
                facts = CertificateFacts(
                    "0a", begins, begins + HOUR + life, "f" * 64, ari_id=ari_id
                )
                self.it.finish_order(IssuedCertificate("PEM", facts))
            case DropNextKey():
                self.it.finish_order(None)

    @precondition(lambda self: self.it.ask_job is not None)
    @rule(
        begins=st.sampled_from([None, -DAY, -SECOND, MINUTE, 40 * DAY]),
        lasts=st.sampled_from([SECOND, 2 * DAY]),
        again=st.sampled_from([None, -DAY, HOUR, 30 * DAY]),
    )
    def a_ca_tells_when_to_renew(
        self, begins: timedelta | None, lasts: timedelta, again: timedelta | None
    ) -> None:
        if begins is None:
            self.it.finish_asking(None)
            return
        start = (self.it.now + begins).replace(microsecond=0)
        again_at = again and self.it.now + again
        self.it.finish_asking(RenewalInfo(start, start + lasts, None, again_at))

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
        self.it.turn()  # somebody may have gone unseen
        if not self.at_rest():
            return
        writes = [list(who.writes) for who in self.all]
        self.it.restart()
        for who in self.all:
            while who.check_job is not None:
                assert self.shown is not None
                who.finish_check(self.shown)
        assert [who.writes for who in self.all] == writes

    def at_rest(self) -> bool:
        return any(who.domain is not None for who in self.all) and all(
            who.domain is None
            or (
                who.check_job is None
                and who.order_job is None
                and (
                    who.domain.suspend
                    or who.seat is None
                    or is_asleep(who.seat)
                    or (
                        who.memory.check is not None
                        and who.memory.check.evidence is self.shown
                        and bool(who.memory.check.evidence.conclusive)
                        and who.memory.check.at == who.now
                    )
                )
            )
            for who in self.all
        )

    @precondition(lambda self: self.it.domain is not None)
    @rule()
    def then_everything_goes_well(self) -> None:
        """From wherever it is, the way to a certificate is open, for who owns the domain."""
        it = self.it
        assert it.domain is not None
        good = {"suspend": False, "issuance": Issuance.AUTOMATIC, "issuer": None}
        asked = f"now-{self.register.now.timestamp()}"
        it.domain = replace(
            it.domain, **good, generation=it.domain.generation + 1, check_requested=asked
        )
        self.records, self.owner = "delegated", it
        it.turn()
        if it.seat is None:  # no room for one more, or it is for somebody else
            assert it.status["phase"] == Phase.FAILED
            assert it.claim is not None
            waiting = [seat for seat in it.claim.contenders if seat.standing.active]
            full = len(waiting) >= SEATS.contenders
            assert full or it.claim.reserved_for not in {None, it.key.namespace}
            return
        for _ in range(300):
            if it.status.get("phase") == Phase.ACTIVE and self.is_wanted():
                return
            if it.seat is not None and is_asleep(
                it.seat
            ):  # it had to wait for too long: asked anew
                asked += "!"
                it.domain = replace(it.domain, check_requested=asked)
                it.turn()
            self.work()
        raise AssertionError(f"no way to a certificate from {it.claim}, {it.status}")

    def work(self) -> None:
        """Whatever is out ends, or else time passes until somebody is due."""
        for who in self.all:
            self.it, back = who, self.it
            busy = who.check_job is not None or who.order_job is not None
            if who.check_job is not None:
                self.a_check_ends()
            elif who.order_job is not None:
                self.an_order_goes_well(90 * DAY, None)
            self.it = back
            if busy:
                return
        dues = [who.due for who in self.all if who.due is not None]
        self.it.now = max(min(dues), self.it.now + 2 * HOUR)
        self.it.turn()

    def is_wanted(self) -> bool:
        claim, domain = self.it.view, self.it.domain
        have = claim.certificate if claim else None
        return domain is not None and have is not None and have.secret_name == domain.secret_name

    @invariant()
    def the_phase_tells_the_truth(self) -> None:
        for who in self.all:
            claim, phase = who.claim, who.status.get("phase")
            if who.domain is None or claim is None or who.status.get("id") != claim.id:
                continue
            if phase in {Phase.VERIFIED, Phase.CERTIFICATE_PENDING}:
                assert claim.verification is not None
            if phase == Phase.ACTIVE:
                assert claim.certificate is not None
            if phase == Phase.FAILED:
                ready = who.status["conditions"][0]
                assert ready["type"] == "Ready"
                assert len(ready["message"]) > 20

    @invariant()
    def only_the_holder_is_told_that_it_holds(self) -> None:
        for who in self.all:
            if who.domain is None or "conditions" not in who.status:
                continue
            claimed = {c["type"]: c for c in who.status["conditions"]}["Claimed"]
            if claimed["status"] == "True":
                assert who.claim is not None
                assert who.status["id"] == who.claim.id


Lives.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestLives = pytest.mark.timeout(300)(Lives.TestCase)
