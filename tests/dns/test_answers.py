"""What is read out of one response."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from liar import response_to

from customdomains.dns.answers import MAX_TEXT, MAX_TEXTS, enclosing_soa, endless, read_answer
from customdomains.dns.messages import make_query, parse_response
from customdomains.model.evidence import Outcome, ServerAnswer

NAME = "_acme-challenge.shop.example"
TARGET = "0123.delegated.example.net"
SERVER = "192.0.2.1:53"
AA, RA, RD, AD = dns.flags.AA, dns.flags.RA, dns.flags.RD, dns.flags.AD


def over_the_wire(*records, recursion=True, **more):
    """What the other side reads of such a response."""
    query = make_query(dns.name.from_text(NAME), dns.rdatatype.TXT, recursion=recursion)
    response = response_to(query, *records, **more)
    return parse_response(response.to_wire(max_size=65535), query)


def read(*records, trusted=False, **more):
    name = dns.name.from_text(NAME)
    return read_answer(SERVER, name, over_the_wire(*records, **more), trusted=trusted)


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
        pytest.param((f'{NAME}. 9 TXT "on" "e" ""',), (), ("one",), 9, id="several strings"),
        pytest.param((f'{NAME}. 9 TXT ""',), (), ("",), 9, id="an empty string"),
        pytest.param((f'{NAME}. 9 TXT "\\255"',), (), ("\\xff",), 9, id="undecodable"),
        pytest.param(
            (f'{NAME}. 9 TXT "\\"one\\" "',), (), ('"one" ',), 9, id="quoted and padded as it is"
        ),
        pytest.param((f'{NAME.upper()}. 9 TXT "One"',), (), ("One",), 9, id="another case"),
        pytest.param((), (), (), None, id="no data"),
        pytest.param(('other.example. 9 TXT "one"',), (), (), None, id="another name's value"),
        pytest.param((f"{NAME}. 9 A 192.0.2.1",), (), (), None, id="another type"),
        pytest.param((f"{NAME}. 60 CNAME {TARGET}.",), (TARGET,), (), 60, id="alias alone"),
        pytest.param(
            (f"{NAME}. 60 CNAME {TARGET.upper()}.", f'{TARGET}. 5 TXT "one"'),
            (TARGET,),
            ("one",),
            5,
            id="alias and value, in another case",
        ),
        pytest.param(
            (f'{TARGET}. 5 TXT "one"', f"{NAME}. 60 CNAME {TARGET}."),
            (TARGET,),
            ("one",),
            5,
            id="alias and value, the other way round",
        ),
        pytest.param(
            (f"{NAME}. 9 CNAME a.example.", 'b.example. 8 TXT "not there"'),
            ("a.example",),
            (),
            9,
            id="value elsewhere",
        ),
        pytest.param(
            (f"{NAME}. 9 CNAME a.example.", "a.example. 8 CNAME b.example."),
            ("a.example", "b.example"),
            (),
            8,
            id="chain",
        ),
        pytest.param(
            (f"{NAME}. 9 CNAME a.example.", f"a.example. 8 CNAME {NAME}."),
            ("a.example", NAME),
            (),
            8,
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
        pytest.param(
            ("example. 70 DNAME example.org.", '_acme-challenge.shop.example.org. 80 TXT "one"'),
            ("_acme-challenge.shop.example.org",),
            ("one",),
            70,
            id="DNAME alone",
        ),
        pytest.param(
            (
                "example. 70 DNAME example.org.",
                f"{NAME}. 0 CNAME _acme-challenge.shop.example.org.",
                '_acme-challenge.shop.example.org. 80 TXT "one"',
            ),
            ("_acme-challenge.shop.example.org",),
            ("one",),
            0,
            id="DNAME with the CNAME made of it",
        ),
        pytest.param(
            ("example. 70 DNAME org.", "org. 60 DNAME net."),
            ("_acme-challenge.shop.org", "_acme-challenge.shop.net"),
            (),
            60,
            id="DNAMEs in a row",
        ),
        pytest.param(
            ("shop.example. 70 DNAME shop.example.",), (NAME,), (), 70, id="DNAME onto itself"
        ),
        pytest.param(
            (f"{NAME}. 70 DNAME example.org.",), (), (), None, id="DNAME at the name, not above"
        ),
        pytest.param(
            ("other.example. 70 DNAME example.org.",), (), (), None, id="DNAME of another name"
        ),
        pytest.param(
            ("example. 70 DNAME example.org.", f'{NAME}. 60 TXT "one"'),
            (),
            ("one",),
            60,
            id="value below a DNAME",
        ),
        pytest.param(
            (f"example. 70 DNAME {'.'.join(['a' * 60] * 4)}.",),
            (),
            (),
            70,
            id="DNAME that makes a name too long",
        ),
    ],
)
def test_reads_an_answer(records, cnames, texts, ttl):
    answer = read(*records)
    assert answer.outcome is Outcome.ANSWERED
    assert (answer.cnames, set(answer.texts), answer.ttl) == (cnames, set(texts), ttl)
    assert not answer.clash


def test_a_dname_grows_no_name_without_bound():
    answer = read("example. 70 DNAME more.example.")
    assert len(answer.cnames) == 16
    assert endless(NAME, answer.cnames)


def test_values_beside_an_alias_are_a_clash():
    answer = read(
        f'{NAME}. 9 TXT "here"', f"{NAME}. 8 CNAME a.example.", 'a.example. 7 TXT "there"'
    )
    assert answer == ServerAnswer(
        SERVER,
        Outcome.ANSWERED,
        ("a.example",),
        ("here", "there"),
        7,
        cached=True,
        clash=True,
    )


def test_an_alias_to_a_missing_name_is_an_answer_about_the_name():
    answer = read(
        f"{NAME}. 60 CNAME {TARGET}.",
        rcode=dns.rcode.NXDOMAIN,
        authority=["delegated.example.net. 30 SOA ns. host. 1 2 3 4 20"],
    )
    assert answer == ServerAnswer(
        SERVER, Outcome.ANSWERED, (TARGET,), ttl=60, negative_ttl=20, cached=True
    )


@pytest.mark.parametrize(
    ("rcode", "outcome"),
    [
        (dns.rcode.SERVFAIL, Outcome.SERVER_FAILURE),
        (dns.rcode.REFUSED, Outcome.REFUSED),
        (dns.rcode.NOTIMP, Outcome.REFUSED),
        (dns.rcode.NOTAUTH, Outcome.REFUSED),
        (dns.rcode.FORMERR, Outcome.MALFORMED),
        (dns.rcode.YXDOMAIN, Outcome.SERVER_FAILURE),
        (dns.rcode.BADVERS, Outcome.SERVER_FAILURE),
    ],
)
def test_what_fails_says_nothing_about_the_name(rcode, outcome):
    assert read(f'{NAME}. 9 TXT "one"', rcode=rcode, flags=RA | AA) == ServerAnswer(SERVER, outcome)


REFERRAL = (". 9 NS a.root-servers.net.",)
DENIAL = ("example. 3600 SOA ns. host. 1 2 3 4 600",)


@pytest.mark.parametrize(
    ("recursion", "flags", "authority", "lame"),
    [
        pytest.param(True, RA, (), False, id="a resolver"),
        pytest.param(True, 0, (), True, id="no resolver, asked as one"),
        pytest.param(False, AA, (), False, id="a server of the zone"),
        pytest.param(False, AA, ("shop.example. 9 NS ns.",), False, id="with its name servers"),
        pytest.param(False, 0, REFERRAL, True, id="a referral upward"),
        pytest.param(False, 0, (), True, id="nothing at all"),
        pytest.param(False, RA, DENIAL, True, id="an open resolver that was not to look"),
        pytest.param(True, RA, REFERRAL, True, id="a resolver that refers"),
        pytest.param(True, RA, DENIAL + REFERRAL, False, id="a denial with the name servers"),
    ],
)
@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
def test_only_who_can_know_may_deny(recursion, flags, authority, lame, rcode):
    answer = read(recursion=recursion, flags=flags, authority=authority, rcode=rcode)
    absent = {dns.rcode.NOERROR: Outcome.ANSWERED, dns.rcode.NXDOMAIN: Outcome.NO_SUCH_NAME}
    assert answer.outcome is (Outcome.LAME if lame else absent[rcode])


def test_a_value_counts_from_whom_it_comes():
    answer = read(f'{NAME}. 9 TXT "one"', recursion=False, flags=0)
    assert (answer.outcome, answer.texts, answer.cached) == (Outcome.ANSWERED, ("one",), True)


@pytest.mark.parametrize(
    ("authority", "negative_ttl"),
    [
        (("example. 3600 SOA ns. host. 1 2 3 4 600",), 600),
        (("example. 300 SOA ns. host. 1 2 3 4 600",), 300),
        (("com. 300 SOA ns. host. 1 2 3 4 600",), None),
        (("below._acme-challenge.shop.example. 300 SOA ns. host. 1 2 3 4 600",), None),
        ((), None),
    ],
)
@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
def test_how_long_a_denial_may_be_kept(authority, negative_ttl, rcode):
    answer = read(authority=authority, rcode=rcode, flags=AA)
    assert (answer.negative_ttl, answer.cached) == (negative_ttl, False)
    assert answer.outcome.conclusive


def test_a_value_has_no_negative_ttl():
    assert read(f'{NAME}. 9 TXT "one"', authority=DENIAL).negative_ttl is None


def test_the_apex_is_the_owner_of_the_soa_around_the_name():
    response = over_the_wire(authority=("com. 9 SOA ns. host. 1 2 3 4 5", *DENIAL))
    name = dns.name.from_text(NAME)
    assert enclosing_soa(name, response).name == dns.name.from_text("example")
    assert enclosing_soa(dns.name.from_text("a.test"), response) is None


@pytest.mark.parametrize(("trusted", "flags"), [(True, RA | AD), (False, RA | AD), (True, RA)])
def test_secure_is_what_a_trusted_server_calls_so(trusted, flags):
    answer = read(f'{NAME}. 9 TXT "one"', trusted=trusted, flags=flags)
    assert answer.authentic is (trusted and bool(flags & AD))


@pytest.mark.parametrize(
    ("errors", "outcome", "explanation"),
    [
        ([dns.edns.EDEOption(6)], Outcome.BOGUS, "EDE 6 (DNSSEC Bogus)"),
        (
            [dns.edns.EDEOption(7, "expired\r\n2020 \u202e")],
            Outcome.BOGUS,
            r"EDE 7 (Signature Expired): expired\013\0102020 \u202e",
        ),
        (
            [dns.edns.EDEOption(22), dns.edns.EDEOption(10, "a")],
            Outcome.BOGUS,
            "EDE 22 (No Reachable Authority); EDE 10 (Rrsigs Missing): a",
        ),
        ([dns.edns.EDEOption(9)], Outcome.SERVER_FAILURE, "EDE 9 (DNSKEY Missing)"),
        ([dns.edns.EDEOption(4711, "?")], Outcome.SERVER_FAILURE, "EDE 4711: ?"),
        ([dns.edns.EDEOption(23, "x" * 999)], Outcome.SERVER_FAILURE, None),
        ([dns.edns.EDEOption(0)] * 99, Outcome.SERVER_FAILURE, "; ".join(["EDE 0 (Other)"] * 3)),
    ],
)
def test_what_a_server_says_of_its_failure(errors, outcome, explanation):
    answer = read(rcode=dns.rcode.SERVFAIL, errors=errors)
    assert answer.outcome is outcome
    assert len(answer.explanation) <= 200
    assert explanation is None or answer.explanation == explanation


def test_an_answer_may_have_an_explanation_too():
    stale = read(f'{NAME}. 9 TXT "one"', errors=[dns.edns.EDEOption(3)])
    assert (stale.outcome, stale.explanation) == (Outcome.ANSWERED, "EDE 3 (Stale Answer)")


def test_other_classes_are_passed_over():
    response = over_the_wire()
    chaos = dns.rrset.from_text(f"{NAME}.", 9, dns.rdataclass.CH, "TXT", '"one"')
    response.answer.append(chaos)
    assert read_answer(SERVER, dns.name.from_text(NAME), response).texts == ()


def test_many_and_long_values_are_bounded_the_same_in_any_order():
    values = [f"v{number:03}" for number in range(MAX_TEXTS + 5)]
    forward = read(*(f'{NAME}. 9 TXT "{value}"' for value in values))
    backward = read(*(f'{NAME}. 9 TXT "{value}"' for value in reversed(values)))
    assert forward.texts == backward.texts == tuple(values[:MAX_TEXTS])
    long = " ".join(f'"{letter * 255}"' for letter in "abcd")
    (text,) = read(f"{NAME}. 9 TXT {long}").texts
    assert len(text) == MAX_TEXT


@pytest.mark.parametrize(
    ("cnames", "without_end"),
    [((), False), (("a",), False), (("a", "b", "a"), True), (("n",), True), (("b",) * 2, True)],
)
def test_chains_without_end(cnames, without_end):
    assert endless("n", cnames) is without_end
