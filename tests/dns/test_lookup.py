"""Lookups by the word of resolvers: of the first that has something to say, and of several."""

import asyncio
from dataclasses import replace

import dns.edns
import dns.flags
import dns.rcode
import dns.rdatatype
import dns.resolver
import pytest
from delegation import ONE, ORIGIN
from liar import closed_port, lying, reply

from customdomains.dns.lookup import QuorumLookup, RecursiveLookup
from customdomains.dns.resolvers import make_resolvers
from customdomains.model.evidence import Nearby, Obstacle, Outcome, Place, ServerAnswer

NAME = "_acme-challenge.shop.customer.com"
TARGET = f"{ONE}.{ORIGIN}"
YES = f"{NAME}. 9 TXT yes"

CUSTOMER = ["customer.com. 300 SOA ns. host. 1 2 3 4 60"]
REGISTRY = ["com. 900 SOA ns. host. 1 2 3 4 900"]
ROOT = [". 900 SOA ns. host. 1 2 3 4 900"]

PATIENT = 5.0
"""Seconds, where an answer is coming: never waited out."""

BRIEF = 0.2
"""Seconds, where none is coming."""


async def look_up(*servers, timeout=PATIENT, deadline=10.0, nearby=False):
    lookup = RecursiveLookup(make_resolvers(servers), timeout=timeout, deadline=deadline)
    return await lookup.look_up(NAME, nearby=nearby)


async def agree(needed, *servers, timeout=PATIENT, nearby=False):
    lookup = QuorumLookup(make_resolvers(servers), needed=needed, timeout=timeout)
    return await lookup.look_up(NAME, nearby=nearby)


def only(evidence):
    (answer,) = evidence.answers
    return timeless(answer)


def timeless(answer):
    """The answer without the time it took, which differs each time."""
    return replace(answer, milliseconds=0)


def outcomes(evidence):
    return [answer.outcome for answer in evidence.answers]


def servfail(query, _transport):
    return [reply(query, rcode=dns.rcode.SERVFAIL)]


def refused(query, _transport):
    return [reply(query, rcode=dns.rcode.REFUSED)]


def silence(_query, _transport):
    return []


def saying(*records, **more):
    return lambda query, _: [reply(query, *records, **more)]


def absent(authority):
    return saying(rcode=dns.rcode.NXDOMAIN, authority=authority)


def validating(records, *, flags=dns.flags.RA):
    """A resolver that finds the zone bogus: an answer comes only without validation."""

    def answer(query, _transport):
        if query.flags & dns.flags.CD:
            return [reply(query, *records, flags=flags)]
        return [reply(query, rcode=dns.rcode.SERVFAIL)]

    return answer


def types(liar):
    return [rdtype for _, rdtype, _ in liar.asked]


async def test_what_a_resolver_says_is_the_evidence():
    async with lying(saying(YES, flags=dns.flags.RA | dns.flags.AD)) as liar:
        evidence = await look_up(liar.address)
    assert only(evidence) == ServerAnswer(
        liar.address, Outcome.ANSWERED, (), ("yes",), 9, authentic=True, cached=True
    )
    assert (evidence.name, evidence.needed) == (NAME, 1)
    assert (evidence.obstacle, evidence.nearby) == (None, None)


async def test_the_next_resolver_is_asked_only_where_the_one_before_said_nothing():
    async with (
        lying(servfail) as failing,
        lying(silence) as silent,
        lying(saying(YES)) as good,
        lying(saying(f"{NAME}. 9 TXT spare")) as spare,
    ):
        closed = closed_port()
        evidence = await look_up(
            failing.address, closed, silent.address, good.address, spare.address, timeout=0.5
        )
    assert outcomes(evidence) == [
        Outcome.SERVER_FAILURE,
        Outcome.UNREACHABLE,
        Outcome.TIMED_OUT,
        Outcome.ANSWERED,
    ]
    assert evidence.texts == {"yes"}
    assert [len(liar.asked) for liar in (failing, silent, good, spare)] == [2, 1, 1, 0]


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_the_alias_is_asked_for_where_its_target_cannot_be_resolved(rcode):
    def target_is_down(query, _transport):
        if query.question[0].rdtype == dns.rdatatype.TXT:
            return [reply(query, rcode=rcode)]
        return [reply(query, f"{NAME}. 60 CNAME {TARGET}.")]

    async with lying(target_is_down) as liar:
        answer = only(await look_up(liar.address))
    assert (answer.cnames, answer.texts, answer.ttl) == ((TARGET,), (), 60)
    assert not answer.outcome.conclusive, "the texts at the target are still unknown"
    asked = [rdtype for rdtype in types(liar) if rdtype != "TXT"]
    assert asked == ["CNAME", "CNAME"], "at the name, and at what it points to"


