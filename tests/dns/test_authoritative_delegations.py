"""How the servers of a name's zone are found, how long that is believed, and what if it fails."""

import asyncio
import itertools

import dns.message
import dns.rcode
import dns.rrset
import pytest
from smallnet import Net, Zone

from customdomains.model.evidence import Obstacle, Outcome

DOMAIN = "shop.com"
NAME = f"_acme-challenge.{DOMAIN}"
TOKEN = "5a" * 32
A, B, C, REGISTRY = "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"
NAMES = Zone(
    "hosts.net",
    ["ns.hosts.net"],
    f"a 60 A {A}",
    f"b 60 A {B}",
    f"c 60 A {C}",
    f"registry 600 A {REGISTRY}",
)
BRIEF = {"timeout": 0.2}


def zone(apex=DOMAIN, servers=("a.hosts.net",), *lines, **options):
    return Zone(apex, servers, *(lines or (f"_acme-challenge 30 TXT {TOKEN}",)), **options)


def registry(*lines):
    return Zone("com", ["registry.hosts.net"], *lines, ttl=600)


def net(*zones, com=None, **servers):
    com = com or registry()
    held = {A: zones, REGISTRY: [com], **servers}
    return Net(NAMES, com, *zones, servers=held)


def texts(evidence):
    return {text for answer in evidence.conclusive for text in answer.texts}


def asked(world, kind):
    return [q for q in world.resolver.asked if q.endswith(f" {kind}")]


async def test_a_domain_that_is_an_apex_costs_one_question():
    async with net(zone()).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert evidence.zone == DOMAIN
        assert asked(world, "NS") == [f"{DOMAIN} NS"]


async def test_a_domain_inside_a_zone_is_found_by_the_soa_that_denies_it():
    async with net(zone(DOMAIN, ("a.hosts.net",), "_acme-challenge.a.b 9 TXT x")).up() as world:
        evidence = await world.lookup().look_up(f"_acme-challenge.a.b.{DOMAIN}")
        assert (evidence.zone, texts(evidence)) == (DOMAIN, {"x"})
        assert asked(world, "NS") == [f"a.b.{DOMAIN} NS", f"{DOMAIN} NS"]


@pytest.mark.parametrize("target", ["elsewhere.org.", "x.shop.com.", "nowhere.info."])
async def test_an_alias_at_the_domain_says_nothing_about_its_zone(target):
    lines = (f"www 60 CNAME {target}", f"_acme-challenge.www 60 TXT {TOKEN}")
    elsewhere = Zone("elsewhere.org", ["b.hosts.net"])
    async with net(zone(DOMAIN, ("a.hosts.net",), *lines), elsewhere).up() as world:
        evidence = await world.lookup().look_up(f"_acme-challenge.www.{DOMAIN}")
        assert (evidence.zone, texts(evidence)) == (DOMAIN, {TOKEN})


async def test_a_resolver_that_leaves_the_soa_out_makes_it_climb():
    async with net(zone(DOMAIN, ("a.hosts.net",), "_acme-challenge.a.b 9 TXT x")).up() as world:

        def bare(query):
            response = world.resolver.honest(query)
            response.authority.clear()
            return response

        world.resolver.way = bare
        evidence = await world.lookup().look_up(f"_acme-challenge.a.b.{DOMAIN}")
        assert (evidence.zone, texts(evidence)) == (DOMAIN, {"x"})


@pytest.mark.parametrize("name", ["gone.com", "www.gone.com", "gone.co.uk", "gone.nosuchtld"])
async def test_no_zone(name):
    uk = Zone("co.uk", ["registry.hosts.net"])
    async with net(zone(), uk).up() as world:
        evidence = await world.lookup().look_up(f"_acme-challenge.{name}")
        assert evidence.obstacle is Obstacle.ZONE_NOT_FOUND
        assert [a.outcome for a in evidence.answers] == [Outcome.NO_SUCH_NAME]
        assert evidence.answers[0].server == f"127.0.0.53:{world.port}"


async def test_no_zone_for_so_long():
    async with net(zone()).up() as world:
        evidence = await world.lookup().look_up("_acme-challenge.gone.com")
        assert evidence.answers[0].negative_ttl == 600


async def test_a_zone_that_the_public_suffix_list_does_not_know_is_one():
    private = Zone("corp", ["a.hosts.net"], f"_acme-challenge.app 9 TXT {TOKEN}")
    async with net(private).up() as world:
        evidence = await world.lookup().look_up("_acme-challenge.app.corp")
        assert (evidence.zone, texts(evidence)) == ("corp", {TOKEN})


async def test_names_in_one_zone_share_its_delegation():
    async with net(zone()).up() as world:
        lookup = world.lookup()
        names = [f"_acme-challenge.n{number}.{DOMAIN}" for number in range(20)]
        await asyncio.gather(*map(lookup.look_up, names))
        assert asked(world, "NS").count(f"{DOMAIN} NS") == 1
        assert len(asked(world, "A")) == 1


