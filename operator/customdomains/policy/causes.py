"""Why the record is not there, as far as servers could be asked: each cause with its mend.

The order is in `findings.judge`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from customdomains.model.evidence import Obstacle, ServerAnswer
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState
from customdomains.policy.diagnosis import (
    NOT_BOTH,
    Diagnosis,
    Sight,
    Verdict,
    bare,
    below,
    both,
    holds_any,
    nothing_there,
    of_the_cname,
    of_the_txt,
)
from customdomains.policy.wording import (
    MOMENT_FROM,
    for_up_to,
    named,
    servers,
    shown,
    until,
    values,
    voters,
)

_TOKEN = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{32}")
_QUOTES = re.compile("[\"'`\u2018-\u201f\u00ab\u00bb]")


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
    return of_the_cname(sight, Reason.ALIAS_LOOP, message)


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
    every = voters(sight.answers)
    message = (
        f"{every - voters(lacking)} of {every} {who} have the record at {sight.name}; "
        f"still {'with another answer' if other else 'without it'}: {servers(lacking)}"
        f"{_kept(sight, lacking)}. It counts once enough of them have it; {mend}"
    )
    first, second = Verdict(RecordState.MISMATCH, message), Verdict(RecordState.MISSING, NOT_BOTH)
    if any(sight.delegates(answer) for answer in having):
        return Diagnosis(Reason.SERVERS_DISAGREE, message, second, first)
    return Diagnosis(Reason.SERVERS_DISAGREE, message, first, second)


def quoted(sight: Sight) -> Diagnosis | None:
    """The value is right but for what a DNS panel, or a person, put around it."""
    near = [t for t in sight.texts if holds_any((bare(t),), (sight.claim.token,))]
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
    return of_the_txt(sight, Reason.QUOTED_VALUE, message)


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
            return of_the_cname(sight, Reason.OLDER_REGISTRATION, message)
    old = [text for text in sight.texts if _TOKEN.fullmatch(bare(text))]
    if sight.aliases or not old:
        return None
    message = (
        f"the TXT record at {sight.name} has {values(map(bare, old))}, which looks like the value "
        f"of another registration, maybe an older one; add one with the value {sight.claim.token}"
    )
    return of_the_txt(sight, Reason.OLDER_REGISTRATION, message)


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
    return of_the_cname(sight, Reason.WRONG_TARGET, message)


def mismatched(sight: Sight) -> Diagnosis | None:
    """There are TXT records with other values."""
    if not sight.texts:
        return None
    message = (
        f"the TXT record at {sight.name} has another value: {values(sight.texts)}; add one with "
        f"the value {sight.claim.token}"
    )
    return of_the_txt(sight, Reason.RECORD_MISMATCH, message)


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
    return nothing_there(sight, Reason.NEGATIVE_ANSWER_CACHED, message)


def missing(sight: Sight) -> Diagnosis:
    """There is nothing."""
    message = f"there is no record at {sight.name}; create {sight.either}"
    return nothing_there(sight, Reason.RECORD_MISSING, message)


def _inside(sight: Sight, name: str) -> bool:
    return any(below(name, zone) for zone in (sight.claim.domain, sight.evidence.zone) if zone)


def _kept(sight: Sight, answers: Iterable[ServerAnswer]) -> str:
    """How long the old answer lives on where it is kept."""
    told = tuple(answers)
    ttls = [t for a in told if (t := a.ttl if a.ttl is not None else a.negative_ttl) is not None]
    if not ttls:
        return ""
    if any(answer.cached for answer in told):
        return f" (kept {until(sight.at, max(ttls))})"
    return f" (resolvers can keep that {for_up_to(max(ttls))} longer)"
