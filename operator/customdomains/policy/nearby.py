"""Looking for records in wrong places too: when, and how long it counts what was found there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from customdomains.model.claim import Claim
from customdomains.model.evidence import Evidence
from customdomains.policy.diagnosis import holds_any
from customdomains.policy.findings import Finding, conclusive
from customdomains.policy.jobs import CheckDns
from customdomains.policy.schedule import DENSE
from customdomains.policy.world import Check

NEARBY_DELAY = timedelta(seconds=20)
"""Between two such looks: they cost several questions, and checks can be seconds apart."""


def looks_nearby(claim: Claim, check: Check | None, finding: Finding | None, now: datetime) -> bool:
    """Whether the next check is to look in wrong places too: where the record is missing.

    Without any check yet it is where the record has been wanted for a while: the first check
    after a restart then says what those before it said.
    """
    if check is None or finding is None:
        known = claim.verification
        return now - claim.since >= DENSE if known is None else known.gone_since is not None
    if finding.proof is not None or not conclusive(finding):
        return False
    return check.nearby_at is None or not check.nearby_at <= now < check.nearby_at + NEARBY_DELAY


def enough(job: CheckDns, evidence: Evidence) -> bool:
    """Whether the name itself shows a proof, so that wrong places need no look."""
    return any(holds_any((*a.cnames, *a.texts), job.proofs) for a in evidence.conclusive)


def after(before: Check | None, check: Check, job: CheckDns) -> Check:
    """`check`, which `job` led to, with what is known from those `before`: since when no answer
    came of them, and what the last looks in wrong places and for ways found."""
    if not check.evidence.settled:
        since = before.undecided_since if before is not None else None
        check = replace(check, undecided_since=since or check.at)
    if job.nearby:
        check = replace(check, nearby_at=check.at)
    elif before is not None:
        check = replace(check, nearby_at=before.nearby_at)
    if check.prospects is None and before is not None:
        check = replace(check, prospects=before.prospects)
    if before is None or check.evidence.nearby is not None:
        return check
    return replace(check, evidence=replace(check.evidence, nearby=before.evidence.nearby))