async def test_zones_share_the_addresses_of_their_servers():
    zones = [zone(f"shop{number}.com") for number in range(20)]
    async with net(*zones).up() as world:
        lookup = world.lookup()
        for z in zones:
            await lookup.look_up(f"_acme-challenge.{z.apex.to_text(True)}")
        assert len(asked(world, "A")) == 1


async def test_what_is_known_is_not_asked_again_before_its_time():
    async with net(zone(ttl=100)).up() as world:
        lookup = world.lookup()
        await lookup.look_up(NAME)
        world.ahead = 99 - 41  # the address has 60 s
        await lookup.look_up(NAME)
        assert asked(world, "NS") == [f"{DOMAIN} NS"]
        world.ahead = 101
        await lookup.look_up(NAME)
        assert asked(world, "NS") == [f"{DOMAIN} NS"] * 2


async def test_a_delegation_is_believed_for_five_minutes_at_most():
    old, new = zone(ttl=86400), zone(DOMAIN, ("b.hosts.net",), "_acme-challenge 9 TXT new")
    async with net(old, **{B: [new]}).up() as world:
        lookup = world.lookup()
        await lookup.look_up(NAME)
        world.resolver.zones = [new, NAMES]
        world.ahead = 290
        assert texts(await lookup.look_up(NAME)) == {TOKEN}
        world.ahead = 301
        assert texts(await lookup.look_up(NAME)) == {"new"}


async def test_a_new_zone_at_the_domain_is_seen_in_half_a_minute():
    old = zone()
    async with net(old, **{B: []}).up() as world:
        lookup = world.lookup()
        name = f"_acme-challenge.sub.{DOMAIN}"
        assert texts(await lookup.look_up(name)) == set()
        new = zone(f"sub.{DOMAIN}", ("b.hosts.net",))
        world.servers[B].zones.append(new)
        world.resolver.zones.append(new)
        world.ahead = 31
        assert texts(await lookup.look_up(name)) == {TOKEN}


async def test_a_domain_registered_just_now_is_seen_in_half_a_minute():
    new = zone()
    async with net(**{A: [new]}).up() as world:
        lookup = world.lookup()
        assert (await lookup.look_up(NAME)).obstacle is Obstacle.ZONE_NOT_FOUND
        world.resolver.zones.append(new)
        world.ahead = 31
        assert texts(await lookup.look_up(NAME)) == {TOKEN}


def moved(*, old_serves):
    """A domain that has moved from A to B, what the resolver has not heard of."""
    old = zone(DOMAIN, ("a.hosts.net",), "_acme-challenge 30 TXT old", ttl=86400)
    new = zone(DOMAIN, ("b.hosts.net",), f"_acme-challenge 30 TXT {TOKEN}")
    com = registry(f"{DOMAIN}. 600 NS b.hosts.net.")
    held = {A: [old] if old_serves else [], B: [new], REGISTRY: [com]}
    return Net(NAMES, com, old, servers=held)


async def test_where_no_server_answers_for_the_zone_the_registry_says_who_does():
    async with moved(old_serves=False).up() as world:
        lookup = world.lookup()
        evidence = await lookup.look_up(NAME)
        assert texts(evidence) == {TOKEN}
        assert evidence.answers[0].host == "b.hosts.net"
        before = len(world.servers[A].asked)
        assert texts(await lookup.look_up(NAME)) == {TOKEN}
        assert len(world.servers[A].asked) == before


async def test_where_the_record_is_missed_the_registry_is_asked_as_well():
    async with moved(old_serves=True).up() as world:
        lookup = world.lookup()
        assert texts(await lookup.look_up(NAME)) == {"old"}
        assert texts(await lookup.look_up(NAME, nearby=True)) == {TOKEN}
        assert texts(await lookup.look_up(NAME)) == {TOKEN}


async def test_a_registry_that_names_servers_that_know_nothing_changes_nothing():
    async with moved(old_serves=True).up() as world:
        world.servers[B].zones = []
        lookup = world.lookup()
        assert texts(await lookup.look_up(NAME, nearby=True)) == {"old"}
        assert texts(await lookup.look_up(NAME)) == {"old"}


async def test_a_registry_that_names_mostly_dead_servers_changes_nothing():
    old = zone(DOMAIN, ("a.hosts.net",), "_acme-challenge 30 TXT old")
    hosts = ("b", "c", "registry")
    com = registry(*(f"{DOMAIN}. 600 NS {host}.hosts.net." for host in hosts))
    async with net(old, com=com, **{B: [old], C: []}).up() as world:
        lookup = world.lookup()
        for _ in range(2):
            evidence = await lookup.look_up(NAME, nearby=True)
            assert [a.host for a in evidence.answers] == ["a.hosts.net"]


