"""Signed zones: what is secure, and what proves nothing because it should be and is not."""

import dns.dnssec
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from smallnet import DAY, NOW, OWN_ZONE, Net, Zone

from customdomains.dns.dnssec import ZoneKeys
from customdomains.model.evidence import Obstacle, Outcome

DOMAIN = "shop.com"
NAME = f"_acme-challenge.{DOMAIN}"
TOKEN = "5a" * 32
RECORD = f"_acme-challenge 30 TXT {TOKEN}"
A, B, C, REGISTRY = "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"
NAMES = Zone(
    "hosts.net",
    ["ns.hosts.net"],
    *(
        f"{label} 60 A {address}"
        for label, address in zip("abcr", (A, B, C, REGISTRY), strict=True)
    ),
)


def signed(*lines, apex=DOMAIN, servers=("a.hosts.net",)):
    return Zone(apex, servers, *(lines or (RECORD,)), signed=True)


def net(zone, *more, **servers):
    com = Zone("com", ["r.hosts.net"], f"{DOMAIN}. 60 NS a.hosts.net.")
    held = {A: [zone], REGISTRY: [com], **servers}
    return Net(NAMES, com, zone, *more, servers=held)


def only(evidence):
    (answer,) = evidence.answers
    return answer


async def test_a_signed_answer_is_authentic():
    async with net(signed()).up() as world:
        answer = only(await world.lookup().look_up(NAME))
        assert (answer.outcome, answer.texts, answer.authentic) == (
            Outcome.ANSWERED,
            (TOKEN,),
            True,
        )


async def test_an_answer_of_an_unsigned_zone_is_not():
    async with net(Zone(DOMAIN, ["a.hosts.net"], RECORD)).up() as world:
        answer = only(await world.lookup().look_up(NAME))
        assert (answer.outcome, answer.authentic) == (Outcome.ANSWERED, False)


async def test_a_resolver_that_does_not_validate_makes_nothing_secure():
    async with net(signed()).up() as world:
        world.resolver.validates = False
        answer = only(await world.lookup().look_up(NAME))
        assert (answer.outcome, answer.authentic) == (Outcome.ANSWERED, False)


def stripped(world, query):
    response = world.servers[A].honest(query)
    response.answer = [s for s in response.answer if s.rdtype != dns.rdatatype.RRSIG]
    return response


def changed(world, query):
    response = world.servers[A].honest(query)
    response.answer[0] = dns.rrset.from_text(f"{NAME}.", 30, "IN", "TXT", "5b" * 32)
    return response


def of_another_zone(world, query):
    other = signed(apex=DOMAIN)
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    found = other.get(query.question[0].name, dns.rdatatype.TXT)
    response.answer += [found, other.signature(found)]
    return response


def expired(world, query):
    return of_the_day(world, query, NOW - 3 * DAY)


def not_yet(world, query):
    return of_the_day(world, query, NOW + 3 * DAY)


def of_the_day(world, query, now):
    response = stripped(world, query)
    zone = world.servers[A].zones[0]
    response.answer.append(zone.signature(response.answer[0], now=now))
    return response


def of_the_zone_above(world, query):
    response = stripped(world, query)
    zone = world.servers[A].zones[0]
    response.answer.append(zone.signature(response.answer[0], signer=zone.apex.parent()))
    return response


FORGERIES = [stripped, changed, of_another_zone, expired, not_yet, of_the_zone_above]


@pytest.mark.parametrize("forge", FORGERIES)
async def test_what_is_not_signed_rightly_proves_nothing(forge):
    async with net(signed()).up() as world:
        world.servers[A].way = lambda query: forge(world, query)
        evidence = await world.lookup().look_up(NAME)
        assert only(evidence).outcome is Outcome.BOGUS
        assert evidence.conclusive == ()
        assert not only(evidence).authentic


async def test_one_forger_among_servers_spoils_nothing():
    zone = signed(servers=("a.hosts.net", "b.hosts.net", "c.hosts.net"))
    async with net(zone, **{B: [zone], C: [zone]}).up() as world:
        world.servers[A].way = lambda query: changed(world, query)
        evidence = await world.lookup().look_up(NAME)
        assert [a.outcome for a in evidence.answers] == [
            Outcome.BOGUS,
            Outcome.ANSWERED,
            Outcome.ANSWERED,
        ]
        assert evidence.agreed(lambda answer: answer.authentic and TOKEN in answer.texts)


