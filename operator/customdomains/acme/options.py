"""What has to be known of an issuer to talk to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from customdomains.model.keys import DEFAULT_KEY, KeyType


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """The CA's customer that the account is bound to (RFC 8555 section 7.3.4): the key's id, and
    the file that holds the HMAC key in base64url."""

    key_id: str
    key_file: Path


@dataclass(frozen=True, slots=True)
class IssuerOptions:
    """One CA, as the settings name it.

    `contact` holds URLs as RFC 8555 section 7.3 wants them (`mailto:ops@example.com`);
    `ca_bundle` is a PEM file that replaces the system's trust for this CA's own TLS;
    `profile` is the name of one that the directory offers (draft-ietf-acme-profiles);
    `key_type` is what keys certificates get that ask for no other, and `reuse_key` tells that the
    next certificate gets the same key; `preferred_chain` is the common name of the issuer of the
    chain's last certificate;
    `request_timeout` (seconds) bounds one attempt at one request; `concurrency` bounds the
    requests that are under way at a time.
    """

    name: str
    directory_url: str
    contact: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    external_account: ExternalAccount | None = None
    profile: str | None = None
    key_type: KeyType = DEFAULT_KEY
    reuse_key: bool = False
    preferred_chain: str | None = None
    request_timeout: float = 15.0
    concurrency: int = 16
