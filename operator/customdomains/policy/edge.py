"""Whether an edge proxy may serve a name: who holds it, or the wildcard it is under."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from customdomains.model.claim import NOBODY, Claim
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.rules import Rules


def may_be_served(
    name: str, claim_of: Callable[[str], Claim | None], rules: Rules, now: datetime
) -> bool:
    """Whether `name` (canonical) is held and proved, by itself or by the wildcard one label above.

    A proof that is gone counts for the grace period. The claim of the name itself comes first,
    unless it is a stranger's who has never proved anything: else whoever registers a name under
    another's wildcard could take it down.
    """
    own, above = claim_of(name), claim_of(name.partition(".")[2])
    if above is not None and not (_is_held(above) and _covers_below(above)):
        above = None
    if own is not None and _is_held(own) and (above is None or _has_a_say(own, above)):
        return _is_proved(own, rules, now)
    return above is not None and _is_proved(above, rules, now)


def _is_held(claim: Claim) -> bool:
    return claim.holder != NOBODY and claim.standing.active


def _covers_below(claim: Claim) -> bool:
    """Whether its certificate, or the one being ordered, is for all names one label below.

    The claim says nothing else of `spec.wildcard`.
    """
    wildcard = f"*.{claim.domain}"
    known = (claim.certificate, claim.order, claim.handed)
    return any(wildcard in each.names for each in known if each)


def _has_a_say(own: Claim, above: Claim) -> bool:
    same = own.holder.namespace_uid == above.holder.namespace_uid
    return same or own.verification is not None


def _is_proved(claim: Claim, rules: Rules, now: datetime) -> bool:
    if claim.verification is None:
        return False
    ends = proof_expired_at(claim, rules)
    return ends is None or now < ends
