"""What problem documents, Retry-After headers and keys mean, as tables."""

from datetime import UTC, datetime, timedelta

import pytest
from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from customdomains.acme.errors import (
    MEANINGS,
    ProblemError,
    challenge_error,
    invalid_order_error,
    order_error,
    read_problem,
    request_error,
)
from customdomains.acme.keys import (
    account_key,
    certificate_request,
    generate_private_key_pem,
    load_private_key,
)
from customdomains.acme.timing import Timing, parse_retry_after
from customdomains.model.reasons import Reason

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def error(kind, detail="d"):
    return messages.Error(typ=messages.ERROR_PREFIX + kind, detail=detail)


@pytest.mark.parametrize(
    ("kind", "reason", "lost"),
    [
        ("accountDoesNotExist", Reason.CA_REFUSED, False),
        ("alreadyReplaced", Reason.CA_REFUSED, False),
        ("alreadyRevoked", Reason.CA_REFUSED, False),
        ("badCSR", Reason.CA_REFUSED, True),
        ("badNonce", Reason.CA_UNREACHABLE, False),
        ("badPublicKey", Reason.CA_REFUSED, True),
        ("badRevocationReason", Reason.CA_REFUSED, False),
        ("badSignatureAlgorithm", Reason.CA_REFUSED, False),
        ("caa", Reason.CAA_FORBIDS, True),
        ("compound", Reason.CA_REFUSED, False),
        ("connection", Reason.CHALLENGE_FAILED, True),
        ("dns", Reason.CHALLENGE_FAILED, True),
        ("externalAccountRequired", Reason.ISSUER_MISCONFIGURED, False),
        ("incorrectResponse", Reason.CHALLENGE_FAILED, True),
        ("invalidContact", Reason.ISSUER_MISCONFIGURED, False),
        ("invalidProfile", Reason.ISSUER_MISCONFIGURED, True),
        ("malformed", Reason.CA_REFUSED, False),
        ("orderNotReady", Reason.CA_REFUSED, False),
        ("rateLimited", Reason.CA_RATE_LIMITED, False),
        ("rejectedIdentifier", Reason.CA_REFUSED, True),
        ("serverInternal", Reason.CA_UNREACHABLE, False),
        ("tls", Reason.CHALLENGE_FAILED, True),
        ("unauthorized", Reason.CA_REFUSED, False),
        ("unsupportedContact", Reason.ISSUER_MISCONFIGURED, False),
        ("unsupportedIdentifier", Reason.CA_REFUSED, True),
        ("userActionRequired", Reason.CA_REFUSED, False),
    ],
)
def test_every_problem_of_the_rfc_has_a_meaning(kind, reason, lost):
    later = NOW + timedelta(hours=1)
    found = request_error(ProblemError(400, error(kind, "the CA's words"), retry_at=later))
    assert (found.reason, found.order_lost, found.retry_at) == (reason, lost, later)
    assert found.message == f"{MEANINGS[kind].words}: the CA's words ({kind})"


def test_no_meaning_goes_untested():
    assert len(MEANINGS) == 26


@pytest.mark.parametrize(
    ("status", "kind", "reason", "lost"),
    [
        (404, "malformed", Reason.ORDER_EXPIRED, True),
        (410, "", Reason.ORDER_EXPIRED, True),
        (403, "unauthorized", Reason.ORDER_FOREIGN, True),
        (403, "caa", Reason.CAA_FORBIDS, True),
        (400, "malformed", Reason.CA_REFUSED, False),
        (500, "", Reason.CA_UNREACHABLE, False),
        (429, "", Reason.CA_RATE_LIMITED, False),
        (400, "ofTheFuture", Reason.CA_REFUSED, False),
    ],
)
def test_problems_with_an_order(status, kind, reason, lost):
    found = order_error(ProblemError(status, error(kind) if kind else messages.Error()))
    assert (found.reason, found.order_lost) == (reason, lost)


