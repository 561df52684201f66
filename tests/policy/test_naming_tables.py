"""Which names the settings let people register."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.names import canonical_name, is_private_suffix, is_public_suffix
from customdomains.model.reasons import Reason
from customdomains.policy.naming import refuse
from customdomains.policy.rules import NameRules

OWN = NameRules(denied=("delegated.example.net", "platform.example.com"))
SOME = NameRules(allowed=("customers.example.com", "de"))
BOTH = NameRules(denied=("www.customers.example.com",), allowed=("customers.example.com",))
PRIVATE = NameRules(private_suffixes=True)

MAY = [
    ("shop.example.com", NameRules()),
    ("example.com", OWN),  # above the platform's own name
    ("notplatform.example.com", OWN),
    ("platform.example.com.de", OWN),
    ("customers.example.com", SOME),
    ("a.b.customers.example.com", SOME),
    ("shop.de", SOME),
    ("shop.customers.example.com", BOTH),
    ("someone.github.io", NameRules()),
    ("shop.compute.amazonaws.com", NameRules(private_suffixes=True)),
    ("github.io", PRIVATE),
]

MAY_NOT = [
    ("delegated.example.net", OWN, Reason.NAME_NOT_ALLOWED, "keeps delegated.example.net and all"),
    ("platform.example.com", OWN, Reason.NAME_NOT_ALLOWED, "keeps platform.example.com and all"),
    ("a.b.platform.example.com", OWN, Reason.NAME_NOT_ALLOWED, "keeps platform.example.com"),
    ("shop.example.com", SOME, Reason.NAME_NOT_ALLOWED, "end in customers.example.com or de can"),
    ("notcustomers.example.com", SOME, Reason.NAME_NOT_ALLOWED, "only names that end in"),
    ("www.customers.example.com", BOTH, Reason.NAME_NOT_ALLOWED, "the platform keeps"),
    ("github.io", NameRules(), Reason.PUBLIC_SUFFIX, "shop.github.io"),
    ("com.de", SOME, Reason.PUBLIC_SUFFIX, "private part"),
    ("github.io", NameRules(denied=("io",)), Reason.NAME_NOT_ALLOWED, "keeps io and all"),
]


@pytest.mark.parametrize(("domain", "rules"), MAY)
def test_may_be_registered(domain: str, rules: NameRules) -> None:
    assert refuse(domain, rules) is None


@pytest.mark.parametrize(("domain", "rules", "reason", "words"), MAY_NOT)
def test_may_not_be_registered(domain: str, rules: NameRules, reason: Reason, words: str) -> None:
    refusal = refuse(domain, rules)
    assert refusal is not None
    assert refusal.reason is reason
    assert words in refusal.message
    assert refusal.message.startswith(domain)


def test_a_long_list_of_allowed_suffixes_is_cut_in_the_message() -> None:
    refusal = refuse("shop.com", NameRules(allowed=tuple(f"s{n}.net" for n in range(100))))
    assert refusal is not None
    assert "s0.net, s1.net, s2.net, s3.net, s4.net or one of 95 others" in refusal.message


@pytest.mark.parametrize(
    ("name", "public", "private"),
    [
        ("com", True, False),
        ("co.uk", True, False),
        ("no-such-suffix", True, False),  # the list's default rule
        ("foo.ck", True, False),  # *.ck
        ("www.ck", False, False),  # !www.ck
        ("xn--55qx5d.cn", True, False),
        ("example.com", False, False),
        ("github.io", False, True),
        ("someone.github.io", False, False),
    ],
)
def test_the_two_parts_of_the_list(name: str, public: bool, private: bool) -> None:
    assert is_public_suffix(name) is public
    assert is_private_suffix(name) is private


label = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)


@given(st.lists(label, min_size=1, max_size=3).map(".".join), st.data())
def test_nothing_at_or_below_a_denied_suffix_may_be_registered(suffix: str, data) -> None:
    denied = f"{suffix}.com"
    above = ".".join([*data.draw(st.lists(label, max_size=3)), denied])
    refusal = refuse(canonical_name(above), NameRules(denied=(denied,)))
    assert refusal is not None
    assert f"the platform keeps {denied} and all names below it" in refusal.message
    assert refuse(f"x{denied}", NameRules(denied=(denied,), private_suffixes=True)) is None
