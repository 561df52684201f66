"""Lookups, against a server that lies, and against our own."""

import asyncio
from dataclasses import replace

import dns.flags
import dns.rcode
import dns.rdatatype
import dns.resolver
import pytest
from delegation import ONE, ORIGIN, TOKEN, UNKNOWN
from liar import closed_port, lying, reply

from customdomains.dns.lookup import RecursiveLookup
from customdomains.dns.resolvers import make_resolvers
from customdomains.dns.selfcheck import texts_at
from customdomains.model.evidence import Outcome, ServerAnswer

NAME = "_acme-challenge.shop.example"
TARGET = f"{ONE}.{ORIGIN}"

PATIENT = 5.0
"""Seconds, where an answer is coming: never waited out."""

BRIEF = 0.2
"""Seconds, where none is coming."""


async def look_up(*servers, timeout=PATIENT, deadline=10.0):
    lookup = RecursiveLookup(make_resolvers(servers), timeout=timeout, deadline=deadline)
    return await lookup.look_up(NAME)


def only(evidence):
    (answer,) = evidence.answers
    return timeless(answer)


def timeless(answer):
    """The answer without the time it took, which differs each time."""
    return replace(answer, milliseconds=0)


def servfail(query, _transport):
    return [reply(query, rcode=dns.rcode.SERVFAIL)]


def silence(_query, _transport):
    return []


@pytest.mark.parametrize(
    ("records", "cnames", "texts", "ttl"),
    [
        pytest.param((f'{NAME}. 300 TXT "one"',), (), ("one",), 300, id="one value"),
        pytest.param(
            (f'{NAME}. 300 TXT "one"', f'{NAME}. 300 TXT "two"'),
            (),
            ("one", "two"),
            300,
            id="several values",
        ),
        pytest.param((f'{NAME}. 9 TXT "on" "e"',), (), ("one",), 9, id="split string"),
        pytest.param((f'{NAME}. 9 TXT "\\255"',), (), ("\\xff",), 9, id="undecodable"),
        pytest.param((), (), (), None, id="no data"),
        pytest.param(('other.example. 9 TXT "one"',), (), (), None, id="another name's value"),
        pytest.param((f"{NAME}. 60 CNAME {TARGET}.",), (TARGET,), (), 60, id="alias alone"),
        pytest.param(
            (f"{NAME}. 60 CNAME {TARGET.upper()}.", f'{TARGET}. 5 TXT "one"'),
            (TARGET,),
            ("one",),
            5,
            id="alias and value, in another case",
        ),
        pytest.param(
            (f'{NAME}. 9 TXT "here"', f"{NAME}. 9 CNAME a.example.", 'a.example. 9 TXT "there"'),
            ("a.example",),
            ("here", "there"),
            9,
            id="value beside an alias",
        ),
        pytest.param(
            (f"{NAME}. 9 CNAME a.example.", "a.example. 8 CNAME b.example."),
            ("a.example", "b.example"),
            (),
            8,
            id="chain",
        ),
        pytest.param(
            (
                f"{NAME}. 9 CNAME a.example.",
                f"a.example. 9 CNAME {NAME}.",
                f'{NAME}. 9 TXT "lie"',
            ),
            ("a.example", NAME),
            ("lie",),
            9,
            id="loop",
        ),
        pytest.param((f"{NAME}. 9 CNAME {NAME}.",), (NAME,), (), 9, id="loop of one"),
        pytest.param(
            (
                f"{NAME}. 9 CNAME c0.example.",
                *(f"c{i}.example. 9 CNAME c{i + 1}.example." for i in range(20)),
                'c20.example. 9 TXT "too far"',
            ),
            tuple(f"c{i}.example" for i in range(16)),
            (),
            9,
            id="chain without bound",
        ),
    ],
)
async def test_reads_an_answer(records, cnames, texts, ttl):
    async with lying(lambda query, _: [reply(query, *records)]) as liar:
        answer = only(await look_up(liar.address))
    assert answer.outcome is Outcome.ANSWERED
    assert (answer.cnames, set(answer.texts), answer.ttl) == (cnames, set(texts), ttl)


async def test_an_alias_to_a_missing_name_is_an_answer_about_the_name():
    record = f"{NAME}. 60 CNAME {TARGET}."
    missing = dns.rcode.NXDOMAIN
    async with lying(lambda query, _: [reply(query, record, rcode=missing)]) as liar:
        answer = only(await look_up(liar.address))
    assert answer == ServerAnswer(liar.address, Outcome.ANSWERED, (TARGET,), ttl=60, cached=True)


