"""One question over UDP and TCP, to a server that lies."""

import asyncio
import struct

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from liar import HANG_UP, FromElsewhere, InPieces, Raw, closed_port, lying, reply

from customdomains.dns import exchange
from customdomains.dns.exchange import transact
from customdomains.dns.messages import MAX_MESSAGE, make_query
from customdomains.model.evidence import Outcome

NAME = "_acme-challenge.shop.example"
YES = f"{NAME}. 9 TXT yes"
NO = f"{NAME}. 9 TXT no"

PATIENT = 5.0
"""Seconds, where an answer is coming: never waited out."""

BRIEF = 0.2
"""Seconds, where none is coming."""


async def ask(server, timeout=PATIENT, query=None):
    query = query or make_query(dns.name.from_text(NAME), dns.rdatatype.TXT)
    return await transact(server, query, timeout)


async def answered(answers, timeout=PATIENT):
    """How a server that answers so is understood: the values, or else the outcome."""
    async with lying(answers) as liar:
        reply = await ask(liar.address, timeout)
    return values(reply.response) if reply.response is not None else reply.outcome


def values(response):
    return [text.to_text().strip('"') for rrset in response.answer for text in rrset]


def truncated(query):
    return reply(query, NO, flags=dns.flags.TC | dns.flags.RA)


def over_tcp(*answers):
    """Truncated over UDP, and `answers` over TCP; functions are called with the query."""

    def lie(query, transport):
        if transport == "udp":
            return [truncated(query)]
        return [answer(query) if callable(answer) else answer for answer in answers]

    return lie


def looping(query):
    """An answer whose owner name is a pointer to itself."""
    wire = bytearray(dns.message.make_response(query).to_wire())
    wire[6:8] = b"\x00\x01"
    here = 0xC000 | len(wire)
    return bytes(wire) + struct.pack("!HHHIH", here, dns.rdatatype.TXT, 1, 9, 0)


def costly(query):
    """Some kilobytes with hundreds of names of a hundred labels, all different."""
    query.use_edns(False)
    wire = bytearray(dns.message.make_response(query).to_wire())
    start = 0xC000 | len(wire)
    wire += b"\x01a" * 110 + b"\x00" + struct.pack("!HHIH", dns.rdatatype.TXT, 1, 9, 1) + b"\x00"
    for number in range(255):
        wire += struct.pack("!BBBH", 2, number, 0, start)
        wire += struct.pack("!HHIHH", dns.rdatatype.CNAME, 1, 9, 2, start)
    wire[6:8] = (256).to_bytes(2)
    return bytes(wire)


NO_ANSWERS = [
    pytest.param(lambda query: b"\x00" * 11, id="too short"),
    pytest.param(lambda query: reply(query, NO)[:-3], id="cut off"),
    pytest.param(lambda query: reply(query, NO) + b"\x00", id="something behind it"),
    pytest.param(lambda query: b"\xff" * 600, id="garbage"),
    pytest.param(lambda query: query.to_wire(), id="the query itself"),
    pytest.param(
        lambda query: bytes([query.id >> 8 ^ 1]) + reply(query, NO)[1:], id="mismatched id"
    ),
    pytest.param(
        lambda query: reply(query, NO, question="other.example."), id="mismatched question"
    ),
    pytest.param(
        lambda query: query.to_wire()[:2] + b"\x80\x00" + b"\xff" * 8, id="counts that lie"
    ),
    pytest.param(looping, id="a name that points to itself"),
    pytest.param(costly, id="names that are costly to read"),
    pytest.param(
        lambda query: reply(query, *(f"{NAME}. 9 TXT {'x' * 250}{i}" for i in range(70))),
        id="oversized",
    ),
]


@pytest.mark.parametrize("lie", NO_ANSWERS)
async def test_what_is_no_answer_is_passed_over(lie):
    assert await answered(lambda query, _: [lie(query), reply(query, YES)]) == ["yes"]
    assert await answered(lambda query, _: [lie(query)], BRIEF) is Outcome.MALFORMED


@pytest.mark.parametrize("lie", NO_ANSWERS)
async def test_over_tcp_what_is_no_answer_is_the_end(lie):
    assert await answered(over_tcp(lie, lambda query: reply(query, YES))) is Outcome.MALFORMED


async def test_after_much_that_is_no_answer_tcp_is_asked():
    def flooded(query, transport):
        return [b"\xff" * 40] * 99 if transport == "udp" else [reply(query, YES)]

    async with lying(flooded) as liar:
        reply_ = await ask(liar.address)
    assert values(reply_.response) == ["yes"]
    assert [transport for transport, *_ in liar.asked] == ["udp", "tcp"]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
async def test_another_address_or_port_is_not_heard(address):
    def beside(query, _transport):
        return [FromElsewhere(reply(query, NO), address), reply(query, YES)]

    assert await answered(beside) == ["yes"]
    only_beside = await answered(
        lambda query, _: [FromElsewhere(reply(query, NO), address)], timeout=BRIEF
    )
    assert only_beside is Outcome.TIMED_OUT


async def test_the_first_answer_counts():
    assert await answered(lambda query, _: [reply(query, YES), reply(query, NO)]) == ["yes"]