async def test_the_alias_is_asked_for_once_and_its_absence_changes_nothing():
    async with lying(servfail) as first, lying(servfail) as second:
        evidence = await look_up(first.address, second.address)
        assert [timeless(answer) for answer in evidence.answers] == [
            ServerAnswer(liar.address, Outcome.SERVER_FAILURE) for liar in (first, second)
        ]
    assert types(first) == types(second) == ["TXT", "TXT", "CNAME"]


@pytest.mark.parametrize("target", [NAME, "other.customer.com"])
async def test_a_loop_that_makes_resolvers_fail_is_found(target):
    aliases = {NAME: target, target: NAME}

    def looping(query, _transport):
        if query.question[0].rdtype == dns.rdatatype.TXT:
            return [reply(query, rcode=dns.rcode.SERVFAIL)]
        name = query.question[0].name.to_text(omit_final_dot=True)
        return [reply(query, f"{name}. 60 CNAME {aliases[name]}.")]

    async with lying(looping) as liar:
        evidence = await look_up(liar.address)
    assert evidence.obstacle is Obstacle.ALIAS_LOOP
    assert only(evidence).cnames == ((NAME,) if target == NAME else (target, NAME))


async def test_a_loop_in_an_answer_is_found():
    loop = (f"{NAME}. 9 CNAME a.customer.com.", f"a.customer.com. 9 CNAME {NAME}.")
    async with lying(saying(*loop)) as liar:
        assert (await look_up(liar.address)).obstacle is Obstacle.ALIAS_LOOP


async def test_bogus_is_told_from_broken_by_asking_without_validation():
    async with lying(validating([YES])) as liar, lying(saying(YES)) as careless:
        evidence = await look_up(liar.address, careless.address)
    assert outcomes(evidence) == [Outcome.BOGUS, Outcome.BOGUS]
    assert evidence.texts == set(), "a resolver that does not validate proves nothing then"
    assert [bool(query.flags & dns.flags.CD) for query in liar.queries] == [False, True, False]
    assert "another resolver found it bogus" in evidence.answers[1].explanation


async def test_what_another_resolver_validated_counts():
    async with (
        lying(validating([YES])) as wrong_clock,
        lying(saying(YES, flags=dns.flags.RA | dns.flags.AD)) as right,
    ):
        evidence = await look_up(wrong_clock.address, right.address)
    assert outcomes(evidence) == [Outcome.BOGUS, Outcome.ANSWERED]
    assert evidence.texts == {"yes"}


async def test_what_fails_once_only_is_neither_bogus_nor_broken():
    failed = []

    def fails_once(query, _transport):
        if not failed:
            failed.append(query)
            return [reply(query, rcode=dns.rcode.SERVFAIL)]
        return [reply(query, YES)]

    async with lying(fails_once) as liar:
        assert only(await look_up(liar.address)).texts == ("yes",)


async def test_nobody_is_asked_again_where_the_resolver_says_that_it_is_bogus():
    expired = [dns.edns.EDEOption(7, "signature expired")]
    async with lying(saying(rcode=dns.rcode.SERVFAIL, errors=expired)) as liar:
        answer = only(await look_up(liar.address))
    assert answer.outcome is Outcome.BOGUS
    assert answer.explanation == "EDE 7 (Signature Expired): signature expired"
    assert types(liar) == ["TXT"]


@pytest.mark.parametrize(
    ("authority", "obstacle", "zone"),
    [
        (CUSTOMER, None, "customer.com"),
        (REGISTRY, Obstacle.ZONE_NOT_FOUND, None),
        (ROOT, Obstacle.ZONE_NOT_FOUND, None),
        ([], None, None),
    ],
)
@pytest.mark.parametrize("needed", [1, 2])
async def test_a_missing_name_in_a_missing_zone(needed, authority, obstacle, zone):
    async with lying(absent(authority)) as one, lying(absent(authority)) as other:
        evidence = (
            await look_up(one.address)
            if needed == 1
            else await agree(needed, one.address, other.address)
        )
    assert (evidence.obstacle, evidence.zone) == (obstacle, zone)
    assert set(outcomes(evidence)) == {Outcome.NO_SUCH_NAME}


async def test_a_private_networks_own_top_level_is_a_zone():
    soa = ["corp. 300 SOA ns. host. 1 2 3 4 60"]
    async with lying(absent(soa)) as liar:
        lookup = RecursiveLookup(make_resolvers((liar.address,)))
        evidence = await lookup.look_up("_acme-challenge.shop.corp")
    assert (evidence.obstacle, evidence.zone) == (None, "corp")


