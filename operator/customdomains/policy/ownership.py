"""How a CustomDomain holds a claim, and what a check changes in the proof it carries."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from customdomains.model.certificate import Challenge, Method
from customdomains.model.claim import Claim, Holder, Order, Verification
from customdomains.model.domain import CustomDomain
from customdomains.policy.findings import Finding, conclusive
from customdomains.policy.rules import Rules
from customdomains.policy.seen import unanimous


def holder_of(domain: CustomDomain, namespace_uid: str) -> Holder:
    """`domain` as a claim names its holder."""
    return Holder(key=domain.key, namespace_uid=namespace_uid, uid=domain.uid)


def apply_finding(claim: Claim, finding: Finding, now: datetime, rules: Rules) -> Claim:
    """The claim after a check that ended at `now`.

    "Could not ask" changes nothing. A proof that is gone keeps its place and gets the time since
    when; one that is back starts where it was, or anew after the grace period. An order under way
    follows the way of proving: who answers its challenge has changed with it.
    """
    known = claim.verification
    if finding.proof is not None:
        verification = _proved(claim, finding.proof, finding, now, rules)
        return replace(claim, verification=verification, order=_follow(claim.order, finding.proof))
    if known is None or known.gone_since or not conclusive(finding):
        return claim
    return replace(claim, verification=replace(known, gone_since=now))


def _follow(order: Order | None, proof: Method) -> Order | None:
    """Only dns-01 is answered where the proof stands, and not if we set its record ourselves."""
    if order is None or order.challenge is not Challenge.DNS or order.method is Method.UPDATED:
        return order
    return replace(order, method=proof)


def _proved(
    claim: Claim, method: Method, finding: Finding, now: datetime, rules: Rules
) -> Verification:
    known, ends = claim.verification, proof_expired_at(claim, rules)
    if known is None or (ends is not None and now >= ends):
        return Verification(method, now, finding.seen, digest=finding.digest)
    same = (known.method, known.gone_since, known.digest) == (method, None, finding.digest)
    if same and (unanimous(known.seen) or not unanimous(finding.seen)):
        return known
    return replace(known, method=method, seen=finding.seen, gone_since=None, digest=finding.digest)


def proof_expired_at(claim: Claim, rules: Rules) -> datetime | None:
    """When a proof that is gone stops to count; None while it is there."""
    known = claim.verification
    if known is None or known.gone_since is None:
        return None
    return known.gone_since + rules.grace_period


def proof_current(claim: Claim) -> bool:
    """Whether ownership is proved and the record was there at the last look."""
    return claim.verification is not None and claim.verification.gone_since is None


def age(claim: Claim, now: datetime) -> timedelta:
    """How long the holder has its seat."""
    return max(now - claim.since, timedelta(0))