async def test_a_truncated_answer_is_asked_for_again_over_tcp():
    wanted = [f"{NAME}. 9 TXT v{number}" for number in range(100)]
    async with lying(over_tcp(lambda query: reply(query, *wanted))) as liar:
        answer = await ask(liar.address)
    assert len(values(answer.response)) == 100
    assert liar.asked == [("udp", "TXT", 0), ("tcp", "TXT", 0)]


async def test_a_truncated_answer_to_another_question_is_none():
    def lie(query, transport):
        other = reply(query, flags=dns.flags.TC, question="other.example.")
        return [other, reply(query, YES)] if transport == "udp" else []

    assert await answered(lie) == ["yes"]


async def test_truncated_over_tcp_as_well_is_the_end():
    assert await answered(over_tcp(truncated)) is Outcome.MALFORMED


@pytest.mark.parametrize("size", [1, 2, 3, 50])
async def test_an_answer_in_pieces(size):
    answer = await answered(over_tcp(lambda query: InPieces(reply(query, YES), size)))
    assert answer == ["yes"]


@pytest.mark.parametrize(
    ("lie", "outcome"),
    [
        pytest.param((), Outcome.UNREACHABLE, id="hangs up"),
        pytest.param((Raw(b"\x00"), HANG_UP), Outcome.UNREACHABLE, id="hangs up in the length"),
        pytest.param((Raw(b"\x00\x63abc"), HANG_UP), Outcome.UNREACHABLE, id="hangs up in it"),
        pytest.param((Raw(b"\x00\x00"),), Outcome.MALFORMED, id="empty"),
        pytest.param((Raw((MAX_MESSAGE + 1).to_bytes(2)),), Outcome.MALFORMED, id="too long"),
        pytest.param((Raw(b""),), Outcome.TIMED_OUT, id="says nothing"),
        pytest.param((Raw(b"\x00\x63abc"),), Outcome.TIMED_OUT, id="says half"),
    ],
)
async def test_trouble_over_tcp_is_an_outcome(lie, outcome):
    timeout = BRIEF if outcome is Outcome.TIMED_OUT else PATIENT
    assert await answered(over_tcp(*lie), timeout) is outcome


async def test_tcp_that_is_closed_is_unreachable():
    async with lying(over_tcp()) as liar:
        liar.streams.close()
        assert (await ask(liar.address)).outcome is Outcome.UNREACHABLE


async def test_asks_without_edns_where_edns_is_not_understood():
    def from_before_edns(query, _transport):
        if query.edns >= 0:
            query.use_edns(False)
            return [reply(query, rcode=dns.rcode.FORMERR)]
        return [reply(query, YES)]

    query = make_query(dns.name.from_text(NAME), dns.rdatatype.TXT)
    async with lying(from_before_edns) as liar:
        answer = await ask(liar.address, query=query)
    assert values(answer.response) == ["yes"]
    assert [edns for *_, edns in liar.asked] == [0, -1]
    assert query.edns == 0, "it may be put to others"


async def test_who_understands_nothing_is_asked_twice():
    async with lying(lambda query, _: [reply(query, rcode=dns.rcode.FORMERR)]) as liar:
        assert (await ask(liar.address)).outcome is Outcome.MALFORMED
    assert [edns for *_, edns in liar.asked] == [0, -1]


async def test_a_failure_without_its_question_is_an_answer():
    def bare(query, _transport):
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.SERVFAIL)
        response.question = []
        return [response.to_wire()]

    async with lying(bare) as liar:
        assert (await ask(liar.address)).outcome is Outcome.SERVER_FAILURE


async def test_a_closed_port_is_unreachable_at_once_and_silence_a_timeout():
    assert (await ask(closed_port())).outcome is Outcome.UNREACHABLE
    assert await answered(lambda query, _: [], BRIEF) is Outcome.TIMED_OUT


async def test_a_lost_datagram_is_sent_again(monkeypatch):
    monkeypatch.setattr(exchange, "_SEND_AGAIN_AFTER", 0.01)
    heard = []

    def after_the_first(query, _transport):
        heard.append(query.id)
        return [] if len(heard) == 1 else [reply(query, YES)]

    async with lying(after_the_first) as liar:
        found = await ask(liar.address)
    assert values(found.response) == ["yes"]
    assert heard == [heard[0]] * 2
    assert len(set(liar.ports)) == 1


async def test_the_questions_differ():
    async with lying(lambda query, _: [reply(query, YES)]) as liar:
        await asyncio.gather(*(ask(liar.address) for _ in range(20)))
    assert len({query.id for query in liar.queries}) > 10
    assert len(set(liar.ports)) > 10


async def test_a_question_is_as_it_should_be():
    async with lying(lambda query, _: [reply(query, YES)]) as liar:
        await ask(liar.address)
        await ask(
            liar.address,
            query=make_query(
                dns.name.from_text(NAME), dns.rdatatype.SOA, recursion=False, checking=False
            ),
        )
    first, second = liar.queries
    assert first.flags == dns.flags.RD | dns.flags.AD
    assert second.flags == dns.flags.CD
    assert {query.payload for query in liar.queries} == {1232}


@pytest.mark.parametrize("server", ["127.0.0.1", "[::1]", "::1:53", "127.0.0.1:x"])
async def test_what_is_no_server_is_refused(server):
    with pytest.raises(ValueError, match=r"form|brackets"):
        await ask(server)