async def test_an_alias_to_nowhere_is_no_missing_zone():
    answer = saying(f"{NAME}. 9 CNAME gone.net.", rcode=dns.rcode.NXDOMAIN, authority=ROOT)
    async with lying(answer) as liar:
        evidence = await look_up(liar.address)
    assert (evidence.obstacle, evidence.zone) == (None, None)
    assert only(evidence).outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("second", "obstacle"),
    [(refused, Obstacle.RESOLVERS_FAILED), (servfail, None), (silence, None)],
)
async def test_resolvers_that_are_no_use_at_all(second, obstacle):
    async with lying(second) as liar:
        evidence = await look_up(closed_port(), liar.address, timeout=BRIEF)
    assert evidence.obstacle is obstacle
    assert not evidence.conclusive


async def test_the_deadline_ends_the_lookup_between_resolvers():
    async with lying(silence) as silent, lying(silence) as never_asked:
        evidence = await look_up(silent.address, never_asked.address, deadline=BRIEF)
    assert only(evidence) == ServerAnswer(silent.address, Outcome.TIMED_OUT)
    assert never_asked.asked == []


async def test_no_more_lookups_at_once_than_allowed():
    seen = []

    def later(query, _transport):
        seen.append(query)
        return [reply(query, YES)] if len(seen) > 2 else []

    async with lying(later) as liar:
        resolvers = make_resolvers((liar.address,))
        lookup = RecursiveLookup(resolvers, timeout=BRIEF, concurrency=1)
        evidence = await asyncio.gather(*(lookup.look_up(NAME) for _ in range(2)))
    # The first asks for TXT and CNAME in vain before the second may begin.
    assert [only(found).outcome for found in evidence] == [Outcome.TIMED_OUT, Outcome.ANSWERED]


@pytest.mark.parametrize("name", ["a" * 64 + ".example", ".".join(["a" * 60] * 5), "a..b"])
async def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(ValueError, match="cannot be a name"):
        await RecursiveLookup(make_resolvers((closed_port(),))).look_up(name)


async def test_with_nearby_the_usual_wrong_places_are_looked_at():
    def misplaced(query, _transport):
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        if question.rdtype == dns.rdatatype.SOA:
            return [reply(query, authority=CUSTOMER)]
        if name == f"{NAME}.customer.com":
            return [reply(query, f"{name}. 9 TXT here")]
        if name == "shop.customer.com":
            return [reply(query, f"{name}. 9 CNAME shops.example.net.")]
        return [reply(query, rcode=dns.rcode.NXDOMAIN)]

    async with lying(misplaced) as liar:
        evidence = await look_up(liar.address, nearby=True)
        assert evidence.zone == "customer.com"
        assert set(evidence.nearby) == {
            Nearby(Place.ZONE_TWICE, f"{NAME}.customer.com", (), ("here",)),
            Nearby(Place.LABEL_MISSING, "shop.customer.com", ("shops.example.net",), ()),
        }
        assert (await look_up(liar.address)).nearby is None


async def test_what_is_enough_ends_the_search():
    async with lying(lambda query, _: [reply(query, f"{NAME}. 9 TXT here")]) as liar:
        lookup = RecursiveLookup(make_resolvers([liar.address]), timeout=PATIENT)
        found = await lookup.look_up(NAME, nearby=True, enough=lambda e: "here" in e.texts)
    assert (found.nearby, len(liar.queries)) == (None, 1)


async def test_the_zone_is_looked_for_above_aliases():
    asked = []

    def answer(query, _transport):
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        if question.rdtype != dns.rdatatype.SOA:
            return [reply(query, f"{NAME}. 9 TXT wrong")] if name == NAME else [reply(query)]
        asked.append(name)
        if name == "customer.com":
            return [reply(query, *CUSTOMER)]
        elsewhere = ["example.net. 300 SOA ns. host. 1 2 3 4 60"]
        return [reply(query, f"{name}. 9 CNAME x.example.net.", authority=elsewhere)]

    async with lying(answer) as liar:
        assert (await look_up(liar.address, nearby=True)).zone == "customer.com"
    assert asked == [NAME, "shop.customer.com", "customer.com"]


@pytest.mark.parametrize(
    "answer", [pytest.param(servfail, id="failing"), pytest.param(absent(REGISTRY), id="no zone")]
)
async def test_nobody_looks_around_where_there_is_nothing(answer):
    async with lying(answer) as liar:
        evidence = await look_up(liar.address, nearby=True)
    assert evidence.nearby is None


