"""From what a person types to the one canonical form."""

import re
import unicodedata

import idna
import pytest
from hypothesis import given, settings
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
    ("exa\u200bm\ufeffple\u2060.com", "example.com"),  # UTS 46 takes what has no width out
    ("example.com.\u00ad", "example.com"),
    ("example.com\u200b.\u3000", "example.com"),
    ("xn--fa-hia.de", "xn--fa-hia.de"),
    ("\u03c2.gr", "xn--3xa.gr"),
    ("\u212a.com", "k.com"),
    ("l\u00b7l.cat", "xn--ll-0ea.cat"),
    ("\u0915\u094d\u200d\u0937.com", "xn--11b2ezcw70k.com"),  # a joiner where it belongs
    ("\u05d0" + "1.com", "xn--1-zhc.com"),
    ("p\u0430ypal.com", "xn--pypal-4ve.com"),  # shown as A-labels, so it fools nobody
    ("x--y.com", "x--y.com"),
    ("a.0xfg", "a.0xfg"),
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
    (" \t ", Reason.INVALID_NAME, "empty"),
    (".", Reason.INVALID_NAME, "empty"),
    ("\u3002", Reason.INVALID_NAME, "empty"),
    ("\u200b\u00ad", Reason.INVALID_NAME, "empty"),
    ("com", Reason.INVALID_NAME, "single label"),
    ("xn--fiqs8s", Reason.INVALID_NAME, "single label"),
    ("localhost", Reason.INVALID_NAME, "single label"),
    ("example.com..", Reason.INVALID_NAME, "two dots in a row"),
    ("example.com.\u3002", Reason.INVALID_NAME, "two dots in a row"),
    ("example.com.\u00ad.", Reason.INVALID_NAME, "two dots in a row"),
    ("a..b.com", Reason.INVALID_NAME, "two dots in a row"),
    ("a.\u00ad.com", Reason.INVALID_NAME, "two dots in a row"),
    (".example.com", Reason.INVALID_NAME, "a dot in front"),
    ("*.example.com", Reason.INVALID_NAME, "spec.wildcard"),
    ("https://example.com", Reason.INVALID_NAME, "without scheme"),
    ("example.com/shop", Reason.INVALID_NAME, "without scheme"),
    ("example.com:8443", Reason.INVALID_NAME, "without scheme"),
    ("me@example.com", Reason.INVALID_NAME, "without scheme"),
    ("example.com\\", Reason.INVALID_NAME, "without scheme"),
    ("http\uff1a\uff0f\uff0fa.com", Reason.INVALID_NAME, "U+FF1A"),
    ("::1", Reason.INVALID_NAME, "without scheme"),
    ("[2001:db8::1]", Reason.INVALID_NAME, "without scheme"),
    ("::ffff:192.0.2.1", Reason.INVALID_NAME, "without scheme"),
    ("1.2.3.4", Reason.INVALID_NAME, "IP address"),
    ("1.2.3.4.", Reason.INVALID_NAME, "IP address"),
    ("\uff11.2.3.4", Reason.INVALID_NAME, "IP address"),
    ("\u2460.\u2461.\u2462.\u2463", Reason.INVALID_NAME, "1.2.3.4 is an IP address"),
    ("127.1", Reason.INVALID_NAME, "IP address"),
    ("0177.0.0.1", Reason.INVALID_NAME, "IP address"),
    ("2130706433", Reason.INVALID_NAME, "IP address"),
    ("0x7f000001", Reason.INVALID_NAME, "IP address"),
    ("0x7f.1", Reason.INVALID_NAME, "IP address"),
    ("0x7F.0X1", Reason.INVALID_NAME, "IP address"),
    ("127.0.0.0x", Reason.INVALID_NAME, "IP address"),
    ("example.123", Reason.INVALID_NAME, "ends in a number"),
    ("-a.com", Reason.INVALID_NAME, "hyphen"),
    ("a-.com", Reason.INVALID_NAME, "hyphen"),
    ("\uff0da.com", Reason.INVALID_NAME, "hyphen"),
    ("-- bad..name", Reason.INVALID_NAME, "the character ' '"),
    ("ab--cd.com", Reason.INVALID_NAME, "hyphens in 3rd and 4th"),
    ("ex ample.com", Reason.INVALID_NAME, "the character ' '"),
    ("ex\x00ample.com", Reason.INVALID_NAME, "the character '\\x00'"),
    ("ex_ample.com", Reason.INVALID_NAME, "the character '_'"),
    ("example%2ecom", Reason.INVALID_NAME, "the character '%'"),
    ("ex%61mple.com", Reason.INVALID_NAME, "the character '%'"),
    ("a\u2025b.com", Reason.INVALID_NAME, "U+2025"),
    ("xn--a.com", Reason.INVALID_NAME, "not a domain name"),
    ("xn--.com", Reason.INVALID_NAME, "malformed A-label"),
    ("xn--abc-.com", Reason.INVALID_NAME, "must not end with a hyphen"),
    ("xn--99999999999999999.com", Reason.INVALID_NAME, "invalid A-label"),
    ("xn---bbk.com", Reason.INVALID_NAME, "not the canonical"),
    ("xn--bcher-KVA8445foa.com", Reason.INVALID_NAME, "U+300C"),
    ("xn--xn--a-ecp.ru", Reason.INVALID_NAME, "hyphens in 3rd and 4th"),
    ("xn--n3h.com", Reason.INVALID_NAME, "not a domain name"),
    ("xn--1ug.com", Reason.INVALID_NAME, "U+200D"),
    ("\u2603.com", Reason.INVALID_NAME, "U+2603"),
    ("\u200dfoo.com", Reason.INVALID_NAME, "U+200D"),
    ("a\u00b7b.com", Reason.INVALID_NAME, "U+00B7"),
    ("\u0300a.com", Reason.INVALID_NAME, "combining character"),
    ("\ud800.com", Reason.INVALID_NAME, "U+D800"),
    ("a\u05d0.com", Reason.INVALID_NAME, "left-to-right label"),
    ("1.\u05d0.com", Reason.INVALID_NAME, "directionality"),  # the whole name counts, RFC 5893
    ("1.xn--4db.com", Reason.INVALID_NAME, "directionality"),
    ("a" * 64 + ".com", Reason.INVALID_NAME, "at most 63 characters"),
    ("\u00e9" * 60 + ".com", Reason.INVALID_NAME, "at most 63 characters"),
    ("b" + LONGEST, Reason.INVALID_NAME, "has 238 characters"),
    ("c." + LONGEST, Reason.INVALID_NAME, "at most 237"),
    ("a." * 127 + "com", Reason.INVALID_NAME, "at most 253 characters"),
    ("foo.localhost", Reason.SPECIAL_USE_NAME, "reserved for special use (RFC 6761)"),
    ("foo.test", Reason.SPECIAL_USE_NAME, "ends in .test"),
    ("foo.example.", Reason.SPECIAL_USE_NAME, "RFC 6761"),
    ("foo.INVALID", Reason.SPECIAL_USE_NAME, "RFC 6761"),
    ("foo.onion", Reason.SPECIAL_USE_NAME, "RFC 7686"),
    ("b\u00fccher.onion", Reason.SPECIAL_USE_NAME, "RFC 7686"),
    ("foo.local", Reason.SPECIAL_USE_NAME, "RFC 6762"),
    ("foo.alt", Reason.SPECIAL_USE_NAME, "RFC 9476"),
    ("foo.internal", Reason.SPECIAL_USE_NAME, "by ICANN for private networks"),
    ("foo.home.arpa", Reason.SPECIAL_USE_NAME, "RFC 3172"),
    ("1.168.192.in-addr.arpa", Reason.SPECIAL_USE_NAME, "ends in .arpa"),
    ("co.uk", Reason.PUBLIC_SUFFIX, "shop.co.uk"),
    ("CO\u3002UK.", Reason.PUBLIC_SUFFIX, "shop.co.uk"),
    ("foo.ck", Reason.PUBLIC_SUFFIX, "shop.foo.ck"),
    ("\u516c\u53f8.cn", Reason.PUBLIC_SUFFIX, "shop.xn--55qx5d.cn"),
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


