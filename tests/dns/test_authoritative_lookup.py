"""What a zone's own servers say, together and one by one."""

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from smallnet import OWN_ZONE, Net, Zone

from customdomains.model.evidence import Obstacle, Outcome

DOMAIN = "shop.com"
NAME = f"_acme-challenge.{DOMAIN}"
TOKEN = "5a" * 32
A, B, C, D = "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"
HOSTS = ("a.hosts.net", "b.hosts.net", "c.hosts.net")
NAMES = Zone("hosts.net", ["ns.hosts.net"], f"a 60 A {A}", f"b 60 A {B}", f"c 60 A {C}")
COM = Zone("com", ["a.nic.com"])
BRIEF = {"timeout": 0.2}
"""Where no answer is coming."""


def shop(*lines, servers=HOSTS, apex=DOMAIN, **options):
    return Zone(apex, servers, *lines, **options)


def net(zone, *more, servers=(A, B, C)):
    return Net(NAMES, COM, zone, *more, servers={address: [zone, *more] for address in servers})


def proves(answer):
    return TOKEN in answer.texts


def outcomes(evidence):
    return {answer.server.split(":")[0]: answer.outcome for answer in evidence.answers}


def refuse(query):
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.REFUSED)
    return response


def silent(_query):
    return None


def lie(*lines, flags=dns.flags.AA, rcode=dns.rcode.NOERROR):
    def way(query):
        response = dns.message.make_response(query)
        response.flags |= flags
        response.set_rcode(rcode)
        for line in lines:
            owner, ttl, kind, data = line.split(maxsplit=3)
            response.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
        return response

    return way


async def test_every_server_is_asked_directly():
    async with net(shop(f"_acme-challenge 30 TXT {TOKEN}")).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert [(a.host, a.texts, a.ttl, a.cached) for a in evidence.answers] == [
            (host, (TOKEN,), 30, False) for host in HOSTS
        ]
        assert (evidence.zone, evidence.needed, evidence.obstacle) == (DOMAIN, 2, None)
        assert all(server.asked == [f"{NAME} TXT"] for server in world.servers.values())
        assert f"{NAME} TXT" not in world.resolver.asked


@pytest.mark.parametrize("away", [refuse, silent, lie(flags=dns.flags.RA)])
async def test_one_server_that_fails_does_not_fail_the_proof(away):
    async with net(shop(f"_acme-challenge 30 TXT {TOKEN}")).up() as world:
        world.servers[B].way = away
        evidence = await world.lookup(**BRIEF).look_up(NAME)
        assert evidence.agreed(proves)


async def test_one_server_that_lies_makes_no_proof():
    async with net(shop(), servers=(A, B, C)).up() as world:
        world.servers[B].way = lie(f'{NAME}. 1 TXT "{TOKEN}"')
        evidence = await world.lookup().look_up(NAME)
        assert not evidence.agreed(proves)
        assert evidence.agreed(lambda answer: not proves(answer))


async def test_one_server_that_lies_refers_nobody_to_its_friends():
    evil = Zone(NAME, [f"ns.{NAME}"], f"@ 1 TXT {TOKEN}")

    def refer(query):
        response = dns.message.make_response(query)
        response.authority.append(dns.rrset.from_text(f"{NAME}.", 1, "IN", "NS", f"ns.{NAME}."))
        response.additional.append(dns.rrset.from_text(f"ns.{NAME}.", 1, "IN", "A", D))
        return response

    zone = shop()
    servers = {A: [zone], B: [zone], C: [zone], D: [evil]}
    async with Net(NAMES, COM, zone, servers=servers).up() as world:
        world.servers[A].way = refer
        for away in (None, silent):
            world.servers[B].way = world.servers[C].way = away
            evidence = await world.lookup(**BRIEF).look_up(NAME)
            assert not any(map(proves, evidence.answers))
            assert world.servers[D].asked == []


