"""What one question to one real server comes to: the same, whatever brand it is."""

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import pytest
from build import TARGET, TOKEN

from customdomains.dns.answers import endless, read_answer
from customdomains.dns.exchange import transact
from customdomains.dns.messages import make_query
from customdomains.model.evidence import Outcome, ServerAnswer
from realdns.zones import NEGATIVE_TTL

BRANDS = ("knot", "bind", "nsd")
RESOLVERS = ("unbound", "resolver")
TIMEOUT = 5.0


@pytest.fixture(params=BRANDS)
def server(request, internet):
    """An authoritative server of plain.com."""
    return getattr(internet, request.param)


@pytest.fixture(params=RESOLVERS)
def resolver(request, internet):
    """A recursive resolver: Unbound, then BIND."""
    return getattr(internet, request.param)


async def asked(server, domain, recursion=False):
    return await asked_at(server.address, domain, recursion)


async def asked_at(address, domain, recursion=False, timeout=TIMEOUT):
    name = dns.name.from_text(f"_acme-challenge.{domain}")
    query = make_query(name, dns.rdatatype.TXT, recursion=recursion)
    reply = await transact(address, query, timeout)
    if reply.response is None:
        return ServerAnswer(address, reply.outcome)
    return read_answer(address, name, reply.response, trusted=recursion)


VALUES = {
    "good.plain.com": {TOKEN},
    "several.plain.com": {TOKEN, "v=spf1 -all", "google-site-verification=1"},
    "strings.plain.com": {TOKEN},
    "quoted.plain.com": {f'"{TOKEN}"'},
    "spaced.plain.com": {f" {TOKEN} "},
    "any.thing.wild.com": {"v=spf1 -all"},
    "shop.new.plain.com": {TOKEN},
    "shop.old.plain.com": {TOKEN},
}


@pytest.mark.parametrize("domain", VALUES)
async def test_values_arrive_as_they_stand_in_the_zone(server, domain):
    answer = await asked(server, domain)
    assert answer.outcome is Outcome.ANSWERED
    assert set(answer.texts) == VALUES[domain]
    assert not answer.cached


@pytest.mark.parametrize("domain", VALUES)
async def test_resolvers_hand_values_on(resolver, domain):
    answer = await asked(resolver, domain, recursion=True)
    assert answer.outcome is Outcome.ANSWERED
    assert set(answer.texts) == VALUES[domain]


async def test_a_renamed_subtree_shows_as_an_alias(server):
    """A DNAME (RFC 6672); Knot, BIND and NSD all send the CNAME that it stands for along."""
    answer = await asked(server, "shop.old.plain.com")
    assert answer.cnames == ("_acme-challenge.shop.new.plain.com",)


async def test_what_does_not_fit_a_datagram_is_fetched_by_tcp(server):
    name = dns.name.from_text("_acme-challenge.big.plain.com")
    query = dns.message.make_query(name, "TXT", use_edns=0, payload=1232)
    by_udp = dns.query.udp(query, server.addresses[0], TIMEOUT, server.port)
    assert by_udp.flags & dns.flags.TC
    answer = await asked(server, "big.plain.com")
    assert answer.outcome is Outcome.ANSWERED
    assert TOKEN in answer.texts
    assert len(answer.texts) == 16


async def test_resolvers_give_the_whole_of_it_too(resolver):
    answer = await asked(resolver, "big.plain.com", recursion=True)
    assert len(answer.texts) == 16


@pytest.mark.parametrize(
    ("domain", "outcome"),
    [
        ("bare.plain.com", Outcome.NO_SUCH_NAME),
        ("nodata.plain.com", Outcome.ANSWERED),
        ("www.wild.com", Outcome.NO_SUCH_NAME),  # a name that exists stops the wildcard
    ],
)
async def test_not_there_is_said_with_how_long_it_may_be_kept(server, domain, outcome):
    answer = await asked(server, domain)
    assert (answer.outcome, answer.texts, answer.cnames) == (outcome, (), ())
    assert answer.negative_ttl == NEGATIVE_TTL
    assert not answer.cached


