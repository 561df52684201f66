"""The smallest thing that carries out plans: a world in memory, without any waiting.

It stores what the API server would store (JSON, whole seconds), keeps count of the writes, and
checks at every turn what has to hold whatever happens.
"""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import build
from build import NAMESPACE_UID, NOW
from schema import faults, schema_of

from customdomains.model.certificate import IssuedCertificate, OrderError, PlacedOrder
from customdomains.model.claim import Claim, parse_claim, render_claim
from customdomains.model.domain import CustomDomain
from customdomains.model.evidence import Evidence
from customdomains.model.identity import Identity
from customdomains.model.status import mark_of
from customdomains.policy import schedule
from customdomains.policy.decide import decide
from customdomains.policy.findings import judge
from customdomains.policy.nearby import after
from customdomains.policy.ownership import holder_of
from customdomains.policy.registration import new_claim
from customdomains.policy.world import (
    Check,
    CheckDns,
    CompleteOrder,
    DropNextKey,
    Job,
    Memory,
    MintClaim,
    OrderResult,
    PlaceOrder,
    Plan,
    ReleaseClaim,
    ReplaceClaim,
    World,
)

TURNS = 4
_CLAIM, _DOMAIN = schema_of("DomainClaim"), schema_of("CustomDomain")


class Interpreter:
    """One domain's world; `turn` brings it to rest."""

    def __init__(self) -> None:
        self.now = NOW + timedelta(milliseconds=700)
        self.domain: CustomDomain | None = None
        self.namespace_uid = NAMESPACE_UID
        self.claim: Claim | None = None
        self.status: dict[str, Any] = {}
        self.memory = Memory()
        self.check_job: CheckDns | None = None
        self.order_job: PlaceOrder | CompleteOrder | DropNextKey | None = None
        self.due: datetime | None = None
        self.writes: list[str] = []
        self.minted = 0
        self.version = 0

    def world(self) -> World:
        """What `decide` gets to see."""
        domain = self.domain
        if domain is not None:
            domain = replace(domain, status=mark_of(self.status))
        return World(build.KEY, domain, self.claim, self.namespace_uid, self.memory, build.RULES)

    def turn(self) -> None:
        """Decide and act until there is nothing more to do without news."""
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
        again = decide(self.world(), self.now)
        assert again.claim is None, "it would write the claim without news"
        assert again.status is None or again.status.mark == mark_of(self.status)
        assert again.due is None or again.due > self.now
        self._has_a_way_on(again)

    def _has_a_way_on(self, plan: Plan) -> None:
        """A job, a due time, or only somebody else can change anything."""
        if self.domain is None:
            assert self.claim is None or plan.due is not None
            return
        ours = self.claim is not None and self.claim.holder == holder_of(
            self.domain, self.namespace_uid
        )
        waits_for_others = self.domain.suspend or self.domain.refusal is not None
        assert self.check_job or self.order_job or plan.due or (ours and waits_for_others)

    def _conclude(self, plan: Plan) -> None:
        self.memory = replace(self.memory, result=None)
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
        if isinstance(job, PlaceOrder):
            assert self.claim.order is None, "a second order"
        else:
            assert job.claim.order is not None
            assert self.claim.order == job.claim.order

    def _write_claim(self, plan: Plan) -> None:
        self.writes.append("claim")
        match plan.claim:
            case MintClaim():
                assert self.domain is not None
                assert self.claim is None
                self.minted += 1
                identity = Identity(f"{self.minted:032x}", f"{self.minted:064x}")
                holder = holder_of(self.domain, self.namespace_uid)
                self._store(new_claim(build.DOMAIN, holder, identity))
            case ReplaceClaim(claim):
                assert self.claim is not None
                assert claim != self.claim
                assert (claim.id, claim.token) == (self.claim.id, self.claim.token)
                assert claim.resource_version == self.claim.resource_version
                self._store(claim)
                self._settle()
            case ReleaseClaim():
                assert self.domain is None
                self.claim = None
            case None:
                pass

    def _settle(self) -> None:
        result = self.memory.result
        self.memory = replace(self.memory, result=None)
        if result is not None and isinstance(result.outcome, IssuedCertificate):
            self.memory = replace(self.memory, next_key_to_drop=result.job.secret_name)

    def _store(self, claim: Claim) -> None:
        body = json.loads(json.dumps(render_claim(claim)))
        assert list(faults(_CLAIM["properties"]["spec"], body["spec"])) == []
        assert list(faults(_CLAIM["properties"]["status"], body.get("status", {}))) == []
        self.version += 1
        body["metadata"] |= {"uid": f"claim-{claim.id}", "resourceVersion": str(self.version)}
        created = claim.created if claim.uid else self.now
        body["metadata"]["creationTimestamp"] = created.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.claim = parse_claim(body)

    # What happens outside.

    def finish_check(self, evidence: Evidence) -> None:
        """The lookup has ended."""
        assert self.check_job is not None
        check = Check(self.now, evidence, self.check_job.request)
        check = after(self.memory.check, check, self.check_job)
        self.memory = replace(
            self.memory, check=check, checking=False, attempts=self.memory.attempts + 1
        )
        self.check_job = None
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
        self.memory, self.check_job, self.order_job = Memory(), None, None
        self.turn()