async def test_one_server_that_lies_gives_no_other_way_to_a_zone_below():
    """Also where the resolvers can't say who serves that."""
    below = Zone(NAME, [f"ns.{NAME}"], "@ 30 TXT right")
    evil = Zone(NAME, [f"ns.{NAME}"], f"@ 1 TXT {TOKEN}")
    zone = shop(f"_acme-challenge 60 NS ns.{NAME}.", f"ns.{NAME}. 60 A {C}")
    lying = shop(f"_acme-challenge 60 NS ns.{NAME}.", f"ns.{NAME}. 60 A {D}")
    names = Zone("hosts.net", ["ns.hosts.net"], f"a 60 A {A}", f"b 60 A {B}", "c 60 A 127.0.0.15")
    servers = {A: [lying], B: [zone], "127.0.0.15": [zone], C: [below], D: [evil]}
    async with Net(names, COM, zone, below, servers=servers).up() as world:
        world.resolver.failing[NAME] = "servfail"
        evidence = await world.lookup().look_up(NAME)
        assert [a.texts for a in evidence.answers] == [("right",)]
        assert world.servers[D].asked == []


async def test_half_of_the_servers_make_no_proof_against_the_other_half():
    zone = shop(servers=HOSTS[:2])
    async with net(zone, servers=(A, B)).up() as world:
        world.servers[A].way = lie(f'{NAME}. 1 TXT "{TOKEN}"')
        evidence = await world.lookup().look_up(NAME)
        assert not evidence.agreed(proves)
        assert not evidence.agreed(lambda answer: not proves(answer))


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        pytest.param(refuse, Outcome.REFUSED, id="refuses"),
        pytest.param(silent, Outcome.TIMED_OUT, id="says nothing"),
        pytest.param(lie(flags=dns.flags.RA), Outcome.LAME, id="resolves instead"),
        pytest.param(
            lie(f"{NAME}. 1 TXT {TOKEN}", flags=dns.flags.RA), Outcome.LAME, id="resolves it"
        ),
        pytest.param(lie(flags=dns.flags.Flag(0)), Outcome.LAME, id="knows nothing"),
        pytest.param(lie(rcode=dns.rcode.SERVFAIL), Outcome.SERVER_FAILURE, id="fails"),
        pytest.param(lie(rcode=dns.rcode.NOTAUTH), Outcome.REFUSED, id="does not hold it"),
    ],
)
async def test_what_is_no_word_of_the_zone(way, outcome):
    async with net(shop(f"_acme-challenge 30 TXT {TOKEN}"), servers=(A,)).up() as world:
        world.servers[A].way = way
        evidence = await world.lookup(**BRIEF).look_up(NAME)
        assert outcomes(evidence)[A] is outcome


async def test_a_server_of_the_zone_above_alone_is_lame():
    above = shop(apex="parent.com", servers=["ns.hosts.net"])
    zone = shop(apex="child.parent.com")
    async with net(zone, above).up() as world:
        world.servers[A].zones = [above]
        evidence = await world.lookup().look_up("_acme-challenge.child.parent.com")
        assert outcomes(evidence) == {
            A: Outcome.LAME,
            B: Outcome.NO_SUCH_NAME,
            C: Outcome.NO_SUCH_NAME,
        }


async def test_a_server_that_refers_up_is_lame():
    def root(query):
        response = dns.message.make_response(query)
        response.authority.append(dns.rrset.from_text(".", 60, "IN", "NS", "a.root."))
        return response

    async with net(shop()).up() as world:
        world.servers[A].way = root
        assert outcomes(await world.lookup().look_up(NAME))[A] is Outcome.LAME


