"""What a check has found, as an answer to the call that asked for it."""

from __future__ import annotations

from typing import Any

import msgspec

from customdomains.api.errors import CallError, LookupFailed, Refused, code_of
from customdomains.api.resources import DomainView
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState

LOOKUP_SUCCEEDED = {
    Reason.NOT_CHECKED_YET: True,
    Reason.PROVED: True,
    Reason.RECORD_MISSING: True,
    Reason.RECORD_MISMATCH: True,
    Reason.RECORD_CONFLICT: True,
    Reason.OLDER_REGISTRATION: True,
    Reason.WRONG_NAME: True,
    Reason.QUOTED_VALUE: True,
    Reason.WRONG_TARGET: True,
    Reason.WILDCARD_ANSWER: True,
    Reason.SERVERS_DISAGREE: True,
    Reason.NEGATIVE_ANSWER_CACHED: True,
    Reason.ALIAS_LOOP: False,
    Reason.ZONE_NOT_FOUND: False,
    Reason.LAME_DELEGATION: False,
    Reason.SERVERS_UNREACHABLE: False,
    Reason.DNSSEC_BOGUS: False,
    Reason.LOOKUP_FAILED: False,
    Reason.PROOF_GONE: True,
    Reason.PROOF_EXPIRED: True,
}
"""Of each reason of `Verified`: whether the DNS gave an answer that says something about the
record. Where it did, the record (or the seat) is what is wrong: 400; where not: 424.
"""

UNPROVED = frozenset(
    {
        *(reason for reason, succeeded in LOOKUP_SUCCEEDED.items() if succeeded),
        Reason.HELD_BY_ANOTHER,
        Reason.CONTENDING,
        Reason.LOST,
        Reason.CLAIM_EXPIRED,
        Reason.RESERVED,
        Reason.QUOTA_EXCEEDED,
        Reason.TOO_MANY_CONTENDERS,
        Reason.NAME_NOT_ALLOWED,
        Reason.INVALID_NAME,
        Reason.SPECIAL_USE_NAME,
        Reason.PUBLIC_SUFFIX,
        Reason.SUSPENDED,
    }
) - {Reason.PROVED}
"""The reasons for not being verified that are codes of errors, too: the status may say anything,
since tenants may have the right to write it.
"""


def status_proved(view: DomainView) -> bool:
    """Whether the status says that the domain is verified, by a record that was there at the last
    answer. One that can't be checked again just now goes on counting.
    """
    return _record_there(view) and condition(view, "Claimed").get("status") != "False"


def _record_there(view: DomainView) -> bool:
    verified = condition(view, "Verified")
    return verified.get("status") == "True" and verified.get("reason") != Reason.PROOF_GONE


def condition(view: DomainView, kind: str) -> dict[str, Any]:
    """The condition of this type; empty where there is none."""
    conditions: list[dict[str, Any]] = msgspec.json.decode(view.conditions or b"[]")
    return next((c for c in conditions if c.get("type") == kind), {})


def shortcoming(view: DomainView) -> tuple[str, str] | None:
    """Why the domain is not verified, as the status says it: the reason and the words.

    For who contends a record of its own may not be enough; `Ready` says what else is needed.
    """
    ready, claimed, verified = (condition(view, k) for k in ("Ready", "Claimed", "Verified"))
    unproved = verified if verified and not _record_there(view) else None
    if claimed.get("status") == "False":
        words = ready or claimed
        return (unproved or claimed)["reason"], words["message"]
    if not verified:
        unproved = ready
    return (unproved["reason"], unproved["message"]) if unproved else None


def what_is_wrong(view: DomainView) -> CallError:
    """After a check that did not make the domain verified: what it found."""
    failed = lookup_failed(view)
    if failed is not None:
        return failed
    found = shortcoming(view)
    if found is None:
        return Refused("domain_not_verified", "the domain is not verified")
    reason, message = found
    code = code_of(reason) if reason in UNPROVED else "domain_not_verified"
    return Refused(code, message)


def lookup_failed(view: DomainView) -> LookupFailed | None:
    """The last check's failure to ask, if that is how it ended.

    A proof that is gone keeps its own reason then, and the record says how the lookup ended.
    """
    found = condition(view, "Verified")
    reason = found.get("reason")
    if reason in LOOKUP_SUCCEEDED and not LOOKUP_SUCCEEDED[Reason(reason)]:
        return LookupFailed(code_of(reason), found["message"])
    records: list[dict[str, Any]] = msgspec.json.decode(view.records or b"[]")
    for record in records:
        if record["state"] == RecordState.UNREACHABLE:
            return LookupFailed(code_of(Reason.LOOKUP_FAILED), record["message"])
    return None
