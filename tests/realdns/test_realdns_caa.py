"""CAA records of real zones: the nearest ones count, behind aliases and below zone cuts, and what
can't be asked is never "no record"."""

import pytest

from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.caa import CaaLookup
from customdomains.model.caa import records_in
from customdomains.model.certificate import CaIdentity, Challenge, OrderError
from customdomains.model.evidence import Outcome
from customdomains.model.reasons import Reason
from customdomains.policy.caa import Wanted, judge
from realdns.lying import lying, records
from realdns.zones import ADDRESSES, LIAR

APEX = ("0 iodef mailto:hostmaster@caa.com", "0 issue ca.example.net")
OURS = CaIdentity("https://ca.example.net/1", "_label", ("ca.example.net",))

FOUND = {
    # domain: where records are found, and which
    "caa.com": ("caa.com", APEX),
    "bare.caa.com": ("caa.com", APEX),
    "not.there.at.all.caa.com": ("caa.com", APEX),
    "own.caa.com": (
        "own.caa.com",
        (
            "0 issue ;",
            "128 issuewild ca.example.net; accounturi=https://ca.example.net/1",
        ),
    ),
    "below.own.caa.com": (
        "own.caa.com",
        (
            "0 issue ;",
            "128 issuewild ca.example.net; accounturi=https://ca.example.net/1",
        ),
    ),
    # Those of the alias' target count, but nothing above that.
    "alias.caa.com": ("alias.caa.com", ("0 issue edge.net",)),
    "chain.caa.com": ("chain.caa.com", ("0 issue edge.net",)),
    "alias-to-none.caa.com": ("caa.com", APEX),
    "nowhere.caa.com": ("caa.com", APEX),
    "shop.old.caa.com": ("shop.old.caa.com", ("0 issue other.net",)),
    # Zones of their own.
    "sub.caa.com": ("sub.caa.com", ("0 issue sub.net",)),
    "www.sub.caa.com": ("sub.caa.com", ("0 issue sub.net",)),
    "empty.caa.com": ("caa.com", APEX),
    "www.empty.caa.com": ("caa.com", APEX),
    # None up to the registry.
    "no-caa.com": ("com", ()),
    "bare.no-caa.com": ("com", ()),
    "shop.plain.com": ("com", ()),
    # Signed zones: with NSEC and with NSEC3.
    "caa.signed.com": ("caa.signed.com", ("0 issue ca.example.net",)),
    "shop.caa.signed.com": ("caa.signed.com", ("0 issue ca.example.net",)),
    "end.signed.com": ("com", ()),
    "_acme-challenge.good.online.com": ("com", ()),
    "missing.online.com": ("com", ()),
    # One that is down prevents nothing.
    "shop.caa-half-dead.com": ("caa-half-dead.com", ("0 issue ca.example.net",)),
}


@pytest.mark.parametrize("domain", FOUND)
async def test_the_nearest_records_count(caa: CaaLookup, domain: str):
    evidence = await caa.climb(domain)
    name, texts = FOUND[domain]
    assert (evidence.name, set(evidence.texts)) == (name, set(texts))
    assert len(records_in(evidence) or ()) == len(texts)


UNKNOWN = {
    "shop.all-dead.com": "shop.all-dead.com",
    "shop.all-lame.com": "shop.all-lame.com",
    "shop.bogus.com": "shop.bogus.com",
    "to-dead.caa.com": "to-dead.caa.com",
    "to-bogus.caa.com": "to-bogus.caa.com",
    "far-loop.caa.com": "far-loop.caa.com",
    "shop.no-hosts.com": "shop.no-hosts.com",
}


@pytest.mark.parametrize("domain", UNKNOWN)
async def test_what_can_not_be_asked_is_not_no_record(caa: CaaLookup, domain: str):
    evidence = await caa.climb(domain)
    assert (evidence.name, records_in(evidence)) == (UNKNOWN[domain], None)
    told = judge(evidence, Wanted((domain,), OURS, (Challenge.DNS,)))
    assert isinstance(told, OrderError)
    assert told.reason is Reason.CAA_UNKNOWN
    assert told.message.startswith(f"the CAA records of {domain}. can't be looked up: ")


async def test_signatures_are_looked_at(authoritative: AuthoritativeLookup):
    for domain in ("caa.signed.com", "end.signed.com", "missing.online.com"):
        evidence = await authoritative.look_up_caa(domain)
        assert {answer.authentic for answer in evidence.conclusive} == {True}
    evidence = await authoritative.look_up_caa("shop.bogus.com")
    assert {answer.outcome for answer in evidence.answers} == {Outcome.BOGUS}


async def test_name_servers_that_do_not_say_the_same_say_nothing(authoritative):
    caa = CaaLookup(authoritative, authoritative, deadline=20.0)
    evidence = await caa.climb("caa-in-turns.com")
    assert records_in(evidence) is None
    told = judge(evidence, Wanted(("caa-in-turns.com",), OURS, (Challenge.DNS,)))
    assert isinstance(told, OrderError)
    assert "do not say the same" in told.message


async def test_what_nobody_has_signed_forbids_nothing(internet, authoritative):
    """The other server of forged.com is Knot, which denies it, well signed."""

    def forged(query):
        return records(query, f'{query.question[0].name} 300 CAA 0 issue ";"')

    async with lying(*ADDRESSES[LIAR], internet.port, forged):
        evidence = await authoritative.look_up_caa("forged.com")
    assert records_in(evidence) == ()


async def test_the_real_records_are_judged(authoritative, recursive):
    caa = CaaLookup(authoritative, recursive, deadline=20.0)
    apex, own = await caa.climb("www.caa.com"), await caa.climb("own.caa.com")
    any_way = (Challenge.DNS, Challenge.HTTP)
    assert judge(apex, Wanted(("www.caa.com",), OURS, any_way)) == any_way
    assert judge(own, Wanted(("*.own.caa.com",), OURS, any_way)) == any_way
    told = judge(own, Wanted(("own.caa.com", "*.own.caa.com"), OURS, any_way))
    assert isinstance(told, OrderError)
    assert told.message == (
        'the CAA records at own.caa.com. (0 issue ";") do not let the CA ca.example.net issue; '
        'add own.caa.com. CAA 0 issue "ca.example.net"'
    )


async def test_a_way_that_takes_too_long_is_given_up(authoritative):
    caa = CaaLookup(authoritative, authoritative, deadline=0.0)
    evidence = await caa.climb("shop.caa.com")
    assert (evidence.name, records_in(evidence)) == ("shop.caa.com", None)