async def test_a_server_with_more_addresses_has_no_more_votes():
    names = Zone("hosts.net", ["ns.hosts.net"], f"a 60 A {A}", f"a 60 A {B}", f"b 60 A {C}")
    zone = shop(servers=HOSTS[:2])
    async with Net(names, COM, zone, servers={A: [zone], B: [zone], C: [zone]}).up() as world:
        for address in (A, B):
            world.servers[address].way = lie(f'{NAME}. 1 TXT "{TOKEN}"')
        evidence = await world.lookup().look_up(NAME)
        assert (len(evidence.conclusive), evidence.needed) == (3, 1)
        assert not evidence.agreed(proves)
        world.servers[C].way = silent
        assert (await world.lookup(**BRIEF).look_up(NAME)).agreed(proves)


async def test_two_names_with_one_address_are_one_server():
    names = Zone("hosts.net", ["ns.hosts.net"], f"a 60 A {A}", f"b 60 A {A}", f"c 60 A {B}")
    zone = shop(f"_acme-challenge 30 TXT {TOKEN}")
    async with Net(names, COM, zone, servers={A: [zone], B: [zone]}).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert len(evidence.answers) == 2


async def test_an_alias_into_the_own_zone_is_not_followed():
    target = f"{'0' * 32}.{OWN_ZONE}"
    async with net(shop(f"_acme-challenge 30 CNAME {target}.")).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert [a.cnames for a in evidence.answers] == [(target,)] * 3
        assert not any(OWN_ZONE in question for question in world.resolver.asked)


async def test_an_alias_is_followed_to_the_servers_of_its_target():
    other = Zone("other.org", ["c.hosts.net"], f"x 20 TXT {TOKEN}")
    zone = shop("_acme-challenge 30 CNAME x.other.org.", servers=HOSTS[:2])
    servers = {A: [zone], B: [zone], C: [other]}
    async with Net(NAMES, COM, zone, other, servers=servers).up() as world:
        evidence = await world.lookup().look_up(NAME)
        (answer,) = evidence.answers
        assert (answer.host, answer.cnames, answer.texts) == (
            "c.hosts.net",
            ("x.other.org",),
            (TOKEN,),
        )
        assert (answer.ttl, evidence.zone) == (20, DOMAIN)


async def test_what_a_server_adds_about_another_zone_does_not_count():
    other = Zone("other.org", ["c.hosts.net"])
    zone = shop(servers=HOSTS[:2])
    servers = {A: [zone], B: [zone], C: [other]}
    lies = lie(f"{NAME}. 9 CNAME x.other.org.", f"x.other.org. 9 TXT {TOKEN}")
    async with Net(NAMES, COM, zone, other, servers=servers).up() as world:
        for address in (A, B):
            world.servers[address].way = lies
        evidence = await world.lookup().look_up(NAME)
        print(evidence)
        (answer,) = evidence.answers
        assert (answer.outcome, answer.cnames) == (Outcome.ANSWERED, ("x.other.org",))
        assert not evidence.agreed(proves)


async def test_one_server_that_lies_leads_nobody_astray():
    other = Zone("other.org", ["c.hosts.net"], f"x 20 TXT {TOKEN}")
    zone = shop("_acme-challenge 30 TXT right")
    async with net(zone, other).up() as world:
        world.servers[A].way = lie(f"{NAME}. 9 CNAME x.other.org.")
        evidence = await world.lookup().look_up(NAME)
        assert not evidence.agreed(proves)
        assert not any("other.org" in question for question in world.resolver.asked)


async def test_an_alias_inside_the_zone():
    zone = shop("_acme-challenge 30 CNAME there", f"there 20 TXT {TOKEN}")
    async with net(zone).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert {(a.cnames, a.texts) for a in evidence.answers} == {((f"there.{DOMAIN}",), (TOKEN,))}


async def test_an_alias_whose_target_is_missing_is_an_answer():
    zone = shop("_acme-challenge 30 CNAME there")
    async with net(zone).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert {(a.outcome, a.cnames, a.texts) for a in evidence.answers} == {
            (Outcome.ANSWERED, (f"there.{DOMAIN}",), ())
        }
        assert {a.negative_ttl for a in evidence.answers} == {60}


