"""Queries around some names, most of them plain, some bent; and replies for comparison."""

import dns.edns
import dns.flags
import dns.message
from dns.rdatatype import TXT
from hypothesis import strategies as st


def mostly(usual, *odd):
    """Draws `usual` four times in five: a query bent in every place tests only the refusals."""
    return st.integers(0, 4).flatmap(lambda n: st.sampled_from(odd) if n == 3 else st.just(usual))


@st.composite
def queries(draw, names, types):
    """Wire queries for one of the names and types, most of them plain, some bent in one place."""
    name = draw(names)
    upper = draw(st.integers(0, 2 ** len(name) - 1))
    name = "".join(c.upper() if upper >> at & 1 else c for at, c in enumerate(name))
    query = dns.message.make_query(
        name,
        draw(st.sampled_from(types)),
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

    Not with the case of names in the data and of what a CNAME leads to: compression lends them
    that of the question. Nor with the order of records: dnspython shuffles them.
    """
    message = dns.message.from_wire(reply.wire)
    exact = {rrset.to_text() for rrset in message.question}
    exact |= {rrset.name.to_text() for rrset in message.answer[:1]}
    exact |= {text.to_text() for rrset in message.answer if rrset.rdtype == TXT for text in rrset}
    text = sorted(message.to_text().lower().splitlines())
    return exact, text, message.payload, reply.rcode, len(message.answer)
