"""Who is believed: one server that is away never fails a proof that the others give, and one that
lies never makes one; what fails DNSSEC validation proves nothing.

The servers of trio.com are Knot, BIND and NSD; the NSD has a zone of its own making.
"""

import dns.rdatatype
import pytest
from build import TARGET, TOKEN

from customdomains.dns.lookup import QuorumLookup
from customdomains.dns.resolvers import PlainResolver
from customdomains.model.certificate import Method
from customdomains.model.evidence import Outcome
from customdomains.model.reasons import Reason
from customdomains.policy.diagnosis import Ruling
from realdns.judging import evidence_of, finding_of, found
from realdns.lying import lying, records
from realdns.zones import ADDRESSES, BIND, KNOT, LIAR, NOBODY, NSD, host_name

PROVED, NOT_THERE, UNDECIDED = Ruling.PROVED, Ruling.NOT_THERE, Ruling.UNDECIDED

TRIO = {
    # domain: the ruling with all three, without Knot (an honest one), without NSD (the liar)
    "all.trio.com": (PROVED, PROVED, PROVED),
    "alias.trio.com": (PROVED, PROVED, PROVED),
    "denied.trio.com": (PROVED, UNDECIDED, PROVED),
    "claimed.trio.com": (NOT_THERE, UNDECIDED, NOT_THERE),
    "claimed-alias.trio.com": (NOT_THERE, UNDECIDED, NOT_THERE),
    "absent.trio.com": (NOT_THERE, NOT_THERE, NOT_THERE),
}


async def rulings(lookup):
    return {domain: (await found(lookup, domain)).ruling for domain in TRIO}


async def test_three_servers_of_which_one_lies(seconds, authoritative):
    assert await rulings(authoritative) == {d: told[0] for d, told in TRIO.items()}


async def test_three_servers_of_which_one_lies_and_one_is_down(seconds, authoritative):
    knot, _ = seconds
    assert (await found(authoritative, "denied.trio.com")).proof is Method.MANUAL
    knot.stop()
    assert await rulings(authoritative) == {d: told[1] for d, told in TRIO.items()}
    evidence = await evidence_of(authoritative, "all.trio.com")
    assert sorted(answer.outcome for answer in evidence.answers) == [
        Outcome.ANSWERED,
        Outcome.ANSWERED,
        Outcome.UNREACHABLE,
    ]


async def test_three_servers_of_which_the_liar_is_down(seconds, authoritative):
    _, nsd = seconds
    nsd.stop()
    assert await rulings(authoritative) == {d: told[2] for d, told in TRIO.items()}


async def test_one_of_three_left_is_too_few_to_prove_anything(seconds, authoritative):
    """Else whoever can keep two servers from answering could speak for the third alone."""
    for server in seconds:
        server.stop()
    finding = await found(authoritative, "all.trio.com")
    assert (finding.ruling, finding.reason) == (UNDECIDED, Reason.SERVERS_UNREACHABLE)
    assert "the record is there according to bind.dns-hosts.net" in finding.message
    assert "at least 2 of 3" in finding.message


@pytest.mark.parametrize(
    ("domain", "ruling"),
    [("good.plain.com", PROVED), ("bare.plain.com", NOT_THERE), ("wrong.plain.com", NOT_THERE)],
)
@pytest.mark.parametrize("away", [NOBODY, "liar"])
async def test_a_quorum_bears_one_resolver_that_is_away_or_lies(internet, domain, ruling, away):
    """Two of three: Unbound, BIND, and one that nobody is at or that has its own idea of it all."""
    third = ADDRESSES[NOBODY if away == NOBODY else LIAR][0]
    addresses = (internet.unbound.address, internet.resolver.address, f"{third}:{internet.port}")
    lookup = QuorumLookup([PlainResolver(a) for a in addresses], needed=2, timeout=1.0)
    told = TOKEN if ruling is NOT_THERE else "before"

    def contrary(query):
        return records(query, f"{query.question[0].name} 300 TXT {told}")

    async with lying(*ADDRESSES[LIAR], internet.port, contrary):
        finding = await found(lookup, domain)
    assert finding.ruling is ruling


async def test_secure_answers_are_recorded_as_such(lookup):
    for domain in ("good.signed.com", "shop.wild.signed.com", "good.online.com"):
        evidence = await evidence_of(lookup, domain)
        assert all(answer.authentic for answer in evidence.answers)
        assert all(seen.authentic for seen in finding_of(evidence, domain).seen)
    evidence = await evidence_of(lookup, "good.plain.com")
    assert not any(answer.authentic for answer in evidence.answers)


async def test_what_one_server_has_signed_counts_beside_another_whose_signatures_have_ended(
    authoritative, internet
):
    evidence = await evidence_of(authoritative, "stale.com")
    told = {answer.host: answer for answer in evidence.answers}
    assert told[host_name(KNOT)].authentic
    assert told[host_name(NSD)].outcome is Outcome.BOGUS
    assert finding_of(evidence, "stale.com").proof is Method.MANUAL


@pytest.mark.parametrize("value", [f"TXT {TOKEN}", f"CNAME {TARGET}."])
async def test_what_nobody_has_signed_proves_nothing_in_a_signed_zone(
    internet, authoritative, value
):
    """The other server of forged.com is Knot, which has another value, well signed."""

    def forged(query):
        if query.question[0].rdtype != dns.rdatatype.TXT:
            return records(query)
        return records(query, f"{query.question[0].name} 300 {value}")

    async with lying(*ADDRESSES[LIAR], internet.port, forged):
        evidence = await evidence_of(authoritative, "forged.com")
    told = {answer.host: answer.outcome for answer in evidence.answers}
    assert told == {host_name(KNOT): Outcome.ANSWERED, host_name(LIAR): Outcome.BOGUS}
    assert finding_of(evidence, "forged.com").proof is None


async def test_the_evidence_names_every_server_and_what_it_said(internet, authoritative):
    evidence = await evidence_of(authoritative, "good.plain.com")
    assert (evidence.zone, evidence.needed, evidence.obstacle) == ("plain.com", 2, None)
    assert {(answer.host, answer.server) for answer in evidence.answers} == {
        (host_name(host), f"{ADDRESSES[host][0]}:{internet.port}") for host in (KNOT, BIND, NSD)
    }
    for answer in evidence.answers:
        assert (answer.outcome, answer.texts, answer.ttl) == (Outcome.ANSWERED, (TOKEN,), 300)
        assert not answer.cached


async def test_the_whole_chain_of_aliases_is_in_the_evidence(lookup):
    evidence = await evidence_of(lookup, "chain.plain.com")
    for answer in evidence.answers:
        assert answer.cnames == ("one.hops.com", "two.hops.com", "end.signed.com")
        assert answer.texts == (TOKEN,)
        # The end is signed, the way to it is not.
        assert not answer.authentic
