"""What is wrong with servers, or between them: told by the mode that asks them, never guessed."""

import re

import dns.name
import dns.rdatatype
import pytest
from build import TARGET, TOKEN

from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.lookup import RecursiveLookup
from customdomains.dns.resolvers import PlainResolver
from customdomains.model.certificate import Method
from customdomains.model.evidence import Obstacle, Outcome
from customdomains.model.reasons import Reason
from customdomains.model.status import RecordState
from customdomains.policy.diagnosis import Ruling
from realdns.country import DARK_ZONE, MOVING
from realdns.judging import evidence_of, finding_of, found
from realdns.lying import lying, records
from realdns.zones import ADDRESSES, LIAR, NSD, host_name

SERVERS = {
    # domain: reason, what the message has to say
    "expired.com": (Reason.LAME_DELEGATION, "the zone expired.com.", "SERVFAIL", "not expired"),
    "all-lame.com": (Reason.LAME_DELEGATION, "refused", "NS records at the domain's registrar"),
    "resolver-lame.com": (Reason.LAME_DELEGATION, "NS records at the domain's registrar"),
    "no-hosts.com": (Reason.LAME_DELEGATION, "no address", "NS records"),
    "turn.com": (Reason.LAME_DELEGATION, "no address", "NS records"),
    "all-dead.com": (Reason.SERVERS_UNREACHABLE, "not reachable", "UDP and TCP on port 53"),
    "all-silent.com": (Reason.SERVERS_UNREACHABLE, "no answer in time", "UDP and TCP on port 53"),
    "mixed.com": (Reason.SERVERS_UNREACHABLE, "no answer in time", "not reachable"),
    "to-dead.plain.com": (Reason.LOOKUP_FAILED, "shop.all-dead.com.", f"target to {TARGET}."),
}


@pytest.mark.parametrize("domain", SERVERS)
async def test_what_is_wrong_with_name_servers(hasty, domain):
    reason, *saying = SERVERS[domain]
    finding = await found(hasty, domain)
    assert (finding.reason, finding.ruling) == (reason, Ruling.UNDECIDED), finding.message
    for words in saying:
        assert words in finding.message
    assert finding.ownership.state is RecordState.UNREACHABLE


@pytest.mark.parametrize("domain", ["expired.com", "all-silent.com"])
async def test_by_resolvers_it_is_known_that_nothing_is_known(internet, domain):
    resolver = PlainResolver(internet.unbound.address)
    finding = await found(RecursiveLookup([resolver], timeout=0.5), domain)
    assert (finding.reason, finding.ruling) == (Reason.LOOKUP_FAILED, Ruling.UNDECIDED)
    assert "could not be looked up" in finding.message


async def test_some_servers_still_have_the_old_zone(authoritative, internet):
    finding = await found(authoritative, "changed.disagree.com")
    assert (finding.reason, finding.ruling) == (Reason.SERVERS_DISAGREE, Ruling.UNDECIDED)
    assert "1 of 2 name servers have the record" in finding.message
    old = f"{host_name(NSD)} ({internet.nsd.address})"
    assert f"still with another answer: {old}" in finding.message
    assert {seen.values for seen in finding.seen} == {("before",), (TOKEN,)}


async def test_a_secondary_that_lacks_the_record_is_named_with_how_long_that_is_kept(
    authoritative, internet
):
    finding = await found(authoritative, "disagree.com")
    assert finding.reason is Reason.SERVERS_DISAGREE
    assert f"still without it: {host_name(NSD)} ({internet.nsd.address})" in finding.message
    assert "each of them has the newest version of the zone" in finding.message


async def test_what_was_asked_too_early_is_remembered_as_missing(internet, recursive):
    """Unbound keeps "no such name" for as long as the zone's SOA says: 30 minutes."""
    domain = f"early.{MOVING}"
    first = await evidence_of(recursive, domain)
    internet.add(internet.bind, MOVING, f"_acme-challenge.early.{MOVING}.", "TXT", TOKEN)
    second = await evidence_of(recursive, domain)
    for evidence in (first, second):
        (answer,) = evidence.answers
        assert answer.outcome is Outcome.NO_SUCH_NAME
        assert 1790 < answer.negative_ttl <= 1800
    finding = finding_of(second, domain)
    assert finding.reason is Reason.NEGATIVE_ANSWER_CACHED
    assert re.search(r"keep that answer until \d{4}-\d\d-\d\dT\d\d:\d[05]:00Z", finding.message)
    assert "by the SOA record of the zone" in finding.message


