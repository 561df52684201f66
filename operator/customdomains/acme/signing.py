"""The signatures of requests (RFC 8555 sections 6.2, 7.3.4 and 7.3.5)."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

from acme.jws import JWS
from josepy.jwa import ES256, HS256
from josepy.jwk import JWKEC, JWKOct

from customdomains.acme.transport import Sign

_LONGEST_MAC_FILE = 8192
_BASE64 = re.compile(r"[A-Za-z0-9_-]+")


def by_key(key: JWKEC, payload: bytes) -> Sign:
    """Signs `payload` with the key itself shown, as no account is known (yet)."""
    return lambda url, nonce: _flat(_signed(payload, key, nonce, url, None))


def by_account(key: JWKEC, account: str, payload: bytes) -> Sign:
    """Signs `payload` in the name of the account at the URL `account`."""
    return lambda url, nonce: _flat(_signed(payload, key, nonce, url, account))


def key_change(old: JWKEC, new: JWKEC, account: str) -> Sign:
    """Asks to put `new` into the place of `old`: both sign (section 7.3.5)."""
    payload = json.dumps({"account": account, "oldKey": old.public_key().to_json()}).encode()

    def sign(url: str, nonce: bytes) -> bytes:
        inner = _flat(_signed(payload, new, None, url, None))
        return by_account(old, account, inner)(url, nonce)

    return sign


def binding(key: JWKEC, key_id: str, mac_key: bytes, url: str) -> dict[str, Any]:
    """The externalAccountBinding of a registration of `key` at `url` (section 7.3.4)."""
    payload = json.dumps(key.public_key().to_json()).encode()
    signed = JWS.sign(payload, JWKOct(key=mac_key), HS256, None, url, key_id)
    document: dict[str, Any] = signed.to_json()
    return document


def read_mac_key(path: Path) -> bytes:
    """The HMAC key in the file at `path`, in base64url or plain base64, padded or not.

    Raises OSError, and ValueError for anything else, in words that hold nothing of the content.
    """
    with path.open("rb") as file:
        content = file.read(_LONGEST_MAC_FILE)
    text = content.decode("ascii", errors="replace").strip().rstrip("=")
    text = text.replace("+", "-").replace("/", "_")
    if not _BASE64.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError(f"{path} holds no key in base64url")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signed(payload: bytes, key: JWKEC, nonce: bytes | None, url: str, kid: str | None) -> JWS:
    """A JWS, with `jwk` in it where there is no `kid`."""
    signed: JWS = JWS.sign(payload, key=key, alg=ES256, nonce=nonce, url=url, kid=kid)
    return signed


def _flat(signed: JWS) -> bytes:
    """The flattened JSON of section 6.2."""
    body: bytes = signed.json_dumps().encode()
    return body