async def test_the_alias_into_the_delegation_zone_is_seen_without_leaving_the_zone(server):
    answer = await asked(server, "delegated.plain.com")
    assert answer.outcome is Outcome.ANSWERED
    assert (answer.cnames, answer.texts) == ((TARGET,), ())


async def test_resolvers_follow_it_to_our_own_responder(resolver):
    answer = await asked(resolver, "delegated.plain.com", recursion=True)
    assert answer.outcome is Outcome.ANSWERED
    assert (answer.cnames, answer.texts) == ((TARGET,), (TOKEN,))


async def test_a_wildcard_answers_with_its_alias(server):
    answer = await asked(server, "shop.wild-alias.com")
    assert answer.cnames == ("parking.elsewhere.net",)


async def test_aliases_that_go_round_have_no_end(server):
    answer = await asked(server, "loop.plain.com")
    # BIND calls it a SERVFAIL, with both aliases in it.
    assert answer.outcome.conclusive is (server.program != "named")
    assert answer.cnames == ("round.loop.plain.com", "_acme-challenge.loop.plain.com")
    assert endless("_acme-challenge.loop.plain.com", answer.cnames)
    assert answer.texts == ()


async def test_a_zone_cut_at_the_name_is_no_word_about_it(server):
    answer = await asked(server, "cut.plain.com")
    if server.program == "nsd":  # it serves both sides of the cut
        assert set(answer.texts) == {TOKEN}
    else:
        assert answer.outcome is Outcome.LAME


@pytest.mark.parametrize(
    ("brand", "outcome"),
    # Knot has the zone above and points at the other two.
    [("bind", Outcome.REFUSED), ("nsd", Outcome.REFUSED), ("knot", Outcome.LAME)],
)
async def test_a_server_without_the_zone_says_nothing_about_it(internet, brand, outcome):
    answer = await asked(getattr(internet, brand), "all-lame.com")
    assert answer.outcome is outcome


async def test_a_secondary_without_its_primary_fails(internet):
    answer = await asked(internet.bind, "expired.com")
    assert answer.outcome is Outcome.SERVER_FAILURE


async def test_nobody_listening_is_known_at_once_and_silence_in_time(internet):
    for address, outcome in (
        ("127.53.9.2", Outcome.UNREACHABLE),
        ("127.53.9.1", Outcome.TIMED_OUT),
    ):
        answer = await asked_at(f"{address}:{internet.port}", "all-dead.com", timeout=0.3)
        assert answer.outcome is outcome


async def test_a_name_server_that_is_a_resolver_is_lame_also_for_what_it_remembers(internet):
    """Unbound answers from its memory whoever does not ask for more (`allow_snoop`)."""
    await asked(internet.unbound, "bare.plain.com", recursion=True)
    remembered = await asked(internet.unbound, "bare.plain.com")
    assert not remembered.outcome.conclusive
    await asked(internet.unbound, "good.plain.com", recursion=True)
    remembered = await asked(internet.unbound, "good.plain.com")
    assert remembered.cached


async def test_secure_answers_are_known_by_the_resolvers_word(resolver):
    for domain, secure in (
        ("good.signed.com", True),
        ("good.online.com", True),
        ("good.plain.com", False),
    ):
        answer = await asked(resolver, domain, recursion=True)
        assert set(answer.texts) == {TOKEN}
        assert answer.authentic is secure


async def test_signatures_that_have_ended_are_no_answer(resolver):
    answer = await asked(resolver, "bogus.com", recursion=True)
    assert answer.outcome in {Outcome.SERVER_FAILURE, Outcome.BOGUS}


@pytest.mark.usefixtures("ipv6")
async def test_ipv6(internet):
    answer = await asked_at(f"[::1]:{internet.port}", "six.com")
    assert answer.texts == (TOKEN,)