@pytest.mark.parametrize(
    ("rcode", "flags", "outcome"),
    [
        (dns.rcode.NXDOMAIN, dns.flags.RA, Outcome.NO_SUCH_NAME),
        (dns.rcode.NXDOMAIN, dns.flags.AA, Outcome.NO_SUCH_NAME),
        (dns.rcode.NXDOMAIN, 0, Outcome.LAME),
        (dns.rcode.NOERROR, 0, Outcome.LAME),
        (dns.rcode.SERVFAIL, dns.flags.RA, Outcome.SERVER_FAILURE),
        (dns.rcode.REFUSED, 0, Outcome.REFUSED),
        (dns.rcode.NOTIMP, 0, Outcome.REFUSED),
        (dns.rcode.NOTAUTH, 0, Outcome.REFUSED),
        (dns.rcode.FORMERR, 0, Outcome.MALFORMED),
        (dns.rcode.YXDOMAIN, dns.flags.RA, Outcome.SERVER_FAILURE),
    ],
)
async def test_reads_an_answer_without_records(rcode, flags, outcome):
    async with lying(lambda query, _: [reply(query, rcode=rcode, flags=flags)]) as liar:
        answer = only(await look_up(liar.address))
    cached = outcome.conclusive and not flags & dns.flags.AA
    assert answer == ServerAnswer(liar.address, outcome, cached=cached)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda query: b"\x00" * 11, id="too short"),
        pytest.param(lambda query: reply(query)[:-3], id="cut off"),
        pytest.param(lambda query: b"\xff" * 600, id="garbage"),
        pytest.param(lambda query: query.to_wire(), id="the query itself"),
        pytest.param(
            lambda query: bytes([query.id >> 8 ^ 1]) + reply(query, f"{NAME}. 9 TXT no")[1:],
            id="mismatched id",
        ),
        pytest.param(
            lambda query: reply(query, f"{NAME}. 9 TXT no", question="other.example."),
            id="mismatched question",
        ),
    ],
)
async def test_what_is_no_answer_is_ignored(lie):
    def before_the_answer(query, _transport):
        return [lie(query), reply(query, f"{NAME}. 9 TXT yes")]

    async with lying(before_the_answer) as liar:
        assert only(await look_up(liar.address)).texts == ("yes",)
    async with lying(lambda query, _: [lie(query)]) as liar:
        evidence = await look_up(liar.address, timeout=BRIEF)
    assert only(evidence).outcome is Outcome.MALFORMED


async def test_a_truncated_answer_is_asked_for_again_over_tcp():
    def truncated(query, transport):
        if transport == "udp":
            return [reply(query, f"{NAME}. 9 TXT part", flags=dns.flags.TC | dns.flags.RA)]
        return [reply(query, *(f"{NAME}. 9 TXT v{number}" for number in range(100)))]

    async with lying(truncated) as liar:
        answer = only(await look_up(liar.address))
    assert set(answer.texts) == {f"v{number}" for number in range(100)}
    assert liar.asked == [("udp", "TXT", 0), ("tcp", "TXT", 0)]


@pytest.mark.parametrize(
    ("over_tcp", "outcome"),
    [
        pytest.param(lambda query: [], Outcome.UNREACHABLE, id="hung up"),
        pytest.param(lambda query: [b"\xff" * 40], Outcome.MALFORMED, id="garbage"),
        pytest.param(
            lambda query: [reply(query, question="other.example.")],
            Outcome.MALFORMED,
            id="mismatched question",
        ),
    ],
)
async def test_trouble_over_tcp_is_an_outcome(over_tcp, outcome):
    def truncated(query, transport):
        return [reply(query, flags=dns.flags.TC)] if transport == "udp" else over_tcp(query)

    async with lying(truncated) as liar:
        assert only(await look_up(liar.address)).outcome is outcome


async def test_asks_without_edns_where_edns_is_not_understood():
    def from_before_edns(query, _transport):
        if query.edns >= 0:
            query.use_edns(False)
            return [reply(query, rcode=dns.rcode.FORMERR)]
        return [reply(query, f"{NAME}. 9 TXT yes")]

    async with lying(from_before_edns) as liar:
        assert only(await look_up(liar.address)).texts == ("yes",)
    assert [edns for *_, edns in liar.asked] == [0, -1]


async def test_a_closed_port_is_unreachable_at_once_and_silence_a_timeout():
    closed = closed_port()
    assert only(await look_up(closed)) == ServerAnswer(closed, Outcome.UNREACHABLE)
    async with lying(silence) as liar:
        evidence = await look_up(liar.address, timeout=BRIEF)
    assert only(evidence) == ServerAnswer(liar.address, Outcome.TIMED_OUT)


