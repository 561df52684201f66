"""The bytes: the short way equals the long one, and no bytes do any harm."""

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from delegation import EMPTY, LONG, MANY, ONE, ORIGIN, UNKNOWN, ZONE, Texts
from hypothesis import given, settings
from hypothesis import strategies as st

from customdomains.dns.holdings import Holdings
from customdomains.dns.responder import Responder

LABELS = [ONE, MANY, EMPTY, LONG, UNKNOWN, "g" * 32, "short", f"deeper.{ONE}"]
TYPES = ["TXT", "A", "AAAA", "NS", "SOA", "CNAME", "CAA", "DS", "ANY", "AXFR", "HINFO"]


def mostly(usual, *odd):
    """Draws `usual` four times in five: a query bent in every place tests only the refusals."""
    return st.integers(0, 4).flatmap(lambda n: st.sampled_from(odd) if n == 3 else st.just(usual))


def responder(source=None):
    return Responder(Holdings(ZONE, source or Texts()), lambda: 7)


@st.composite
def queries(draw):
    """Wire queries around the zone, most of them plain, some bent in one place."""
    label = draw(st.sampled_from(LABELS))
    name = draw(mostly(f"{label}.{ORIGIN}", ORIGIN, f"{label}.elsewhere.example"))
    upper = draw(st.integers(0, 2 ** len(name) - 1))
    name = "".join(c.upper() if upper >> at & 1 else c for at, c in enumerate(name))
    query = dns.message.make_query(
        name,
        draw(st.sampled_from(TYPES)),
        draw(mostly("IN", "CH", "ANY")),
        flags=draw(st.sampled_from([0, dns.flags.RD, dns.flags.RD | dns.flags.AD])),
    )
    if draw(st.booleans()):
        cookie = dns.edns.GenericOption(10, draw(st.sampled_from([b"8 bytes.", b"x" * 24])))
        unknown = dns.edns.GenericOption(65001, b"unknown")
        query.use_edns(
            draw(mostly(0, 1)),
            draw(st.sampled_from([0, dns.flags.DO])),
            draw(st.sampled_from([0, 512, 600, 1232, 4096])),
            options=draw(st.sampled_from([[], [cookie], [unknown], [cookie, unknown]])),
        )
    wire = bytearray(query.to_wire())
    if draw(mostly(False, True)):
        wire[draw(st.integers(2, len(wire) - 1))] = draw(st.integers(0, 255))
    return bytes(wire) + draw(mostly(b"", b"\x00"))


def shown(reply):
    """A reply's meaning, with the case of question and owners, which equality of names ignores.

    Not with the case of the names in the SOA: compression lends them that of the question. Nor
    with the order of records: dnspython shuffles them.
    """
    message = dns.message.from_wire(reply.wire)
    exact = {rrset.to_text() for rrset in message.question}
    exact |= {record for rrset in message.answer for record in rrset.to_text().splitlines()}
    text = sorted(message.to_text().lower().splitlines())
    return exact, text, message.payload, reply.rcode, len(message.answer)


@settings(max_examples=500)
@given(queries(), st.booleans(), mostly(True, False))
def test_the_short_way_says_what_the_long_way_says(wire, udp, synced):
    source = Texts()
    source.synced = synced
    answering = responder(source)
    short = answering._short_way(wire, udp=udp)
    if short is not None and not wire[2] & 0x80:
        assert shown(short) == shown(answering._long_way(wire, udp=udp))
        assert len(short.wire) <= (1232 if udp else 65535)


@pytest.mark.parametrize("rdtype", ["TXT", "A"])
@pytest.mark.parametrize("label", [ONE, UNKNOWN, EMPTY])
@pytest.mark.parametrize("edns", [False, True])
def test_the_short_way_is_taken_for_plain_questions(label, rdtype, edns):
    query = dns.message.make_query(f"{label}.{ORIGIN}", rdtype, use_edns=edns)
    assert responder()._short_way(query.to_wire(), udp=True) is not None


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=600), queries()), st.booleans())
def test_any_bytes_get_a_well_formed_reply_or_none(wire, udp):
    reply = responder().reply(wire, udp=udp)
    if len(wire) < 12 or wire[2] & 0x80:
        assert reply is None
        return
    assert reply.wire[:2] == wire[:2]
    response = dns.message.from_wire(reply.wire)
    assert response.flags & dns.flags.QR
    assert response.rcode() == reply.rcode
    assert not response.flags & dns.flags.RA


@pytest.mark.parametrize(
    ("payload", "room"), [(None, 512), (0, 512), (100, 512), (600, 600), (65535, 1232)]
)
def test_over_udp_a_reply_fits_the_clients_buffer(payload, room):
    edns = {} if payload is None else {"use_edns": 0, "payload": payload}
    query = dns.message.make_query(f"{MANY}.{ORIGIN}", "TXT", **edns).to_wire()
    over_udp = responder().reply(query, udp=True).wire
    assert len(over_udp) <= room
    assert dns.message.from_wire(over_udp).flags & dns.flags.TC
    over_tcp = dns.message.from_wire(responder().reply(query, udp=False).wire)
    assert len(over_tcp.answer[0]) == 30
    assert not over_tcp.flags & dns.flags.TC


@pytest.mark.parametrize(
    ("bend", "rcode"),
    [
        (lambda wire: wire[:-1], dns.rcode.FORMERR),
        (lambda wire: wire + b"\x00", dns.rcode.FORMERR),
        (lambda wire: wire[:4] + b"\x00\x00" + wire[6:12], dns.rcode.FORMERR),
        (lambda wire: wire[:2] + b"\x28" + wire[3:], dns.rcode.NOTIMP),
        (lambda wire: wire[:2] + b"\x28" + wire[3:12], dns.rcode.NOTIMP),
    ],
)
def test_what_cannot_be_read_is_told_so(bend, rcode):
    wire = bend(dns.message.make_query(f"{ONE}.{ORIGIN}", "TXT", flags=0).to_wire())
    assert responder().reply(wire, udp=True).rcode == rcode


def test_two_opt_records_are_malformed():
    wire = bytearray(dns.message.make_query(ORIGIN, "SOA", use_edns=0).to_wire())
    wire[11] = 2
    assert responder().reply(bytes(wire + wire[-11:]), udp=True).rcode == dns.rcode.FORMERR


def test_a_broken_source_costs_one_answer(caplog):
    class Broken(Texts):
        def texts(self, label):
            raise RuntimeError("broken on purpose")

    answering = responder(Broken())
    lost = dns.message.make_query(f"{ONE}.{ORIGIN}", "TXT").to_wire()
    assert answering.reply(lost, udp=True).rcode == dns.rcode.SERVFAIL
    assert "could not be answered" in caplog.text
    fine = dns.message.make_query(ORIGIN, "SOA").to_wire()
    assert answering.reply(fine, udp=True).rcode == dns.rcode.NOERROR


def test_the_serial_is_that_of_the_moment():
    serials = iter([41, 42])
    answering = Responder(Holdings(ZONE, Texts()), lambda: next(serials))
    query = dns.message.make_query(f"{UNKNOWN}.{ORIGIN}", "TXT").to_wire()
    seen = [
        dns.message.from_wire(answering.reply(query, udp=True).wire).authority[0][0].serial
        for _ in range(2)
    ]
    assert seen == [41, 42]


def test_no_record_is_given_twice():
    source = Texts()
    source.held[ONE] = ("same", "same")
    query = dns.message.make_query(f"{ONE}.{ORIGIN}", "TXT").to_wire()
    reply = responder(source).reply(query, udp=True)
    assert reply.wire[6:8] == b"\x00\x01"
