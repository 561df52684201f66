"""Signatures, held against the specification's reference implementation, and the secrets' file."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from customdomains.webhooks.signing import parse_secrets, signature

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


@given(
    st.binary(min_size=24, max_size=64),
    st.text("abcdef0123456789_", min_size=1),
    st.integers(0, 2**31),
    st.text(max_size=200),
)
def test_it_is_the_reference_implementations(
    secret: bytes, message_id: str, timestamp: int, body: str
) -> None:
    theirs = Webhook(secret).sign(message_id, datetime.fromtimestamp(timestamp, UTC), body)
    assert signature((secret,), message_id, timestamp, body.encode()) == theirs


def test_there_is_one_for_each_secret() -> None:
    one, two = bytes(24), bytes(range(32))
    both = signature((one, two), "msg_1", 7, b"{}")
    assert both.split() == [signature((each,), "msg_1", 7, b"{}") for each in (one, two)]


def test_secrets_are_read_one_a_line() -> None:
    assert parse_secrets(f"\n  {SECRET}  \r\n\n{SECRET}\n") == (bytes(range(24)),) * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no secret; it needs one a line"),
        ("\n \n", "has no secret; it needs one a line"),
        (f"{SECRET}\nhunter2hunter2", "has no secret in line 2"),
        (SECRET.removeprefix("whsec_"), "has no secret in line 1"),
        ("whsec_!!!!", "has no secret in line 1"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "with 24 to 64 random bytes"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "with 24 to 64 random bytes"),
    ],
)
def test_what_is_no_secret_is_refused_without_being_shown(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_secrets(text)
    assert "hunter2" not in str(caught.value)
