"""What has to be known of an issuer to talk to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class IssuerOptions:
    """One CA, as the settings name it.

    `contact` holds URLs as RFC 8555 section 7.3 wants them (`mailto:ops@example.com`);
    `ca_bundle` is a PEM file that replaces the system's trust for this CA's own TLS;
    `request_timeout` (seconds) bounds one attempt at one request; `concurrency` bounds the
    requests that are under way at a time.
    """

    name: str
    directory_url: str
    contact: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    request_timeout: float = 15.0
    concurrency: int = 16
