"""Our own server of the delegation zone, as resolvers and CAs ask it: by Unbound and by BIND.

Both validate. The zone above, example.net, is signed and delegates without a DS record, so a
resolver has to find the delegation zone unsigned by proof, not for want of a signature.
"""

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from build import ID, TARGET, TOKEN, ZONE

from customdomains.model.certificate import Method
from realdns.country import OTHER_ID
from realdns.judging import evidence_of, found
from realdns.responder import MANY, VALUES

TIMEOUT = 5.0


@pytest.fixture(params=["unbound", "resolver"])
def resolver(request, internet):
    """Unbound, then BIND."""
    return getattr(internet, request.param)


def asked(resolver, name, rdtype="TXT", **options):
    query = dns.message.make_query(name, rdtype, **options)
    return dns.query.udp_with_fallback(query, resolver.addresses[0], TIMEOUT, resolver.port)[0]


def texts(response):
    return {
        b"".join(record.strings).decode()
        for rrset in response.answer
        if rrset.rdtype == dns.rdatatype.TXT
        for record in rrset
    }


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "dnssec"])
def test_the_token_is_found_below_the_id(resolver, secure):
    response = asked(resolver, TARGET, want_dnssec=secure)
    assert response.rcode() == dns.rcode.NOERROR
    assert texts(response) == {TOKEN}
    assert not response.flags & dns.flags.AD  # the zone is not signed


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "dnssec"])
def test_a_customers_alias_leads_there(resolver, secure):
    response = asked(resolver, "_acme-challenge.delegated.plain.com", want_dnssec=secure)
    assert texts(response) == {TOKEN}


def test_also_an_alias_in_a_signed_zone_does(resolver):
    """The alias is secure, its target is insecure: no reason to refuse either."""
    response = asked(resolver, "_acme-challenge.delegated.signed.com", want_dnssec=True)
    assert response.rcode() == dns.rcode.NOERROR
    assert texts(response) == {TOKEN}
    assert not response.flags & dns.flags.AD


def test_case_does_not_matter(resolver):
    assert texts(asked(resolver, TARGET.upper())) == {TOKEN}


def test_many_values_come_by_tcp(resolver):
    assert texts(asked(resolver, f"{MANY}.{ZONE}", use_edns=0, payload=1232)) == set(VALUES)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "dnssec"])
@pytest.mark.parametrize("label", [OTHER_ID, "www"])
def test_what_is_not_there_is_denied_and_kept_by_the_soa(resolver, label, secure):
    response = asked(resolver, f"{label}.{ZONE}", want_dnssec=secure)
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert response.authority[0].name == dns.name.from_text(ZONE)
    assert response.authority[0].rdtype == dns.rdatatype.SOA


@pytest.mark.parametrize("rdtype", ["A", "AAAA", "CAA", "MX"])
def test_other_types_have_no_data(resolver, rdtype):
    """A CA asks for CAA as well, and must not get a SERVFAIL (RFC 8659 section 3)."""
    response = asked(resolver, TARGET, rdtype)
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])


def test_the_apex_names_its_servers(resolver):
    assert asked(resolver, ZONE, "NS").answer[0].rdtype == dns.rdatatype.NS
    assert asked(resolver, ZONE, "SOA").answer[0].rdtype == dns.rdatatype.SOA


async def test_a_proof_by_delegation_in_every_mode(lookup):
    assert (await found(lookup, "delegated.plain.com")).proof is Method.DELEGATED


async def test_by_resolvers_the_token_is_seen_as_well(recursive):
    (answer,) = (await evidence_of(recursive, "delegated.plain.com")).answers
    assert (answer.cnames, answer.texts) == ((f"{ID}.{ZONE}",), (TOKEN,))
