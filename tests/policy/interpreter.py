"""The smallest thing that carries out plans: a world in memory, without any waiting.

It stores what the API server would store (JSON, whole seconds), keeps count of the writes, and
checks at every turn what has to hold whatever happens. Several may share one `Register`: then they
want the same domain.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import build
from build import NAMESPACE_UID
from register import Register
from schema import faults, schema_of

from customdomains.model.certificate import IssuedCertificate, OrderError, PlacedOrder
from customdomains.model.claim import Claim, Contender
from customdomains.model.domain import CustomDomain, Key
from customdomains.model.evidence import Evidence
from customdomains.model.renewal import RenewalInfo
from customdomains.model.status import mark_of
from customdomains.policy import nearby, schedule
from customdomains.policy.decide import decide
from customdomains.policy.findings import judge
from customdomains.policy.jobs import (
    AskRenewal,
    CheckDns,
    CompleteOrder,
    DropNextKey,
    Job,
    OrderResult,
    PlaceOrder,
)
from customdomains.policy.leaving import leave
from customdomains.policy.ownership import holder_of
from customdomains.policy.prospects import Prospects
from customdomains.policy.registration import new_claim
from customdomains.policy.seats import enter
from customdomains.policy.world import (
    Check,
    EnterClaim,
    LeaveClaim,
    Memory,
    MintClaim,
    Plan,
    RenewalCheck,
    ReplaceClaim,
    World,
)

TURNS = 4
_DOMAIN = schema_of("CustomDomain")


class Interpreter:
    """One domain's world; `turn` brings it, and whoever wants the same domain, to rest."""

    def __init__(
        self,
        register: Register | None = None,
        key: Key = build.KEY,
        namespace_uid: str = NAMESPACE_UID,
    ) -> None:
        self.register = register or Register()
        self.register.wanted_by.append(self)
        self.key = key
        self.domain: CustomDomain | None = None
        self.namespace_uid = namespace_uid
        self.status: dict[str, Any] = {}
        self.memory = Memory()
        self.check_job: CheckDns | None = None
        self.order_job: PlaceOrder | CompleteOrder | DropNextKey | None = None
        self.ask_job: AskRenewal | None = None
        self.due: datetime | None = None
        self.writes: list[str] = []
        self.started = self.now

    @property
    def now(self) -> datetime:
        return self.register.now

    @now.setter
    def now(self, moment: datetime) -> None:
        self.register.now = moment

    @property
    def claim(self) -> Claim | None:
        return self.register.claim

    @property
    def seat(self) -> Contender | None:
        """Our seat on the claim."""
        if self.claim is None or self.domain is None:
            return None
        holder = holder_of(self.domain, self.namespace_uid)
        return next((seat for seat in self.claim.seats if seat.holder == holder), None)

    @property
    def view(self) -> Claim | None:
        """The claim as it is for us."""
        seat, claim = self.seat, self.claim
        if seat is None or claim is None:
            return None
        return claim if seat.id == claim.id else claim.seen_by(seat)

    def world(self) -> World:
        """What `decide` gets to see."""
        domain, claim = self.domain, self.claim
        if domain is not None:
            domain = replace(domain, status=mark_of(self.status))
        asked = None
        for other in self.register.wanted_by:
            if claim and other.domain and claim.holder.uid == other.domain.uid:
                asked = other.domain.check_requested
        return World(
            self.key,
            domain,
            claim,
            self.namespace_uid,
            self.memory,
            self.register.rules,
            started=self.started,
            holder_asked=asked,
        )

    def turn(self) -> None:
        """Decide and act until there is nothing more to do without news."""
        self.register.settle()

    def pass_until(self, end: datetime, work: Callable[[], None]) -> None:
        """Let time pass, from due time to due time; at each `work` lets jobs end."""
        while self.due is not None and self.due <= end:
            self.now = self.due
            self.turn()
            work()
        self.now = end
        self.turn()
        work()

    def act(self) -> None:
        """Do what there is to do for us."""
        left = self._clear_up()
        for _ in range(TURNS):
            plan = decide(self.world(), self.now)
            if plan.claim is None:
                self._conclude(plan)
                break
            assert plan.status is None
            assert plan.jobs == ()
            self._write_claim(plan)
        else:
            raise AssertionError("it does not come to rest")
        self.due = min((due for due in (self.due, left) if due), default=None)

    def rests(self) -> None:
        """Nothing is to be done without news, and there is a way on."""
        again = decide(self.world(), self.now)
        assert again.claim is None, "it would write the claim without news"
        assert again.status is None or again.status.mark == mark_of(self.status)
        assert again.due is None or again.due > self.now
        self._has_a_way_on(again)
        self._names_nobody_else()

    def _clear_up(self) -> datetime | None:
        """Look after the seats of those who were here before; when to do so again."""
        due = None
        for _ in range(TURNS):
            claim, mine = self.claim, self.domain
            gone = [
                seat
                for seat in (claim.seats if claim else ())
                if seat.holder.key == self.key and (mine is None or mine.uid != seat.holder.uid)
            ]
            there = mine is not None
            gone = [s for s in gone if not there or s.holder.namespace_uid != self.namespace_uid]
            plans = [leave(claim, s, self.now, self.register.rules.claims) for s in gone if claim]
            due = min((plan.due for plan in plans if plan.due), default=None)
            wanted = [plan for plan in plans if plan.claim is not None]
            if not wanted:
                break
            self._write_claim(wanted[0])
        assert due is None or due > self.now
        return due

    def _has_a_way_on(self, plan: Plan) -> None:
        """A job, a due time, or only somebody else can change anything."""
        if self.domain is None:
            vacant = [
                s for s in (self.claim.seats if self.claim else ()) if s.holder.key == self.key
            ]
            assert not vacant or self.due is not None
            return
        seat = self.seat
        asleep = seat is not None and (seat.standing.expired_at or seat.standing.lost_at)
        waits_for_others = self.domain.suspend or self.domain.refusal is not None or asleep
        under_way = self.check_job or self.order_job or self.ask_job
        assert under_way or plan.due or waits_for_others

    def _names_nobody_else(self) -> None:
        """Of whom else wants the domain nothing is said."""
        said = json.dumps(self.status) if self.domain is not None else ""
        for other in self.register.wanted_by:
            if other is not self:
                assert other.key.namespace not in said
                assert f'"{other.key.name}"' not in said

    def _conclude(self, plan: Plan) -> None:
        self.memory = replace(self.memory, result=None, kept=None)
        if self.domain is not None and plan.status is not None:
            rendered = json.loads(json.dumps(plan.status.render()))
            assert list(faults(_DOMAIN["properties"]["status"], rendered)) == []
            assert plan.status.mark == mark_of(rendered)
            if mark_of(rendered) != mark_of(self.status):
                self.status = rendered
                self.writes.append("status")
        for job in plan.jobs:
            self._start(job)
        self.due = plan.due

    def _start(self, job: Job) -> None:
        if isinstance(job, CheckDns):
            assert self.check_job is None
            self.check_job = job
            self.memory = replace(self.memory, checking=True)
            return
        if isinstance(job, AskRenewal):
            assert self.ask_job is None
            assert self.claim is not None
            assert self.claim.certificate is not None
            assert self.claim.certificate.facts.ari_id == job.ari_id, "asked of what is replaced"
            self.ask_job = job
            self.memory = replace(self.memory, asking=True)
            return
        assert self.order_job is None, "one job of an order at a time"
        if isinstance(job, PlaceOrder | CompleteOrder):
            self._proof_is_current(job)
        self.order_job = job
        self.memory = replace(self.memory, ordering_since=self.now)

    def _proof_is_current(self, job: PlaceOrder | CompleteOrder) -> None:
        check, domain = self.memory.check, self.domain
        assert check is not None
        assert domain is not None
        assert not domain.suspend
        assert timedelta(0) <= self.now - check.at < schedule.PROOF_FRESHNESS
        assert judge(check.evidence, job.claim, build.ZONE, check.at).proof is not None
        assert job.claim.verification is not None
        assert job.claim.verification.gone_since is None
        assert self.claim is not None
        assert self.claim.holder == holder_of(domain, self.namespace_uid), "ordered by no holder"
        if isinstance(job, PlaceOrder):
            assert self.claim.order is None, "a second order"
        else:
            assert job.claim.order is not None
            assert self.claim.order == job.claim.order

    def _write_claim(self, plan: Plan) -> None:
        self.writes.append("claim")
        self.register.told += plan.announcements
        match plan.claim:
            case MintClaim():
                assert self.domain is not None
                assert self.claim is None
                holder = holder_of(self.domain, self.namespace_uid)
                self._store(new_claim(build.DOMAIN, holder, self.register.mint()))
            case EnterClaim(claim):
                assert self.domain is not None
                assert claim == self.claim
                holder = holder_of(self.domain, self.namespace_uid)
                rules = self.register.rules.claims
                entered = enter(claim, holder, self.register.mint(), self.now, rules, seats=0)
                assert isinstance(entered, Claim)
                self._store(entered)
            case ReplaceClaim(claim):
                self._is_proved_by_us(claim)
                self._store(claim)
                self._settle()
            case LeaveClaim(claim, _, after):
                assert claim == self.claim
                self._store(after)
            case None:
                pass

    def _is_proved_by_us(self, after: Claim) -> None:
        """Who is verified has just seen its own record, not another's."""
        before = self.claim
        if before is None or after.verification is None:
            return
        if before.id == after.id and before.verification is not None:
            return
        check, view = self.memory.check, self.view
        assert check is not None
        assert view is not None
        assert view.id == after.id, "somebody else is verified"
        assert timedelta(0) <= self.now - check.at < schedule.PROOF_FRESHNESS
        assert judge(check.evidence, view, build.ZONE, check.at).proof is not None

    def _settle(self) -> None:
        result = self.memory.result
        self.memory = replace(self.memory, result=None)
        if result is not None and isinstance(result.outcome, IssuedCertificate):
            self.memory = replace(self.memory, next_key_to_drop=result.job.secret_name)

    def _store(self, claim: Claim | None) -> None:
        before = self.claim
        self.register.store(claim)
        if before is not None and claim is not None and before.id != claim.id:
            self._doubt(claim)

    def _doubt(self, claim: Claim) -> None:
        """Who comes to hold a claim by another's write is looked at anew."""
        for who in self.register.wanted_by:
            mine = who.domain is not None and who.domain.uid == claim.holder.uid
            if who is not self and mine:
                who.memory = replace(who.memory, check=None)

    # What happens outside.

    def remove(self) -> None:
        """The resource is deleted, which nobody has heard of until the next turn."""
        self.domain, self.status, self.memory = None, {}, Memory()
        self.check_job, self.order_job, self.ask_job = None, None, None

    def finish_check(self, evidence: Evidence, prospects: Prospects | None = None) -> None:
        """The lookup has ended, and with it the look for ways to a certificate if it was to look:
        with `prospects`, or having found none."""
        job = self.check_job
        assert job is not None
        found = None
        if job.look is not None:
            found = replace(prospects or Prospects(job.look, self.now), look=job.look, at=self.now)
        check = Check(self.now, evidence, job.request, prospects=found)
        check = nearby.after(self.memory.check, check, job)
        self.memory = replace(
            self.memory, check=check, checking=False, attempts=self.memory.attempts + 1
        )
        self.check_job = None
        self.turn()

    def finish_asking(self, info: RenewalInfo | None) -> None:
        """The CA has answered, or could not be asked (None)."""
        job = self.ask_job
        assert job is not None
        again = info.again_at if info is not None else None
        check = RenewalCheck(job.ari_id, self.now, info, again)
        self.memory = replace(self.memory, asking=False, renewal=check)
        self.ask_job = None
        self.turn()

    def finish_order(self, outcome: PlacedOrder | IssuedCertificate | OrderError | None) -> None:
        """The order's job has ended; None is "the claim was stale" or trouble of our own."""
        job = self.order_job
        assert job is not None
        self.memory = replace(self.memory, ordering_since=None)
        if isinstance(job, DropNextKey):
            self.memory = replace(self.memory, next_key_to_drop=None)
        elif outcome is not None:
            self.memory = replace(self.memory, result=OrderResult(job, outcome, self.now))
        self.order_job = None
        self.turn()

    def restart(self) -> None:
        """All that was not stored is lost."""
        for who in self.register.wanted_by:
            who.memory, who.check_job, who.order_job, who.ask_job = Memory(), None, None, None
            who.started = self.now
        self.turn()
