"""Where records that answer challenges stand, and what dns-persist-01 wants in its record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from customdomains.model.names import challenge_name

PERSIST_LABEL = "_validation-persist"
"""draft-ietf-acme-dns-persist section 3.1."""

_BLANKS = " \t"
_SMALLEST, _SEMICOLON, _LARGEST = "\x21", ";", "\x7e"


def account_challenge_name(label: str, domain: str) -> str:
    """Where dns-account-01 looks: the account's `label` in front of the name for dns-01."""
    return f"{label}.{challenge_name(domain)}"


def persistent_name(domain: str) -> str:
    """Where dns-persist-01 looks (no trailing dot)."""
    return f"{PERSIST_LABEL}.{domain}"


def persistent_value(issuer: str, account: str, *, wildcard: bool) -> str:
    """The TXT value that lets the account with the URL `account` at the CA `issuer` (one of its
    own names) have certificates for as long as it is there."""
    value = f"{issuer}; accounturi={account}"
    return f"{value}; policy=wildcard" if wildcard else value


def permits(
    text: str, issuers: Collection[str], account: str, now: datetime, *, wildcard: bool
) -> bool:
    """Whether a TXT value lets the account have a certificate at the CA with the names `issuers`.

    Read as strictly as by a CA (draft-ietf-acme-dns-persist section 4; RFC 8659 section 4.2 for the
    syntax): what it would not take must not make us place an order in vain.
    """
    issuer, *parts = text.split(";")
    parameters = _parameters(parts)
    if issuer.strip(_BLANKS) not in issuers or parameters is None:
        return False
    if parameters.get("accounturi") != account:
        return False
    if wildcard and parameters.get("policy", "").lower() != "wildcard":
        return False
    until = parameters.get("persistuntil")
    if until is None:
        return True
    # Longer than twelve digits is further away than any calendar goes.
    readable = until.isascii() and until.isdigit() and len(until) <= 12
    return readable and now.timestamp() <= int(until)


def _parameters(parts: list[str]) -> Mapping[str, str] | None:
    """The parameters by tag, in lower case; None where they are malformed."""
    found: dict[str, str] = {}
    for part in parts:
        tag, equals, value = part.strip(_BLANKS).partition("=")
        tag, value = tag.strip(_BLANKS).lower(), value.strip(_BLANKS)
        if not tag or not equals or tag in found or not all(map(_in_values, value)):
            return None
        found[tag] = value
    return found


def _in_values(character: str) -> bool:
    return _SMALLEST <= character <= _LARGEST and character != _SEMICOLON
