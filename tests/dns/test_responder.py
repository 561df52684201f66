"""The bytes: the short way equals the long one, and no bytes do any harm."""

import dns.flags
import dns.message
import dns.rcode
import pytest
from delegation import EMPTY, LONG, MANY, ONE, ORIGIN, UNKNOWN, ZONE, Texts
from hypothesis import given, settings
from hypothesis import strategies as st
from wires import mostly, queries, shown

from customdomains.dns.holdings import Holdings
from customdomains.dns.responder import Responder

LABELS = [ONE, MANY, EMPTY, LONG, UNKNOWN, "g" * 32, "short", f"deeper.{ONE}"]
TYPES = ["TXT", "A", "AAAA", "NS", "SOA", "CNAME", "CAA", "DS", "ANY", "AXFR", "HINFO"]


def responder(source=None):
    return Responder(Holdings(ZONE, source or Texts()), lambda: 7)


NAMES = st.sampled_from(LABELS).flatmap(
    lambda label: mostly(f"{label}.{ORIGIN}", ORIGIN, f"{label}.elsewhere.example")
)


@settings(max_examples=500)
@given(queries(NAMES, TYPES), st.booleans(), mostly(True, False))
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
@given(st.one_of(st.binary(max_size=600), queries(NAMES, TYPES)), st.booleans())
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
