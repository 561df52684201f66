"""What the controller asks of the outside; adapters implement these.

Everything that talks to the API server raises `ApiError` when it can't.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from customdomains.model.certificate import (
    CaIdentity,
    CertificateFacts,
    Challenge,
    IssuedCertificate,
    OrderError,
    PlacedOrder,
    RevocationReason,
)
from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain, Key
from customdomains.model.evidence import Evidence
from customdomains.model.handover import CertificateState, WantedCertificate
from customdomains.model.kept import Examined, Leaf, StoredPair
from customdomains.model.keys import KeyPair, KeyType
from customdomains.model.renewal import RenewalInfo
from customdomains.model.webhook import Receipt
from customdomains.policy.jobs import PlaceOrder
from customdomains.policy.world import Announcement


class TextLookup(Protocol):
    """Asks the DNS for the TXT records of a name."""

    async def look_up(
        self,
        name: str,
        *,
        nearby: bool = False,
        enough: Callable[[Evidence], bool] | None = None,
    ) -> Evidence:
        """Evidence for `name`, with `nearby` also from where people put records by mistake,
        unless that of the name itself is `enough`; trouble on the way is an outcome in it, never
        an exception."""
        ...


class CaaLookup(Protocol):
    """Asks the DNS for the CAA records that count for a domain."""

    async def climb(self, domain: str) -> Evidence:
        """Evidence about `domain`, or the nearest name above it that has such records or of which
        that can't be told; trouble on the way is in it, never an exception."""
        ...


class SelfCheck(Protocol):
    """Asks every replica of our own responder."""

    async def serves(self, name: str, texts: tuple[str, ...]) -> bool:
        """Whether every replica answers `name` with all of `texts` before the check's deadline."""
        ...


class ZoneUpdates(Protocol):
    """Changes zones that the platform runs; raises `OrderError`."""

    async def put(self, name: str, texts: Iterable[str]) -> None:
        """Add TXT records with the values `texts` at `name`, beside what is there."""
        ...

    async def remove(self, name: str, texts: Iterable[str]) -> None:
        """Take exactly these TXT records away."""
        ...


class HttpCheck(Protocol):
    """Asks domains over HTTP, as a CA does for http-01."""

    async def serves(self, domain: str, path: str, body: str, *, patient: bool = False) -> bool:
        """Whether every address of `domain` answers `path` with `body`; with `patient` it is
        waited for, for a bounded time. Never raises."""
        ...


