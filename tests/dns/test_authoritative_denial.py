"""Absence in signed zones: what shows it, and what does not."""

import base64

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from dns.rdtypes.ANY.NSEC3 import NSEC3
from smallnet import Net, Zone

from customdomains.dns.denial import Denial, denials
from customdomains.model.evidence import Outcome

DOMAIN = "shop.com"
NAME = f"_acme-challenge.{DOMAIN}"
A = "127.0.0.11"
NAMES = Zone("hosts.net", ["ns.hosts.net"], f"a 60 A {A}")
COM = Zone("com", ["nobody.hosts.net"])
APEX = dns.name.from_text(DOMAIN)


def net(*lines):
    zone = Zone(DOMAIN, ["a.hosts.net"], *lines, signed=True)
    return Net(NAMES, COM, zone, servers={A: [zone]})


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        pytest.param((), Outcome.NO_SUCH_NAME, id="no such name"),
        pytest.param(("zzz 60 A 192.0.2.1",), Outcome.NO_SUCH_NAME, id="between two names"),
        pytest.param(("_acme-challenge 60 A 192.0.2.1",), Outcome.ANSWERED, id="other records"),
        pytest.param(("x._acme-challenge 60 A 192.0.2.1",), Outcome.ANSWERED, id="empty name"),
    ],
)
async def test_a_signed_absence_is_authentic(lines, outcome):
    async with net(*lines).up() as world:
        (answer,) = (await world.lookup().look_up(NAME)).answers
        assert (answer.outcome, answer.authentic, answer.negative_ttl) == (outcome, True, 60)


def without_denial(world, query):
    response = world.servers[A].honest(query)
    response.authority = response.authority[:1]
    return response


def unsigned(world, query):
    response = world.servers[A].honest(query)
    response.authority = response.authority[:2]
    return response


def of_another_name(world, query):
    """What the zone says of a name that is not there, for one that is."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    response.set_rcode(dns.rcode.NXDOMAIN)
    zone = world.servers[A].zones[0]
    denial = zone.denial(dns.name.from_text("zzz", zone.apex))
    response.authority += [zone.get(zone.apex, dns.rdatatype.SOA), denial, zone.signature(denial)]
    return response


def of_the_wildcard(world, query):
    """The NSEC of `*.shop.com`, passed off as that of the name."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    zone = world.servers[A].zones[0]
    star = zone.denial(dns.name.from_text("*", zone.apex))
    signature = zone.signature(star)
    name = query.question[0].name
    response.authority += [
        zone.get(zone.apex, dns.rdatatype.SOA),
        dns.rrset.from_rdata(name, 60, *star),
        dns.rrset.from_rdata(name, 60, *signature),
    ]
    return response


@pytest.mark.parametrize("forge", [without_denial, unsigned, of_another_name, of_the_wildcard])
async def test_an_absence_that_nobody_signed_says_nothing(forge):
    async with net("* 60 A 192.0.2.1", "mmm 60 A 192.0.2.1").up() as world:
        world.servers[A].way = lambda query: forge(world, query)
        evidence = await world.lookup().look_up(NAME)
        assert [a.outcome for a in evidence.answers] == [Outcome.BOGUS]


async def test_one_that_denies_without_signature_counts_for_nothing_beside_others():
    async with net().up() as world:
        evidence = await world.lookup().look_up(NAME)
        assert evidence.agreed(lambda answer: not answer.texts)


def nsec(owner, following, *kinds):
    text = " ".join((following, *(kinds or ("A",))))
    return dns.rrset.from_text(f"{owner}.", 60, "IN", "NSEC", text)


def shown(rrset, name=NAME):
    return [
        denial for _, denial in denials(dns.name.from_text(name), APEX, [rrset], dns.rdatatype.TXT)
    ]


