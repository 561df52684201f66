"""When the DNS is asked about a domain, and what an order needs of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from customdomains.model.certificate import Method, Way
from customdomains.model.claim import Claim, Contender
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.names import challenge_name
from customdomains.policy import (
    certificates,
    challenges,
    handed,
    issuers,
    ownership,
    schedule,
    seats,
)
from customdomains.policy.findings import Finding, challenges_present, conclusive, proofs_of
from customdomains.policy.jobs import CheckDns
from customdomains.policy.nearby import looks_nearby
from customdomains.policy.prospects import Look
from customdomains.policy.spoils import is_compromised
from customdomains.policy.succession import is_asleep
from customdomains.policy.world import Check, World

CHECK_OUT_DELAY = timedelta(seconds=10)

LAST_ANSWER = timedelta(minutes=1)

_RETURNED = timedelta(hours=1)
"""For how long after a resource was made anew a process that has not done so yet looks at the proof
that it found: much can have happened while it was away."""


@dataclass(frozen=True, slots=True)
class Case:
    """A domain with its claim as it should be after the last jobs: its own, or as it is seen by
    one who contends for it. `opens` is from when on a contender's proof takes the claim over.
    """

    world: World
    domain: CustomDomain
    claim: Claim
    finding: Finding | None
    now: datetime
    opens: datetime | None = None

    @property
    def rests(self) -> bool:
        """Whether the DNS is not to be asked. A proof that others contend with is looked at all the
        same: else who suspends a domain could keep it from its owner for ever."""
        others = self.claim.contenders
        contended = any(seat.standing.active and not is_asleep(seat) for seat in others)
        return self.domain.suspend and not (contended and self.claim.verification is not None)


def check_job(case: Case) -> CheckDns | None:
    """The check that is due, unless one is out already."""
    memory, domain = case.world.memory, case.domain
    if memory.checking or case.rests or case.now < next_check(case):
        return None
    nearby = looks_nearby(case.claim, memory.check, case.finding, case.now)
    proofs = proofs_of(case.claim, case.world.rules.zone) if nearby else ()
    name, look = challenge_name(case.claim.domain), _look(case)
    return CheckDns(name, domain.check_requested, nearby, proofs, look)


def next_check(case: Case) -> datetime:
    """When the DNS is to be asked again; now or earlier means at once."""
    memory, claim, now = case.world.memory, case.claim, case.now
    check, known = memory.check, claim.verification
    if asked_to_check(case):
        return now
    if check is None:
        waits = _waits_for_record(case) or _looks_first(case)
        if known is None or known.gone_since or waits or needs_proof(case):
            return now
        if known.verified_at < case.domain.created and now - case.domain.created < _RETURNED:
            return now
        interval = case.world.rules.recheck_interval
        return schedule.first_recheck(case.world.started, interval, claim.id)
    if check.at > now or _looks_first(case):  # the clock was set back, or there is more to ask
        return now
    delay = _check_delay(case, check)
    if delay is not None:
        return check.at + schedule.jittered(delay, claim.id, memory.attempts)
    moment = schedule.next_recheck(check.at, case.world.rules.recheck_interval, claim.id)
    if _look(case) is not None and not certificates.waits(case.domain, claim, now):
        delay = challenges.looking_delay(case.domain, claim, now)
        moment = min(moment, check.at + schedule.jittered(delay, claim.id, memory.attempts))
    return moment


def asked_to_check(case: Case) -> bool:
    """Whether somebody asked for a check and none has answered that yet."""
    check, wanted = case.world.memory.check, case.domain.check_requested
    return wanted is not None and (check is None or check.request != wanted)


def expires_at(case: Case, seat: Contender) -> datetime | None:
    """When the seat expires unless it proves something. Who has just asked for a check gets its
    answer first, but not by asking on and on."""
    expires = seats.expires_at(case.claim, seat, case.world.rules.claims)
    if expires is None or not asked_to_check(case):
        return expires
    return expires + LAST_ANSWER


def answer_awaited(case: Case, check: CheckDns | None) -> bool:
    """Whether a check is out whose answer will change what is to be said: it is back in a moment.

    That is the first one of this process, the first that looks for ways to a certificate, and one
    that somebody asked for, unless the last answer is so fresh that a stream of requests could keep
    it from being said.
    """
    memory = case.world.memory
    if case.domain.suspend or not (check is not None or memory.checking):
        return False
    if memory.check is None or _looks_first(case):
        return True
    return asked_to_check(case) and case.now - memory.check.at >= CHECK_OUT_DELAY


def _check_delay(case: Case, check: Check) -> timedelta | None:
    """From `check`, the last one, to the next; None where that is the proof's regular recheck."""
    known, finding, order = case.claim.verification, case.finding, case.claim.order
    undecided = finding is not None and not conclusive(finding)
    if needs_proof(case) and not undecided:
        return schedule.PROOF_FRESHNESS
    if order is not None and order.method is Method.MANUAL:
        return schedule.waiting_delay(case.now - order.placed_at, in_vain=check.in_vain)
    if known is None:
        age = ownership.age(case.claim, case.now)
        return schedule.waiting_delay(age, in_vain=check.in_vain)
    if undecided:
        return schedule.undecided_delay(check.at - (check.undecided_since or check.at))
    ends = ownership.proof_expired_at(case.claim, case.world.rules)
    return schedule.gone_delay(check.at - ends) if ends else None


