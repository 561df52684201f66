"""Whatever a server sends, reading it ends, in a bounded answer, and never in an exception."""

import asyncio
import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.TXT
from hypothesis import example, given, settings
from hypothesis import strategies as st
from liar import HANG_UP, Raw, lying, response_to

from customdomains.dns.answers import MAX_CHAIN, MAX_TEXT, MAX_TEXTS, read_answer
from customdomains.dns.exchange import transact
from customdomains.dns.messages import (
    MalformedError,
    TruncatedError,
    make_query,
    parse_response,
)
from customdomains.model.evidence import Outcome, ServerAnswer

NAME = dns.name.from_text("_acme-challenge.shop.example")
QUERY = make_query(NAME, dns.rdatatype.TXT)
QUERY.id = 4711
OWNERS = ["example.", "shop.example.", "a.example.", "b.a.example.", "c.net.", NAME.to_text()]

names = st.sampled_from(OWNERS)
ttls = st.sampled_from([0, 1, 300, 2**31 - 1])
printable = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=9)


def line(owner, ttl, kind, data):
    return f"{owner} {ttl} {kind} {data}"


records = st.one_of(
    st.builds(line, names, ttls, st.sampled_from(["CNAME", "DNAME", "NS"]), names),
    st.builds(line, names, ttls, st.just("TXT"), printable),
    st.builds(line, names, ttls, st.just("A"), st.just("192.0.2.1")),
    st.builds(line, names, ttls, st.just("MX"), names.map(lambda name: f"10 {name}")),
    st.builds(line, names, ttls, st.just("SOA"), st.just("ns. host. 1 2 3 4 4294967295")),
)
flag_sets = st.sets(st.sampled_from([*dns.flags.Flag, 1 << 6])).map(sum)
errors = st.lists(
    st.builds(dns.edns.EDEOption, st.integers(0, 65535), st.none() | st.text(max_size=300)),
    max_size=5,
)


@st.composite
def responses(draw):
    """A response that any server could build."""
    response = response_to(
        QUERY,
        *draw(st.lists(records, max_size=12)),
        rcode=draw(st.integers(0, 4095)),
        flags=draw(flag_sets) | dns.flags.QR,
        authority=draw(st.lists(records, max_size=4)),
        errors=draw(errors),
    )
    response.flags &= ~0x7800  # a query's opcode; another one is no answer
    return response


@st.composite
def mutations(draw):
    """The bytes of a response, with some changed, put in or left out."""
    wire = bytearray(draw(responses()).to_wire(max_size=65535))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(2, len(wire) - 1)) if len(wire) > 3 else 2
        piece = draw(st.binary(max_size=4) | st.sampled_from([b"\xc0\x0c", b"\x00", b"\xff\xff"]))
        width = draw(st.integers(0, 4))
        wire[place : place + width] = piece
    return bytes(wire)


def header(counts):
    return struct.pack("!HH4H", QUERY.id, dns.flags.QR | dns.flags.RA, *counts)


garbage = st.binary(max_size=600) | st.builds(
    lambda counts, question, rest: header(counts) + question + rest,
    st.tuples(*4 * [st.sampled_from([0, 1, 2, 300, 65535])]),
    st.sampled_from([b"", NAME.to_wire() + struct.pack("!HH", dns.rdatatype.TXT, 1)]),
    st.binary(max_size=600),
)


def read(wire):
    """The answer, as the exchange and the lookups make it of bytes; None where there is none."""
    try:
        response = parse_response(wire, QUERY)
    except (MalformedError, TruncatedError):
        return None
    return read_answer("192.0.2.1:53", NAME, response, trusted=True)


def check_bounds(answer):
    assert isinstance(answer, ServerAnswer)
    assert isinstance(answer.outcome, Outcome)
    assert len(answer.cnames) <= MAX_CHAIN
    assert len(answer.texts) <= MAX_TEXTS
    assert all(len(text) <= MAX_TEXT for text in answer.texts)
    assert all(len(name) <= 4 * 255 for name in answer.cnames)
    assert len(answer.explanation) <= 200
    assert answer.explanation.isprintable()
    assert answer.ttl is None or 0 <= answer.ttl < 2**31
    assert answer.negative_ttl is None or 0 <= answer.negative_ttl < 2**31
    if answer.cnames:
        assert answer.outcome in {Outcome.ANSWERED, Outcome.SERVER_FAILURE}
    if not answer.outcome.conclusive:
        assert not answer.texts
        assert not answer.authentic
    if answer.outcome is Outcome.NO_SUCH_NAME:
        assert not answer.texts


@settings(max_examples=1000, deadline=None)
@given(garbage)
@example(b"")
@example(header((0, 65535, 65535, 65535)) + b"\xc0\x0c" * 300)
def test_garbage(wire):
    answer = read(wire)
    if answer is not None:
        check_bounds(answer)


@settings(max_examples=600, deadline=None)
@given(mutations())
def test_mutated_responses(wire):
    answer = read(wire)
    if answer is not None:
        check_bounds(answer)


@settings(max_examples=400, deadline=None)
@given(responses())
def test_well_formed_responses(response):
    answer = read(response.to_wire(max_size=65535))
    if response.flags & dns.flags.TC:
        assert answer is None
        return
    check_bounds(answer)
    if not answer.outcome.conclusive:
        return
    sent = {
        (rrset.name, text)
        for rrset in response.answer
        if rrset.rdtype == dns.rdatatype.TXT
        for record in rrset
        for text in record.strings
    }
    places = {NAME, *(dns.name.from_text(name) for name in answer.cnames)}
    assert {text.encode() for text in answer.texts} <= {t for name, t in sent if name in places}
    if any(name == NAME for name, _ in sent):
        assert answer.texts, "what stands at the name itself is never overlooked"
    assert answer.clash <= bool(answer.cnames and answer.texts)


async def over_sockets(first, second):
    """How an exchange ends whose server sends `first` over UDP and `second` over TCP."""

    def answers(query, transport):
        number = query.id.to_bytes(2)
        if transport == "udp":
            # The ninth thing that is no answer sends the exchange to TCP.
            return [number + first[2:]] * 9
        return [Raw(second.replace(b"\x12\x67", number)), HANG_UP]

    async with lying(answers) as liar:
        return await transact(liar.address, make_query(NAME, dns.rdatatype.TXT), 0.5)


@settings(max_examples=50, deadline=None)
@given(
    st.one_of(garbage, mutations()),
    st.one_of(
        st.binary(max_size=40),
        mutations().map(lambda wire: len(wire).to_bytes(2) + wire),
    ),
)
def test_over_sockets(first, second):
    answer = asyncio.run(over_sockets(first, second))
    assert isinstance(answer.outcome, Outcome)
    assert answer.response is None or isinstance(answer.response, dns.message.Message)