async def test_a_zone_the_resolver_finds_bogus():
    async with net(signed()).up() as world:
        world.resolver.failing[DOMAIN] = "bogus"
        evidence = await world.lookup().look_up(NAME)
        assert [a.outcome for a in evidence.answers] == [Outcome.BOGUS]
        assert (evidence.obstacle, evidence.conclusive) == (None, ())
        assert world.servers[A].asked == []


async def test_a_second_resolver_that_does_not_look_at_signatures_is_not_asked():
    async with net(signed(), **{"127.0.0.54": []}).up() as world:
        world.resolver.failing[DOMAIN] = "bogus"
        lookup = world.lookup(resolvers=[world.resolver.address, "127.0.0.54"])
        assert only(await lookup.look_up(NAME)).outcome is Outcome.BOGUS
        assert world.servers["127.0.0.54"].asked == []


async def test_keys_that_can_not_be_had_leave_nothing_to_believe():
    async with net(signed()).up() as world:

        def without_keys(query):
            response = world.resolver.honest(query)
            if query.question[0].rdtype == dns.rdatatype.DNSKEY:
                response.flags &= ~dns.flags.AD
            return response

        world.resolver.way = without_keys
        lookup = world.lookup()
        answer = only(await lookup.look_up(NAME))
        assert answer.outcome is Outcome.BOGUS
        assert answer.explanation == "the keys of the zone could not be had"
        world.resolver.way = None
        world.ahead = 6
        assert only(await lookup.look_up(NAME)).authentic


async def test_a_zone_whose_kind_of_keys_nobody_knows_here_counts_as_unsigned():
    zone = signed()
    unknown = zone.key.replace(algorithm=200)
    zone.put(dns.rrset.from_rdata(zone.apex, 60, unknown))
    async with net(zone).up() as world:
        answer = only(await world.lookup().look_up(NAME))
        assert (answer.outcome, answer.authentic) == (Outcome.ANSWERED, False)


async def test_an_alias_into_the_own_zone_out_of_a_signed_one():
    target = f"{'0' * 32}.{OWN_ZONE}"
    async with net(signed(f"_acme-challenge 30 CNAME {target}.")).up() as world:
        answer = only(await world.lookup().look_up(NAME))
        assert (answer.cnames, answer.authentic) == ((target,), True)


async def test_a_forged_alias_is_not_followed():
    other = Zone("other.org", ["c.hosts.net"], f"x 20 TXT {TOKEN}")
    async with net(signed(), other, **{C: [other]}).up() as world:

        def astray(query):
            response = dns.message.make_response(query)
            response.flags |= dns.flags.AA
            response.answer.append(
                dns.rrset.from_text(f"{NAME}.", 9, "IN", "CNAME", "x.other.org.")
            )
            return response

        world.servers[A].way = astray
        evidence = await world.lookup().look_up(NAME)
        assert only(evidence).outcome is Outcome.BOGUS
        assert world.servers[C].asked == []


@pytest.mark.parametrize("both", [True, False])
async def test_a_chain_is_authentic_if_all_of_it_is(both):
    other = Zone("other.org", ["c.hosts.net"], f"x 20 TXT {TOKEN}", signed=both)
    async with net(
        signed("_acme-challenge 30 CNAME x.other.org."), other, **{C: [other]}
    ).up() as world:
        answer = only(await world.lookup().look_up(NAME))
        assert (answer.texts, answer.authentic) == ((TOKEN,), both)


async def test_an_unsigned_start_of_a_chain_is_not_made_up_for():
    other = Zone("other.org", ["c.hosts.net"], f"x 20 TXT {TOKEN}", signed=True)
    first = Zone(DOMAIN, ["a.hosts.net"], "_acme-challenge 30 CNAME x.other.org.")
    async with net(first, other, **{C: [other]}).up() as world:
        answer = only(await world.lookup().look_up(NAME))
        assert (answer.texts, answer.authentic) == ((TOKEN,), False)


