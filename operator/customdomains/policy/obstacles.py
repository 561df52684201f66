"""Why too few could be asked to know anything about the record: no fault of the record's own.

The questions go from what explains most to what explains least; the first that applies is told.
"""

from __future__ import annotations

from customdomains.model.evidence import Evidence, Obstacle, Outcome, ServerAnswer
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState
from customdomains.policy.diagnosis import Diagnosis, Sight, both
from customdomains.policy.wording import manners, named, outcomes, servers, shown, until, voters

_NOT_SERVING = {Outcome.LAME, Outcome.REFUSED, Outcome.SERVER_FAILURE}


def zone_not_found(sight: Sight) -> Diagnosis | None:
    """The resolvers know of no zone, and so of no servers to ask."""
    found = sight.evidence
    if found.obstacle is not Obstacle.ZONE_NOT_FOUND:
        return None
    state = RecordState.MISSING if found.conclusive else RecordState.UNREACHABLE
    message = (
        f"no zone was found for {named(sight.claim.domain)}: as far as the DNS knows, this domain "
        "does not exist. See that it is spelled rightly, registered and paid for, and that its "
        "registry delegates it to name servers"
    )
    ttls = [a.negative_ttl for a in found.conclusive if a.negative_ttl is not None]
    if ttls:
        message += f"; resolvers can keep this answer {until(sight.at, max(ttls))}"
    return both(Reason.ZONE_NOT_FOUND, state, message)


def no_servers(sight: Sight) -> Diagnosis | None:
    """The delegation leads to nobody."""
    if sight.evidence.obstacle is not Obstacle.NO_SERVERS:
        return None
    message = (
        f"the name servers that {_zone(sight.evidence)} is delegated to have no address that can "
        "be found; correct the NS records at the domain's registrar and in the zone"
    )
    return both(Reason.LAME_DELEGATION, RecordState.UNREACHABLE, message)


def resolvers_failed(sight: Sight) -> Diagnosis | None:
    """Nobody could say which servers to ask."""
    if sight.evidence.obstacle is not Obstacle.RESOLVERS_FAILED:
        return None
    told = outcomes(sight.evidence.answers)
    message = (
        f"the name servers of {named(sight.claim.domain)} could not be found, because the "
        f"resolvers of this platform failed{f' ({told})' if told else ''}. That says nothing "
        "about the record; it is tried again. If it stays so, check that the domain's delegation "
        "and DNSSEC are in order, and tell the operator of this platform"
    )
    return both(Reason.LOOKUP_FAILED, RecordState.UNREACHABLE, message)


def bogus(sight: Sight) -> Diagnosis | None:
    """Answers fail DNSSEC validation."""
    failing = [a for a in sight.evidence.answers if a.outcome is Outcome.BOGUS]
    if not failing:
        return None
    explained = sorted(a.explanation for a in failing if a.explanation)
    why = f" ({shown(explained[0], 160)})" if explained else ""
    astray = sorted({a.cnames[0] for a in failing if a.cnames and not sight.delegates(a)})
    where = f", where a CNAME points to {named(astray[0])}," if astray else ""
    mend = "Have"
    if astray:
        mend = f"Change its target to {named(sight.target)} If they go on failing, have"
    message = (
        f"the answers about {sight.name}{where} fail DNSSEC validation{why}, so nothing in them "
        f"counts. {mend} {_zone(sight.evidence)} signed anew, or correct or remove its DS record "
        "at the domain's registrar"
    )
    return both(Reason.DNSSEC_BOGUS, RecordState.UNREACHABLE, message)


def behind_an_alias(sight: Sight) -> Diagnosis | None:
    """The CNAME is known, what it points to is not."""
    silent = [a for a in sight.evidence.answers if a.cnames and not a.outcome.conclusive]
    if sight.answers or not silent:
        return None
    if any(sight.delegates(answer) for answer in silent):
        message = (
            f"the CNAME at {sight.name} is right, but what it points to could not be looked up: "
            "the name servers of the delegation zone did not answer. It is tried again; if it "
            "stays so, tell the operator of this platform"
        )
    else:
        target = min(answer.cnames[0] for answer in silent)
        message = (
            f"the CNAME at {sight.name} points to {named(target)}, which could not be looked up; "
            f"change its target to {named(sight.target)}"
        )
    return both(Reason.LOOKUP_FAILED, RecordState.UNREACHABLE, message)


def lame(sight: Sight) -> Diagnosis | None:
    """Name servers that are there don't serve the zone."""
    failing = _failing(sight.evidence)
    if not sight.by_delegation or not any(a.outcome in _NOT_SERVING for a in failing):
        return None
    message = (
        f"{_too_few(sight)}name servers that {_zone(sight.evidence)} is delegated to don't serve "
        f"it ({outcomes(failing)}). See that the zone is set up on them and has not expired "
        "there, or correct the NS records at the domain's registrar"
    )
    return both(Reason.LAME_DELEGATION, RecordState.UNREACHABLE, message)


def unreachable(sight: Sight) -> Diagnosis | None:
    """Name servers can't be reached."""
    failing = _failing(sight.evidence)
    if not sight.by_delegation or not failing:
        return None
    message = (
        f"{_too_few(sight)}the name servers of {_zone(sight.evidence)} could not be asked "
        f"({outcomes(failing)}). That says nothing about the record; it is tried again. See that "
        "they run and can be reached by UDP and TCP on port 53, or correct the NS records at the "
        "domain's registrar"
    )
    return both(Reason.SERVERS_UNREACHABLE, RecordState.UNREACHABLE, message)


def not_looked_up(sight: Sight) -> Diagnosis:
    """The resolvers did not find out."""
    failing = _failing(sight.evidence)
    message = (
        f"{_too_few(sight)}{sight.name} could not be looked up "
        f"({manners(failing) or 'no server was asked'}). That says nothing about the record; it "
        "is tried again. If it stays so, check the name servers of the domain"
    )
    return both(Reason.LOOKUP_FAILED, RecordState.UNREACHABLE, message)


def _failing(evidence: Evidence) -> tuple[ServerAnswer, ...]:
    return tuple(a for a in evidence.answers if not a.outcome.conclusive)


def _too_few(sight: Sight) -> str:
    """What is known although it is not enough."""
    heard = sight.answers
    if not heard:
        return ""
    having = [answer for answer in heard if sight.proves(answer)]
    found = "the record is there" if having else "there is no record"
    return (
        f"{found} according to {servers(having or heard)}, but at least {sight.evidence.needed} of "
        f"{voters(sight.evidence.answers)} servers have to say so: "
    )


def _zone(evidence: Evidence) -> str:
    return f"the zone {named(evidence.zone)}" if evidence.zone else "the domain's zone"
