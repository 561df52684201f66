"""Servers that don't answer: what they cost, and whom they keep waiting."""

import asyncio
import itertools
from functools import partial

import dns.message
import dns.name
import dns.rdatatype
import pytest
from smallnet import Net, Zone

from customdomains.dns.exchange import Reply, transact
from customdomains.dns.servers import Servers
from customdomains.model.evidence import Outcome

TOKEN = "5a" * 32
RECORD = f"_acme-challenge 30 TXT {TOKEN}"
DEAD, GOOD = "127.0.0.11", "127.0.0.12"
NAMES = Zone("hosts.net", ["ns.hosts.net"], f"dead 60 A {DEAD}", f"good 60 A {GOOD}")
COM = Zone("com", ["nobody.hosts.net"])
ZONE = dns.name.from_text("shop.com")
OTHER = dns.name.from_text("other.com")


class Outside:
    """Stands for the network: a test says who is silent, and lets time pass."""

    def __init__(self, monkeypatch, **options):
        self.now = 0.0
        self.silent = set()
        self.sent = []
        self.waiting = 0
        self.most = 0
        self.gate = None
        monkeypatch.setattr("customdomains.dns.servers.transact", self.transact)
        options = {"timeout": 2.0, "concurrency": 256, "per_server": 32, **options}
        self.servers = Servers(clock=lambda: self.now, **options)

    async def transact(self, address, query, timeout):
        zone = query.question[0].name
        self.sent.append((address, zone))
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.gate is not None:
            await self.gate.wait()
        self.waiting -= 1
        if (address, zone) in self.silent or address in self.silent:
            self.now += timeout
            return Reply(Outcome.TIMED_OUT, None, round(timeout * 1000))
        return Reply(Outcome.ANSWERED, dns.message.make_response(query), 1)

    async def ask(self, address="s", zone=ZONE, patience=10.0):
        """Whether `address` is asked about `zone`."""
        before = len(self.sent)
        query = partial(dns.message.make_query, zone, dns.rdatatype.TXT)
        reply = await self.servers.ask(address, zone, query, self.now + patience)
        assert (reply.trouble != "") == (len(self.sent) == before)
        return len(self.sent) > before