async def test_an_alias_into_no_zone_is_an_answer():
    zone = shop("_acme-challenge 30 CNAME x.nowhere.org.")
    async with net(zone).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert {a.cnames for a in evidence.conclusive} == {("x.nowhere.org",)}
        assert len(evidence.conclusive) == 3
        assert evidence.obstacle is None


async def test_an_alias_whose_zone_can_not_be_found_says_nothing_about_the_record():
    other = Zone("other.org", ["c.hosts.net"])
    zone = shop("_acme-challenge 30 CNAME x.other.org.")
    async with net(zone, other).up() as world:
        world.resolver.failing["other.org"] = "servfail"
        evidence = await world.lookup().look_up(NAME)
        assert evidence.obstacle is Obstacle.RESOLVERS_FAILED
        assert evidence.conclusive == ()
        assert {a.cnames for a in evidence.answers} == {("x.other.org",)}


async def test_an_alias_whose_zone_has_no_servers_says_nothing_about_the_record():
    other = Zone("other.org", ["nobody.hosts.net"])
    zone = shop("_acme-challenge 30 CNAME x.other.org.")
    async with net(zone, other).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert evidence.obstacle is Obstacle.NO_SERVERS
        assert evidence.conclusive == ()
        assert {a.cnames for a in evidence.answers} == {("x.other.org",)}


@pytest.mark.parametrize("synthesized", [True, False])
async def test_a_renamed_tree_is_followed(synthesized):
    other = Zone("other.org", ["c.hosts.net"], f"_acme-challenge.www 20 TXT {TOKEN}")
    zone = shop("@ 30 DNAME other.org.", servers=HOSTS[:2])
    servers = {A: [zone], B: [zone], C: [other]}
    async with Net(NAMES, COM, zone, other, servers=servers).up() as world:
        if not synthesized:
            for address in (A, B):
                world.servers[address].way = lie(f"{DOMAIN}. 30 DNAME other.org.")
        evidence = await world.lookup().look_up(f"_acme-challenge.www.{DOMAIN}")
        (answer,) = evidence.answers
        assert answer.cnames == ("_acme-challenge.www.other.org",)
        assert answer.texts == (TOKEN,)
        assert evidence.zone == DOMAIN


async def test_a_name_that_renaming_makes_too_long_is_not_found():
    long = ".".join(["x" * 60] * 3)
    zone = shop(f"@ 30 DNAME {long}.org.")
    async with net(zone).up() as world:
        for server in world.servers.values():
            server.way = lie(f"{DOMAIN}. 30 DNAME {long}.org.", rcode=dns.rcode.YXDOMAIN)
        name = f"_acme-challenge.{'y' * 60}.{DOMAIN}"
        evidence = await world.lookup().look_up(name)
        assert set(outcomes(evidence).values()) == {Outcome.SERVER_FAILURE}


@pytest.mark.parametrize("where", ["_acme-challenge", "_acme-challenge.a.b"])
async def test_a_zone_cut_below_is_followed(where):
    name = f"{where}.{DOMAIN}"
    below = Zone(name, ["c.hosts.net"], f"@ 30 TXT {TOKEN}")
    zone = shop(f"{where} 60 NS c.hosts.net.", servers=HOSTS[:2])
    servers = {A: [zone], B: [zone], C: [below]}
    async with Net(NAMES, COM, zone, below, servers=servers).up() as world:
        evidence = await world.lookup().look_up(name)
        (answer,) = evidence.answers
        assert (answer.host, answer.texts) == ("c.hosts.net", (TOKEN,))
        assert (evidence.zone, evidence.needed) == (name, 1)


