"""Unbound and BIND asked over TLS and HTTPS: a quorum of them, each reached in another way."""

import pytest
from build import TOKEN

from customdomains.dns.encrypted import HttpsResolver, TlsResolver
from customdomains.dns.lookup import QuorumLookup, RecursiveLookup
from customdomains.dns.resolvers import PlainResolver
from customdomains.model.evidence import Outcome
from customdomains.policy.diagnosis import Ruling
from realdns.judging import evidence_of, found

TIMEOUT = 2.0
WAYS = {"tls": TlsResolver, "https": HttpsResolver}


@pytest.fixture(params=["unbound_encrypted", "resolver_encrypted"], ids=["unbound", "bind"])
def encrypted(request, internet):
    """Where one of them is asked over TLS."""
    return getattr(internet, request.param)


@pytest.fixture(params=WAYS)
async def resolver(request, internet, encrypted):
    """One of them, over TLS or HTTPS."""
    url = encrypted.tls_url if request.param == "tls" else encrypted.https_url
    resolver = WAYS[request.param](url, str(internet.ca_file))
    yield resolver
    await resolver.close()


async def test_its_answers_are_those_it_gives_in_the_clear(resolver):
    lookup = RecursiveLookup([resolver], timeout=TIMEOUT)
    for domain, outcome, texts in (
        ("good.signed.com", Outcome.ANSWERED, 1),
        ("big.plain.com", Outcome.ANSWERED, 16),
        ("bare.plain.com", Outcome.NO_SUCH_NAME, 0),
    ):
        (answer,) = (await evidence_of(lookup, domain, nearby=False)).answers
        assert (answer.server, answer.outcome, len(answer.texts)) == (
            resolver.name,
            outcome,
            texts,
        )
        assert answer.authentic is (domain == "good.signed.com")


async def test_a_certificate_of_nobody_we_trust_is_no_answer(encrypted):
    resolver = TlsResolver(encrypted.tls_url)
    try:
        evidence = await evidence_of(RecursiveLookup([resolver]), "good.plain.com", nearby=False)
    finally:
        await resolver.close()
    (answer,) = evidence.answers
    assert (answer.outcome, answer.texts) == (Outcome.UNREACHABLE, ())
    assert "certificate" in answer.explanation


async def test_a_quorum_of_three_ways(internet):
    resolvers = [
        PlainResolver(internet.unbound.address),
        TlsResolver(internet.resolver_encrypted.tls_url, str(internet.ca_file)),
        HttpsResolver(internet.unbound_encrypted.https_url, str(internet.ca_file)),
    ]
    try:
        lookup = QuorumLookup(resolvers, needed=3, timeout=TIMEOUT)
        assert (await found(lookup, "good.plain.com")).ruling is Ruling.PROVED
        evidence = await evidence_of(lookup, "good.plain.com")
    finally:
        for resolver in resolvers:
            await resolver.close()
    assert {answer.server for answer in evidence.answers} == {r.name for r in resolvers}
    assert all(answer.texts == (TOKEN,) for answer in evidence.answers)
