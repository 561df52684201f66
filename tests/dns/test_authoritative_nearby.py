"""Looking where records end up by mistake."""

import random

import dns.name
import pytest
from smallnet import Net, Zone

from customdomains.dns.nearby import look_nearby
from customdomains.model.evidence import Nearby, Outcome, Place, ServerAnswer

DOMAIN = "shop.com"
NAME = f"_acme-challenge.www.{DOMAIN}"
TOKEN = "5a" * 32
A, B = "127.0.0.11", "127.0.0.12"
NAMES = Zone("hosts.net", ["ns.hosts.net"], f"a 60 A {A}", f"b 60 A {B}")
CHOOSE = random.SystemRandom()
COM = Zone("com", ["nobody.hosts.net"])


def net(*lines):
    zone = Zone(DOMAIN, ["a.hosts.net", "b.hosts.net"], *lines)
    return Net(NAMES, COM, zone, servers={A: [zone], B: [zone]})


async def test_what_is_enough_ends_the_search():
    async with net(f"{NAME}. 60 TXT {TOKEN}", f"{DOMAIN}. 60 TXT {TOKEN}").up() as world:
        lookup = world.lookup()
        found = await lookup.look_up(NAME, nearby=True, enough=lambda e: TOKEN in e.texts)
        assert (found.texts, found.nearby) == ({TOKEN}, None)
        found = await lookup.look_up(NAME, nearby=True, enough=lambda _: False)
        assert found.nearby


@pytest.mark.parametrize(
    ("place", "where"),
    [
        (Place.ZONE_TWICE, f"{NAME}.{DOMAIN}"),
        (Place.ZONE_TWICE, f"{NAME}.www.{DOMAIN}"),
        (Place.LABEL_MISSING, f"www.{DOMAIN}"),
        (Place.APEX, DOMAIN),
        (Place.APEX_CHALLENGE, f"_acme-challenge.{DOMAIN}"),
    ],
)
async def test_a_record_in_a_wrong_place_is_found(place, where):
    async with net(f"{where}. 60 TXT {TOKEN}").up() as world:
        evidence = await world.lookup().look_up(NAME, nearby=True)
        assert evidence.nearby == (Nearby(place, where, (), (TOKEN,)),)


async def test_an_alias_in_a_wrong_place_is_found():
    async with net("_acme-challenge 60 CNAME id.acme.platform.org.").up() as world:
        evidence = await world.lookup().look_up(NAME, nearby=True)
        assert evidence.nearby == (
            Nearby(
                Place.APEX_CHALLENGE, f"_acme-challenge.{DOMAIN}", ("id.acme.platform.org",), ()
            ),
        )


async def test_a_wildcard_is_found_by_a_name_that_nobody_has_set():
    async with net(f"*.www 60 TXT {TOKEN}").up() as world:
        evidence = await world.lookup().look_up(NAME, nearby=True)
        siblings = [near for near in evidence.nearby if near.place is Place.SIBLING]
        assert [near.texts for near in siblings] == [(TOKEN,)]
        assert siblings[0].name != NAME


async def test_nothing_near():
    async with net().up() as world:
        assert (await world.lookup().look_up(NAME, nearby=True)).nearby == ()


async def test_nobody_looks_who_was_not_asked_to():
    async with net().up() as world:
        assert (await world.lookup().look_up(NAME)).nearby is None


async def test_one_server_is_asked_a_few_questions():
    async with net().up() as world:
        await world.lookup().look_up(NAME, nearby=True)
        assert sorted(len(server.asked) for server in world.servers.values()) == [1, 8 - 1]


async def test_where_no_server_answers_nobody_looks_near():
    async with net().up() as world:
        for server in world.servers.values():
            server.zones = []
        assert (await world.lookup().look_up(NAME, nearby=True)).nearby is None


async def test_a_wildcard_beside_the_apex_leaves_the_domain_itself_out():
    """At an apex the places fall together; none is asked about twice."""
    asked = []

    async def ask(name):
        asked.append(name.to_text(True))
        return ServerAnswer("s", Outcome.NO_SUCH_NAME)

    name = dns.name.from_text(f"_acme-challenge.{DOMAIN}")
    await look_nearby(name, dns.name.from_text(DOMAIN), ask, CHOOSE)
    assert asked[:2] == [DOMAIN, f"_acme-challenge.{DOMAIN}.{DOMAIN}"]
    assert len(asked) == len(set(asked)) == 3


async def test_without_a_zone_and_with_a_long_name_fewer_places_are_left():
    async def ask(name):
        return ServerAnswer("s", Outcome.ANSWERED, texts=(name.to_text(True),))

    long = ".".join(["x" * 50] * 4)
    name = dns.name.from_text(f"_acme-challenge.{long}.com")
    found = await look_nearby(name, None, ask, CHOOSE)
    assert [near.place for near in found] == [Place.LABEL_MISSING, Place.SIBLING]


async def test_what_can_not_be_asked_is_not_found():
    async def ask(_name):
        return ServerAnswer("s", Outcome.TIMED_OUT, texts=("x",))

    name = dns.name.from_text(NAME)
    assert await look_nearby(name, None, ask, CHOOSE) == ()
