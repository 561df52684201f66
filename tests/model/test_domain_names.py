"""From what a person types to the one canonical form."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.names import (
    MAX_LENGTH,
    NameRefusedError,
    canonical_name,
    certificate_names,
    challenge_name,
)
from customdomains.model.reasons import Reason

LONGEST = ".".join(["a" * 59] * 3 + ["b" * 53, "com"])

ACCEPTED = [
    ("example.com", "example.com"),
    ("EXAMPLE.Com.", "example.com"),
    (" example.com\n", "example.com"),
    ("bücher.example.org", "xn--bcher-kva.example.org"),
    ("bu\u0308cher.example.org", "xn--bcher-kva.example.org"),
    ("BÜCHER.example.org", "xn--bcher-kva.example.org"),
    ("xn--bcher-kva.example.org", "xn--bcher-kva.example.org"),
    ("XN--BCHER-KVA.example.org", "xn--bcher-kva.example.org"),
    ("faß.de", "xn--fa-hia.de"),  # not fass.de: IDNA 2008, non-transitional
    ("example\u3002com", "example.com"),
    ("example\uff0ecom\uff61", "example.com"),
    ("\uff45\uff58ample.com", "example.com"),
    ("exam\u00adple.com", "example.com"),
    ("www.ck", "www.ck"),
    ("shop.co.uk", "shop.co.uk"),
    ("example.net", "example.net"),
    ("1.2.3.4.com", "1.2.3.4.com"),
    ("a.b", "a.b"),
    ("foo.github.io", "foo.github.io"),
    ("github.io", "github.io"),  # of the list's private part: its owner may register it
    (LONGEST, LONGEST),
]

REFUSED = [
    ("", Reason.INVALID_NAME, "empty"),
    (".", Reason.INVALID_NAME, "empty"),
    ("\u3002", Reason.INVALID_NAME, "empty"),
    ("com", Reason.INVALID_NAME, "single label"),
    ("example.com..", Reason.INVALID_NAME, "two dots in a row"),
    ("example.com.\u3002", Reason.INVALID_NAME, "two dots in a row"),
    ("a..b.com", Reason.INVALID_NAME, "empty"),
    (".example.com", Reason.INVALID_NAME, "empty"),
    ("*.example.com", Reason.INVALID_NAME, "spec.wildcard"),
    ("https://example.com", Reason.INVALID_NAME, "without scheme"),
    ("example.com/shop", Reason.INVALID_NAME, "without scheme"),
    ("example.com:8443", Reason.INVALID_NAME, "without scheme"),
    ("me@example.com", Reason.INVALID_NAME, "without scheme"),
    ("::1", Reason.INVALID_NAME, "without scheme"),
    ("1.2.3.4", Reason.INVALID_NAME, "IP address"),
    ("\uff11.2.3.4", Reason.INVALID_NAME, "IP address"),
    ("example.123", Reason.INVALID_NAME, "ends in a number"),
    ("-a.com", Reason.INVALID_NAME, "hyphen"),
    ("a-.com", Reason.INVALID_NAME, "hyphen"),
    ("-- bad..name", Reason.INVALID_NAME, "not a domain name"),
    ("ab--cd.com", Reason.INVALID_NAME, "hyphens in 3rd and 4th"),
    ("ex ample.com", Reason.INVALID_NAME, "the character ' '"),
    ("ex_ample.com", Reason.INVALID_NAME, "the character '_'"),
    ("xn--a.com", Reason.INVALID_NAME, "not a domain name"),
    ("xn--.com", Reason.INVALID_NAME, "not a domain name"),
    ("xn--n3h.com", Reason.INVALID_NAME, "not a domain name"),
    ("\u2603.com", Reason.INVALID_NAME, "U+2603"),
    ("\u200dfoo.com", Reason.INVALID_NAME, "U+200D"),
    ("a" * 64 + ".com", Reason.INVALID_NAME, "too long"),
    ("b" + LONGEST, Reason.INVALID_NAME, "has 238 characters"),
    ("c." + LONGEST, Reason.INVALID_NAME, "at most 237"),
    ("x" * 100_000, Reason.INVALID_NAME, "not a domain name"),
    ("foo.localhost", Reason.SPECIAL_USE_NAME, "reserved"),
    ("foo.test", Reason.SPECIAL_USE_NAME, "reserved"),
    ("1.168.192.in-addr.arpa", Reason.SPECIAL_USE_NAME, "reserved"),
    ("co.uk", Reason.PUBLIC_SUFFIX, "shop.co.uk"),
    ("CO\u3002UK.", Reason.PUBLIC_SUFFIX, "shop.co.uk"),
    ("foo.ck", Reason.PUBLIC_SUFFIX, "shop.foo.ck"),
]


@pytest.mark.parametrize(("typed", "canonical"), ACCEPTED)
def test_accepted(typed: str, canonical: str) -> None:
    assert canonical_name(typed) == canonical
    assert canonical_name(canonical) == canonical


@pytest.mark.parametrize(("typed", "reason", "words"), REFUSED, ids=[r[0][:30] for r in REFUSED])
def test_refused(typed: str, reason: Reason, words: str) -> None:
    with pytest.raises(NameRefusedError) as refusal:
        canonical_name(typed)
    assert refusal.value.reason is reason
    assert words in refusal.value.message
    assert len(refusal.value.message) < 500
    assert refusal.value.message.isprintable()


def test_the_longest_name_leaves_room_for_the_challenge() -> None:
    assert len(LONGEST) == MAX_LENGTH
    assert len(challenge_name(LONGEST)) == 253


def test_certificate_names() -> None:
    assert certificate_names("a.com", wildcard=False) == ("a.com",)
    assert certificate_names("a.com", wildcard=True) == ("a.com", "*.a.com")


letters = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
plain = st.from_regex(r"[a-z0-9-]{1,30}", fullmatch=True)
labels = st.text(letters, min_size=1, max_size=20) | plain
typed_names = st.lists(labels, min_size=1, max_size=6).map(".".join)
scripts = st.sampled_from(["abcxyz", "äöüßÄÖÜ", "éèñçø", "αβγδ", "жзийк", "中文字"])
spelled = scripts.flatmap(lambda script: st.text(script, min_size=1, max_size=12))
good_names = st.lists(spelled, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "de"]))


def form_or_refusal(typed: str) -> str | NameRefusedError:
    try:
        return canonical_name(typed)
    except NameRefusedError as refusal:
        return refusal


@given(typed_names)
def test_whatever_is_typed_has_a_form_or_a_refusal(typed: str) -> None:
    name = form_or_refusal(typed)
    if isinstance(name, NameRefusedError):
        assert name.message.isprintable()
        return
    assert name.isascii()
    assert name == name.lower()
    assert len(name) <= MAX_LENGTH
    assert all(0 < len(label) <= 63 for label in name.split("."))
    assert canonical_name(name) == name


@given(good_names)
def test_spellings_of_one_name_are_one_name(typed: str) -> None:
    name = canonical_name(typed)
    assert canonical_name(f"{typed}.") == name
    assert canonical_name(f" {typed}\t") == name
    assert canonical_name(typed.replace(".", "\u3002")) == name
    assert canonical_name(name.upper()) == name
    assert canonical_name(unicodedata.normalize("NFC", typed)) == name
    assert canonical_name(unicodedata.normalize("NFD", typed)) == name