def test_subproblems_are_named():
    document = b"""{"type": "urn:ietf:params:acme:error:compound", "subproblems": [
        {"type": "urn:ietf:params:acme:error:caa", "detail": "forbidden",
         "identifier": {"type": "dns", "value": "a.example"}},
        {"type": "urn:ietf:params:acme:error:dns",
         "identifier": {"type": "dns", "value": "b.example"}}]}"""
    found = request_error(ProblemError(403, read_problem(document)))
    assert (found.reason, found.order_lost) == (Reason.CAA_FORBIDS, True)
    assert "a.example: forbidden; b.example: dns" in found.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"7",
        b"null",
        b"\xff",
        b'{"subproblems": 3}',
        b'{"subproblems": [3]}',
        b'{"identifier": {"type": "new", "value": "x"}}',
        b"[" * 100_000,
    ],
)
def test_bodies_that_are_no_problem_document(body):
    found = request_error(ProblemError(400, read_problem(body)))
    assert found.message == "The CA refuses the request with HTTP status 400"


def test_messages_are_one_bounded_line():
    found = request_error(ProblemError(400, error("malformed", "a\r\n\x1b[31m\tb" * 200)))
    assert len(found.message) == 300
    assert found.message.isprintable()


def test_challenge_message_names_the_domain_and_hides_the_token():
    found = challenge_error(
        "a.example",
        error("unauthorized", "got x, not TOKEN.thumb"),
        secret="TOKEN",
        order_lost=True,
    )
    assert found.reason is Reason.CHALLENGE_FAILED
    assert found.message == (
        "The CA did not find the expected answer to its challenge (a.example): "
        "got x, not ….thumb (unauthorized)"
    )
    silent = challenge_error("a.example", None, secret="TOKEN", order_lost=True)
    assert silent.message == "The CA could not check the domain (a.example)"


def test_invalid_order_without_an_error():
    found = invalid_order_error(None)
    assert (found.reason, found.order_lost) == (Reason.ORDER_INVALID, True)
    assert found.message == "The CA has made the order invalid"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0),
        (" 120 ", 120),
        ("9" * 5000, 30 * 86400),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sun, 01 Mar 9999 12:00:30 GMT", 30 * 86400),
        ("Sun, 41 Mar 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(value, seconds):
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert parse_retry_after(value, NOW) == expected


def test_pauses_grow_to_their_cap_with_a_quarter_of_jitter():
    pauses = [Timing(random=lambda: 0.5).pause(n, first=0.1, cap=4.0) for n in (0, 1, 2, 10, 5000)]
    assert pauses == [0.1, 0.2, 0.4, 4.0, 4.0]
    assert Timing(random=lambda: 0.0).pause(10, first=0.1, cap=4.0) == 3.0
    assert Timing(random=lambda: 1.0).pause(10, first=0.1, cap=4.0) == 5.0


def test_generated_keys():
    pem = generate_private_key_pem()
    assert pem.startswith("-----BEGIN PRIVATE KEY-----\n")
    key = load_private_key(pem)
    assert isinstance(key.curve, ec.SECP256R1)
    assert pem != generate_private_key_pem()
    assert str(key.private_numbers().private_value) not in repr(account_key(pem))


@pytest.mark.parametrize("pem", ["", "secret", "-----BEGIN PRIVATE KEY-----\nsecret"])
def test_keys_that_are_none(pem):
    with pytest.raises(ValueError, match="not an unencrypted PEM private key") as caught:
        account_key(pem)
    assert caught.value.__suppress_context__


def test_certificate_request_has_sans_and_no_subject():
    names = ("a" * 60 + "." + "b" * 60 + ".example.com", "*.example.com")
    csr = certificate_request(load_private_key(generate_private_key_pem()), names)
    assert csr.is_signature_valid
    assert list(csr.subject) == []
    sans = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(sans.get_values_for_type(x509.DNSName)) == names
