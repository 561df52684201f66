"""The record of dns-persist-01, read as a CA reads it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.challengerecords import (
    account_challenge_name,
    permits,
    persistent_name,
    persistent_value,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACCOUNT = "https://ca.example.net/acct/42"
ISSUERS = ("ca.example.net", "other.example.net")
PLAIN = f"ca.example.net; accounturi={ACCOUNT}"
LATER, BEFORE = (int((NOW + timedelta(hours=h)).timestamp()) for h in (1, -1))


def test_where_records_belong() -> None:
    assert persistent_name("shop.example.com") == "_validation-persist.shop.example.com"
    assert account_challenge_name("_abc", "shop.example.com") == (
        "_abc._acme-challenge.shop.example.com"
    )


@pytest.mark.parametrize("wildcard", [False, True])
@pytest.mark.parametrize("issuer", ISSUERS)
def test_what_is_to_be_set_will_do(issuer: str, wildcard: bool) -> None:
    text = persistent_value(issuer, ACCOUNT, wildcard=wildcard)
    assert permits(text, ISSUERS, ACCOUNT, NOW, wildcard=wildcard)
    assert permits(text, ISSUERS, ACCOUNT, NOW, wildcard=False)
    assert not permits(text, ISSUERS, f"{ACCOUNT}0", NOW, wildcard=wildcard)
    assert not permits(text, ("another.example.net",), ACCOUNT, NOW, wildcard=wildcard)


@pytest.mark.parametrize(
    "text",
    [
        f"ca.example.net;accounturi={ACCOUNT}",
        f"other.example.net ;\taccounturi = {ACCOUNT} ",
        f" ca.example.net; policy=unknown; AccountURI={ACCOUNT}",
        f"{PLAIN}; persistUntil={LATER}",
        f"{PLAIN}; something=else; empty=",
    ],
)
def test_other_spellings_that_will_do(text: str) -> None:
    assert permits(text, ISSUERS, ACCOUNT, NOW, wildcard=False)
    assert not permits(text, ISSUERS, ACCOUNT, NOW, wildcard=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "ca.example.net",
        f"CA.example.net; accounturi={ACCOUNT}",
        f"accounturi={ACCOUNT}",
        f"{PLAIN};",
        f"{PLAIN}; policy",
        f"{PLAIN}; =x",
        f"{PLAIN}; accounturi={ACCOUNT}",
        f"{PLAIN}; note=two words",
        f"{PLAIN}; note=ä",
        f"{PLAIN}; persistUntil={BEFORE}",
        f"{PLAIN}; persistUntil=never",
        f"{PLAIN}; persistUntil=-{LATER}",
        f"{PLAIN}; persistUntil={'9' * 5000}",
        f"{PLAIN}; persistUntil=",
    ],
)
def test_what_a_ca_would_not_take(text: str) -> None:
    assert not permits(text, ISSUERS, ACCOUNT, NOW, wildcard=False)


@pytest.mark.parametrize("policy", ["wildcard", "WildCard"])
def test_a_wildcard_needs_its_policy(policy: str) -> None:
    assert permits(f"{PLAIN}; POLICY={policy}", ISSUERS, ACCOUNT, NOW, wildcard=True)


@given(st.text())
def test_whatever_stands_there_breaks_nothing(text: str) -> None:
    assert not permits(text, ISSUERS, ACCOUNT, NOW, wildcard=False)
    permits(f"{PLAIN};{text}", ISSUERS, ACCOUNT, NOW, wildcard=True)
