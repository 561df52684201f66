"""Orders, certificates and how obtaining one can fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from customdomains.model.keys import KeyType
from customdomains.model.reasons import Reason
from customdomains.model.scope import Scope


class Method(StrEnum):
    """Who answers an order's challenges.

    Our responder, behind a CNAME of the tenant's; the operator, by an update of a zone that the
    platform runs (RFC 2136); a record of the tenant's that stays; the api process, over HTTP; or
    the tenant by hand. Only the first and the last also prove ownership.
    """

    DELEGATED = "Delegated"
    UPDATED = "Updated"
    PERSISTENT = "Persistent"
    HTTP = "HTTP"
    MANUAL = "Manual"


class Challenge(StrEnum):
    """A kind of ACME challenge: RFC 8555 sections 8.3 and 8.4, draft-ietf-acme-dns-account-label,
    draft-ietf-acme-dns-persist."""

    DNS = "dns-01"
    DNS_ACCOUNT = "dns-account-01"
    DNS_PERSIST = "dns-persist-01"
    HTTP = "http-01"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to answer an order's challenges."""

    method: Method
    challenge: Challenge = Challenge.DNS

    @property
    def automatic(self) -> bool:
        """Whether nobody has to set anything for it any more."""
        return self.method is not Method.MANUAL


@dataclass(frozen=True, slots=True)
class CaIdentity:
    """What a CA and the account there are called.

    `account` is the account's URL, `label` what stands in front of `_acme-challenge` for it
    (draft-ietf-acme-dns-account-label section 3). `domains` are the CA's own names
    (`caaIdentities`, RFC 8555 section 7.1.1).
    """

    account: str
    label: str
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """The issuer in whose place another one is used, and why that is so."""

    instead_of: str
    because: Reason


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """A new ACME order (RFC 8555 section 7.1.3), before any challenge is answered.

    `challenge` is the kind that all identifiers still to be authorized can be authorized by.
    `digests` are TXT values, one for each of them (section 8.4; none for dns-persist-01 and
    http-01), all to be served at once at `_acme-challenge.<domain>`, for dns-account-01 with
    `label` in front. `responses` are for http-01 the key authorizations (section 8.1), for
    dns-persist-01 the TXT value that will do. `replaces` is the id of the certificate that the CA
    took it as a replacement of (RFC 9773 section 5), if any. `issuer` is where it was placed (""
    where only one could be meant), `fallback` why not at the one that is wanted.
    """

    url: str
    digests: tuple[str, ...]
    expires: datetime | None
    replaces: str | None = None
    challenge: Challenge = Challenge.DNS
    label: str | None = None
    responses: tuple[str, ...] = field(default=(), repr=False)
    issuer: str = ""
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What is known of an issued certificate; `serial_number` is lower-case hex, `key_type` that of
    its key (None: not known). `ari_id` names it to the CA's renewal information (RFC 9773 section
    4.1); None where the CA offers none."""

    serial_number: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    key_type: KeyType | None = None
    ari_id: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate chain (PEM, leaf first) that was checked against names and key; `version` is
    that of the Secret it is in (None: not stored)."""

    chain_pem: str = field(repr=False)
    facts: CertificateFacts
    version: int | None = None


class RevocationReason(IntEnum):
    """Why a certificate is revoked (RFC 5280 section 5.3.1)."""

    KEY_COMPROMISE = 1
    CESSATION_OF_OPERATION = 5


class OrderError(Exception):
    """An order could not be placed or brought to its end.

    `order_lost` says that the order itself can't be continued and a new one is needed;
    `retry_at` is the earliest moment the CA allows a new try, where it named one, and `scope` what
    it stops until then beside this order (None: nothing).
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        order_lost: bool = False,
        retry_at: datetime | None = None,
        scope: Scope | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.order_lost = order_lost
        self.retry_at = retry_at
        self.scope = scope