async def test_a_quorum_is_as_many_as_it_takes():
    async with (
        lying(saying(YES)) as one,
        lying(saying(YES)) as other,
        lying(saying(f"{NAME}. 9 TXT no")) as liar,
    ):
        evidence = await agree(2, one.address, liar.address, other.address)
    assert [answer.texts for answer in evidence.answers] == [("yes",), ("no",), ("yes",)]
    assert evidence.needed == 2
    assert evidence.agreed(lambda answer: "yes" in answer.texts)
    assert not evidence.agreed(lambda answer: "no" in answer.texts)


async def test_one_resolver_that_is_away_prevents_no_quorum():
    async with lying(saying(YES)) as one, lying(saying(YES)) as other:
        evidence = await agree(2, closed_port(), one.address, other.address)
    assert outcomes(evidence) == [Outcome.UNREACHABLE, Outcome.ANSWERED, Outcome.ANSWERED]
    assert evidence.agreed(lambda answer: "yes" in answer.texts)


async def test_too_few_make_no_quorum():
    async with lying(saying(YES)) as one, lying(servfail) as failing:
        evidence = await agree(2, one.address, failing.address, closed_port())
    assert not evidence.agreed(lambda answer: "yes" in answer.texts)
    assert evidence.obstacle is None


async def test_who_is_silent_is_not_waited_for_once_enough_agree():
    async with (
        lying(saying(YES)) as one,
        lying(silence) as silent,
        lying(saying(YES)) as other,
    ):
        # Without the short grace this would take 30 s and the test's patience is shorter.
        async with asyncio.timeout(PATIENT):
            evidence = await agree(2, one.address, silent.address, other.address, timeout=30)
    assert [answer.server for answer in evidence.answers] == [one.address, other.address]
    assert len(silent.asked) == 1


async def test_while_too_few_agree_everybody_is_waited_for():
    async with lying(saying(YES)) as one, lying(silence) as late:
        evidence = await agree(2, one.address, late.address, timeout=BRIEF)
    assert outcomes(evidence) == [Outcome.ANSWERED, Outcome.TIMED_OUT]


async def test_a_quorum_does_not_outvote_a_resolver_that_validates():
    async with (
        lying(validating([YES])) as strict,
        lying(saying(YES)) as one,
        lying(saying(YES)) as other,
    ):
        evidence = await agree(2, one.address, other.address, strict.address)
    assert outcomes(evidence) == [Outcome.BOGUS] * 3


async def test_a_quorum_knows_the_alias_too():
    def target_is_down(query, _transport):
        if query.question[0].rdtype == dns.rdatatype.TXT:
            return [reply(query, rcode=dns.rcode.SERVFAIL)]
        return [reply(query, f"{NAME}. 60 CNAME {TARGET}.")]

    async with lying(target_is_down) as one, lying(target_is_down) as other:
        evidence = await agree(2, one.address, other.address)
    assert [answer.cnames for answer in evidence.answers] == [(TARGET,), ()]


async def test_a_lookup_that_is_given_up_leaves_nothing_behind():
    asked = asyncio.Event()

    def silent(_query, _transport):
        asked.set()
        return []

    async with lying(silent) as one, lying(silent) as other:
        before = asyncio.all_tasks()
        task = asyncio.create_task(agree(2, one.address, other.address))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before


@pytest.mark.parametrize("resolver", ["127.0.0.1", "dns.example:53", "::1:53", "1.1.1.1:99999"])
def test_a_resolver_is_an_address_and_a_port(resolver):
    with pytest.raises(ValueError, match=r"resolver|form|brackets"):
        make_resolvers((resolver,))


def test_the_systems_resolvers_are_those_of_resolv_conf(monkeypatch, tmp_path):
    configuration = tmp_path / "resolv.conf"
    configuration.write_text("nameserver 192.0.2.1\nnameserver 2001:db8::1\n")
    read = dns.resolver.Resolver
    monkeypatch.setattr("dns.resolver.Resolver", lambda: read(filename=str(configuration)))
    names = [resolver.name for resolver in make_resolvers(())]
    assert names == ["192.0.2.1:53", "[2001:db8::1]:53"]


def test_a_system_without_resolvers_is_said(monkeypatch, tmp_path):
    read = dns.resolver.Resolver
    nowhere = str(tmp_path / "nowhere.conf")
    monkeypatch.setattr("dns.resolver.Resolver", lambda: read(filename=nowhere))
    with pytest.raises(ValueError, match=r"no resolver .*set lookups\.resolvers"):
        make_resolvers(())