@pytest.mark.parametrize("unit", ["a", "a.", ".", "\u3002", "\u0300", "\u00ad", "xn--9z", "\ufdfa"])
def test_a_text_without_end_is_refused_by_its_length(unit: str) -> None:
    with pytest.raises(NameRefusedError, match=r"a domain name has at most 253 \(RFC 1035\)"):
        canonical_name(unit * 1_000_000)


def test_the_longest_name_leaves_room_for_the_challenge() -> None:
    assert len(LONGEST) == MAX_LENGTH
    assert len(challenge_name(LONGEST)) == 253


def test_certificate_names() -> None:
    assert certificate_names("a.com", wildcard=False) == ("a.com",)
    assert certificate_names("a.com", wildcard=True) == ("a.com", "*.a.com")


LDH_NAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
TRICKY = (
    "\u00ad\u200b\u200c\u200d\u2060\ufeff\u3002\uff0e\uff61"
    "\u0130\u0300\u05d0\u0661\u06f1\ud800\x00 .-_%*"
)

letters = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
plain = st.from_regex(r"[a-z0-9-]{1,30}", fullmatch=True)
encoded = st.from_regex(r"(xn|XN)--[a-zA-Z0-9-]{0,60}", fullmatch=True) | st.text(
    letters, min_size=1, max_size=8
).map(lambda text: "xn--" + text.encode("punycode").decode())
tricky = st.text(st.sampled_from(TRICKY) | st.characters(codec="utf-8"), max_size=20)
labels = st.text(letters, min_size=1, max_size=20) | plain | encoded | tricky
typed_names = st.lists(labels, min_size=1, max_size=6).map(".".join) | st.text(max_size=1100)
scripts = st.sampled_from(["abcxyz", "äöüßÄÖÜ", "éèñçø", "αβγδ", "жзийк", "中文字"])
spelled = scripts.flatmap(lambda script: st.text(script, min_size=1, max_size=12))
good_names = st.lists(spelled, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "de"]))
dots = st.sampled_from([".", "\u3002", "\uff0e", "\uff61"])


