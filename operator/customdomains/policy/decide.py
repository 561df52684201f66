"""The decision: from all that is known of a domain to what should happen now.

The order of the steps is the policy: first whose the domain is, then what the last jobs found,
then what work is due, and last what to say about it all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.names import challenge_name
from customdomains.policy import certificates, ownership, schedule
from customdomains.policy.announcements import announce
from customdomains.policy.findings import Finding, challenges_present, conclusive, judge
from customdomains.policy.projection import Scene, project, project_refused, project_taken
from customdomains.policy.world import (
    CheckDns,
    CompleteOrder,
    DropNextKey,
    Job,
    MintClaim,
    PlaceOrder,
    Plan,
    ReleaseClaim,
    ReplaceClaim,
    World,
)

PATIENCE = timedelta(seconds=1)
"""How long a write waits for a job that is about to change what would be written."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A domain that is ours, with its claim as it should be after the last jobs."""

    world: World
    domain: CustomDomain
    claim: Claim
    finding: Finding | None
    now: datetime


def decide(world: World, now: datetime) -> Plan:
    """What to do about one domain at `now`."""
    domain, claim = world.domain, world.claim
    if domain is None:
        return _after_holder(claim, now)
    if domain.refusal is not None:
        return Plan(status=project_refused(domain, domain.refusal))
    if claim is None:
        return Plan(claim=MintClaim())
    holder = ownership.holder_of(domain, world.namespace_uid)
    if not ownership.may_hold(claim, holder):
        return Plan(status=project_taken(domain), due=now + schedule.HELD_DELAY)
    return _work(_take_in(world, domain, replace(claim, holder=holder), now), claim)


def _after_holder(claim: Claim | None, now: datetime) -> Plan:
    if claim is None:
        return Plan()
    if not ownership.abandoned(claim, now):
        return Plan(due=claim.created + schedule.CLAIM_PATIENCE)
    return Plan(claim=ReleaseClaim(claim))


def _take_in(world: World, domain: CustomDomain, claim: Claim, now: datetime) -> _Case:
    """Bring the results of finished jobs into the claim."""
    memory, rules = world.memory, world.rules
    finding = judge(memory.check.evidence, claim, rules.zone) if memory.check else None
    if finding is not None and memory.check is not None:
        claim = ownership.apply_finding(claim, finding, memory.check.at)
    if memory.result is not None:
        claim = certificates.apply_result(claim, memory.result)
    if certificates.order_unfit(domain, claim, rules, now):
        claim = replace(claim, order=None)
    if claim.order is not None and certificates.asked_for(domain, claim):
        claim = replace(claim, issue_handled=domain.issue_requested)
    return _Case(world, domain, claim, finding, now)


def _work(case: _Case, stored: Claim) -> Plan:
    check = _check_job(case)
    order = _order_job(case)
    changed = case.claim != stored
    if changed and not _worth_waiting(case, stored, order):
        return Plan(
            claim=ReplaceClaim(case.claim),
            announcements=announce(stored, case.claim, case.finding),
        )
    jobs: tuple[Job, ...] = tuple(job for job in (check, order) if job is not None)
    due = _due(case, order)
    if changed or _status_may_wait(case, check):
        return Plan(jobs=jobs, due=_sooner(due, case.now + PATIENCE))
    scene = Scene(case.domain, case.claim, case.finding, case.world.rules, case.now)
    next_check = None if case.domain.suspend else _next_check(case)
    return Plan(
        status=project(scene, case.world.memory, next_check),
        jobs=jobs,
        due=due,
    )


def _worth_waiting(case: _Case, stored: Claim, order: Job | None) -> bool:
    """Whether a fresh proof may wait a moment for the order that goes with it: one write less."""
    memory = case.world.memory
    only_proof = replace(case.claim, verification=stored.verification, holder=stored.holder)
    if only_proof != stored or case.claim.order is not None or memory.check is None:
        return False
    if case.now - memory.check.at >= PATIENCE:
        return False
    return isinstance(order, PlaceOrder) or memory.ordering_since is not None


def _status_may_wait(case: _Case, check: Job | None) -> bool:
    """Whether the first check of this process is still out: its answer comes in a moment."""
    memory = case.world.memory
    if memory.check is not None or case.domain.suspend:
        return False
    return check is not None or memory.checking


def _check_job(case: _Case) -> CheckDns | None:
    memory, domain = case.world.memory, case.domain
    if memory.checking or domain.suspend or case.now < _next_check(case):
        return None
    return CheckDns(challenge_name(case.claim.domain), domain.check_requested)