async def test_the_next_resolver_is_asked_only_where_the_one_before_said_nothing():
    async with (
        lying(servfail) as failing,
        lying(silence) as silent,
        lying(lambda query, _: [reply(query, f"{NAME}. 9 TXT yes")]) as good,
        lying(lambda query, _: [reply(query, f"{NAME}. 9 TXT spare")]) as spare,
    ):
        closed = closed_port()
        evidence = await look_up(
            failing.address,
            closed,
            silent.address,
            good.address,
            spare.address,
            timeout=0.5,
        )
    assert [answer.outcome for answer in evidence.answers] == [
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
    asked = [rdtype for _, rdtype, _ in liar.asked if rdtype != "TXT"]
    assert asked == ["CNAME", "CNAME"], "at the name, and at what it points to"


async def test_the_alias_is_asked_for_once_and_its_absence_changes_nothing():
    async with lying(servfail) as first, lying(servfail) as second:
        evidence = await look_up(first.address, second.address)
        assert [timeless(answer) for answer in evidence.answers] == [
            ServerAnswer(liar.address, Outcome.SERVER_FAILURE) for liar in (first, second)
        ]
    for liar in (first, second):
        assert [rdtype for _, rdtype, _ in liar.asked] == ["TXT", "TXT", "CNAME"]


async def test_the_deadline_ends_the_lookup_between_resolvers():
    async with lying(silence) as silent, lying(silence) as never_asked:
        evidence = await look_up(silent.address, never_asked.address, deadline=BRIEF)
    assert only(evidence) == ServerAnswer(silent.address, Outcome.TIMED_OUT)
    assert never_asked.asked == []


async def test_no_more_lookups_at_once_than_allowed():
    seen = []

    def later(query, _transport):
        seen.append(query)
        return [reply(query, f"{NAME}. 9 TXT yes")] if len(seen) > 2 else []

    async with lying(later) as liar:
        lookup = RecursiveLookup(make_resolvers((liar.address,)), timeout=BRIEF, concurrency=1)
        evidence = await asyncio.gather(*(lookup.look_up(NAME) for _ in range(2)))
    # The first asks for TXT and CNAME in vain before the second may begin.
    assert [only(found).outcome for found in evidence] == [Outcome.TIMED_OUT, Outcome.ANSWERED]


@pytest.mark.parametrize("resolver", ["127.0.0.1", "dns.example:53", "::1:53", "1.1.1.1:99999"])
def test_a_resolver_is_an_address_and_a_port(resolver):
    with pytest.raises(ValueError, match=r"resolver|form|brackets"):
        make_resolvers((resolver,))


@pytest.mark.parametrize("name", ["a" * 64 + ".example", ".".join(["a" * 60] * 5), "a..b"])
async def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(ValueError, match="cannot be a name"):
        await RecursiveLookup(make_resolvers((closed_port(),))).look_up(name)


async def test_the_systems_resolvers_are_those_of_resolv_conf(monkeypatch, tmp_path):
    configuration = tmp_path / "resolv.conf"
    configuration.write_text("nameserver 192.0.2.1\nnameserver 2001:db8::1\n")
    read = dns.resolver.Resolver
    monkeypatch.setattr("dns.resolver.Resolver", lambda: read(filename=str(configuration)))
    assert [resolver.name for resolver in make_resolvers(())] == [
        "192.0.2.1:53",
        "[2001:db8::1]:53",
    ]


async def test_asks_our_own_responder(server, texts):
    (address,) = server.addresses

    async def found(name):
        return timeless(await texts_at(address, name, PATIENT))

    assert await found(f"{ONE}.{ORIGIN}") == ServerAnswer(
        address, Outcome.ANSWERED, (), (TOKEN, "digest-of-a-challenge"), 5
    )
    assert await found(f"{UNKNOWN}.{ORIGIN}") == ServerAnswer(
        address, Outcome.NO_SUCH_NAME, negative_ttl=5
    )
    assert await found("elsewhere.example") == ServerAnswer(address, Outcome.REFUSED)
    texts.synced = False
    assert await found(f"{ONE}.{ORIGIN}") == ServerAnswer(address, Outcome.SERVER_FAILURE)


async def test_recursion_is_desired_of_resolvers_only():
    flags = []

    def noting(query, _transport):
        flags.append(bool(query.flags & dns.flags.RD))
        return [reply(query)]

    async with lying(noting) as liar:
        await look_up(liar.address)
        await texts_at(liar.address, NAME, PATIENT)
    assert flags == [True, False]
