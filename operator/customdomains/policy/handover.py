"""Handing a domain's certificates to cert-manager, and taking them back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from customdomains.model.claim import Claim, Contender
from customdomains.model.domain import CustomDomain
from customdomains.model.handover import CertificateState, Fault, Handover, WantedCertificate
from customdomains.policy import certificates, handed
from customdomains.policy.checking import Case, proof_fresh
from customdomains.policy.jobs import HandOver, HandResult, TakeBack
from customdomains.policy.ownership import proof_current, proof_expired_at
from customdomains.policy.rules import Rules
from customdomains.policy.wording import shown
from customdomains.policy.world import Memory, Plan

MESSAGE_LENGTH = 400
REASON_LENGTH = 64


# --- what is due ----------------------------------------------------------------------------------


def begin(case: Case) -> Case:
    """With a record of the Certificate that is about to be created, and the request for it
    answered."""
    domain, claim = case.domain, case.claim
    if not handed.wants(domain) or domain.handed_to is None:
        return case
    if claim.handed is None:
        if not handed.needs_proof(case.world, domain, claim, case.now) or not proof_fresh(case):
            return case
        names = certificates.names_of(domain, claim)
        record = Handover(domain.key.name, domain.handed_to, domain.secret_name, names, case.now)
        claim = replace(claim, handed=record)
    if certificates.asked_for(domain, claim):
        claim = replace(claim, issue_handled=domain.issue_requested)
    return replace(case, claim=claim)


def job(case: Case) -> HandOver | TakeBack | None:
    """What is to be done about the holder's Certificate now."""
    world, domain, claim, now = case.world, case.domain, case.claim, case.now
    if claim.handed is None or world.memory.handing:
        return None
    if _is_unwanted(domain, claim, world.rules, now):
        return TakeBack(claim.id, claim.handed.name, domain.key.namespace)
    if domain.suspend or domain.handed_to is None:
        return None
    if now < handed.next_look(world, domain, claim, now):
        return None
    fresh = proof_fresh(case) and proof_current(claim)
    if handed.is_changed(domain, claim, world.memory.looked) and not fresh:
        return None
    wanted = WantedCertificate(
        namespace=domain.key.namespace,
        name=domain.key.name,
        owner=domain.uid,
        id=claim.id,
        issuer=domain.handed_to,
        secret_name=domain.secret_name,
        names=certificates.names_of(domain, claim),
        key_type=domain.key_type,
    )
    return HandOver(wanted, fresh, certificates.heard(domain))


def moments(case: Case) -> tuple[datetime | None, ...]:
    """When something may become due."""
    have, domain = case.claim.handed, case.domain
    if have is None:
        return ()
    if domain.suspend or not handed.wants(domain):
        return (have.not_after,)
    return (have.not_after, handed.next_look(case.world, domain, case.claim, case.now))


def parting(plan: Plan, memory: Memory, seat: Contender) -> Plan:
    """The plan for one who does not hold the claim (any more), whose Certificate is taken back."""
    if plan.claim is not None or seat.handed is None or memory.handing:
        return plan
    back = TakeBack(seat.id, seat.handed.name, seat.holder.key.namespace)
    return replace(plan, jobs=(*plan.jobs, back))


def _is_unwanted(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> bool:
    """Whether cert-manager must not go on: neither for a name that is not proved, nor where it is
    not wanted to; a Certificate of another name was beside another resource."""
    if claim.handed is None:
        return False
    ends = proof_expired_at(claim, rules)
    if claim.verification is None or (ends is not None and now >= ends):
        return True
    if domain.suspend:
        return False
    return not handed.wants(domain) or claim.handed.name != domain.key.name


# --- what was found -------------------------------------------------------------------------------


def let_go(claim: Claim, seat_id: str, result: HandResult | None) -> Claim:
    """The claim after the Certificate of a seat was taken back."""
    if result is None or not isinstance(result.job, TakeBack) or result.job.seat != seat_id:
        return claim
    if claim.id == seat_id:
        return replace(claim, handed=None)
    others = tuple(
        replace(each, handed=None) if each.id == seat_id else each for each in claim.contenders
    )
    return replace(claim, contenders=others)


def take_in(domain: CustomDomain, claim: Claim, result: HandResult | None) -> Claim:
    """The claim after a look at the holder's Certificate.

    With one that is ready there is no other certificate any more: the Secret of an earlier one of
    our own, which has another name, is removed like that of a domain that was deleted.
    """
    have = claim.handed
    if have is None or result is None or not isinstance(result.job, HandOver):
        return claim
    wanted, outcome = result.job.wanted, result.outcome
    if wanted.id != claim.id or wanted.name != have.name or wanted.owner != domain.uid:
        return claim
    if isinstance(outcome, Fault):
        return replace(claim, handed=_with_fault(have, outcome))
    if outcome is None:
        return claim
    after = _after(have, wanted, outcome, result.at)
    return replace(claim, handed=after, certificate=None if after.ready else claim.certificate)


def _with_fault(have: Handover, fault: Fault) -> Handover:
    message = shown(fault.message, MESSAGE_LENGTH)
    known = have.fault
    if known is not None and (known.reason, known.message) == (fault.reason, message):
        return have
    return replace(have, fault=replace(fault, message=message))


def _after(
    have: Handover, wanted: WantedCertificate, state: CertificateState, now: datetime
) -> Handover:
    since = state.since or (have.since if state.ready == have.ready else now)
    return Handover(
        name=wanted.name,
        issuer=wanted.issuer,
        secret_name=wanted.secret_name,
        names=wanted.names,
        since=since if state.ready else max(since, have.since),
        ready=state.ready,
        reason=shown(state.reason, REASON_LENGTH),
        message=shown(state.message, MESSAGE_LENGTH),
        not_before=state.not_before,
        not_after=state.not_after,
        renewal_time=state.renewal_time,
    )
