"""Why the record is not there, as far as servers could be asked: each cause with its mend.

The order is in `findings.judge`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable

from customdomains.model.evidence import Nearby, Obstacle, Place, ServerAnswer
from customdomains.model.names import CHALLENGE_LABEL
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState
from customdomains.policy.diagnosis import Diagnosis, Sight, Verdict, both, holds_any
from customdomains.policy.wording import (
    MOMENT_FROM,
    for_up_to,
    named,
    servers,
    shown,
    until,
    values,
)

_TOKEN = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{32}")
_QUOTES = re.compile("[\"'`\u2018-\u201f\u00ab\u00bb]")

_PLACES = {
    Place.LABEL_MISSING: f"the label {CHALLENGE_LABEL} is missing in front",
    Place.APEX: "that is the zone's own name",
    Place.APEX_CHALLENGE: "that name is for the whole zone's own registration",
}


def alias_loop(sight: Sight) -> Diagnosis | None:
    """The CNAME leads round in a circle, or on and on."""
    if sight.evidence.obstacle is not Obstacle.ALIAS_LOOP:
        return None
    chain = max((a.cnames for a in sight.evidence.answers), key=lambda c: (len(c), c), default=())
    circle = len({sight.evidence.name, *chain}) <= len(chain)
    how = "round in a circle" if circle else "over too many CNAMEs"
    if not chain:
        how = "round in a circle, or over too many CNAMEs"
    way = " to ".join(named(shown(each, 60)) for each in chain[:4])
    more = " and on" if len(chain) > 4 else ""
    message = (
        f"the CNAME at {sight.name} leads {how}{f' (to {way}{more})' if chain else ''}; change its "
        f"target to {named(sight.target)}"
    )
    return _of_the_cname(sight, Reason.ALIAS_LOOP, message)


def disagreeing(sight: Sight) -> Diagnosis | None:
    """Some servers have the record, others don't."""
    having = [answer for answer in sight.answers if sight.proves(answer)]
    lacking = [answer for answer in sight.answers if not sight.proves(answer)]
    if not having or not lacking:
        return None
    other = any(answer.texts or answer.cnames for answer in lacking)
    who = "name servers" if sight.by_delegation else "resolvers"
    mend = (
        "see that each of them has the newest version of the zone"
        if sight.by_delegation
        else "they give the new one when the old one has run out"
    )
    message = (
        f"{len(having)} of {len(having) + len(lacking)} {who} have the record at {sight.name}; "
        f"still {'with another answer' if other else 'without it'}: {servers(lacking)}"
        f"{_kept(sight, lacking)}. It counts once enough of them have it; {mend}"
    )
    first, second = Verdict(RecordState.MISMATCH, message), Verdict(RecordState.MISSING, _NOT_BOTH)
    if any(sight.delegates(answer) for answer in having):
        return Diagnosis(Reason.SERVERS_DISAGREE, message, second, first)
    return Diagnosis(Reason.SERVERS_DISAGREE, message, first, second)


_NOT_BOTH = "not needed where the other record is there"


def quoted(sight: Sight) -> Diagnosis | None:
    """The value is right but for what a DNS panel, or a person, put around it."""
    near = [t for t in sight.texts if holds_any((_bare(t),), (sight.claim.token,))]
    if not near:
        return None
    text = near[0]
    extras = [
        word
        for word, there in (
            ("quotes", _QUOTES.search(text) is not None),
            ("spaces", any(c.isspace() for c in text)),
            ("upper-case letters", any(c.isupper() for c in text)),
        )
        if there
    ]
    message = (
        f"the TXT record at {sight.name} has the right value, but with "
        f"{' and '.join(extras) or 'other characters'} in it; enter it exactly as "
        f"{sight.claim.token}, without quotes or spaces"
    )
    return _of_the_txt(sight, Reason.QUOTED_VALUE, message)


def clashing(sight: Sight) -> Diagnosis | None:
    """A CNAME and TXT records at one name (RFC 1034 section 3.6.2): resolvers see either."""
    beside = any(a.clash or (a.texts and not a.cnames) for a in sight.answers)
    if not sight.aliases or not beside:
        return None
    message = (
        f"at {sight.name} there are a CNAME to {named(sight.aliases[0])} and TXT records side by "
        f"side, which the DNS does not allow; keep one of them: either {sight.either}"
    )
    return both(Reason.RECORD_CONFLICT, RecordState.CONFLICT, message)


def at_the_wrong_name(sight: Sight) -> Diagnosis | None:
    """The record is right and stands somewhere else."""
    if sight.aliases and not _by_wildcard(sight):
        return None  # nothing can be set at the right name before that CNAME is gone
    for near in sight.evidence.nearby or ():
        alias = sight.target in near.cnames
        text = holds_any((_bare(t) for t in near.texts), (sight.claim.token,))
        if near.place is Place.SIBLING or not (alias or text):
            continue
        kind, wanted = ("CNAME", sight.cname) if alias else ("TXT record", sight.txt)
        message = (
            f"the {kind} is at {named(near.name)} instead of {sight.name}: {_why(sight, near)}; "
            f"create {wanted}{_relative(sight)}"
        )
        right = Verdict(RecordState.MISMATCH, message)
        other = Verdict(RecordState.MISSING, _NOT_BOTH)
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
    return _missing(sight, Reason.WILDCARD_ANSWER, message)