@pytest.mark.parametrize(
    ("owner", "following", "kinds", "denied"),
    [
        (NAME, "z.shop.com.", ("A",), True),
        (NAME, "z.shop.com.", ("TXT",), False),
        (NAME, "z.shop.com.", ("CNAME",), False),
        (DOMAIN, "z.shop.com.", ("NS", "SOA"), True),
        (DOMAIN, "_abc.shop.com.", ("NS", "SOA"), False),
        ("_abc.shop.com", "shop.com.", ("A",), True),
        ("_abd.shop.com", "shop.com.", ("A",), True),
        ("b.shop.com", "shop.com.", ("A",), False),
        ("elsewhere.com", "zzz.com.", ("A",), False),
    ],
)
def test_names_in_their_order(owner, following, kinds, denied):
    assert shown(nsec(owner, following, *kinds)) == ([Denial.PROVED] if denied else [])


@pytest.mark.parametrize(("kind", "denied"), [("NS", False), ("DNAME", False), ("A", True)])
def test_what_is_below_a_cut_is_not_for_the_zone_above_to_deny(kind, denied):
    found = shown(nsec("sub.shop.com", "zzz.shop.com.", kind), "_acme-challenge.sub.shop.com")
    assert found == ([Denial.PROVED] if denied else [])


def nsec3(first, following, *, kinds=(), iterations=0):
    """`first` and `following` are hashes (bytes)."""
    owner = base64.b32hexencode(first).decode().lower()
    bits = NSEC3(
        dns.rdataclass.IN,
        dns.rdatatype.NSEC3,
        1,
        0,
        iterations,
        b"",
        following,
        [(0, bytes(kinds))] if kinds else [],
    )
    return dns.rrset.from_rdata(dns.name.from_text(owner, APEX), 60, bits)


def hashed(name, by=0):
    """The hash of `name`, a bit more or less."""
    raw = base64.b32hexdecode(dns.dnssec.nsec3_hash(dns.name.from_text(name), b"", 0, 1))
    return (int.from_bytes(raw) + by).to_bytes(20)


TXT_BIT = (0, 0, 0x80)
MX_BIT = (0, 1)


@pytest.mark.parametrize(
    ("first", "following", "kinds", "denied"),
    [
        pytest.param(hashed(NAME), hashed(NAME, 5), MX_BIT, True, id="other records"),
        pytest.param(hashed(NAME), hashed(NAME, 5), TXT_BIT, False, id="TXT records"),
        pytest.param(hashed(NAME, -1), hashed(NAME, 1), (), True, id="no such name"),
        pytest.param(hashed(NAME, 1), hashed(NAME, 2), (), False, id="another gap"),
        pytest.param(hashed(NAME, -1), hashed(NAME, -2), (), True, id="the last gap"),
        pytest.param(hashed(NAME, 2), hashed(NAME, 1), (), True, id="all but a gap"),
        pytest.param(hashed(NAME, 2), hashed(NAME, -1), (), False, id="the last gap, elsewhere"),
    ],
)
def test_hashes_in_their_order(first, following, kinds, denied):
    assert shown(nsec3(first, following, kinds=kinds)) == ([Denial.PROVED] if denied else [])


def test_a_name_above_that_is_not_there_will_do():
    above = f"gone.{DOMAIN}"
    rrset = nsec3(hashed(above, -1), hashed(above, 1))
    assert shown(rrset, f"_acme-challenge.{above}") == [Denial.PROVED]


def test_that_a_name_above_has_no_records_will_not_do():
    above = f"there.{DOMAIN}"
    rrset = nsec3(hashed(above), hashed(above, 1), kinds=MX_BIT)
    assert shown(rrset, f"_acme-challenge.{above}") == []


def test_zones_that_hash_too_often_need_not_be_checked():
    assert shown(nsec3(hashed("x"), hashed("y"), iterations=51)) == [Denial.TOO_COSTLY]


def test_no_more_sets_are_looked_at_than_an_honest_server_sends():
    many = [nsec(f"x{n}.shop.com", "shop.com.") for n in range(50)]
    assert len(list(denials(dns.name.from_text("z.shop.com"), APEX, many, dns.rdatatype.TXT))) == 8