def _next_check(case: _Case) -> datetime:
    """When the DNS is to be asked again; now or earlier means at once."""
    memory, claim, now = case.world.memory, case.claim, case.now
    check, known = memory.check, claim.verification
    if case.domain.check_requested and (
        check is None or check.request != case.domain.check_requested
    ):
        return now
    if check is None:
        if known is None or known.gone_since or _waits_for_record(case) or _wants_order(case):
            return now
        return schedule.next_recheck(
            known.verified_at, case.world.rules.recheck_interval, claim.id, now
        )
    return check.at + schedule.jittered(_check_delay(case), claim.id, memory.attempts)


def _check_delay(case: _Case) -> timedelta:
    known, finding, order = case.claim.verification, case.finding, case.claim.order
    if _wants_order(case):
        return schedule.PROOF_FRESHNESS
    if order is not None and order.method is Method.MANUAL:
        return schedule.waiting_delay(case.now - order.placed_at)
    if known is None:
        return schedule.waiting_delay(ownership.age(case.claim, case.now))
    if finding is not None and not conclusive(finding):
        return schedule.UNREACHABLE_DELAY
    if known.gone_since:
        return schedule.GONE_DELAY
    return case.world.rules.recheck_interval


def _waits_for_record(case: _Case) -> bool:
    order = case.claim.order
    return order is not None and order.method is Method.MANUAL


def _wants_order(case: _Case) -> bool:
    """Whether an order should be placed now, as soon as the proof is fresh enough."""
    domain, claim, rules, now = case.domain, case.claim, case.world.rules, case.now
    known = claim.verification
    if known is None or known.gone_since or claim.order or domain.suspend:
        return False
    if domain.issuance is Issuance.NEVER or certificates.issuer_of(domain, rules) is None:
        return False
    if certificates.asked_for(domain, claim):
        return not _ca_forbids(claim, now)
    if not certificates.starts_by_itself(domain, claim, known.method):
        return False
    if claim.failure is not None and now < claim.failure.retry_at:
        return False
    return certificates.certificate_due(domain, claim, rules, now)


def _ca_forbids(claim: Claim, now: datetime) -> bool:
    """Whether a failure is too fresh for even a person's request to try again.

    A request skips the operator's own patience, but not the shortest step of it, and never a
    moment that the CA has named.
    """
    failure = claim.failure
    if failure is None or now >= failure.retry_at:
        return False
    by_ourselves = failure.at + schedule.failure_delay(failure.count)
    return failure.retry_at > by_ourselves or now < failure.at + timedelta(seconds=10)


def _order_job(case: _Case) -> PlaceOrder | CompleteOrder | DropNextKey | None:
    memory, claim = case.world.memory, case.claim
    if memory.ordering_since is not None or case.domain.suspend:
        return None
    if memory.next_key_to_drop is not None and claim.order is None:
        return DropNextKey(claim, memory.next_key_to_drop)
    if claim.order is not None:
        ready = _may_complete(case)
        return CompleteOrder(claim, case.domain.secret_name) if ready else None
    issuer = certificates.issuer_of(case.domain, case.world.rules)
    known = claim.verification
    if issuer is None or known is None or not _wants_order(case) or not _proof_fresh(case):
        return None
    return PlaceOrder(
        claim=claim,
        issuer=issuer,
        names=certificates.names_of(case.domain, claim),
        method=known.method,
        secret_name=case.domain.secret_name,
        request=case.domain.issue_requested if certificates.asked_for(case.domain, claim) else None,
    )


def _proof_fresh(case: _Case) -> bool:
    """Whether a check of this process saw the proof moments ago."""
    check, finding = case.world.memory.check, case.finding
    if check is None or finding is None or finding.proof is None:
        return False
    return case.now - check.at < schedule.PROOF_FRESHNESS


def _may_complete(case: _Case) -> bool:
    """Whether the order's challenges can be answered now."""
    claim, check = case.claim, case.world.memory.check
    if claim.order is None or not ownership.proof_current(claim):
        return False
    failure = claim.failure
    if failure and failure.at >= claim.order.placed_at and case.now < failure.retry_at:
        return False
    if claim.order.method is Method.DELEGATED:
        return True
    return check is not None and challenges_present(check.evidence, claim.order.digests)


def _due(case: _Case, order: Job | None) -> datetime | None:
    """When to decide again although nothing was heard."""
    claim, now = case.claim, case.now
    if case.domain.suspend:
        return None
    moments = [_next_check(case)]
    if claim.failure is not None and order is None:
        moments.append(claim.failure.retry_at)
    if claim.certificate is not None:
        moments += [claim.certificate.renewal_time, claim.certificate.facts.not_after]
    if claim.order is not None and claim.order.expires is not None:
        moments.append(claim.order.expires)
    expired_at = ownership.proof_expired_at(claim, case.world.rules)
    if expired_at is not None:
        moments.append(expired_at)
    return min((moment for moment in moments if moment > now), default=None)


def _sooner(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)
