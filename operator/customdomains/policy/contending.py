"""What to do for one who wants a domain that somebody else holds, or who sleeps."""

from __future__ import annotations

from datetime import datetime

from customdomains.model.claim import NOBODY, Claim, Contender
from customdomains.model.domain import CustomDomain
from customdomains.model.progress import Verification
from customdomains.policy import ownership, seats, succession
from customdomains.policy.announcements import announce, arrived, moved
from customdomains.policy.checking import (
    CHECK_OUT_DELAY,
    Case,
    answer_awaited,
    check_job,
    expires_at,
    next_check,
    proof_fresh,
)
from customdomains.policy.findings import Finding, judge
from customdomains.policy.projection import Scene, project
from customdomains.policy.rules import Rules
from customdomains.policy.standing import contends, sleeps
from customdomains.policy.world import Check, Plan, ReplaceClaim, World


def rest(world: World, domain: CustomDomain, claim: Claim, seat: Contender, now: datetime) -> Plan:
    """What to do for one who sleeps, whether it holds the claim or not: wake it when it asks."""
    woken = succession.is_woken(seat, domain.check_requested)
    after = succession.revive(claim, seat, now) if woken else claim
    if after != world.claim:
        return _write(world, after)
    mine = claim if seat.id == claim.id else claim.seen_by(seat)
    scene = Scene(domain, mine, None, world.rules, now, sleeps(claim, seat))
    return Plan(status=project(scene, world.memory, None))


def contend(
    world: World, domain: CustomDomain, claim: Claim, seat: Contender, now: datetime
) -> Plan:
    """What to do for a contender: look for its record, and take the claim over where it may."""
    rules, memory = world.rules, world.memory
    mine, finding = claim.seen_by(seat), None
    if memory.check is not None:
        finding = judge(memory.check.evidence, mine, rules.zone, memory.check.at)
    opens = seats.open_from(claim, seat, now, rules)
    case = Case(world, domain, mine, finding, now, opens)
    after = claim
    if (proof := _proof(case, claim)) is not None:
        after = succession.take_over(claim, seat, proof, now, world.holder_asked)
    else:
        expires = expires_at(case, seat)
        if expires is not None and now >= expires:
            after = succession.expire(claim, seat, domain.check_requested, now)
    if after != world.claim:
        return _write(world, after, finding)
    return _wait(case, claim, seat)


def _proof(case: Case, claim: Claim) -> Verification | None:
    """The proof with which the claim is taken over just now."""
    check, finding, opens = case.world.memory.check, case.finding, case.opens
    if check is None or finding is None or case.domain.suspend or not proof_fresh(case):
        return None
    if opens is None or case.now < opens or _proves_the_holder_too(check, claim, case.world.rules):
        return None
    return ownership.apply_finding(case.claim, finding, check.at, case.world.rules).verification


def _proves_the_holder_too(check: Check, claim: Claim, rules: Rules) -> bool:
    """Whether the same answers have the record of a holder who is there: its own next check will
    find it, and nobody is displaced until then."""
    if claim.holder == NOBODY or not claim.standing.active:
        return False
    return judge(check.evidence, claim, rules.zone, check.at).proof is not None


def _write(world: World, after: Claim, finding: Finding | None = None) -> Plan:
    before = world.claim
    if before is None:
        return Plan(claim=ReplaceClaim(after))
    told = (*arrived(before, after), *moved(before, after))
    if before.id != after.id and finding is not None:
        told = (*announce(before, after, finding), *told)
    return Plan(claim=ReplaceClaim(after), announcements=told)


def _wait(case: Case, claim: Claim, seat: Contender) -> Plan:
    world, now = case.world, case.now
    check = check_job(case)
    jobs = (check,) if check is not None else ()
    due = _due(case, seat)
    if answer_awaited(case, check):
        out = now + CHECK_OUT_DELAY
        return Plan(jobs=jobs, due=out if due is None else min(due, out))
    stands = contends(claim, seat, world.rules, now)
    scene = Scene(case.domain, case.claim, case.finding, world.rules, now, stands)
    moment = None if case.rests else next_check(case)
    return Plan(status=project(scene, world.memory, moment), jobs=jobs, due=due)


def _due(case: Case, seat: Contender) -> datetime | None:
    """When to decide again although nothing was heard: also when the holder's proof stops to
    count."""
    moments = [case.opens, expires_at(case, seat)]
    if not case.rests:
        moments.append(next_check(case))
    return min((moment for moment in moments if moment and moment > case.now), default=None)
