"""What the response of a zone's own server says, and what it does not get to say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from customdomains.dns.answers import explanation, outcome_of, read_answer
from customdomains.dns.denial import Denial
from customdomains.dns.dnssec import ZoneKeys
from customdomains.dns.messages import Question
from customdomains.dns.referrals import Referral, referral_in
from customdomains.model.evidence import Outcome, ServerAnswer


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer; `alias` is the end of its chain where the server says nothing about that, and
    `referral` the zone below that a server knows instead of the name."""

    answer: ServerAnswer
    alias: dns.name.Name | None = None
    referral: Referral | None = None


def read(
    server: str,
    zone: dns.name.Name,
    question: Question,
    response: dns.message.Message,
    keys: ZoneKeys | None,
    now: float,
) -> Reading:
    """What the server of `zone` says to `question`; `now` is in seconds since 1970.

    What it adds about names outside the zone is another's to say and left out. With `keys` an
    answer counts only if it is signed with them.
    """
    name, rdtype = question
    outcome = outcome_of(response)
    if not outcome.conclusive:
        return Reading(read_answer(server, name, response, rdtype))
    referral = referral_in(zone, name, response)
    if referral is not None:
        return Reading(_lame(server, response), referral=referral)
    response.answer = [rrset for rrset in response.answer if rrset.name.is_subdomain(zone)]
    if not _speaks_for(zone, response):
        return Reading(_lame(server, response))
    answer = read_answer(server, name, response, rdtype)
    alias = _open_end(answer, response, rdtype)
    if keys is None:
        return Reading(answer, alias)
    if answer.cnames or answer.texts:
        if keys.vouch(name, response, now, rdtype):
            return Reading(replace(answer, authentic=True), alias)
    else:
        denial = keys.denial(name, response, now, rdtype)
        if denial is not None:
            return Reading(replace(answer, authentic=denial is Denial.PROVED))
    why = "" if keys else "the keys of the zone could not be had"
    return Reading(replace(answer, outcome=Outcome.BOGUS, explanation=answer.explanation or why))


def _open_end(
    answer: ServerAnswer, response: dns.message.Message, rdtype: dns.rdatatype.RdataType
) -> dns.name.Name | None:
    if not answer.cnames:
        return None
    end = dns.name.from_text(answer.cnames[-1])
    told = any(s.name == end and s.rdtype == rdtype for s in response.answer)
    return None if told else end


def _speaks_for(zone: dns.name.Name, response: dns.message.Message) -> bool:
    """Whether the server holds the zone: it says so (AA), and does not deny the name out of a
    zone further up."""
    if not response.flags & dns.flags.AA:
        return False
    if response.answer:
        return True
    return not any(
        rrset.rdtype == dns.rdatatype.SOA and not rrset.name.is_subdomain(zone)
        for rrset in response.authority
    )


def _lame(server: str, response: dns.message.Message) -> ServerAnswer:
    return ServerAnswer(server, Outcome.LAME, explanation=explanation(response))