async def turns(number):
    """Let everybody else have their turn so often."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.fixture
def outside(monkeypatch):
    return Outside(monkeypatch)


async def test_a_silent_server_is_asked_again_after_growing_pauses(outside):
    outside.silent.add("s")
    asked = []
    for second in range(200):
        outside.now = float(max(second, outside.now))
        if await outside.ask():
            asked.append(outside.now)
        outside.now = max(outside.now, second + 1.0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps == sorted(gaps)
    assert 30 <= max(gaps) <= 33
    assert len(asked) < 15


async def test_one_lost_packet_makes_no_pause(outside):
    outside.silent.add("s")
    assert await outside.ask()
    outside.silent.clear()
    assert await outside.ask()
    outside.silent.add("s")
    assert await outside.ask()
    assert await outside.ask()
    assert not await outside.ask()


async def test_an_answer_ends_the_pauses(outside):
    outside.silent.add("s")
    while await outside.ask():
        pass
    outside.silent.clear()
    outside.now += 30
    assert await outside.ask()
    assert await outside.ask()


async def test_after_a_pause_one_question_is_put_at_a_time(outside):
    outside.silent.add("s")
    while await outside.ask():
        pass
    outside.now += 30
    outside.gate = asyncio.Event()
    trial = asyncio.create_task(outside.ask())
    await asyncio.sleep(0)
    assert not await outside.ask()
    outside.gate.set()
    assert await trial


async def test_a_server_that_answers_others_is_silent_about_one_zone_only(outside):
    outside.silent.add(("s", ZONE))
    assert await outside.ask(zone=OTHER)
    while await outside.ask(zone=ZONE):
        pass
    assert await outside.ask(zone=OTHER)
    assert not await outside.ask(zone=ZONE)


async def test_many_silent_zones_shut_no_server_for_one_that_comes_new(outside):
    outside.silent |= {("s", dns.name.from_text(f"lame{n}.com")) for n in range(50)}
    for number in range(50):
        await outside.ask(zone=dns.name.from_text(f"lame{number}.com"))
    assert await outside.ask(zone=OTHER)


async def test_a_server_that_nobody_hears_of_is_tried_by_few_at_once(outside):
    outside.silent.add("s")
    zones = [dns.name.from_text(f"z{number}.com") for number in range(100)]
    await outside.ask(zone=zones[0])
    await outside.ask(zone=zones[1])
    outside.gate = asyncio.Event()
    asking = [asyncio.create_task(outside.ask(zone=zone)) for zone in zones[2:]]
    await asyncio.gather(*asking[4:])
    outside.gate.set()
    assert sum(await asyncio.gather(*asking)) == 4


async def test_a_short_wait_is_no_silence(outside):
    outside.silent.add("s")
    for _ in range(5):
        assert await outside.ask(patience=0.5)


async def test_no_more_than_so_many_to_one_server(monkeypatch):
    outside = Outside(monkeypatch, per_server=3)
    outside.gate = asyncio.Event()
    asking = [asyncio.create_task(outside.ask()) for _ in range(10)]
    other = asyncio.create_task(outside.ask("other"))
    await turns(20)
    outside.gate.set()
    await asyncio.gather(*asking, other)
    assert outside.most == 4


async def test_no_more_than_so_many_in_all(monkeypatch):
    outside = Outside(monkeypatch, concurrency=5)
    outside.gate = asyncio.Event()
    asking = [asyncio.create_task(outside.ask(f"s{number}")) for number in range(20)]
    await turns(20)
    outside.gate.set()
    await asyncio.gather(*asking)
    assert outside.most == 5


async def test_who_waits_for_a_place_waits_no_longer_than_it_may(monkeypatch):
    outside = Outside(monkeypatch, per_server=1)
    outside.gate = asyncio.Event()
    first = asyncio.create_task(outside.ask())
    await asyncio.sleep(0)
    assert not await outside.ask(patience=0.01)
    outside.gate.set()
    assert await first


async def test_servers_are_forgotten_not_piled_up(outside):
    for number in range(5000):
        await outside.ask(f"s{number}")
    assert len(outside.servers) <= 4096


async def test_silences_are_forgotten_not_piled_up(outside):
    outside.silent.add("s")
    await outside.ask("s", ZONE)
    for number in range(17_000):
        zone = dns.name.from_text(f"z{number}.com")
        outside.silent.add((str(number), zone))
        await outside.ask(str(number), zone)
    assert len(outside.servers._silences) == 16_384


async def test_a_check_where_every_server_rests_takes_no_time():
    zone = Zone("shop.com", ["dead.hosts.net"], RECORD)
    async with Net(NAMES, COM, zone, servers={DEAD: [zone]}).up() as world:
        world.servers[DEAD].way = lambda _query: None
        lookup = world.lookup(timeout=0.1)
        while len(world.servers[DEAD].asked) < 2:
            await lookup.look_up("_acme-challenge.shop.com")
        before = len(world.servers[DEAD].asked), len(world.resolver.asked)
        for _ in range(100):
            evidence = await lookup.look_up("_acme-challenge.shop.com")
            assert evidence.answers[0].outcome is Outcome.TIMED_OUT
            assert "not asked" in evidence.answers[0].explanation
        assert (len(world.servers[DEAD].asked), len(world.resolver.asked)) == before


@pytest.mark.parametrize("zones", [1, 100])
async def test_a_thousand_domains_on_a_dead_server_keep_nobody_waiting(zones):
    """All of them at once, with places for a few: the good one gets its answer meanwhile."""
    dead = [Zone(f"d{n}.com", ["dead.hosts.net"]) for n in range(zones)]
    good = Zone("good.com", ["good.hosts.net"], RECORD)
    servers = {DEAD: dead, GOOD: [good]}
    async with Net(NAMES, COM, good, *dead, servers=servers).up() as world:
        full = asyncio.Event()

        def swallow(_query):
            if len(world.servers[DEAD].asked) == 32:
                full.set()

        world.servers[DEAD].way = swallow
        lookup = world.lookup(concurrency=64, per_server=32, timeout=60.0, deadline=120.0)
        waiting = [
            asyncio.create_task(lookup.look_up(f"_acme-challenge.n{n}.d{n % zones}.com"))
            for n in range(1000)
        ]
        await asyncio.wait_for(full.wait(), 60)
        evidence = await lookup.look_up("_acme-challenge.good.com")
        assert evidence.answers[0].texts == (TOKEN,)
        assert len(world.servers[DEAD].asked) == 32
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_whoever_has_many_silent_servers_waits_for_them_himself():
    """Lookups of one tenant, each with 26 servers that are silent; all the places are two each."""
    silent = [f"127.0.1.{number}" for number in range(1, 27)]
    hosts = [f"h{number // 2:02}" for number in range(26)]
    names = Zone(
        "hosts.net",
        ["ns.hosts.net"],
        f"good 60 A {GOOD}",
        *(f"{host} 60 A {address}" for host, address in zip(hosts, silent, strict=True)),
    )
    dead = [Zone(f"d{n}.com", sorted({f"{host}.hosts.net" for host in hosts})) for n in range(150)]
    good = Zone("good.com", ["good.hosts.net"], RECORD)
    servers = {GOOD: [good], **{address: [] for address in silent}}
    async with Net(names, COM, good, *dead, servers=servers).up() as world:
        everybody_waits = asyncio.Event()
        asked = []

        def swallow(query):
            asked.append(query.question[0].name)
            if len(asked) == 300:
                everybody_waits.set()

        for address in silent:
            world.servers[address].way = swallow
        lookup = world.lookup(concurrency=512, timeout=60.0, deadline=120.0)
        waiting = [
            asyncio.create_task(lookup.look_up(f"_acme-challenge.d{n}.com")) for n in range(150)
        ]
        await asyncio.wait_for(everybody_waits.wait(), 60)
        evidence = await lookup.look_up("_acme-challenge.good.com")
        assert evidence.answers[0].texts == (TOKEN,)
        assert max(map(asked.count, set(asked))) == 2
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_has_been_silent_is_asked_after_the_others():
    names = Zone("hosts.net", ["ns.hosts.net"], *(f"h{n} 60 A 127.0.1.{n}" for n in range(1, 6)))
    zone = Zone("shop.com", [f"h{n}.hosts.net" for n in range(1, 6)], RECORD)
    servers = {f"127.0.1.{n}": [zone] for n in range(1, 6)}
    async with Net(names, COM, zone, servers=servers).up() as world:
        order = []

        def way(address):
            def noted(query):
                order.append(address)
                silent = address in {"127.0.1.1", "127.0.1.2"}
                return None if silent else world.servers[address].honest(query)

            return noted

        for address, server in world.servers.items():
            server.way = way(address)
        lookup = world.lookup(timeout=0.2)
        await lookup.look_up("_acme-challenge.shop.com")
        order.clear()
        await lookup.look_up("_acme-challenge.shop.com")
        assert set(order[-2:]) == {"127.0.1.1", "127.0.1.2"}


async def test_where_the_others_agree_nobody_waits_long_for_a_silent_one(monkeypatch):
    names = Zone("hosts.net", ["ns.hosts.net"], *(f"h{n} 60 A 127.0.1.{n}" for n in range(1, 4)))
    zone = Zone("shop.com", [f"h{n}.hosts.net" for n in range(1, 4)], RECORD)
    servers = {f"127.0.1.{n}": [zone] for n in range(1, 4)}
    async with Net(names, COM, zone, servers=servers).up() as world:
        waited = {}

        async def noted(address, query, timeout):
            waited[address.split(":")[0]] = timeout
            if address.startswith("127.0.1.2"):
                return Reply(Outcome.TIMED_OUT, None, 0)
            return await transact(address, query, timeout)

        monkeypatch.setattr("customdomains.dns.servers.transact", noted)
        lookup = world.lookup(timeout=5.0, deadline=30.0)
        await lookup.look_up("_acme-challenge.shop.com")
        assert set(waited.values()) == {5.0}
        await lookup.look_up("_acme-challenge.shop.com")
        assert 0.5 < waited.pop("127.0.1.2") <= 1.0
        assert set(waited.values()) == {5.0}
        world.servers["127.0.1.3"].zones = []
        world.ahead = 3.0
        await lookup.look_up("_acme-challenge.shop.com")
        assert set(waited.values()) == {5.0}  # one of three is not enough


async def test_servers_for_which_no_time_is_left_are_not_asked():
    names = Zone("hosts.net", ["ns.hosts.net"], *(f"h{n} 60 A 127.0.1.{n}" for n in range(1, 6)))
    zone = Zone("shop.com", [f"h{n}.hosts.net" for n in range(1, 6)])
    servers = {f"127.0.1.{n}": [zone] for n in range(1, 6)}
    async with Net(names, COM, zone, servers=servers).up() as world:
        for server in world.servers.values():
            server.way = lambda _query: None
        lookup = world.lookup(timeout=0.3, deadline=0.5)
        evidence = await lookup.look_up("_acme-challenge.shop.com")
        said = sorted(answer.explanation for answer in evidence.answers)
        assert said == [""] * 4 + ["not asked this time: others took all the time"]
        assert {answer.outcome for answer in evidence.answers} == {Outcome.TIMED_OUT}