def _waits_for_record(case: Case) -> bool:
    order = case.claim.order
    return order is not None and order.method is Method.MANUAL


def needs_proof(case: Case) -> bool:
    """Whether an order could be placed or completed now, or the claim taken over, if the proof is
    fresh enough."""
    if case.opens is not None and case.finding is not None and case.finding.proof is not None:
        return case.now >= case.opens and not case.domain.suspend
    if case.world.memory.ordering_since is not None:
        return False
    return _wants_order(case) if case.claim.order is None else _wants_completion(case)


def _wants_order(case: Case) -> bool:
    domain, claim, rules, now = case.domain, case.claim, case.world.rules, case.now
    known = claim.verification
    if known is None or known.gone_since or claim.order or domain.suspend:
        return False
    if handed.wants(domain):
        return handed.needs_proof(case.world, domain, claim, now)
    if domain.issuance is Issuance.NEVER or issuers.issuer_of(domain, rules) is None:
        return False
    if certificates.waits(domain, claim, now) or _waits_for_turn(case) or _looks_first(case):
        return False
    if not certificates.asked_for(domain, claim) and certificates.held_back(
        domain, claim, rules, now
    ):
        return False
    ways = [way for each in ways_of(case).values() for way in each]
    if certificates.is_open(domain, claim) or is_compromised(claim):
        return bool(ways)
    return certificates.starts_by_itself(domain, claim, ways) and certificates.certificate_due(
        domain, claim, rules, now
    )


def _wants_completion(case: Case) -> bool:
    """Whether there is an order that can go on, as far as is known: its challenges are answered."""
    domain, claim, check = case.domain, case.claim, case.world.memory.check
    if claim.order is None or not ownership.proof_current(claim) or domain.suspend:
        return False
    if certificates.waits(domain, claim, case.now) or _waits_for_turn(case):
        return False
    if check is None or claim.order.way.automatic:
        return True
    evidence = challenges.where_answered(claim.order, check)
    return evidence is not None and challenges_present(evidence, claim.order.digests)


def ways_of(case: Case) -> Mapping[str, tuple[Way, ...]]:
    """The ways to answer a new order's challenges that are open, by the issuers to place it at."""
    check, rules = case.world.memory.check, case.world.rules
    choice = issuers.choose(case.domain, case.claim, rules, case.now)
    prospects = check.prospects if check is not None else None
    return challenges.open_ways(choice, case.domain, case.claim, rules, prospects)


def _look(case: Case) -> Look | None:
    if case.opens is not None:
        return None
    return challenges.look_for(case.domain, case.claim, case.world.rules, case.now)


def _looks_first(case: Case) -> bool:
    check = case.world.memory.check
    prospects = check.prospects if check is not None else None
    return challenges.looks_first(_look(case), prospects, case.domain, case.claim, case.now)


def _waits_for_turn(case: Case) -> bool:
    """Whether a CA's limits are in the way of the order that is wanted, or of the one there is."""
    wait, order = case.world.memory.wait, case.claim.order
    if wait is None:
        return False
    if order is not None:
        return wait.holds(order.issuer, order.names, case.now)
    if wait.issuer not in issuers.chain_of(case.domain, case.world.rules):
        return False
    names = certificates.names_of(case.domain, case.claim)
    return wait.holds(wait.issuer, names, case.now)


def proof_fresh(case: Case) -> bool:
    """Whether a check of this process saw the proof moments ago."""
    check, finding = case.world.memory.check, case.finding
    if check is None or finding is None or finding.proof is None:
        return False
    return is_fresh(check, case.now)


def is_fresh(check: Check, now: datetime) -> bool:
    """Whether what a check saw may be acted on."""
    return timedelta(0) <= now - check.at < schedule.PROOF_FRESHNESS
