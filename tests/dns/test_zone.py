"""What the delegation zone answers, as a table."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import pytest
from delegation import EMPTY, LONG, MANY, ONE, ORIGIN, TOKEN, UNKNOWN, ZONE

from customdomains.dns.holdings import Holdings
from customdomains.dns.replying import answer
from customdomains.dns.zone import DelegationZone

SERIAL = 7
SOA = f"{ORIGIN}. 5 IN SOA ns1.platform.example. hostmaster.platform.example. 7 3600 600 604800 5"
NAMESERVERS = f"{ORIGIN}. 5 IN NS ns1.platform.example.\n{ORIGIN}. 5 IN NS ns2.platform.example."


def ask(texts, name, rdtype="TXT", **options):
    query = dns.message.make_query(name, rdtype, **options)
    return answer(query, Holdings(ZONE, texts), serial=SERIAL)


def lines(section):
    return "\n".join(rrset.to_text() for rrset in section)


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "found"),
    [
        (ORIGIN, "SOA", "NOERROR", SOA),
        (ORIGIN, "NS", "NOERROR", NAMESERVERS),
        (ORIGIN, "ANY", "NOERROR", f'{ORIGIN}. 5 IN HINFO "RFC8482" ""'),
        (ORIGIN, "TXT", "NOERROR", ""),
        (ORIGIN, "A", "NOERROR", ""),
        (ORIGIN, "DS", "NOERROR", ""),
        (
            f"{ONE}.{ORIGIN}",
            "TXT",
            "NOERROR",
            f'{ONE}.{ORIGIN}. 5 IN TXT "{TOKEN}"\n{ONE}.{ORIGIN}. 5 IN TXT "digest-of-a-challenge"',
        ),
        (f"{ONE}.{ORIGIN}", "ANY", "NOERROR", f'{ONE}.{ORIGIN}. 5 IN HINFO "RFC8482" ""'),
        (f"{ONE}.{ORIGIN}", "A", "NOERROR", ""),
        (f"{ONE}.{ORIGIN}", "CNAME", "NOERROR", ""),
        (f"{ONE}.{ORIGIN}", "SOA", "NOERROR", ""),
        (f"{ONE}.{ORIGIN}", "TYPE65280", "NOERROR", ""),
        (f"{EMPTY}.{ORIGIN}", "TXT", "NOERROR", ""),
        (
            f"{LONG}.{ORIGIN}",
            "TXT",
            "NOERROR",
            f'{LONG}.{ORIGIN}. 5 IN TXT "{"x" * 255}" "{"x" * 45}"',
        ),
        (f"{UNKNOWN}.{ORIGIN}", "TXT", "NXDOMAIN", ""),
        (f"{UNKNOWN}.{ORIGIN}", "ANY", "NXDOMAIN", ""),
        (f"deeper.{ONE}.{ORIGIN}", "TXT", "NXDOMAIN", ""),
        (f"{ONE}.{ONE}.{ORIGIN}", "TXT", "NXDOMAIN", ""),
        (f"*.{ORIGIN}", "TXT", "NXDOMAIN", ""),
        (f"{ONE[1:]}.{ORIGIN}", "TXT", "NXDOMAIN", ""),
        (f"{ONE[1:]}\\010.{ORIGIN}", "TXT", "NXDOMAIN", ""),
        (f"\\255.{ORIGIN}", "TXT", "NXDOMAIN", ""),
    ],
)
def test_answers(texts, name, rdtype, rcode, found):
    response = ask(texts, name, rdtype)
    assert dns.rcode.to_text(response.rcode()) == rcode
    assert lines(response.answer) == found
    # RFC 2308: no such name and no such type both come with the SOA, nothing else does.
    assert lines(response.authority) == ("" if found else SOA)
    assert response.flags & ~0xF == dns.flags.QR | dns.flags.AA | dns.flags.RD
    assert not response.additional


@pytest.mark.parametrize(
    ("name", "rdtype", "rdclass", "rcode"),
    [
        ("platform.example", "SOA", "IN", "REFUSED"),
        (f"x{ORIGIN}", "TXT", "IN", "REFUSED"),
        (".", "NS", "IN", "REFUSED"),
        (ORIGIN, "AXFR", "IN", "REFUSED"),
        (ORIGIN, "IXFR", "IN", "REFUSED"),
        (ORIGIN, "SOA", "CH", "REFUSED"),
        (f"{ONE}.{ORIGIN}", "TXT", "ANY", "REFUSED"),
    ],
)
@pytest.mark.parametrize("synced", [True, False])
def test_refuses(texts, name, rdtype, rdclass, rcode, synced):
    texts.synced = synced
    response = ask(texts, name, rdtype, rdclass=rdclass)
    assert dns.rcode.to_text(response.rcode()) == rcode
    assert not response.flags & (dns.flags.AA | dns.flags.RA)
    assert response.answer == response.authority == []


@pytest.mark.parametrize("name", [ORIGIN, f"{ONE}.{ORIGIN}", f"{UNKNOWN}.{ORIGIN}"])
def test_says_nothing_about_the_zone_before_it_is_synced(texts, name):
    texts.synced = False
    response = ask(texts, name)
    assert response.rcode() == dns.rcode.SERVFAIL
    assert response.answer == response.authority == []


@pytest.mark.parametrize("opcode", [dns.opcode.STATUS, dns.opcode.NOTIFY, dns.opcode.UPDATE])
def test_other_opcodes_are_not_implemented(texts, opcode):
    query = dns.message.make_query(ORIGIN, "SOA")
    query.set_opcode(opcode)
    response = answer(query, Holdings(ZONE, texts), serial=SERIAL)
    assert (response.rcode(), response.opcode()) == (dns.rcode.NOTIMP, opcode)


@pytest.mark.parametrize("questions", [0, 2])
def test_exactly_one_question_is_well_formed(texts, questions):
    query = dns.message.make_query(ORIGIN, "SOA")
    query.question *= questions
    assert answer(query, Holdings(ZONE, texts), serial=SERIAL).rcode() == dns.rcode.FORMERR


def test_a_signed_query_meets_no_key(texts):
    query = dns.message.make_query(ORIGIN, "SOA")
    query.use_tsig(dns.tsig.Key("key.example.", b"0" * 32))
    parsed = dns.message.from_wire(query.to_wire(), keyring=False)
    assert answer(parsed, Holdings(ZONE, texts), serial=SERIAL).rcode() == dns.rcode.NOTAUTH


def test_edns_is_answered_where_it_is_spoken(texts):
    assert ask(texts, ORIGIN, "SOA").edns == -1
    plain = ask(texts, ORIGIN, "SOA", use_edns=0, payload=4096)
    assert (plain.edns, plain.payload, plain.ednsflags) == (0, 1232, 0)
    secure = ask(texts, ORIGIN, "SOA", want_dnssec=True)
    assert secure.ednsflags == dns.flags.DO
    option = dns.edns.GenericOption(65001, b"unknown")
    assert ask(texts, ORIGIN, "SOA", use_edns=0, options=[option]).options == ()


def test_a_later_edns_version_is_a_bad_one(texts):
    response = ask(texts, ORIGIN, "SOA", use_edns=1)
    assert (response.rcode(), response.edns) == (dns.rcode.BADVERS, 0)
    assert not response.answer


def test_the_questions_case_comes_back(texts):
    name = f"{ONE}.{ORIGIN}".swapcase()
    response = ask(texts, name)
    assert response.question[0].name.to_text() == f"{name}."
    assert response.answer[0].name.to_text() == f"{name}."


def test_recursion_is_not_available_and_its_wish_echoed(texts):
    assert ask(texts, ORIGIN, "SOA", flags=0).flags == dns.flags.QR | dns.flags.AA


def test_what_does_not_fit_is_left_out_for_the_writer_to_say_so(texts):
    response = ask(texts, f"{MANY}.{ORIGIN}", use_edns=0, payload=1232)
    wire = response.to_wire(max_size=1232, prefer_truncation=True)
    assert dns.message.from_wire(wire).flags & dns.flags.TC


@pytest.mark.parametrize(
    ("hostmaster", "mailbox"),
    [
        ("hostmaster@platform.example", "hostmaster.platform.example."),
        ("dns.team@platform.example", "dns\\.team.platform.example."),
        ("hostmaster.platform.example", "hostmaster.platform.example."),
    ],
)
def test_the_hostmaster_is_spelled_as_a_name(hostmaster, mailbox):
    zone = DelegationZone(ORIGIN, ("ns.example",), hostmaster)
    assert zone.soa(2**32 + 1)[0].rname == dns.name.from_text(mailbox)
    assert zone.soa(2**32 + 1)[0].serial == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"origin": ""}, "root"),
        ({"origin": "a..b"}, "cannot be a name"),
        ({"nameservers": ()}, "at least one"),
        ({"nameservers": ("ns." + ORIGIN.upper(),)}, "inside the zone"),
        ({"nameservers": ("x" * 64,)}, "cannot be a name"),
        ({"hostmaster": "x@" + "y" * 64}, "cannot be a name"),
        ({"hostmaster": "@platform.example"}, "hostmaster"),
        ({"ttl": 6}, "between 0 and 5"),
        ({"ttl": -1}, "between 0 and 5"),
    ],
)
def test_a_zone_that_cannot_be_served_is_refused(wrong, message):
    right = {"origin": ORIGIN, "nameservers": ("ns.example",), "hostmaster": "h@example"}
    with pytest.raises(ValueError, match=message):
        DelegationZone(**(right | wrong))
