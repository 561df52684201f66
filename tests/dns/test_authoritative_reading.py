"""Whatever a name server sends, it is read, and says no more than it may."""

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smallnet import NOW, Zone

from customdomains.dns.answers import name_text
from customdomains.dns.dnssec import ZoneKeys
from customdomains.dns.messages import Question
from customdomains.dns.reading import read
from customdomains.model.evidence import Outcome

ZONE = dns.name.from_text("shop.com")
NAME = dns.name.from_text("_acme-challenge.shop.com")
ASKED = Question(NAME, dns.rdatatype.TXT)
KEYS = ZoneKeys(ZONE, [Zone("shop.com", [], signed=True).key])

names = st.sampled_from(
    [
        "_acme-challenge.shop.com.",
        "www.shop.com.",
        "_acme-challenge.www.shop.com.",
        "shop.com.",
        "com.",
        ".",
        "other.org.",
        "x.other.org.",
        f"{'y' * 63}.{'y' * 63}.{'y' * 63}.{'y' * 50}.org.",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.shop.com.",
    ]
)
signature = "{covered} 13 3 60 20261001000000 20260101000000 1 {signer} bm90IGEgc2lnbmF0dXJl"


@st.composite
def sets(draw):
    owner, target = draw(names), draw(names)
    kind = draw(st.sampled_from(["TXT", "CNAME", "DNAME", "NS", "SOA", "NSEC", "NSEC3", "RRSIG"]))
    data = {
        "TXT": '"a" "b"',
        "SOA": f"ns.hosts.net. h.hosts.net. 1 1 1 1 {draw(st.integers(0, 2**31 - 1))}",
        "NSEC": f"{target} {draw(st.sampled_from(['A', 'TXT', 'CNAME', 'NS', 'DNAME']))}",
        "NSEC3": f"1 0 {draw(st.sampled_from([0, 50, 51, 65535]))} - "
        f"{'0' * 32} {draw(st.sampled_from(['A', 'TXT']))}",
        "RRSIG": signature.format(
            covered=draw(st.sampled_from(["TXT", "CNAME", "DNAME", "NSEC", "NSEC3"])),
            signer=target,
        ),
    }.get(kind, target)
    return dns.rrset.from_text(owner, draw(st.integers(0, 2**31 - 1)), "IN", kind, data)


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
sections = st.lists(sets(), max_size=6)


@st.composite
def responses(draw):
    response = dns.message.make_response(dns.message.make_query(NAME, "TXT", want_dnssec=True))
    response.flags |= draw(st.sampled_from([0, dns.flags.AA, dns.flags.RA, dns.flags.AD]))
    response.set_rcode(draw(st.sampled_from([0, 0, 0, 2, 3, 5, 6, 9, 23])))
    response.answer, response.authority, response.additional = (draw(sections) for _ in range(3))
    return dns.message.from_wire(response.to_wire(max_size=65535))


@unhurried
@given(responses())
def test_an_answer_is_of_the_zone_and_nothing_else(response):
    authority = response.flags & dns.flags.AA
    inside = [s for s in response.answer if s.name.is_subdomain(ZONE)]
    reading = read("s:53", ZONE, ASKED, response, None, NOW)
    answer = reading.answer
    assert not answer.authentic
    if answer.outcome.conclusive:
        assert authority
    if answer.texts:
        assert any(s.rdtype == dns.rdatatype.TXT for s in inside)
    if answer.cnames and answer.outcome.conclusive:
        assert any(s.rdtype in {dns.rdatatype.CNAME, dns.rdatatype.DNAME} for s in inside)
    if reading.referral is not None:
        assert answer.outcome is Outcome.LAME
        assert NAME.is_subdomain(reading.referral.zone)
        assert reading.referral.zone != ZONE
        assert reading.referral.zone.is_subdomain(ZONE)
    if reading.alias is not None:
        assert dns.name.from_text(answer.cnames[-1]) == reading.alias


@unhurried
@given(responses())
def test_without_its_signatures_no_answer_of_a_signed_zone_counts(response):
    answer = read("s:53", ZONE, ASKED, response, KEYS, NOW).answer
    assert not answer.authentic
    assert not answer.outcome.conclusive


@unhurried
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6))
def test_a_name_is_the_same_after_it_was_written_down(labels):
    name = dns.name.Name([*labels, b""])
    assert dns.name.from_text(name_text(name)) == name
