"""How an order's challenges are to be answered: picked by what the DNS shows, in a fixed order.

Behind the CNAME that proves the domain; by updates of a zone that the platform runs; by a record
that stays; behind a CNAME with the account's label; over HTTP; by hand. An issuer's settings say
which kinds of challenges are used with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from customdomains.model.certificate import Challenge, Method, Way
from customdomains.model.challengerecords import account_challenge_name, permits, persistent_name
from customdomains.model.claim import Claim, Order
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.evidence import Evidence, ServerAnswer
from customdomains.model.names import certificate_names, challenge_name
from customdomains.policy import certificates, issuers, schedule
from customdomains.policy.findings import delegation_target
from customdomains.policy.jobs import Choice
from customdomains.policy.prospects import Look, Prospects
from customdomains.policy.rules import Rules
from customdomains.policy.spoils import is_compromised
from customdomains.policy.world import Check

USUAL = (Challenge.DNS, Challenge.HTTP)
"""What is used with an issuer whose settings don't say: a directory does not tell what its CA
offers, and these two are in RFC 8555."""

_LOOKED_FOR = (Challenge.DNS_PERSIST, Challenge.DNS_ACCOUNT, Challenge.HTTP)
_LONGEST_NAME = 253


def allowed(rules: Rules, issuer: str) -> tuple[Challenge, ...]:
    """The kinds of challenges that are used with the issuer."""
    kinds = rules.challenges.get(issuer, USUAL)
    return tuple(kind for kind in kinds if kind is not Challenge.HTTP or rules.answers_http)


def is_updated(name: str, rules: Rules) -> bool:
    """Whether the name is in a zone of the platform's where the operator may set records."""
    return any(f".{name}".endswith(f".{zone}") for zone in rules.updated_zones)


def ways_at(
    domain: CustomDomain, claim: Claim, rules: Rules, issuer: str, prospects: Prospects | None
) -> tuple[Way, ...]:
    """The ways that are open for an order at `issuer`, the best first."""
    kinds, known = allowed(rules, issuer), claim.verification
    if known is None:
        return ()
    if Challenge.DNS in kinds and known.method is Method.DELEGATED:
        return (Way(Method.DELEGATED),)
    if Challenge.DNS in kinds and is_updated(claim.domain, rules):
        return (Way(Method.UPDATED),)
    found: list[Way] = []
    if prospects is not None and prospects.look.domain == claim.domain:
        found = _found(prospects, issuer, wildcard=domain.wildcard)
    if Challenge.DNS in kinds:
        found.append(Way(Method.MANUAL))
    found.append(Way(Method.MANUAL, Challenge.DNS_ACCOUNT))
    ways: dict[Challenge, Way] = {}
    for way in found:
        if way.challenge in kinds:
            ways.setdefault(way.challenge, way)
    return tuple(ways.values())


def _found(prospects: Prospects, issuer: str, *, wildcard: bool) -> list[Way]:
    """What the look has shown; over HTTP it does not hang on the issuer."""
    found = []
    same = prospects.look.issuer == issuer
    if same and persists(prospects, wildcard=wildcard):
        found.append(Way(Method.PERSISTENT, Challenge.DNS_PERSIST))
    if same and delegates(prospects):
        found.append(Way(Method.DELEGATED, Challenge.DNS_ACCOUNT))
    if prospects.http and not wildcard:
        found.append(Way(Method.HTTP, Challenge.HTTP))
    return found


def persists(prospects: Prospects, *, wildcard: bool) -> bool:
    """Whether enough servers have a record that lets the account have certificates."""
    identity, evidence = prospects.identity, prospects.persistent
    if identity is None or evidence is None:
        return False

    def permitted(answer: ServerAnswer) -> bool:
        return any(
            permits(text, identity.domains, identity.account, prospects.at, wildcard=wildcard)
            for text in answer.texts
        )

    return evidence.agreed(permitted)


def delegates(prospects: Prospects) -> bool:
    """Whether enough servers have the CNAME with the account's label that leads to us."""
    evidence = prospects.account
    return evidence is not None and evidence.agreed(
        partial(_leads_to, target=prospects.look.target)
    )


def _leads_to(answer: ServerAnswer, target: str) -> bool:
    return target in answer.cnames


