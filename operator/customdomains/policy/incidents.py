"""The words for what happens to a certificate out of turn."""

from __future__ import annotations

from customdomains.model.claim import Claim
from customdomains.model.compromise import Compromise, Ending
from customdomains.model.domain import KEY_COMPROMISED
from customdomains.model.issuance import CertificateRecord
from customdomains.model.times import format_time
from customdomains.policy.spoils import is_compromised, replaced_from
from customdomains.policy.world import Announcement


def about_key(claim: Claim) -> str:
    """What there is to say about a key that was reported as compromised."""
    known = claim.compromise
    if known is None:
        return ""
    serial = known.serial_number
    match known.ending:
        case Ending.UNKNOWN:
            return f"; {_unknown(known)}"
        case Ending.LOST:
            return f"; {_lost(serial)}"
        case Ending.REVOKED:
            return f"; {serial}, whose key was reported as compromised, is revoked"
        case Ending.EXPIRED:
            return f"; {serial}, whose key was reported as compromised, has expired unrevoked"
        case Ending.PENDING:
            return f"; {_pending(claim, known)}"


def held_back(have: CertificateRecord) -> str:
    """Why a certificate that something has happened to is not replaced yet."""
    before = "the one before had" if have.kept.early == 1 else f"{have.kept.early} before it had"
    moment = format_time(replaced_from(have))
    return f"it is replaced at {moment}, not sooner, since {before} to be replaced early as well"


def told_of_loss(before: Claim, after: Claim) -> Announcement | None:
    """The Event for a Secret that does not hold its certificate any more, or does so again."""
    old, new = before.certificate, after.certificate
    if old is None or new is None or old.facts != new.facts or old.kept.loss == new.kept.loss:
        return None
    if new.kept.loss is not None:
        return Announcement(new.kept.loss.reason, new.kept.loss.message, warning=True)
    return Announcement("SecretBack", f"the certificate is in the Secret {new.secret_name} again")


def told_of_compromise(before: Claim, after: Claim) -> Announcement | None:
    """The Event for a step of what a report of a compromised key leads to."""
    old, new = before.compromise, after.compromise
    if new is None or new == old:
        return None
    serial = new.serial_number
    match new.ending:
        case Ending.UNKNOWN:
            return Announcement("KeyCompromiseUnknown", _unknown(new), warning=True)
        case Ending.LOST:
            return Announcement("RevocationFailed", _lost(serial), warning=True)
        case Ending.EXPIRED:
            note = f"the certificate {serial} has expired before it could be revoked"
            return Announcement("RevocationFailed", note, warning=True)
        case Ending.REVOKED:
            return Announcement("CertificateRevoked", f"the certificate {serial} is revoked")
        case Ending.PENDING if new.count:
            note = f"the certificate {serial} can't be revoked: {new.message}"
            return Announcement("RevocationFailed", note, warning=True)
        case Ending.PENDING:
            note = (
                f"the key of the certificate {serial} is reported as compromised: one with a new "
                f"key is issued, then {serial} is revoked"
            )
            return Announcement("KeyCompromised", note, warning=True)


def _pending(claim: Claim, known: Compromise) -> str:
    serial = known.serial_number
    if is_compromised(claim) and not known.count:
        return (
            f"the key of {serial} is reported as compromised: it is revoked once a certificate "
            "with a new key is in its place"
        )
    words = f"{serial}, whose key is reported as compromised, is being revoked"
    if known.retry_at is None:
        return words
    message = known.message.rstrip(". ")
    return f"{words}; that failed: {message}. The next try is at {format_time(known.retry_at)}"


def _unknown(known: Compromise) -> str:
    return (
        f'the annotation {KEY_COMPROMISED} says "{known.request}", which is no certificate here: '
        'it takes the serial number of the certificate in the Secret, or "now" for that one'
    )


def _lost(serial: str) -> str:
    return (
        f"the certificate {serial}, whose key is reported as compromised, is not in its Secret any "
        "more, so the operator can't revoke it"
    )