async def test_a_zone_cut_is_found_with_the_addresses_that_come_with_it():
    below = Zone(NAME, [f"ns.{NAME}"], f"@ 30 TXT {TOKEN}")
    zone = shop(f"_acme-challenge 60 NS ns.{NAME}.", f"ns.{NAME}. 60 A {C}", servers=HOSTS[:2])
    servers = {A: [zone], B: [zone], C: [below]}
    async with Net(NAMES, COM, zone, below, servers=servers).up() as world:
        world.resolver.failing[NAME] = "servfail"
        evidence = await world.lookup().look_up(NAME)
        assert [a.texts for a in evidence.answers] == [(TOKEN,)]


async def test_servers_that_refer_to_each_other_are_left():
    zone = shop(servers=HOSTS[:1])
    below = Zone(NAME, HOSTS[1:2])

    def down(query):
        response = dns.message.make_response(query)
        response.authority.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", "NS", "b.hosts.net."))
        return response

    async with Net(NAMES, COM, zone, below, servers={A: [], B: []}).up() as world:
        for server in world.servers.values():
            server.way = down
        evidence = await world.lookup().look_up(NAME)
        assert outcomes(evidence) == {B: Outcome.LAME}


@pytest.mark.parametrize(
    ("targets", "obstacle"),
    [
        pytest.param(["_acme-challenge"], Obstacle.ALIAS_LOOP, id="itself"),
        pytest.param(["x", "_acme-challenge"], Obstacle.ALIAS_LOOP, id="two names"),
    ],
)
async def test_a_loop_inside_the_zone(targets, obstacle):
    lines = []
    for owner, target in zip(["_acme-challenge", *targets], targets, strict=False):
        lines.append(f"{owner} 30 CNAME {target}")
    async with net(shop(*lines)).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert evidence.obstacle is obstacle
        assert {a.cnames[-1] for a in evidence.answers} == {NAME}


async def test_a_loop_through_two_zones():
    other = Zone("other.org", ["c.hosts.net"], f"x 20 CNAME {NAME}.")
    zone = shop("_acme-challenge 30 CNAME x.other.org.", servers=HOSTS[:2])
    servers = {A: [zone], B: [zone], C: [other]}
    async with Net(NAMES, COM, zone, other, servers=servers).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert evidence.obstacle is Obstacle.ALIAS_LOOP
        assert {a.cnames for a in evidence.answers} == {("x.other.org", NAME)}


async def test_an_endless_chain_ends():
    def onwards(query):
        name = query.question[0].name
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        longer = f"x{len(query.question[0].name.labels[0])}{name.labels[0].decode()}"[:60]
        response.answer.append(dns.rrset.from_text(name, 9, "IN", "CNAME", f"{longer}.{DOMAIN}."))
        return response

    async with net(shop(servers=HOSTS[:1]), servers=(A,)).up() as world:
        world.servers[A].way = onwards
        evidence = await world.lookup().look_up(NAME)
        assert len(world.servers[A].asked) <= 8
        assert evidence.obstacle is Obstacle.ALIAS_LOOP


async def test_a_truncated_answer_is_asked_for_again_by_tcp():
    texts = [f'_acme-challenge 30 TXT "{number:0200d}"' for number in range(20)]
    zone = shop(*texts, f"_acme-challenge 30 TXT {TOKEN}", servers=HOSTS[:1])
    async with net(zone, servers=(A,)).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert evidence.agreed(proves)
        assert len(world.servers[A].asked) == 2


@pytest.mark.parametrize("address", ["::1"])
async def test_ipv6(address):
    names = Zone("hosts.net", ["ns.hosts.net"], f"a 60 A {A}", f"a 60 AAAA {address}")
    zone = shop(f"_acme-challenge 30 TXT {TOKEN}", servers=HOSTS[:1])
    world = Net(names, COM, zone, servers={A: [zone], address: [zone]})
    async with world.up():
        evidence = await world.lookup().look_up(NAME)
        assert [a.server.rpartition(":")[0] for a in evidence.conclusive] == [A, "[::1]"]


