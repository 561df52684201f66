"""A registration's identity: its id and its verification token."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Identity:
    """`id` is 32 lower-case hex characters, `token` 64; minted once, never changed."""

    id: str
    token: str = field(repr=False)


def mint_identity(random_bytes: RandomBytes) -> Identity:
    """A new identity from `random_bytes`, which in production is `secrets.token_bytes`."""
    return Identity(
        id=random_bytes(16).hex(),
        token=hashlib.sha256(random_bytes(32)).hexdigest(),
    )
