"""The records part of the status: wanted and seen, side by side."""

from __future__ import annotations

from dataclasses import replace

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim, Verification
from customdomains.model.evidence import Evidence, Seen
from customdomains.model.names import challenge_name
from customdomains.model.status import Purpose, Record, RecordState
from customdomains.policy.challenges import challenge_record_name, where_answered
from customdomains.policy.diagnosis import Verdict
from customdomains.policy.findings import (
    DIGEST_INSTEAD,
    FOUND,
    Finding,
    conclusive,
    delegation_target,
)
from customdomains.policy.seen import alias, lagging
from customdomains.policy.wording import MESSAGE_LENGTH, listed, servers, shown, voters
from customdomains.policy.world import Check

_NOT_ASKED = Verdict(RecordState.UNKNOWN, "not looked up yet")


def wanted_records(
    claim: Claim, finding: Finding | None, check: Check | None, zone: str
) -> tuple[Record, ...]:
    """Every record that would do; once one of them has, that one, and what an order asks for.

    What was seen stands once: at the record that it is about.
    """
    proved = claim.verification
    if proved is None:
        return (*_either(claim, finding, zone), *_challenges(claim, check))
    verdict, seen = _present(claim, proved, zone), proved.seen
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


def _present(claim: Claim, proved: Verification, zone: str) -> Verdict:
    """What there is to say of a proof: from what the claim keeps of it, which outlives us."""
    verdict = FOUND if proved.digest is None else DIGEST_INSTEAD
    wanted = proved.digest or claim.token
    if proved.method is Method.DELEGATED:
        wanted = alias(delegation_target(claim, zone))
    heard = [each for each in proved.seen if each.outcome.conclusive]
    late = lagging(heard, frozenset((wanted,)))
    message = verdict.message
    if heard and all(each.authentic for each in heard if each not in late):
        message += "; DNSSEC vouches for it"
    if late and len(late) < len(heard):
        message += (
            f"; at {len(heard) - len(late)} of {len(heard)} servers: "
            f"{listed(each.server for each in late)} did not have it yet when it was found"
        )
    return Verdict(verdict.state, message)


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
    evidence = where_answered(order, check) if check is not None else None
    name = challenge_record_name(order, claim.domain)
    return tuple(
        replace(
            _record(claim, Purpose.CHALLENGE, "TXT", digest, _challenge(digest, evidence), ()),
            name=f"{name}.",
        )
        for digest in order.digests
    )


def _challenge(digest: str, evidence: Evidence | None) -> Verdict:
    if evidence is None:
        return _NOT_ASKED
    heard = evidence.conclusive
    lacking = [answer for answer in heard if digest not in answer.texts]
    if voters(heard) < evidence.needed:
        return Verdict(RecordState.UNREACHABLE, "it could not be looked up; it is tried again")
    if not lacking:
        return FOUND
    if len(lacking) < len(heard):
        return Verdict(
            RecordState.MISMATCH,
            f"found at {voters(heard) - voters(lacking)} of {voters(heard)} servers; "
            f"{servers(lacking)} still answer without it, and the certificate authority may ask "
            "any of them",
        )
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
    message = shown(verdict.message, MESSAGE_LENGTH)
    return Record(purpose, kind, name, value, verdict.state, message, seen)
