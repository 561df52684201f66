"""The status: what a claim and the last check mean, in the words that people read.

Everything here is a function of the claim, the resource's own spec and the last check, so a lost
or forged status is rebuilt the same to the letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain
from customdomains.model.issuance import render_fallback
from customdomains.model.names import NameRefusedError
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import Checks, Condition, Status
from customdomains.model.times import format_optional, format_time
from customdomains.policy import challenges, handwords, ownership
from customdomains.policy.alternatives import alternatives
from customdomains.policy.conditions import (
    phase_of,
    summarise,
    verification_expired,
    verified,
)
from customdomains.policy.findings import Finding
from customdomains.policy.records import wanted_records
from customdomains.policy.rules import Rules
from customdomains.policy.seats import Refusal
from customdomains.policy.serving import certificate_issued
from customdomains.policy.standing import held
from customdomains.policy.world import Check, Memory


@dataclass(frozen=True, slots=True)
class Scene:
    """What a projection is made from; `claimed` is None for who holds the claim."""

    domain: CustomDomain
    claim: Claim
    finding: Finding | None
    rules: Rules
    now: datetime
    claimed: Condition | None = None


def project(scene: Scene, memory: Memory, next_check: datetime | None) -> Status:
    """The status of a domain that has a seat on its claim."""
    domain, claim = scene.domain, scene.claim
    stands = scene.claimed or held(claim)
    sleeps = not stands.value and stands.reason is not Reason.CONTENDING
    # What is not checked after a restart either must not show what an earlier check found: it
    # would be another status then.
    finding = None if domain.suspend or sleeps else scene.finding
    check = None if domain.suspend or sleeps else memory.check
    ends = ownership.proof_expired_at(claim, scene.rules)
    expired = ends is not None and scene.now >= ends
    proof = verified(claim, finding, scene.rules)
    if ends is not None and expired:
        proof = verification_expired(ends, finding)
    phase = phase_of(domain, claim, scene.now, proof_expired=expired)
    if not stands.value:
        phase = Phase.FAILED if sleeps else Phase.PENDING
    prospects = check.prospects if check is not None else None
    others = alternatives(domain, claim, scene.rules, prospects, scene.now)
    issued = certificate_issued(domain, claim, scene.rules, scene.now, others, wait=memory.wait)
    parts = (stands, proof, issued)
    summary = summarise(domain, claim, phase, parts)
    meaning: dict[str, Any] = {
        "observedGeneration": domain.generation,
        "id": claim.id,
        "verificationToken": claim.token,
        "domain": claim.domain,
        "phase": phase,
        "records": [
            record.render()
            for record in (
                *wanted_records(claim, finding, check, scene.rules.zone),
                *others.records,
            )
        ],
        "conditions": _render((*summary[:1], *parts, *summary[1:])),
    }
    handled = domain.check_requested if sleeps else _handled(domain, check)
    if handled:
        meaning["lastHandledCheckRequest"] = handled
    if claim.verification is not None:
        meaning["verification"] = _verification(claim)
    certificate = _certificate(claim)
    if certificate:
        meaning["certificate"] = certificate
    checks = Checks(check.at if check else None, next_check, memory.attempts)
    return Status(phase=phase, meaning=meaning, checks=checks, reason=summary[0].reason)


def _handled(domain: CustomDomain, check: Check | None) -> str | None:
    """The request that this status answers; "suspended" is an answer too.

    It goes with the annotation: without that, nobody would know it after a restart.
    """
    if domain.check_requested is None or domain.suspend:
        return domain.check_requested
    return check.request if check else None


def project_refused(domain: CustomDomain, refusal: NameRefusedError) -> Status:
    """The status of a domain whose name can't be registered."""
    return _unclaimed(domain, refusal.reason, refusal.message)


def project_unseated(domain: CustomDomain, refusal: Refusal) -> Status:
    """The status of a domain that gets no seat on its claim."""
    return _unclaimed(domain, refusal.reason, refusal.message)


def _unclaimed(domain: CustomDomain, reason: Reason, message: str) -> Status:
    conditions = tuple(
        Condition(kind, value, reason, message, domain.created)
        for kind, value in (("Ready", False), ("Claimed", False), ("Stalled", True))
    )
    meaning: dict[str, Any] = {
        "observedGeneration": domain.generation,
        "phase": Phase.FAILED,
        "conditions": _render(conditions),
    }
    if domain.domain:
        meaning["domain"] = domain.domain
    if domain.check_requested:
        meaning["lastHandledCheckRequest"] = domain.check_requested
    return Status(Phase.FAILED, meaning, Checks(None, None, 0), reason)


def _render(conditions: tuple[Condition, ...]) -> list[dict[str, Any]]:
    return [condition.render() for condition in conditions]


def _verification(claim: Claim) -> dict[str, Any]:
    known = claim.verification
    if known is None:
        return {}
    rendered: dict[str, Any] = {
        "method": known.method,
        "verifiedAt": format_time(known.verified_at),
    }
    if known.gone_since:
        rendered["goneSince"] = format_time(known.gone_since)
    return rendered


def _certificate(claim: Claim) -> dict[str, Any]:
    rendered: dict[str, Any] = {}
    have, order = claim.certificate, claim.order
    way = order.way if order is not None else have.way if have is not None else None
    if way is not None:
        rendered["challenge"] = way.challenge
        rendered["challengeMessage"] = challenges.explain(way, claim.domain)
    if have is not None:
        rendered |= {
            "secretName": have.secret_name,
            "issuer": have.issuer,
            "serialNumber": have.facts.serial_number,
            "issuedAt": format_time(have.issued_at),
            "notBefore": format_time(have.facts.not_before),
            "notAfter": format_time(have.facts.not_after),
            "renewalTime": format_time(have.renewal_time),
        }
        if have.renewal is not None and have.renewal.explanation is not None:
            rendered["renewalExplanation"] = have.renewal.explanation
        if have.fallback is not None:
            rendered["fallback"] = render_fallback(have.fallback)
    if claim.handed is not None:
        if have is None:
            rendered |= handwords.render_status(claim.handed)
        rendered["certManager"] = {"name": claim.handed.name}
    if claim.compromise is not None:
        rendered["keyCompromise"] = {
            "request": claim.compromise.request,
            "ending": claim.compromise.ending,
            "serialNumber": claim.compromise.serial_number,
        }
    if order is not None:
        placed: dict[str, Any] = {"url": order.url, "placedAt": format_time(order.placed_at)}
        expires = format_optional(order.expires)
        if expires:
            placed["expires"] = expires
        rendered["order"] = placed
    return rendered
