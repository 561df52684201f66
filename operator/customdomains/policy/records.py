"""The records part of the status: wanted and seen, side by side."""

from __future__ import annotations

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim
from customdomains.model.evidence import Seen
from customdomains.model.names import challenge_name
from customdomains.model.status import Purpose, Record, RecordState
from customdomains.policy.findings import (
    DIGEST_INSTEAD,
    Finding,
    Verdict,
    conclusive,
    delegation_target,
)
from customdomains.policy.world import Check

MESSAGE_LENGTH = 1000
"""What the CRD's schema allows, and some to spare: a refused status would never be written."""

_NOT_ASKED = Verdict(RecordState.UNKNOWN, "not looked up yet")
_FOUND = Verdict(RecordState.PRESENT, "found as wanted")


def wanted_records(
    claim: Claim, finding: Finding | None, check: Check | None, zone: str
) -> tuple[Record, ...]:
    """Every record that would do; once one of them has, that one, and what an order asks for.

    What was seen stands once: at the record that it is about.
    """
    proved = claim.verification
    if proved is None:
        return (*_either(claim, finding, zone), *_challenges(claim, check))
    verdict = _FOUND if proved.digest is None else Verdict(RecordState.PRESENT, DIGEST_INSTEAD)
    seen = proved.seen
    if (
        finding is not None
        and finding.proof is None
        and (proved.gone_since or not conclusive(finding))
    ):
        delegated = proved.method is Method.DELEGATED
        verdict = finding.delegation if delegated else finding.ownership
        seen = finding.seen
    if proved.method is Method.DELEGATED:
        return (_delegation(claim, zone, verdict, seen),)
    return (_ownership(claim, verdict, seen), *_challenges(claim, check))


def _either(claim: Claim, finding: Finding | None, zone: str) -> tuple[Record, ...]:
    if finding is None:
        return (_ownership(claim, _NOT_ASKED, ()), _delegation(claim, zone, _NOT_ASKED, ()))
    about_cname = finding.delegation.state is RecordState.MISMATCH
    return (
        _ownership(claim, finding.ownership, () if about_cname else finding.seen),
        _delegation(claim, zone, finding.delegation, finding.seen if about_cname else ()),
    )


def _ownership(claim: Claim, verdict: Verdict, seen: tuple[Seen, ...]) -> Record:
    return _record(claim, Purpose.OWNERSHIP, "TXT", claim.token, verdict, seen)


def _delegation(claim: Claim, zone: str, verdict: Verdict, seen: tuple[Seen, ...]) -> Record:
    target = f"{delegation_target(claim, zone)}."
    return _record(claim, Purpose.DELEGATION, "CNAME", target, verdict, seen)


def _challenges(claim: Claim, check: Check | None) -> tuple[Record, ...]:
    order = claim.order
    if order is None or order.method is not Method.MANUAL:
        return ()
    return tuple(
        _record(claim, Purpose.CHALLENGE, "TXT", digest, _challenge(digest, check), ())
        for digest in order.digests
    )


def _challenge(digest: str, check: Check | None) -> Verdict:
    if check is None:
        return _NOT_ASKED
    if digest in check.evidence.texts:
        return _FOUND
    if not check.evidence.conclusive:
        return Verdict(RecordState.UNREACHABLE, "it could not be looked up; it is tried again")
    return Verdict(
        RecordState.MISSING,
        "create this TXT record too: the certificate authority looks for it. "
        "It can go once the certificate is there, unless it takes the ownership value's place",
    )


def _record(
    claim: Claim,
    purpose: Purpose,
    kind: str,
    value: str,
    verdict: Verdict,
    seen: tuple[Seen, ...],
) -> Record:
    name = f"{challenge_name(claim.domain)}."
    message = verdict.message[:MESSAGE_LENGTH]
    return Record(purpose, kind, name, value, verdict.state, message, seen)