def of_another_registration(sight: Sight) -> Diagnosis | None:
    """What is there was wanted once, or is wanted by somebody else.

    Any value of the right form is told so: whose it is stays unsaid, and which ones are known.
    """
    zone = sight.target.split(".", 1)[1]
    for alias in sight.aliases:
        label, _, rest = alias.partition(".")
        if rest == zone and _ID.fullmatch(label):
            message = (
                f"the CNAME at {sight.name} points to {named(alias)}, which looks like the target "
                f"of another registration, maybe an older one; change it to {named(sight.target)}"
            )
            return _of_the_cname(sight, Reason.OLDER_REGISTRATION, message)
    old = [text for text in sight.texts if _TOKEN.fullmatch(_bare(text))]
    if sight.aliases or not old:
        return None
    message = (
        f"the TXT record at {sight.name} has {values(map(_bare, old))}, which looks like the value "
        f"of another registration, maybe an older one; add one with the value {sight.claim.token}"
    )
    return _of_the_txt(sight, Reason.OLDER_REGISTRATION, message)


def wrong_target(sight: Sight) -> Diagnosis | None:
    """There is a CNAME, and it points elsewhere."""
    if not sight.aliases:
        return None
    target, found = sight.target, sight.aliases[0]
    if found.startswith(f"{target}."):
        why = "the DNS panel has appended a zone to the target; enter it with a dot at its end"
    elif found.startswith(f"{sight.claim.id}.") and _inside(sight, found):
        why = "that is inside the domain itself; enter the whole target"
    else:
        why = "change its target to"
    colon = "" if why.endswith("to") else ":"
    message = f"the CNAME at {sight.name} points to {named(found)}; {why}{colon} {named(target)}"
    return _of_the_cname(sight, Reason.WRONG_TARGET, message)


def mismatched(sight: Sight) -> Diagnosis | None:
    """There are TXT records with other values."""
    if not sight.texts:
        return None
    message = (
        f"the TXT record at {sight.name} has another value: {values(sight.texts)}; add one with "
        f"the value {sight.claim.token}"
    )
    return _of_the_txt(sight, Reason.RECORD_MISMATCH, message)


def remembered(sight: Sight) -> Diagnosis | None:
    """Resolvers will go on saying that there is nothing for a while (RFC 2308 section 5)."""
    ttls = [a.negative_ttl for a in sight.answers if a.cached and a.negative_ttl is not None]
    if not ttls or max(ttls) <= MOMENT_FROM.total_seconds():
        return None
    message = (
        f"the resolvers found no record at {sight.name}, and keep that answer "
        f"{until(sight.at, max(ttls))} (by the SOA record of the zone), so a record that was "
        f"created after they looked is seen only then. If there is none yet, create {sight.either}"
    )
    return _missing(sight, Reason.NEGATIVE_ANSWER_CACHED, message)


def missing(sight: Sight) -> Diagnosis:
    """There is nothing."""
    message = f"there is no record at {sight.name}; create {sight.either}"
    return _missing(sight, Reason.RECORD_MISSING, message)


def _missing(sight: Sight, reason: Reason, message: str) -> Diagnosis:
    return Diagnosis(
        reason,
        message,
        Verdict(RecordState.MISSING, f"create {sight.txt}"),
        Verdict(RecordState.MISSING, f"or create {sight.cname}"),
    )


def _of_the_txt(sight: Sight, reason: Reason, message: str) -> Diagnosis:
    beside = f"a CNAME can't stand beside the TXT record at {sight.name}; remove that first"
    return Diagnosis(
        reason,
        message,
        Verdict(RecordState.MISMATCH, message),
        Verdict(RecordState.CONFLICT, beside),
    )


def _of_the_cname(sight: Sight, reason: Reason, message: str) -> Diagnosis:
    beside = f"a TXT record can't stand beside the CNAME at {sight.name}; change or remove that"
    return Diagnosis(
        reason,
        message,
        Verdict(RecordState.CONFLICT, beside),
        Verdict(RecordState.MISMATCH, message),
    )


def _bare(text: str) -> str:
    """A value without quotes, spaces and other things that no token has."""
    return "".join(c for c in text if c in string.ascii_letters or c in string.digits).lower()


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
    if not zone or not _below(sight.evidence.name, zone):
        return ""
    return f" (where the DNS panel appends {named(zone)}: {sight.evidence.name[: -len(zone) - 1]})"


def _inside(sight: Sight, name: str) -> bool:
    return any(_below(name, zone) for zone in (sight.claim.domain, sight.evidence.zone) if zone)


def _below(name: str, zone: str) -> bool:
    return name.endswith(f".{zone}")


def _kept(sight: Sight, answers: Iterable[ServerAnswer]) -> str:
    """How long the old answer lives on where it is kept."""
    told = tuple(answers)
    ttls = [t for a in told if (t := a.ttl if a.ttl is not None else a.negative_ttl) is not None]
    if not ttls:
        return ""
    if any(answer.cached for answer in told):
        return f" (kept {until(sight.at, max(ttls))})"
    return f" (resolvers can keep that {for_up_to(max(ttls))} longer)"
