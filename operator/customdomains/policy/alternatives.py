"""What is told of the ways to a certificate beside the CNAME and the records of an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from customdomains.model.certificate import Challenge, Method, Way
from customdomains.model.challengerecords import (
    account_challenge_name,
    persistent_name,
    persistent_value,
)
from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain
from customdomains.model.evidence import Evidence
from customdomains.model.status import Purpose, Record, RecordState
from customdomains.policy import challenges, issuers
from customdomains.policy.diagnosis import Verdict
from customdomains.policy.prospects import Look, Prospects
from customdomains.policy.rules import Rules
from customdomains.policy.wording import MESSAGE_LENGTH, named, shown, voters

_FOUND = Verdict(RecordState.PRESENT, "found as wanted")
_UNSEEN = Verdict(RecordState.UNKNOWN, "it could not be looked up; it is tried again")
"""Not `Unreachable`: that is said of the records that prove the domain, and waited for."""
_STAYS = (
    "instead of a new record for each certificate: with this one certificates are ordered and "
    "renewed without anything else to set, for as long as it is there"
)


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What is open and what could be: the `ways` at the issuer that an order would go to, the
    records that would do as well, what else would let it go on by itself (`others`, in words), and
    why no order can be placed whatever anybody sets (`refusal`)."""

    ways: tuple[Way, ...] = ()
    records: tuple[Record, ...] = ()
    others: tuple[str, ...] = ()
    refusal: str | None = None
    note: str = ""


def alternatives(
    domain: CustomDomain, claim: Claim, rules: Rules, prospects: Prospects | None, now: datetime
) -> Alternatives:
    """All of that for who holds the claim."""
    choice = issuers.choose(domain, claim, rules, now)
    if choice is None or claim.verification is None:
        return Alternatives()
    look = challenges.look_for(domain, claim, rules, now)
    seen = prospects if prospects is not None and prospects.look == look else None
    open_now = challenges.open_ways(choice, domain, claim, rules, seen)
    kinds = challenges.allowed(rules, choice.issuers[0])
    records = _kept(claim) or (_wanted(claim, seen, wildcard=domain.wildcard) if seen else ())
    return Alternatives(
        ways=open_now.get(choice.issuers[0], ()),
        records=records,
        others=_others(domain, kinds),
        refusal=challenges.refusal(domain, claim, rules),
        note=_note(domain, kinds, seen),
    )


def _kept(claim: Claim) -> tuple[Record, ...]:
    """The record that stays, while it is in use: from what the claim keeps, which outlives us."""
    value, have, order = None, claim.certificate, claim.order
    if order is not None and order.method is Method.PERSISTENT:
        value = next(iter(order.responses), None)
    elif have is not None and order is None:
        value = have.persistent
    return (_persistent(claim, value, _FOUND),) if value is not None else ()


def _wanted(claim: Claim, seen: Prospects, *, wildcard: bool) -> tuple[Record, ...]:
    """The records that would do, with what was found in their places."""
    identity, look = seen.identity, seen.look
    if identity is None:
        return ()
    records = []
    if Challenge.DNS_PERSIST in look.kinds and identity.domains:
        value = persistent_value(identity.domains[0], identity.account, wildcard=wildcard)
        there = challenges.persists(seen, wildcard=wildcard)
        records.append(_persistent(claim, value, _verdict(seen.persistent, there=there)))
    if Challenge.DNS_ACCOUNT in look.kinds:
        verdict = _verdict(seen.account, there=challenges.delegates(seen))
        records.append(_account(claim, look, identity.label, verdict))
    return tuple(records)


def _persistent(claim: Claim, value: str, verdict: Verdict) -> Record:
    return _record(Purpose.PERSISTENT, "TXT", persistent_name(claim.domain), value, verdict)


def _account(claim: Claim, look: Look, label: str, verdict: Verdict) -> Record:
    name = account_challenge_name(label, claim.domain)
    return _record(Purpose.DELEGATION, "CNAME", name, named(look.target), verdict)


def _record(purpose: Purpose, kind: str, name: str, value: str, verdict: Verdict) -> Record:
    message = shown(verdict.message, MESSAGE_LENGTH)
    return Record(purpose, kind, named(name), value, verdict.state, message)


def _verdict(evidence: Evidence | None, *, there: bool) -> Verdict:
    if there:
        return _FOUND
    if evidence is None or voters(evidence.conclusive) < evidence.needed:
        return _UNSEEN
    if evidence.texts or evidence.cnames:
        return Verdict(RecordState.MISMATCH, f"what is there is another one; {_STAYS}")
    return Verdict(RecordState.MISSING, _STAYS)


def _others(domain: CustomDomain, kinds: tuple[Challenge, ...]) -> tuple[str, ...]:
    """What would let it go on by itself."""
    words = {
        Challenge.DNS: "with the CNAME",
        Challenge.DNS_PERSIST: "with the record listed as Persistent",
        Challenge.DNS_ACCOUNT: "with the CNAME listed as Delegation",
        Challenge.HTTP: f"once http://{domain.domain} leads to the operator",
    }
    return tuple(
        text
        for kind, text in words.items()
        if kind in kinds and not (kind is Challenge.HTTP and domain.wildcard)
    )


def _note(domain: CustomDomain, kinds: tuple[Challenge, ...], seen: Prospects | None) -> str:
    """What keeps a way from being open that nobody can see in the DNS."""
    notes = []
    if seen is not None and seen.trouble:
        notes.append(f"the CA could not be asked for the account: {seen.trouble}")
    if domain.wildcard and Challenge.HTTP in kinds:
        notes.append("a wildcard needs a DNS challenge, so it can't be had over HTTP")
    return "".join(f"; {note}" for note in notes)
