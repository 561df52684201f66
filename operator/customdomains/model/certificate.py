"""Orders, certificates and how obtaining one can fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from customdomains.model.keys import KeyType
from customdomains.model.reasons import Reason
from customdomains.model.scope import Scope


class Method(StrEnum):
    """How a dns-01 challenge is answered: by our responder, or by the tenant by hand."""

    DELEGATED = "Delegated"
    MANUAL = "Manual"


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """A new ACME order (RFC 8555 section 7.1.3), before any challenge is answered.

    `digests` are the dns-01 TXT values (section 8.4), one for each identifier still to be
    authorized, all of them to be served at once at `_acme-challenge.<domain>`.
    """

    url: str
    digests: tuple[str, ...]
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What is known of an issued certificate; `serial_number` is lower-case hex, `key_type` that of
    its key (None: not known)."""

    serial_number: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    key_type: KeyType | None = None


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate chain (PEM, leaf first) that was checked against names and key."""

    chain_pem: str = field(repr=False)
    facts: CertificateFacts


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