class CertificateEngine(Protocol):
    """One issuer's ACME client. `place` and `complete` raise `OrderError`, and what the store of
    the account's key raises."""

    async def identity(self) -> CaIdentity:
        """What the CA and the account there are called; the account is registered first where
        there is none. Raises as `place`."""
        ...

    async def place(
        self,
        names: tuple[str, ...],
        *,
        replaces: str | None = None,
        challenges: tuple[Challenge, ...] = (Challenge.DNS,),
    ) -> PlacedOrder:
        """Place a new order for `names` (A-labels; `*.` in front for a wildcard), if the CA takes
        it as one that replaces the certificate with the `ari_id` `replaces`.

        It is to be authorized by the first of `challenges` that the CA offers for all names.
        """
        ...

    async def complete(
        self,
        url: str,
        names: tuple[str, ...],
        key_for_finalize: Callable[[], Awaitable[str]],
        answered: tuple[str, ...],
        *,
        challenge: Challenge = Challenge.DNS,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> IssuedCertificate:
        """Take up the order at `url` wherever it stands and bring it to its certificate.

        The answers to the challenges of the kind `challenge`, `answered`, are in place before this
        is called; where the challenges want others by now, the order is lost. `ready` is
        awaited before the CA is told so, what it raises passes through. `key_for_finalize` is
        awaited before the certificate's key is needed; it makes sure of the right to go on and
        returns the private key (PEM, PKCS#8), which it has stored durably. What it raises
        passes through.
        """
        ...

    async def renewal_info(self, ari_id: str) -> RenewalInfo | None:
        """What the CA says about when the certificate of this id is to be renewed; None where it
        says nothing that can be read. Raises `OrderError`, with `retry_at` where it named one."""
        ...

    async def make_key(
        self, wanted: KeyType | None, current: Callable[[], Awaitable[KeyPair | None]]
    ) -> str:
        """The private key (PEM, PKCS#8) for the next certificate, of the kind `wanted` or else of
        the issuer's; a new one, or that of `current` where keys are used again and it is right.
        """
        ...

    async def revoke(self, certificate: str, reason: RevocationReason) -> None:
        """Have a certificate (DER in base64) of this account revoked; one that is revoked already
        is fine. Raises as `place`."""
        ...


class Examiner(Protocol):
    """Reads certificates and keys."""

    async def examine(self, pair: KeyPair, facts: CertificateFacts) -> Examined:
        """Hold what a Secret has against what is known of its certificate."""
        ...

    def leaf(self, chain_pem: str) -> Leaf | None:
        """The first certificate of a chain; None where there is none."""
        ...


class Gate(Protocol):
    """Keeps to what CAs allow, for a job that was let through to the first of its issuers."""

    def stand_in(self, issuer: str, job: PlaceOrder) -> None:
        """Raise `OrderError` where the order may not be placed at `issuer` now."""
        ...

    def refused(self, issuer: str, error: OrderError) -> None:
        """`issuer` has not taken the order."""
        ...


class Claims(Protocol):
    """Claims as they are stored; every write is a create or conditional on the version."""

    async def read(self, domain: str) -> Claim | None:
        """The claim as it is now; None where there is none."""
        ...

    async def create(self, claim: Claim) -> Claim:
        """Take the domain; `AlreadyExists` where it is taken."""
        ...

    async def replace(self, claim: Claim) -> Claim:
        """Write the claim; `Conflict` where it is not the stored version any more."""
        ...

    async def delete(self, claim: Claim) -> None:
        """Release the domain; `Conflict` likewise."""
        ...


class Domains(Protocol):
    """CustomDomains as they are stored."""

    async def read(self, key: Key) -> CustomDomain | None:
        """The resource as it is now; None where there is none."""
        ...

    async def write_status(self, domain: CustomDomain, status: Mapping[str, Any]) -> CustomDomain:
        """Replace the status; `Conflict` where `domain` is not the stored version any more."""
        ...

    async def namespace_uid(self, namespace: str) -> str | None:
        """The namespace's uid; None where there is no such namespace."""
        ...


class Secrets(Protocol):
    """Where certificates and keys are kept; `ForeignSecretError` where a name is not ours."""

    async def refuse_foreign(self, claim: Claim, name: str) -> None:
        """Raise where the Secret `name`, or where the next key waits, is not ours to use."""
        ...

    async def current(self, claim: Claim) -> KeyPair | None:
        """What is in the Secret of the claim's certificate, if that is still ours."""
        ...

    async def look(self, claim: Claim) -> StoredPair | None:
        """The Secret of the claim's certificate as it is now; None where there is none."""
        ...

    async def mark_for_revocation(self, claim: Claim, issuer: str | None) -> int | None:
        """Note on it who is to revoke its certificate before it is removed (None: nobody); the
        version it has then, None where there is none."""
        ...

    async def next_key(
        self,
        claim: Claim,
        order_url: str,
        make: Callable[[], Awaitable[str]],
        still: Callable[[], Awaitable[None]],
    ) -> str:
        """The private key (PEM) for this order, the same for whoever asks, stored already.

        Another order's is replaced only where `still` does not raise.
        """
        ...

    async def store(
        self,
        claim: Claim,
        name: str,
        order_url: str,
        key_pem: str,
        chain_pem: str,
        still: Callable[[], Awaitable[None]],
        *,
        revoke_by: str | None = None,
    ) -> int:
        """Put a chain and its key into the TLS Secret, in one write; `still` likewise. The version
        that the Secret has then. `revoke_by` is who is to revoke it before the Secret is removed.
        """
        ...

    async def drop_next(self, claim: Claim, name: str) -> None:
        """Delete the key that waited, once it is in the TLS Secret `name`."""
        ...


class CertManager(Protocol):
    """cert-manager's Certificates; `HandoverRefusedError` where somebody has to do something."""

    async def apply(self, wanted: WantedCertificate, *, write: bool) -> CertificateState | None:
        """Make the Certificate what is wanted and tell how it stands; without `write` only tell,
        None where it is another one, or not there."""
        ...

    async def remove(self, namespace: str, name: str, seat: str) -> None:
        """Delete the Certificate, if it is there and was made for this seat; its Secret stays."""
        ...


class WebhookSender(Protocol):
    """Posts webhooks, signed."""

    async def post(self, url: str, message_id: str, body: bytes) -> Receipt:
        """One try; it has a deadline, and trouble is in the receipt, never an exception."""
        ...


class Announcer(Protocol):
    """Tells people what happened; never waits and never fails."""

    def announce(self, domain: CustomDomain, announcement: Announcement) -> None:
        """Have a Kubernetes Event written."""
        ...

    def moved(self, domain: CustomDomain, phase: str, reason: str) -> None:
        """Log that `domain` went from the phase it shows to `phase`."""
        ...
