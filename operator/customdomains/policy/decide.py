"""The decision: from all that is known of a domain to what should happen now.

The order of the steps is the policy: first whose the domain is, then what the last jobs found,
then what work is due, and last what to say about it all.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain
from customdomains.policy import (
    certificates,
    expiry,
    handover,
    issuers,
    keeping,
    naming,
    ownership,
    renewal,
    schedule,
    seats,
    succession,
)
from customdomains.policy.announcements import announce, moved
from customdomains.policy.checking import (
    CHECK_OUT_DELAY,
    Case,
    answer_awaited,
    check_job,
    expires_at,
    is_fresh,
    needs_proof,
    next_check,
    proof_fresh,
    ways_of,
)
from customdomains.policy.contending import contend, rest
from customdomains.policy.findings import judge
from customdomains.policy.jobs import CompleteOrder, DropNextKey, Job, PlaceOrder
from customdomains.policy.projection import Scene, project, project_refused, project_unseated
from customdomains.policy.telling import tell
from customdomains.policy.world import EnterClaim, MintClaim, Plan, ReplaceClaim, World

PATIENCE = timedelta(seconds=30)
"""How long a fresh proof waits for the order that is about to be written with it."""

PATIENCE_WATCHED = timedelta(seconds=1)
"""The same where somebody asked for the check and may be waiting for its result."""

UNKNOWN_NAMESPACE_DELAY = timedelta(seconds=10)


def decide(world: World, now: datetime) -> Plan:
    """What to do about one domain at `now`."""
    plan = _decide(world, now)
    return tell(world, plan, now) if world.rules.claims.webhooks else plan


def _decide(world: World, now: datetime) -> Plan:
    domain, claim = world.domain, world.claim
    if domain is None:
        return Plan()
    if domain.refusal is not None:
        return Plan(status=project_refused(domain, domain.refusal))
    if not world.namespace_uid:
        return Plan(due=now + UNKNOWN_NAMESPACE_DELAY)
    holder = ownership.holder_of(domain, world.namespace_uid)
    seat = seats.find_seat(claim, holder) if claim is not None else None
    if claim is None or seat is None:
        return _newcomer(world, domain, now)
    taken = seats.take_up(claim, seat, holder, now, world.rules.claims)
    taken = handover.let_go(taken, seat.id, world.memory.handed)
    seat = next(each for each in taken.seats if each.id == seat.id)
    taken = succession.release_on_delete(taken, seat, release=domain.release)
    seat = replace(seat, standing=replace(seat.standing, release=domain.release))
    if succession.is_asleep(seat):
        return handover.parting(rest(world, domain, taken, seat, now), world.memory, seat)
    if seat.id != taken.id:
        return handover.parting(contend(world, domain, taken, seat, now), world.memory, seat)
    return _hold(_take_in(world, domain, taken, now), claim)


def _newcomer(world: World, domain: CustomDomain, now: datetime) -> Plan:
    """What to do for a domain without a seat on its claim."""
    rules = world.rules
    not_allowed = naming.refuse(domain.domain or "", rules.names)
    if not_allowed is not None:
        return Plan(status=project_refused(domain, not_allowed))
    if world.claim is None:
        refusal = seats.over_quota(domain.key.namespace, world.seats, rules.claims)
    else:
        holder = ownership.holder_of(domain, world.namespace_uid)
        refusal = seats.refuse(world.claim, holder, rules.claims, world.seats)
    if refusal is not None:
        return Plan(status=project_unseated(domain, refusal), due=now + schedule.HELD_DELAY)
    return Plan(claim=MintClaim() if world.claim is None else EnterClaim(world.claim))


def _hold(case: Case, stored: Claim) -> Plan:
    """What to do for who holds the claim."""
    seat = case.claim.holder_seat
    expires = expires_at(case, seat) if seat is not None else None
    if seat is None or expires is None or case.now < expires:
        return _work(case, stored)
    after = succession.expire(case.claim, seat, case.domain.check_requested, case.now)
    return Plan(claim=ReplaceClaim(after), announcements=moved(stored, after))


def _take_in(world: World, domain: CustomDomain, claim: Claim, now: datetime) -> Case:
    """Bring the results of finished jobs into the claim."""
    memory, rules = world.memory, world.rules
    finding, check = None, memory.check
    if check is not None:
        finding = judge(check.evidence, claim, rules.zone, check.at)
        if claim.verification is None and finding.proof is not None and not is_fresh(check, now):
            # Who comes to hold a claim may have seen its record long before.
            finding, world = None, replace(world, memory=replace(memory, check=None))
        else:
            claim = ownership.apply_finding(claim, finding, check.at, rules)
    if memory.result is not None:
        claim = certificates.apply_result(claim, memory.result)
    if memory.kept is not None:
        claim = keeping.take_in(claim, memory.kept)
    claim = handover.take_in(domain, claim, memory.handed)
    claim = keeping.heed(domain, claim, now)
    claim = certificates.without_foreign_order(domain, claim, rules)
    if memory.ordering_since is None and not domain.suspend:
        claim = certificates.without_expired_order(domain, claim, now)
    if claim.order is not None and certificates.asked_for(domain, claim):
        claim = replace(claim, issue_handled=domain.issue_requested)
    if memory.ordering_since is None:
        claim = renewal.heed(claim, memory.renewal, now)
        claim = expiry.mark_late(domain, world, claim, now)
    return handover.begin(Case(world, domain, claim, finding, now))


def _work(case: Case, stored: Claim) -> Plan:
    check = check_job(case)
    order = _order_job(case)
    changed = case.claim != stored
    if changed and not _worth_waiting(case, stored, order):
        return Plan(
            claim=ReplaceClaim(case.claim),
            announcements=announce(stored, case.claim, case.finding),
        )
    keep = keeping.keep_job(case.world, case.domain, case.claim, case.now)
    found = (check, order, renewal.ask_job(case), keep, handover.job(case))
    jobs: tuple[Job, ...] = tuple(job for job in found if job is not None)
    due = _due(case)
    if changed:
        return Plan(jobs=jobs, due=_sooner(due, _patience_ends(case)))
    if answer_awaited(case, check):
        return Plan(jobs=jobs, due=_sooner(due, case.now + CHECK_OUT_DELAY))
    scene = Scene(case.domain, case.claim, case.finding, case.world.rules, case.now)
    moment = None if case.rests else next_check(case)
    return Plan(
        status=project(scene, case.world.memory, moment),
        jobs=jobs,
        due=due,
    )


def _worth_waiting(case: Case, stored: Claim, order: Job | None) -> bool:
    """Whether a first proof may wait a moment for the order that goes with it: one write less."""
    memory = case.world.memory
    if stored.verification is not None:
        return False
    only_proof = replace(case.claim, verification=stored.verification, holder=stored.holder)
    if only_proof != stored or case.claim.order is not None or memory.check is None:
        return False
    if case.now >= _patience_ends(case):
        return False
    return isinstance(order, PlaceOrder) or memory.ordering_since is not None


def _patience_ends(case: Case) -> datetime:
    check = case.world.memory.check
    if check is None or check.at > case.now:
        return case.now
    return check.at + (PATIENCE_WATCHED if check.request else PATIENCE)


def _order_job(case: Case) -> PlaceOrder | CompleteOrder | DropNextKey | None:
    memory, claim = case.world.memory, case.claim
    if memory.ordering_since is not None or case.domain.suspend:
        return None
    if memory.next_key_to_drop is not None and claim.order is None:
        return DropNextKey(claim, memory.next_key_to_drop)
    if not needs_proof(case) or not proof_fresh(case):
        return None
    heard = certificates.heard(case.domain)
    if claim.order is not None:
        return CompleteOrder(
            claim, case.domain.secret_name, heard, case.domain.key_type, case.domain.revoke
        )
    choice = issuers.choose(case.domain, claim, case.world.rules, case.now)
    ways = ways_of(case)
    if choice is None or not ways:
        return None
    choice = replace(choice, issuers=tuple(ways))
    return PlaceOrder(
        claim=claim,
        choice=choice,
        names=certificates.names_of(case.domain, claim),
        ways=ways,
        secret_name=case.domain.secret_name,
        request=case.domain.issue_requested if certificates.asked_for(case.domain, claim) else None,
        heard=heard,
        replaces=next(filter(None, (renewal.replaced(claim, i) for i in choice.issuers)), None),
    )


def _due(case: Case) -> datetime | None:
    """When to decide again although nothing was heard.

    A job that runs or is about to wakes its domain by itself when it ends.
    """
    claim, now = case.claim, case.now
    moments = [ownership.proof_expired_at(claim, case.world.rules), *handover.moments(case)]
    if claim.holder_seat is not None:
        moments.append(expires_at(case, claim.holder_seat))
    if not case.rests:
        moments.append(next_check(case))
    if claim.certificate is not None:
        moments += [claim.certificate.renewal_time, claim.certificate.facts.not_after]
        moments.append(expiry.next_stage(case.domain, case.world, claim, now))
        moments.append(renewal.next_ask(case))
    if not case.domain.suspend:
        moments += keeping.moments(claim)
        moments.append(certificates.retry_at(case.domain, claim))
        moments.append(claim.order.expires if claim.order else None)
        moments.append(case.world.memory.wait.until if case.world.memory.wait else None)
    return min((moment for moment in moments if moment and moment > now), default=None)


def _sooner(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)