async def test_the_alias_that_a_signed_renaming_makes_needs_no_signature():
    other = Zone("other.org", ["c.hosts.net"], f"_acme-challenge.www 20 TXT {TOKEN}", signed=True)
    async with net(signed("@ 30 DNAME other.org."), other, **{C: [other]}).up() as world:
        honest = world.servers[A].honest

        def as_servers_do(query):
            response = honest(query)
            made = response.answer[-1]
            assert made.rdtype == dns.rdatatype.CNAME
            return response

        world.servers[A].way = as_servers_do
        answer = only(await world.lookup().look_up(f"_acme-challenge.www.{DOMAIN}"))
        assert (answer.texts, answer.authentic) == ((TOKEN,), True)


async def test_an_alias_beside_a_renaming_that_does_not_make_it_is_forged():
    other = Zone("other.org", ["c.hosts.net"], f"x 20 TXT {TOKEN}")
    async with net(signed("@ 30 DNAME right.org."), other, **{C: [other]}).up() as world:

        def swapped(query):
            response = world.servers[A].honest(query)
            response.answer[-1] = dns.rrset.from_text(
                query.question[0].name, 9, "IN", "CNAME", "x.other.org."
            )
            return response

        world.servers[A].way = swapped
        evidence = await world.lookup().look_up(f"_acme-challenge.www.{DOMAIN}")
        assert only(evidence).outcome is Outcome.BOGUS


async def test_what_a_signed_wildcard_answers_is_authentic():
    async with net(signed(f"* 30 TXT {TOKEN}")).up() as world:
        answer = only(await world.lookup().look_up(NAME))
        assert (answer.texts, answer.authentic) == ((TOKEN,), True)


@pytest.mark.parametrize("child_signed", [True, False])
async def test_a_zone_below_on_the_same_server_has_keys_of_its_own_or_none(child_signed):
    above = signed("_acme-challenge 60 NS a.hosts.net.")
    below = Zone(NAME, ["a.hosts.net"], f"@ 30 TXT {TOKEN}", signed=child_signed)
    async with net(above, below, **{A: [above, below]}).up() as world:
        evidence = await world.lookup().look_up(NAME)
        answer = only(evidence)
        assert (answer.texts, answer.authentic) == ((TOKEN,), child_signed)
        assert evidence.zone == NAME


async def test_a_signed_zone_that_only_the_registry_finds_is_not_believed_unsigned():
    zone = signed()
    async with net(zone).up() as world:
        ds = zone.ds()

        def without_the_zone(query):
            question = query.question[0]
            if question.rdtype == dns.rdatatype.DS and question.name == zone.apex:
                response = dns.message.make_response(query)
                response.flags |= dns.flags.RA | dns.flags.AD
                response.answer.append(ds)
                return response
            return world.resolver.honest(query)

        world.resolver.way = without_the_zone
        world.resolver.failing[DOMAIN] = "servfail"
        world.servers[A].way = lambda query: stripped(world, query)
        evidence = await world.lookup().look_up(NAME)
        assert [a.outcome for a in evidence.answers] == [Outcome.BOGUS]


async def test_where_nobody_can_say_whether_a_zone_is_signed_it_is_not_asked():
    async with net(signed()).up() as world:
        failing = {dns.rdatatype.DS, dns.rdatatype.NS}

        def no_word(query):
            question = query.question[0]
            if question.rdtype in failing and question.name.to_text(True) == DOMAIN:
                response = dns.message.make_response(query)
                response.set_rcode(2)
                return response
            return world.resolver.honest(query)

        world.resolver.way = no_word
        evidence = await world.lookup().look_up(NAME)
        assert evidence.obstacle is Obstacle.RESOLVERS_FAILED
        assert world.servers[A].asked == []


def test_many_signatures_and_keys_of_one_tag_cost_little(monkeypatch):
    zone = signed()
    tried = []
    monkeypatch.setattr(
        "dns.dnssec.validate_rrsig",
        lambda *_args, **_options: tried.append(1) or fail(),
    )

    def fail():
        raise dns.exception.ValidationFailure

    found = zone.get(dns.name.from_text(NAME), dns.rdatatype.TXT)
    (good,) = zone.signature(found)
    response = dns.message.make_response(dns.message.make_query(NAME, "TXT"))
    response.answer.append(found)
    many = [good.replace(original_ttl=number) for number in range(500)]
    response.answer.append(dns.rrset.from_rdata_list(found.name, 30, many))
    keys = ZoneKeys(zone.apex, [zone.key] * 50)
    assert not keys.vouch(found.name, response, NOW, dns.rdatatype.TXT)
    assert len(tried) == 8
