"""Signatures of Standard Webhooks (https://www.standardwebhooks.com): symmetric, version 1."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
LEAST, MOST = 24, 64
"""Bytes of a secret, as the specification has it."""


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """The secrets in a file's text, one a line; blank lines count for nothing.

    Raises ValueError, which names the line and what is allowed, and nothing of what is there.
    """
    secrets = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            secret = _decoded(line.strip())
            if secret is None:
                raise ValueError(
                    f"has no secret in line {number}; it has to be {PREFIX} with {LEAST} to {MOST} "
                    "random bytes in base64 behind it"
                )
            secrets.append(secret)
    if not secrets:
        raise ValueError(
            f"has no secret; it needs one a line, {PREFIX} with {LEAST} to {MOST} random bytes in "
            "base64 behind it"
        )
    return tuple(secrets)


def signature(secrets: tuple[bytes, ...], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each secret, so that a receiver may know
    any of them. `timestamp` is the try's, in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(
        f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}"
        for secret in secrets
    )


def _decoded(line: str) -> bytes | None:
    if not line.startswith(PREFIX):
        return None
    try:
        secret = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return None
    return secret if LEAST <= len(secret) <= MOST else None
