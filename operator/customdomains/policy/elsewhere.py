"""What stands around the name explains it: a right record in a wrong place, a wildcard."""

from __future__ import annotations

from customdomains.model.evidence import Nearby, Place, ServerAnswer
from customdomains.model.names import CHALLENGE_LABEL
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState
from customdomains.policy.diagnosis import (
    NOT_BOTH,
    Diagnosis,
    Sight,
    Verdict,
    bare,
    below,
    holds_any,
    nothing_there,
)
from customdomains.policy.wording import named, values

_PLACES = {
    Place.LABEL_MISSING: f"the label {CHALLENGE_LABEL} is missing in front",
    Place.APEX: "that is the zone's own name",
    Place.APEX_CHALLENGE: "that name is for the whole zone's own registration",
}


def at_the_wrong_name(sight: Sight) -> Diagnosis | None:
    """The record is right and stands somewhere else."""
    if sight.aliases and not _by_wildcard(sight):
        return None  # nothing can be set at the right name before that CNAME is gone
    for near in sight.evidence.nearby or ():
        alias = sight.target in near.cnames
        text = holds_any((bare(t) for t in near.texts), (sight.claim.token,))
        if near.place is Place.SIBLING or not (alias or text):
            continue
        kind, wanted = ("CNAME", sight.cname) if alias else ("TXT record", sight.txt)
        message = (
            f"the {kind} is at {named(near.name)} instead of {sight.name}: {_why(sight, near)}; "
            f"create {wanted}{_relative(sight)}"
        )
        right = Verdict(RecordState.MISMATCH, message)
        other = Verdict(RecordState.MISSING, NOT_BOTH)
        parts = (other, right) if alias else (right, other)
        return Diagnosis(Reason.WRONG_NAME, message, *parts)
    return None


def wildcard(sight: Sight) -> Diagnosis | None:
    """A wildcard answers for the name, which has no record of its own (RFC 4592)."""
    if not _by_wildcard(sight):
        return None
    found = f"a CNAME to {named(sight.aliases[0])}" if sight.aliases else values(sight.texts)
    message = (
        f"there is no record at {sight.name} itself: a wildcard record answers for it ({found}). "
        f"The wildcard can stay; create {sight.either}, which counts before it"
    )
    return nothing_there(sight, Reason.WILDCARD_ANSWER, message)


def _by_wildcard(sight: Sight) -> bool:
    """Whether a name that nobody can have set gives the same answer."""
    siblings = [n for n in sight.evidence.nearby or () if n.place is Place.SIBLING]
    seen = {_itself(answer) for answer in sight.answers}
    return any((near.cnames or near.texts) and _itself(near) in seen for near in siblings)


def _itself(found: ServerAnswer | Nearby) -> tuple[str, ...] | frozenset[str]:
    """What stands at a name itself. Who asks around does not always follow an alias to texts."""
    return found.cnames[:1] or frozenset(found.texts)


def _why(sight: Sight, near: Nearby) -> str:
    if near.place is Place.ZONE_TWICE:
        return "the DNS panel has appended the zone to the name once more"
    if near.place is Place.APEX and near.name == sight.claim.domain:
        return _PLACES[Place.LABEL_MISSING]
    return _PLACES.get(near.place, "that is another name")


def _relative(sight: Sight) -> str:
    """What to enter in a panel that appends the zone by itself."""
    zone = sight.evidence.zone
    if not zone or not below(sight.evidence.name, zone):
        return ""
    return f" (where the DNS panel appends {named(zone)}: {sight.evidence.name[: -len(zone) - 1]})"
