"""When a certificate is to be renewed, as far as its CA has a say in that (RFC 9773)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from customdomains.model.claim import CertificateRecord, Claim
from customdomains.model.domain import Issuance
from customdomains.model.renewal import RenewalWindow
from customdomains.policy import schedule
from customdomains.policy.checking import Case
from customdomains.policy.jobs import AskRenewal
from customdomains.policy.world import RenewalCheck

INTERVAL = timedelta(hours=12)
"""How often a CA is asked that names no other time; short-lived certificates are asked about a
dozen times in their lifetime all the same."""

LEAST_WAIT = timedelta(minutes=1)
MOST_WAIT = timedelta(days=1)
"""What a Retry-After can ask for (section 4.3.2)."""

TOLERANCE = timedelta(hours=1)
"""By how much a window may move that still means the same; a hundredth of a short lifetime."""


def replaced(claim: Claim, issuer: str) -> str | None:
    """The `ari_id` to name in a new order at `issuer`: that of the certificate that it replaces.

    Where orders can't be placed, every second try doesn't name it: a CA that has lost its records,
    or misreads the id, may fail over that alone. A limit is no such trouble, and may be lifted by
    it.
    """
    have, failure = claim.certificate, claim.failure
    if have is None or have.issuer != issuer:
        return None
    if failure is not None and failure.unplaced and failure.scope is None and failure.count % 2:
        return None
    return have.facts.ari_id


def ask_job(case: Case) -> AskRenewal | None:
    """The question to the CA that is due, unless one is out already."""
    have, due = case.claim.certificate, next_ask(case)
    if have is None or have.facts.ari_id is None or due is None or case.now < due:
        return None
    return AskRenewal(have.issuer, have.facts.ari_id)


def next_ask(case: Case) -> datetime | None:
    """When the CA is to be asked about the certificate that there is; now or earlier means at once.

    None where its answer would change nothing: the certificate is due, has expired, is about to be
    replaced or will not be, or the CA has no such answers.
    """
    claim, memory, now = case.claim, case.world.memory, case.now
    have = claim.certificate
    if have is None or have.facts.ari_id is None or have.issuer not in case.world.rules.issuers:
        return None
    if case.domain.suspend or case.domain.issuance is Issuance.NEVER or memory.asking:
        return None
    if case.domain.handed_to is not None:
        return None
    if claim.order is not None or memory.ordering_since is not None or now >= have.renewal_time:
        return None
    check = memory.renewal
    if check is None or check.ari_id != have.facts.ari_id:
        return min(_first(have, claim.id, case.world.started), _last_look(have))
    if check.at > now:  # the clock was set back
        return now
    if check.again_at is not None:
        return check.at + min(max(check.again_at - check.at, LEAST_WAIT), MOST_WAIT)
    interval = _interval(have)
    if check.info is None:
        regular = check.at + schedule.jittered(interval / 2, claim.id, 0)
    else:
        regular = schedule.next_recheck(check.at, interval, claim.id)
    return min(regular, _last_look(have)) if check.at < _last_look(have) else regular


def heed(claim: Claim, check: RenewalCheck | None, now: datetime) -> Claim:
    """The claim with the window that the CA has named, if that means another than the one it has.

    No answer changes nothing: the last window counts on, or without any two thirds of the lifetime.
    """
    have = claim.certificate
    if have is None or check is None or check.info is None or check.ari_id != have.facts.ari_id:
        return claim
    info = check.info
    told_at = check.at.replace(microsecond=0)
    window = RenewalWindow(info.start, info.end, told_at, info.explanation)
    if have.renewal is not None and _same(have.renewal, window, have, now):
        return claim
    return replace(claim, certificate=replace(have, renewal=window))


def _first(have: CertificateRecord, identity: str, started: datetime) -> datetime:
    """When a process that has `started` asks for the first time: thousands that got their
    certificates at once, or whose controller starts anew, are spread over the interval."""
    if have.issued_at >= started:
        return schedule.next_recheck(have.issued_at, _interval(have), identity)
    return schedule.first_recheck(started, _interval(have), identity)


def _interval(have: CertificateRecord) -> timedelta:
    return min(INTERVAL, max(have.lifetime / 12, LEAST_WAIT))


def _last_look(have: CertificateRecord) -> datetime:
    """A little before the renewal, the CA is asked whether it has thought better of it."""
    return have.renewal_time - _interval(have) / 12


def _same(one: RenewalWindow, other: RenewalWindow, have: CertificateRecord, now: datetime) -> bool:
    if one.explanation != other.explanation:
        return False
    if one.end <= now and other.end <= now:
        return True  # "at once", whichever moment stands for that
    tolerance = min(TOLERANCE, have.lifetime / 100)
    return abs(one.start - other.start) <= tolerance and abs(one.end - other.end) <= tolerance