async def test_a_family_without_a_route_is_left_out(monkeypatch):
    names = Zone("hosts.net", ["ns.hosts.net"], f"a 60 A {A}", "a 60 AAAA 2001:db8::1")
    zone = shop(f"_acme-challenge 30 TXT {TOKEN}", servers=HOSTS[:1])
    monkeypatch.setattr("customdomains.dns.addressbook.has_route", lambda server: "[" not in server)
    async with Net(names, COM, zone, servers={A: [zone]}).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert [a.server for a in evidence.answers] == [f"{A}:{world.port}"]


async def test_without_a_route_to_any_server_they_are_unreachable(monkeypatch):
    zone = shop(servers=HOSTS[:1])
    monkeypatch.setattr("customdomains.dns.addressbook.has_route", lambda _server: False)
    async with Net(NAMES, COM, zone, servers={}).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert outcomes(evidence) == {A: Outcome.UNREACHABLE}


async def test_addresses_that_are_no_hosts_are_not_asked():
    names = Zone("hosts.net", ["ns.hosts.net"], "a 60 A 224.0.0.1", "a 60 A 0.0.0.0")
    async with Net(names, COM, shop(servers=HOSTS[:1])).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert (evidence.answers, evidence.obstacle) == ((), Obstacle.NO_SERVERS)


async def test_no_more_than_thirteen_hosts_are_asked():
    hosts = [f"n{number:02}.hosts.net" for number in range(30)]
    names = Zone("hosts.net", ["ns.hosts.net"], *(f"{h}. 60 A {A}" for h in hosts))
    async with Net(names, COM, shop(servers=hosts), servers={A: []}).up() as world:
        await world.lookup().look_up(NAME)
        assert len([q for q in world.resolver.asked if q.endswith("hosts.net A")]) == 13


async def test_a_name_that_can_not_be_is_refused():
    async with net(shop()).up() as world:
        with pytest.raises(ValueError, match="cannot be a name"):
            await world.lookup().look_up(f"{'x' * 64}.com")


async def test_of_many_addresses_every_host_has_some_that_are_asked():
    hosts = [f"n{number:02}.hosts.net" for number in range(13)]
    lines = [f"{h}. 60 A 127.0.{n}.{k}" for n, h in enumerate(hosts, 1) for k in range(1, 5)]
    names = Zone("hosts.net", ["ns.hosts.net"], *lines)
    async with Net(names, COM, shop(servers=hosts)).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert [answer.host for answer in evidence.answers] == [h for h in hosts for _ in range(2)]
        assert evidence.needed == 7


async def test_evidence_is_bounded_however_much_the_servers_make_up():
    hosts = [f"n{number:02}.hosts.net" for number in range(13)]
    addresses = [f"127.0.1.{number}" for number in range(1, 14)]
    lines = [f"{h}. 60 A {a}" for h, a in zip(hosts, addresses, strict=True)]
    names = Zone("hosts.net", ["ns.hosts.net"], *lines)
    zones = {
        address: shop(*(f'@ 9 TXT "{n}-{k:0200d}"' for k in range(60)), apex=NAME)
        for n, address in enumerate(addresses)
    }
    held = {address: [zone] for address, zone in zones.items()}
    async with Net(names, COM, shop(servers=hosts), servers=held).up() as world:
        evidence = await world.lookup().look_up(NAME)
        sizes = [sum(map(len, answer.texts)) for answer in evidence.answers]
        assert 24_000 < sum(sizes) <= 32 * 1024
        assert {a.outcome for a in evidence.answers if not a.texts} == {Outcome.MALFORMED}


async def test_what_all_servers_say_is_kept_once():
    async with net(shop(*(f'_acme-challenge 9 TXT "{k:0200d}"' for k in range(60)))).up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert len({id(answer.texts) for answer in evidence.answers}) == 1
        assert len(evidence.conclusive) == 3