async def test_the_name_servers_themselves_remember_nothing(internet, authoritative):
    domain = f"late.{MOVING}"
    assert (await found(authoritative, domain)).reason is Reason.RECORD_MISSING
    internet.add(internet.bind, MOVING, f"_acme-challenge.late.{MOVING}.", "TXT", TOKEN)
    assert (await found(authoritative, domain)).proof is Method.MANUAL


async def test_resolvers_that_differ(internet, quorum):
    """One remembers that there is nothing, the other looks only now."""
    domain = f"half.{MOVING}"
    name = f"_acme-challenge.half.{MOVING}"
    early = RecursiveLookup([PlainResolver(internet.unbound.address)], timeout=1.0)
    await early.look_up(name)
    internet.add(internet.bind, MOVING, f"{name}.", "TXT", TOKEN)
    finding = await found(quorum, domain)
    assert (finding.reason, finding.ruling) == (Reason.SERVERS_DISAGREE, Ruling.UNDECIDED)
    assert "1 of 2 resolvers have the record" in finding.message
    assert f"still without it: {internet.unbound.address} (kept until 20" in finding.message


async def test_cname_and_txt_on_different_servers(authoritative):
    """No real server loads a zone with both at one name; two versions of a zone have them."""
    finding = await found(authoritative, "clash.com")
    assert finding.reason is Reason.RECORD_CONFLICT
    assert finding.ownership.state is RecordState.CONFLICT
    assert "keep one of them" in finding.message
    assert TOKEN in finding.message
    assert TARGET in finding.message


async def test_cname_and_txt_in_one_answer(internet, authoritative):
    """Only a liar answers so: Knot, BIND and NSD all refuse such a zone."""

    def both(query):
        question = query.question[0]
        if question.rdtype != dns.rdatatype.TXT:
            return records(query, f"liar.com. 300 NS {host_name(LIAR)}.")
        return records(
            query,
            f"{question.name} 300 CNAME parking.elsewhere.net.",
            f"{question.name} 300 TXT something",
        )

    async with lying(*ADDRESSES[LIAR], internet.port, both):
        finding = await found(authoritative, "liar.com")
    assert finding.reason is Reason.RECORD_CONFLICT
    assert "side by side" in finding.message


async def test_an_alias_at_the_domain_itself_does_not_hide_its_zone(internet, authoritative):
    """Knot, BIND and NSD refuse such a zone; others serve it, and resolvers live with it."""

    def aliased(query):
        name = query.question[0].name
        if name == dns.name.from_text("_acme-challenge.hidden.com"):
            return records(query, f"{name} 300 TXT {TOKEN}")
        return records(query, f"{name} 300 CNAME parking.elsewhere.net.")

    async with lying(*ADDRESSES[LIAR], internet.port, aliased):
        finding = await found(authoritative, "hidden.com")
    assert finding.proof is Method.MANUAL, finding.message


async def test_a_delegation_zone_that_nobody_serves_is_the_platforms_own_fault(internet):
    resolver = PlainResolver(internet.unbound.address)
    finding = await found(RecursiveLookup([resolver], timeout=0.5), "dark.plain.com", DARK_ZONE)
    assert (finding.reason, finding.ruling) == (Reason.LOOKUP_FAILED, Ruling.UNDECIDED)
    assert "is right, but what it points to could not be looked up" in finding.message


async def test_by_name_servers_the_alias_alone_is_the_proof(internet):
    """Nobody is asked about the delegation zone, so it does not matter who serves it."""
    lookup = AuthoritativeLookup(
        [PlainResolver(internet.unbound.address)], own_zone=DARK_ZONE, port=internet.port
    )
    assert (await found(lookup, "dark.plain.com", DARK_ZONE)).proof is Method.DELEGATED


async def test_zone_not_found_tells_how_long_that_may_be_kept(authoritative):
    evidence = await evidence_of(authoritative, "never-seen.com")
    assert evidence.obstacle is Obstacle.ZONE_NOT_FOUND
    assert [answer.outcome for answer in evidence.answers] == [Outcome.NO_SUCH_NAME]
    assert evidence.answers[0].negative_ttl is not None
