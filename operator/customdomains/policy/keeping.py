"""Looking after what is issued: the Secret that holds it, and its end where that comes early."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from customdomains.model.certificate import OrderError
from customdomains.model.claim import Claim
from customdomains.model.compromise import Compromise, Ending
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.issuance import CertificateRecord
from customdomains.model.kept import Loss
from customdomains.policy.jobs import (
    InspectSecret,
    KeepJob,
    KeepResult,
    MarkSecret,
    RevokeCertificate,
    SecretState,
)
from customdomains.policy.schedule import failure_delay
from customdomains.policy.spoils import is_compromised, is_spoiled, replaced_from
from customdomains.policy.world import Memory, Sight, World

NOW = "now"
MESSAGE_LENGTH = 300


# --- what is due ----------------------------------------------------------------------------------


def keep_job(world: World, domain: CustomDomain, claim: Claim, now: datetime) -> KeepJob | None:
    """The one thing to do about the holder's certificate just now, beside ordering."""
    memory, sight, have = world.memory, world.secret, claim.certificate
    if memory.keeping or domain.suspend:
        return None
    if _revocation_due(domain, claim, now):
        return RevokeCertificate(claim)
    # What an order under way stores, it tells by itself.
    if have is None or memory.ordering_since is not None:
        return None
    as_of = sight.as_of if sight is not None else 0
    if _is_reported(domain, claim):
        return InspectSecret(claim, as_of, domain.compromised)
    if domain.handed_to is not None:
        return None
    if sight is not None and _is_news(sight, have, memory):
        return InspectSecret(claim, as_of)
    if have.kept.revoke != domain.revoke and have.kept.loss is None:
        return MarkSecret(claim, as_of, domain.revoke)
    return None


def moments(claim: Claim) -> tuple[datetime | None, ...]:
    """When something may become due."""
    have, known = claim.certificate, claim.compromise
    spoiled = replaced_from(have) if have is not None and is_spoiled(claim) else None
    if known is None or known.ending is not Ending.PENDING:
        return (spoiled,)
    return (spoiled, known.retry_at, known.not_after)


def _is_news(sight: Sight, have: CertificateRecord, memory: Memory) -> bool:
    """Whether the watch shows another Secret than is known. It may also be behind: behind our own
    write, or what was read since."""
    known = max(have.kept.version or 0, memory.inspected)
    if sight.version is None:
        return have.kept.loss is None and sight.as_of >= known
    return sight.version > known


def _revocation_due(domain: CustomDomain, claim: Claim, now: datetime) -> bool:
    """Whether a compromised certificate can be revoked: another one is in its place, or none is
    wanted."""
    known = claim.compromise
    if known is None or known.ending is not Ending.PENDING:
        return False
    if known.retry_at is not None and now < known.retry_at:
        return False
    return not is_compromised(claim) or domain.issuance is Issuance.NEVER


# --- what was asked for ---------------------------------------------------------------------------


def heed(domain: CustomDomain, claim: Claim, now: datetime) -> Claim:
    """The claim after a look at the report of a compromised key, as far as nothing has to be read
    for it. Each is handled once; when the annotation is gone, so is the memory of it."""
    known = claim.compromise
    if known is not None and known.ending is Ending.PENDING:
        if known.not_after is not None and now >= known.not_after:
            return replace(claim, compromise=_ended(known, Ending.EXPIRED))
        return claim
    if domain.compromised is None:
        return replace(claim, compromise=None)
    if known is not None and known.request == domain.compromised:
        return claim
    if _is_reported(domain, claim):
        return claim
    return replace(claim, compromise=Compromise(domain.compromised, Ending.UNKNOWN))


def _is_reported(domain: CustomDomain, claim: Claim) -> bool:
    """Whether there is a report that was not heeded yet and is about the certificate there is."""
    said, known, have = domain.compromised, claim.compromise, claim.certificate
    if said is None or have is None:
        return False
    if known is not None and (known.ending is Ending.PENDING or known.request == said):
        return False
    return said == NOW or _plain(said) == _plain(have.facts.serial_number)


def _plain(serial: str) -> str:
    """A serial number as any program may print it: `0A:1B`, `a1b`."""
    return serial.strip().lower().removeprefix("0x").replace(":", "").lstrip("0")


# --- what was found -------------------------------------------------------------------------------


def take_in(claim: Claim, result: KeepResult) -> Claim:
    """The claim after a job has ended. What it found counts for the certificate that it was
    about, and not while another one is on its way into the Secret."""
    job, outcome = result.job, result.outcome
    if isinstance(job, RevokeCertificate):
        failure = outcome if isinstance(outcome, OrderError) else None
        return _after_revocation(claim, job, failure, result.at)
    have, was = claim.certificate, job.claim.certificate
    if have is None or was is None or have.facts != was.facts or claim.id != job.claim.id:
        return claim
    if not isinstance(outcome, SecretState):
        return claim
    if claim.order is not None and claim.order.url == outcome.order:
        return claim
    claim = replace(claim, certificate=_seen(have, outcome, result.at))
    if outcome.loss is None and isinstance(job, MarkSecret):
        kept = replace(have.kept, revoke=job.revoke, version=outcome.version)
        return replace(claim, certificate=replace(have, kept=kept))
    if isinstance(job, InspectSecret) and job.request is not None:
        return _compromised(claim, have, job.request, outcome.leaf)
    return claim


def _seen(have: CertificateRecord, state: SecretState, now: datetime) -> CertificateRecord:
    """The record with what is wrong with the Secret; the same if that is known already."""
    kept = have.kept
    if _same(kept.loss, state.loss):
        return have
    back = now if state.loss is None else None
    return replace(have, kept=replace(kept, loss=state.loss, back=back, version=state.version))


def _same(one: Loss | None, other: Loss | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.reason, one.message) == (other.reason, other.message)


def _compromised(claim: Claim, have: CertificateRecord, request: str, leaf: str) -> Claim:
    """An order under way may be for the same key, where keys are used again: it is given up."""
    found = Compromise(
        request=request,
        ending=Ending.PENDING,
        serial_number=have.facts.serial_number,
        issuer=have.issuer,
        leaf=leaf,
        not_after=have.facts.not_after,
    )
    return replace(claim, order=None, compromise=found if leaf else _ended(found, Ending.LOST))


def _after_revocation(
    claim: Claim, job: RevokeCertificate, failure: OrderError | None, now: datetime
) -> Claim:
    known = claim.compromise
    if known is None or known != job.claim.compromise:
        return claim
    if failure is None:
        return replace(claim, compromise=_ended(known, Ending.REVOKED))
    later = replace(
        known,
        count=known.count + 1,
        retry_at=max(now + failure_delay(known.count + 1), failure.retry_at or now),
        message=failure.message[:MESSAGE_LENGTH],
    )
    return replace(claim, compromise=later)


def _ended(known: Compromise, ending: Ending) -> Compromise:
    """Without what only mattered until then."""
    return Compromise(known.request, ending, known.serial_number)