COM = Zone("com", ["ns.nic.com"])
PARENTS = ("a", "b", "c")
CHILD, EVIL = "127.0.0.15", "127.0.0.16"
SUB = f"sub.{DOMAIN}"


def below(*parents):
    """A zone below the domain's, whose servers are `parents`."""
    hosts = {"a": A, "b": B, "c": C, "child": CHILD}
    names = Zone("hosts.net", ["ns.hosts.net"], *(f"{h} 60 A {x}" for h, x in hosts.items()))
    parent = zone(DOMAIN, [f"{p}.hosts.net" for p in parents], "sub 60 NS child.hosts.net.")
    child = zone(SUB, ["child.hosts.net"], "_acme-challenge 1 TXT other")
    evil = zone(SUB, [f"ns.{SUB}"])
    held = {A: [parent], B: [parent], C: [parent], CHILD: [child], EVIL: [evil]}
    return Net(names, COM, parent, child, servers=held)


def refer_to_evil(query):
    response = dns.message.make_response(query)
    response.authority.append(dns.rrset.from_text(f"{SUB}.", 1, "IN", "NS", f"ns.{SUB}."))
    response.additional.append(dns.rrset.from_text(f"ns.{SUB}.", 1, "IN", "A", EVIL))
    return response


@pytest.mark.parametrize("parents", [PARENTS, PARENTS[:2]])
@pytest.mark.parametrize("child", ["there", "silent"])
async def test_one_server_of_the_zone_above_that_lies_leads_nobody_astray(parents, child):
    async with below(*parents).up() as world:
        world.servers[A].way = refer_to_evil
        if child == "silent":
            world.resolver.failing[SUB] = "servfail"
            world.servers[CHILD].way = lambda _query: None
        lookup = world.lookup(**BRIEF)
        for _ in range(8):
            evidence = await lookup.look_up(f"_acme-challenge.{SUB}", nearby=True)
            assert TOKEN not in texts(evidence)
            world.ahead += 31
        assert world.servers[EVIL].asked == []


async def test_servers_of_the_zone_above_that_are_away_prevent_nothing():
    async with below(*PARENTS[:2]).up() as world:
        world.servers[A].way = lambda _query: None
        world.resolver.failing[SUB] = "servfail"
        evidence = await world.lookup(**BRIEF).look_up(f"_acme-challenge.{SUB}")
        assert texts(evidence) == {"other"}


async def test_a_dead_zone_is_not_looked_up_with_every_check():
    async with net(zone()).up() as world:
        world.servers[A].zones = []
        lookup = world.lookup()
        for _ in range(10):
            evidence = await lookup.look_up(NAME)
            assert evidence.answers[0].outcome is Outcome.REFUSED
        assert len(world.servers[REGISTRY].asked) == 1
        world.ahead = 31
        await lookup.look_up(NAME)
        assert len(world.servers[REGISTRY].asked) == 2


@pytest.mark.parametrize("names_from", ["hosts.net", "in the zone"])
async def test_servers_that_the_resolver_can_not_reach_are_named_by_the_registry(names_from):
    host = "a.hosts.net" if names_from == "hosts.net" else f"ns.{DOMAIN}"
    dead = zone(DOMAIN, (host,), f"ns 60 A {A}")
    com = registry(f"{DOMAIN}. 600 NS {host}.", f"ns.{DOMAIN}. 600 A {A}")
    async with net(dead, com=com).up() as world:
        world.resolver.failing[DOMAIN] = "servfail"
        world.servers[A].way = lambda _query: None
        for name in (NAME, f"_acme-challenge.www.{DOMAIN}"):
            evidence = await world.lookup(**BRIEF).look_up(name)
            assert [(a.host, a.outcome) for a in evidence.answers] == [(host, Outcome.TIMED_OUT)]
            assert (evidence.zone, evidence.obstacle) == (DOMAIN, None)


async def test_a_registry_whose_servers_hold_the_zone_too():
    dead = zone(DOMAIN, ("b.hosts.net",))
    com = registry(f"{DOMAIN}. 600 NS b.hosts.net.")
    async with net(dead, com=com, **{REGISTRY: [com, dead], B: [dead]}).up() as world:
        world.resolver.failing[DOMAIN] = "servfail"
        evidence = await world.lookup().look_up(NAME)
        assert (evidence.zone, texts(evidence)) == (DOMAIN, {TOKEN})


async def test_a_name_that_neither_resolver_nor_registry_knows():
    async with net(zone("other.com")).up() as world:

        def failing(query):
            response = world.resolver.honest(query)
            if query.question[0].name.to_text(True) == DOMAIN:
                response.set_rcode(dns.rcode.SERVFAIL)
            return response

        world.resolver.way = failing
        evidence = await world.lookup().look_up(NAME)
        assert (evidence.obstacle, evidence.conclusive) == (Obstacle.ZONE_NOT_FOUND, ())