def form_or_refusal(typed: str) -> str | NameRefusedError:
    try:
        return canonical_name(typed)
    except NameRefusedError as refusal:
        return refusal


@settings(max_examples=500)
@given(typed_names)
def test_whatever_is_typed_has_a_form_or_a_refusal(typed: str) -> None:
    name = form_or_refusal(typed)
    if isinstance(name, NameRefusedError):
        assert name.message.isprintable()
        assert 10 < len(name.message) < 500
        return
    assert LDH_NAME.fullmatch(name)
    assert len(name) <= MAX_LENGTH
    assert not name.rsplit(".", 1)[1].isdigit()
    assert canonical_name(name) == name


@given(st.lists(encoded, min_size=1, max_size=2).map(lambda labels: ".".join([*labels, "com"])))
def test_an_a_label_is_what_its_u_label_becomes(typed: str) -> None:
    name = form_or_refusal(typed)
    if isinstance(name, str):
        assert name == typed.lower()
        assert canonical_name(idna.decode(name)) == name


@given(good_names, st.data())
def test_spellings_of_one_name_are_one_name(typed: str, data) -> None:
    name = canonical_name(typed)
    assert canonical_name(f"{typed}{data.draw(dots)}") == name
    assert canonical_name(f" {typed}\t") == name
    assert canonical_name(re.sub(r"\.", lambda _: data.draw(dots), typed)) == name
    assert canonical_name(name.upper()) == name
    assert canonical_name(unicodedata.normalize("NFC", typed)) == name
    assert canonical_name(unicodedata.normalize("NFD", typed)) == name
    assert canonical_name(fullwidth(name)) == name
    where = data.draw(st.integers(0, len(typed)))
    assert canonical_name(f"{typed[:where]}\u00ad{typed[where:]}") == name


def fullwidth(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) for char in text)
