"""What the controller asks of the outside; adapters implement these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from customdomains.model.certificate import IssuedCertificate, PlacedOrder
from customdomains.model.evidence import Evidence


class TextLookup(Protocol):
    """Asks the DNS for the TXT records of a name."""

    async def look_up(self, name: str) -> Evidence:
        """Evidence for `name`; trouble on the way is an outcome in it, never an exception."""
        ...


class SelfCheck(Protocol):
    """Asks every replica of our own responder."""

    async def serves(self, name: str, digests: tuple[str, ...]) -> bool:
        """Whether every replica now answers `name` with all of `digests` (TXT values)."""
        ...


class CertificateEngine(Protocol):
    """One issuer's ACME client. Both calls raise `OrderError` and nothing else."""

    async def place(self, names: tuple[str, ...]) -> PlacedOrder:
        """Place a new order for `names` (A-labels; `*.` in front for a wildcard)."""
        ...

    async def complete(
        self, url: str, names: tuple[str, ...], key_for_finalize: Callable[[], Awaitable[str]]
    ) -> IssuedCertificate:
        """Take up the order at `url` wherever it stands and bring it to its certificate.

        The challenges' TXT records are in place before this is called. `key_for_finalize` is
        awaited before the certificate's key is needed; it makes sure of the right to go on and
        returns the private key (PEM, PKCS#8), which it has stored durably. What it raises
        passes through.
        """
        ...