async def test_a_zone_that_has_expired_on_its_servers():
    com = registry(f"{DOMAIN}. 600 NS a.hosts.net.")
    async with net(zone(), com=com).up() as world:
        world.resolver.failing[DOMAIN] = "servfail"

        def expired(query):
            response = dns.message.make_response(query)
            response.set_rcode(dns.rcode.SERVFAIL)
            return response

        world.servers[A].way = expired
        evidence = await world.lookup().look_up(NAME)
        assert [a.outcome for a in evidence.answers] == [Outcome.SERVER_FAILURE]
        assert evidence.zone == DOMAIN


@pytest.mark.parametrize("way", ["servfail", "silent"])
async def test_resolvers_that_fail(way):
    async with net(zone()).up() as world:
        world.resolver.failing |= {DOMAIN: way, "com": way}
        evidence = await world.lookup(**BRIEF).look_up(NAME)
        assert evidence.obstacle is Obstacle.RESOLVERS_FAILED
        assert evidence.conclusive == ()
        assert evidence.answers[0].server == f"127.0.0.53:{world.port}"


async def test_a_failure_is_believed_longer_each_time():
    async with net(zone()).up() as world:
        world.resolver.failing |= {DOMAIN: "servfail", "com": "servfail"}
        lookup = world.lookup()
        counts = []
        for _ in range(120):
            await lookup.look_up(NAME)
            counts.append(asked(world, "NS").count(f"{DOMAIN} NS"))
            world.ahead += 1
        tries = [second for second in range(1, 120) if counts[second] > counts[second - 1]]
        gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
        assert gaps == sorted(gaps)
        assert max(gaps) <= 31
        assert len(tries) <= 8
        world.resolver.failing.clear()
        world.ahead += 31
        assert texts(await lookup.look_up(NAME)) == {TOKEN}


async def test_the_next_resolver_is_asked_where_one_is_dead():
    async with net(zone()).up() as world:
        lookup = world.lookup(resolvers=["127.0.0.99", world.resolver.address], **BRIEF)
        assert texts(await lookup.look_up(NAME)) == {TOKEN}


async def test_a_resolver_that_stays_silent_is_asked_last():
    zones = [zone(f"shop{number}.com") for number in range(9)]
    async with net(*zones, **{"127.0.0.54": []}).up() as world:
        silent = world.servers["127.0.0.54"]
        silent.way = lambda _query: None
        lookup = world.lookup(resolvers=[silent.address, world.resolver.address], **BRIEF)
        for number in range(9):
            evidence = await lookup.look_up(f"_acme-challenge.shop{number}.com")
            assert texts(evidence) == {TOKEN}
        assert len(silent.asked) <= 6


async def test_servers_without_an_address():
    async with net(zone(DOMAIN, ("nobody.hosts.net",))).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert (evidence.answers, evidence.obstacle) == ((), Obstacle.NO_SERVERS)
        assert evidence.zone == DOMAIN


async def test_servers_whose_addresses_can_not_be_looked_up_are_not_without():
    async with net(zone()).up() as world:
        world.resolver.failing["hosts.net"] = "servfail"
        evidence = await world.lookup().look_up(NAME)
        assert evidence.obstacle is Obstacle.RESOLVERS_FAILED
        world.resolver.failing.clear()
        world.ahead = 6
        assert texts(await world.lookup().look_up(NAME)) == {TOKEN}


async def test_only_those_servers_count_that_have_an_address():
    hosts = ("a.hosts.net", "x.hosts.net", "y.hosts.net")
    async with net(zone(DOMAIN, hosts)).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert (len(evidence.answers), evidence.needed) == (1, 1)


async def test_the_deadline_holds_while_the_delegation_is_looked_for():
    async with net(zone()).up() as world:
        world.resolver.way = lambda _query: None
        lookup = world.lookup(timeout=5.0, deadline=0.2)
        async with asyncio.timeout(4):
            evidence = await lookup.look_up(NAME)
        assert evidence.obstacle is Obstacle.RESOLVERS_FAILED


async def test_who_stops_waiting_does_not_stop_the_others():
    async with net(zone()).up() as world:
        lookup = world.lookup()
        first = asyncio.create_task(lookup.look_up(NAME))
        second = asyncio.create_task(lookup.look_up(NAME))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        assert texts(await second) == {TOKEN}
        assert asked(world, "NS") == [f"{DOMAIN} NS"]


async def test_an_answer_that_may_not_be_kept_is_used_once():
    async with net(zone(ttl=0)).up() as world:
        assert texts(await world.lookup().look_up(NAME)) == {TOKEN}
        assert asked(world, "NS") == [f"{DOMAIN} NS"]
