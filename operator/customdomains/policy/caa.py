"""Whether CAA records let a CA issue (RFC 8659), to our account and by which challenges (RFC 8657).

CAs look as well and refuse; who looks first wastes no order, and can say what would help.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from customdomains.model.caa import CaaRecord, records_in
from customdomains.model.certificate import CaIdentity, Challenge, OrderError
from customdomains.model.evidence import Evidence, Obstacle
from customdomains.model.reasons import Reason
from customdomains.policy.wording import listed, named, outcomes, shown

_KNOWN = frozenset(
    {"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"}
)
"""The tags of IANA's registry. A critical record of another kind forbids all (section 4.1)."""

_ISSUER = re.compile(r"[A-Za-z0-9]+(-+[A-Za-z0-9]+)*(\.[A-Za-z0-9]+(-+[A-Za-z0-9]+)*)*")
_PARAMETER = re.compile(r"([A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*)[ \t]*=[ \t]*([\x21-\x3a\x3c-\x7e]*)")
_BLANKS = " \t"

_NOBODY = {
    Obstacle.ALIAS_LOOP: "its aliases go round in a circle",
    Obstacle.NO_SERVERS: "its name servers have no address that can be found",
    Obstacle.RESOLVERS_FAILED: "its name servers could not be found in time",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order as the CA would get it: for `names`, by any of `challenges`."""

    names: tuple[str, ...]
    ca: CaIdentity
    challenges: tuple[Challenge, ...]


@dataclass(frozen=True, slots=True)
class _Grant:
    """What an issue or issuewild record says: which CA, and under which conditions."""

    issuer: str
    parameters: tuple[tuple[str, str], ...] = ()

    def is_for(self, ca: CaIdentity) -> bool:
        """Whether it names this CA."""
        return self.issuer.lower() in {domain.lower() for domain in ca.domains}

    def binds(self, account: str) -> bool:
        """Whether this account may have it (RFC 8657 section 3): one URI, letter for letter."""
        return self._values("accounturi") in ([], [account])

    def challenges(self, wanted: tuple[Challenge, ...]) -> frozenset[Challenge]:
        """Those by which it may be had (RFC 8657 section 4)."""
        lists = self._values("validationmethods")
        if not lists:
            return frozenset(wanted)
        labels = set(lists[0].split(",")) if len(lists) == 1 else set()
        return frozenset(each for each in wanted if each.value in labels)

    def _values(self, tag: str) -> list[str]:
        return [value for name, value in self.parameters if name == tag]


def judge(evidence: Evidence, wanted: Wanted) -> tuple[Challenge, ...] | OrderError:
    """The challenges by which the CA may issue, in the order in which they are wanted; an error
    with the reason CAA_FORBIDS where there is none, with CAA_UNKNOWN where that can't be told.

    `evidence` is about the name whose records count: see `CaaLookup.climb`.
    """
    records = records_in(evidence)
    if records is None:
        return _unknown(evidence)
    strange = [each for each in records if each.critical and each.tag not in _KNOWN]
    if strange:
        return _critical(evidence, strange)
    left = frozenset(wanted.challenges)
    for name in wanted.names:
        left &= _challenges(_counting(records, name), wanted)
    if left:
        return tuple(each for each in wanted.challenges if each in left)
    return _forbidden(evidence, records, wanted)


def _counting(records: tuple[CaaRecord, ...], name: str) -> tuple[CaaRecord, ...]:
    """The records that restrict certificates for `name`: for wildcards those of their own kind,
    where there is one (section 4.3)."""
    tags = {each.tag for each in records}
    tag = "issuewild" if name.startswith("*.") and "issuewild" in tags else "issue"
    return tuple(each for each in records if each.tag == tag)


def _challenges(counting: tuple[CaaRecord, ...], wanted: Wanted) -> frozenset[Challenge]:
    """By which challenges any of these records lets the CA issue to our account."""
    if not counting:
        return frozenset(wanted.challenges)
    grants = [grant for grant in map(_read, counting) if grant.is_for(wanted.ca)]
    allowed = [
        each.challenges(wanted.challenges) for each in grants if each.binds(wanted.ca.account)
    ]
    return frozenset().union(*allowed)


def _read(record: CaaRecord) -> _Grant:
    """What the record grants: to nobody, where it is malformed (section 4.2)."""
    head, *rest = record.value.split(";")
    issuer = head.strip(_BLANKS)
    if rest and not rest[-1].strip(_BLANKS):
        rest.pop()
    parameters = [_PARAMETER.fullmatch(each.strip(_BLANKS)) for each in rest]
    if not _ISSUER.fullmatch(issuer) or None in parameters:
        return _Grant("")
    return _Grant(issuer, tuple((each[1].lower(), each[2]) for each in parameters if each))


def _unknown(evidence: Evidence) -> OrderError:
    why = _NOBODY.get(evidence.obstacle) if evidence.obstacle else None
    failed = [each for each in evidence.answers if not each.outcome.conclusive]
    if not why:
        why = outcomes(failed) if failed else "its name servers do not say the same"
    return OrderError(
        Reason.CAA_UNKNOWN,
        f"the CAA records of {named(evidence.name)} can't be looked up: {why}. No order is placed, "
        "since a CA that can't look them up has to refuse",
    )


def _critical(evidence: Evidence, strange: list[CaaRecord]) -> OrderError:
    return OrderError(
        Reason.CAA_FORBIDS,
        f"{_found(evidence, strange)} are critical and of a kind that CAs do not know, so "
        "that none of them may issue; remove them",
    )


def _forbidden(evidence: Evidence, records: tuple[CaaRecord, ...], wanted: Wanted) -> OrderError:
    names = [n for n in wanted.names if not _challenges(_counting(records, n), wanted)]
    guilty = {each for name in names or wanted.names for each in _counting(records, name)}
    ca = shown(wanted.ca.domains[0])
    why, more = _why(guilty, wanted)
    additions = " and ".join(
        f'{_place(evidence)} CAA 0 {tag} "{ca}{more}"' for tag in sorted({r.tag for r in guilty})
    )
    return OrderError(
        Reason.CAA_FORBIDS,
        f"{_found(evidence, guilty)} do not let the CA {ca} issue{why}; add {additions}",
    )


def _why(guilty: set[CaaRecord], wanted: Wanted) -> tuple[str, str]:
    """On what condition a record that names the CA lets it issue, and the one that is ours."""
    grants = [grant for grant in map(_read, guilty) if grant.is_for(wanted.ca)]
    if not grants:
        return "", ""
    if any(grant.binds(wanted.ca.account) for grant in grants):
        methods = shown(",".join(wanted.challenges))
        return (
            f" by the challenge {' or '.join(wanted.challenges)}",
            f"; validationmethods={methods}",
        )
    return " to the account of this platform", f"; accounturi={wanted.ca.account}"


def _found(evidence: Evidence, records: set[CaaRecord] | list[CaaRecord]) -> str:
    told = listed(shown(str(each)) for each in records)
    place = _place(evidence)
    where = (
        place if place == named(evidence.name) else f"{place}, the alias of {named(evidence.name)}"
    )
    return f"the CAA records at {where} ({told})"


def _place(evidence: Evidence) -> str:
    """Where the records stand: at the end of the aliases."""
    return named(next((a.cnames[-1] for a in evidence.conclusive if a.cnames), evidence.name))
