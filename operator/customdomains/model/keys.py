"""Kinds of private keys, and keys as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Algorithm(StrEnum):
    """What a private key is for."""

    ECDSA = "ECDSA"
    RSA = "RSA"


SIZES = {Algorithm.ECDSA: (256, 384), Algorithm.RSA: (2048, 3072, 4096)}
"""Bits of the curve (P-256, P-384) or of the modulus; the first is the default."""


@dataclass(frozen=True, slots=True)
class KeyType:
    """One kind of private key; `size` is one of `SIZES`."""

    algorithm: Algorithm = Algorithm.ECDSA
    size: int = 256

    def __str__(self) -> str:
        return f"{self.algorithm}-{self.size}"


DEFAULT_KEY = KeyType()


def key_type(algorithm: str, size: int | None = None) -> KeyType:
    """The kind of that name and size (None: the algorithm's default).

    Raises ValueError for one that there is not.
    """
    known = Algorithm(algorithm)
    sizes = SIZES[known]
    if size is not None and size not in sizes:
        raise ValueError(f"no {known} key has {size} bits")
    return KeyType(known, size or sizes[0])


def parse_key_type(text: str | None) -> KeyType | None:
    """From the form `ECDSA-256`; None for None. Raises ValueError."""
    if text is None:
        return None
    algorithm, _, size = text.partition("-")
    return key_type(algorithm, int(size))


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """An account's keys (PEM): the `current` one, and the one that waits to take its place while
    the account is moved to it. `version` is that of the Secret they are in."""

    current: str = field(repr=False)
    waiting: str | None = field(repr=False)
    version: str


@dataclass(frozen=True, slots=True)
class KeyPair:
    """What a TLS Secret holds (PEM): a private key, and the chain of its certificate."""

    key_pem: str = field(repr=False)
    chain_pem: str = field(repr=False)
