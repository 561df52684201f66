"""Certificates that something has happened to: to their Secret, or to the secrecy of their key."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from customdomains.model.claim import Claim
from customdomains.model.compromise import Ending
from customdomains.model.issuance import CertificateRecord

EARLY_DELAYS = (
    timedelta(0),
    timedelta(minutes=10),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=7),
)
"""How old a certificate has to be to be replaced because something happened to it, by how many in
a row before it were: whoever deletes a Secret again and again gets five certificates in the first
week, with the one that was there, and fewer later. Five are what Let's Encrypt issues a week for
the same names."""

EARLY_FORGOTTEN = EARLY_DELAYS[-1]
"""Whose certificate was left alone for so long starts over."""


def is_compromised(claim: Claim) -> bool:
    """Whether the key of the certificate in the Secret is reported as compromised."""
    known, have = claim.compromise, claim.certificate
    if known is None or have is None or known.ending is not Ending.PENDING:
        return False
    return have.facts.serial_number == known.serial_number


def is_spoiled(claim: Claim) -> bool:
    """Whether the certificate has to be replaced although its time has not come."""
    have = claim.certificate
    return have is not None and (have.kept.loss is not None or is_compromised(claim))


def is_overcome(claim: Claim) -> bool:
    """Whether the last failure was on the way to replace a certificate that is in its Secret again:
    it asks for no other try."""
    have, failure = claim.certificate, claim.failure
    if have is None or failure is None or have.kept.back is None:
        return False
    return failure.at <= have.kept.back


def unspoiled(claim: Claim) -> Claim:
    """The claim as it would be if nothing had happened."""
    have = claim.certificate
    if have is not None:
        have = replace(have, kept=replace(have.kept, loss=None))
    return replace(claim, certificate=have, compromise=None)


def replaced_from(have: CertificateRecord) -> datetime:
    """From when on the certificate is replaced if something happens to it."""
    early = min(have.kept.early, len(EARLY_DELAYS) - 1)
    return have.issued_at + EARLY_DELAYS[early]


def early_after(claim: Claim, now: datetime) -> int:
    """How many in a row were replaced early, once the claim's certificate is replaced."""
    have = claim.certificate
    if have is None:
        return 0
    happened = have.kept.loss.at if have.kept.loss is not None else now
    early = have.kept.early if happened - have.issued_at < EARLY_FORGOTTEN else 0
    return early + 1 if is_spoiled(claim) else max(early - 1, 0)