def look_for(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> Look | None:
    """What to look for beside the proof: where an order is due and is not answered by the CNAME
    that proves the domain, or waits for records by hand with the account's label."""
    order, target = claim.order, delegation_target(claim, rules.zone)
    if domain.suspend or claim.verification is None or claim.verification.gone_since:
        return None
    if order is not None:
        if order.way != Way(Method.MANUAL, Challenge.DNS_ACCOUNT):
            return None
        return Look(order.issuer, claim.domain, target, (order.challenge,), order.label)
    choice = issuers.choose(domain, claim, rules, now)
    if choice is None or not _order_due(domain, claim, rules, now):
        return None
    kinds = allowed(rules, choice.issuers[0])
    delegated = claim.verification.method is Method.DELEGATED
    if Challenge.DNS in kinds and (delegated or is_updated(claim.domain, rules)):
        return None
    # Over HTTP it is the same for all issuers.
    anywhere = {kind for each in choice.issuers for kind in allowed(rules, each)}
    wanted = tuple(
        kind
        for kind in _LOOKED_FOR
        if kind in (anywhere if kind is Challenge.HTTP else kinds)
        and not (kind is Challenge.HTTP and domain.wildcard)
    )
    return Look(choice.issuers[0], claim.domain, target, wanted) if wanted else None


def _order_due(domain: CustomDomain, claim: Claim, rules: Rules, now: datetime) -> bool:
    """Whether an order would be placed if there were a way that needs nobody."""
    if domain.issuance is Issuance.NEVER:
        return False
    if certificates.is_open(domain, claim) or is_compromised(claim):
        return True
    by_itself = certificates.starts_by_itself(domain, claim, (Way(Method.PERSISTENT),))
    if not by_itself or certificates.held_back(domain, claim, rules, now):
        return False
    return certificates.certificate_due(domain, claim, rules, now)


def looks_first(
    look: Look | None,
    prospects: Prospects | None,
    domain: CustomDomain,
    claim: Claim,
    now: datetime,
) -> bool:
    """Whether `look` has to be made before anything is done or said: what it would find is not
    known, or somebody has asked for an order since, or one has become due."""
    if look is None or claim.order is not None:
        return False
    if prospects is None or prospects.look != look or prospects.at > now:
        return True
    if certificates.waits(domain, claim, now):
        return False
    if certificates.is_open(domain, claim) and now - prospects.at >= schedule.PROOF_FRESHNESS:
        return True
    return prospects.at < _due_since(domain, claim, now)


def looking_delay(domain: CustomDomain, claim: Claim, now: datetime) -> timedelta:
    """Between two looks for a way that somebody may open; nobody was told to do so at once."""
    waited = max(now - _due_since(domain, claim, now), timedelta(0))
    return max(schedule.FIRST_HOUR_DELAY, schedule.waiting_delay(waited))


def _due_since(domain: CustomDomain, claim: Claim, now: datetime) -> datetime:
    """Since when an order could be placed if there were a way: in the past."""
    known, have = claim.verification, claim.certificate
    moments = [known.verified_at] if known is not None else []
    if have is not None:
        moments += [have.issued_at, have.renewal_time]
    retry = certificates.retry_at(domain, claim)
    moments += [retry] if retry is not None else []
    return max((moment for moment in moments if moment <= now), default=now)


def open_ways(
    choice: Choice | None,
    domain: CustomDomain,
    claim: Claim,
    rules: Rules,
    prospects: Prospects | None,
) -> Mapping[str, tuple[Way, ...]]:
    """The ways that are open, by the issuers of `choice`: none where there is none at the first of
    them, and without the others where there is none."""
    ways = {
        issuer: ways_at(domain, claim, rules, issuer, prospects)
        for issuer in (choice.issuers if choice is not None else ())
    }
    if choice is None or not ways[choice.issuers[0]]:
        return {}
    return {issuer: found for issuer, found in ways.items() if found}


def challenge_record_name(order: Order, domain: str) -> str:
    """Where the order's TXT values belong (no trailing dot)."""
    if order.label is not None:
        return account_challenge_name(order.label, domain)
    return challenge_name(domain)


def where_answered(order: Order, check: Check) -> Evidence | None:
    """What the check has found where the order's TXT values belong; None where it did not look."""
    if order.challenge is Challenge.DNS:
        return check.evidence
    return check.prospects.account if check.prospects is not None else None


def names_to_look_at(look: Look, label: str | None) -> dict[Challenge, str]:
    """The names to look up for the look, where they fit into the DNS (RFC 1035 section 2.3.4)."""
    names = {}
    if Challenge.DNS_PERSIST in look.kinds:
        names[Challenge.DNS_PERSIST] = persistent_name(look.domain)
    if Challenge.DNS_ACCOUNT in look.kinds and label is not None:
        names[Challenge.DNS_ACCOUNT] = account_challenge_name(label, look.domain)
    return {kind: name for kind, name in names.items() if len(name) <= _LONGEST_NAME}


def explain(way: Way, domain: str) -> str:
    """Why a way was picked, in words."""
    match way:
        case Way(Method.DELEGATED, Challenge.DNS_ACCOUNT):
            return "the CNAME with the account's label leads to the operator's DNS, which answers"
        case Way(Method.DELEGATED):
            return (
                f"the CNAME at {challenge_name(domain)} leads to the operator's DNS, which answers"
            )
        case Way(Method.PERSISTENT):
            return f"a TXT record at {persistent_name(domain)} lets the account have certificates"
        case Way(Method.HTTP):
            return f"http://{domain} leads to the operator, which answers"
        case Way(Method.UPDATED):
            return "the domain is in a zone of the platform's, where the operator sets the record"
    return "no other way is open: the record is set by hand"


def refusal(domain: CustomDomain, claim: Claim, rules: Rules) -> str | None:
    """Why no order could be placed, whatever anybody sets; None where one could."""
    names = certificate_names(claim.domain, wildcard=domain.wildcard)
    kinds = {kind for issuer in issuers.chain_of(domain, rules) for kind in allowed(rules, issuer)}
    if domain.wildcard and kinds and not kinds - {Challenge.HTTP}:
        return (
            f"a certificate for {names[-1]} needs a DNS challenge, and the settings allow only "
            f"{Challenge.HTTP} with the issuer; it could be had without spec.wildcard"
        )
    if not kinds:
        return (
            "the settings allow only challenges over HTTP with the issuer, and the operator does "
            "not answer these (api.challengeListen); the operator of this platform has to mend it"
        )
    return None
