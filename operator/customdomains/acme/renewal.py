"""Renewal information: what the CA says about when a certificate is to be renewed (RFC 9773)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from josepy.json_util import encode_b64jose

from customdomains.acme.exchange import Answer
from customdomains.model.renewal import RenewalInfo

_LONGEST_URL = 300
_PAGE = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+")
_ALREADY = frozenset({"alreadyReplaced", "malformed", "unauthorized"})


def ari_id(leaf: x509.Certificate) -> str | None:
    """What names `leaf` to its CA (section 4.1): the authority key identifier and the serial number
    as in DER, both in base64url; None where it has no such identifier."""
    try:
        extension = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
    authority = extension.value.key_identifier
    if authority is None:
        return None
    number = leaf.serial_number
    # One bit more than the number has: in DER the first one is the sign.
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return f"{encode_b64jose(authority)}.{encode_b64jose(serial)}"


def read_renewal_info(answer: Answer) -> RenewalInfo:
    """The RenewalInfo object (section 4.2) in `answer`, and when its Retry-After wants the CA to
    be asked again.

    Raises ValueError for anything else, and for a window that ends before it has begun. An
    explanation that is no plain URL of at most 300 characters is left out.
    """
    document = answer.json()
    window = document.get("suggestedWindow")
    if not isinstance(window, dict):
        raise ValueError("no suggestedWindow")  # noqa: TRY004 - bad input
    start, end = _moment(window.get("start")), _moment(window.get("end"))
    if end <= start:
        raise ValueError("a window that ends before it has begun")
    page = _page(document.get("explanationURL"))
    return RenewalInfo(
        start.replace(microsecond=0), end.replace(microsecond=0), page, answer.retry_at
    )


def refuses_predecessor(status: int, kind: str) -> bool:
    """Whether an error that answers a new order may be about the certificate that it names as the
    one it replaces (section 5): it was replaced already, or is none of this account's."""
    return status == 409 or kind in _ALREADY


def _moment(text: Any) -> datetime:
    """In UTC. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("no moment")  # noqa: TRY004 - bad input
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without its zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment beyond the calendar") from None


def _page(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > _LONGEST_URL:
        return None
    return value if _PAGE.fullmatch(value) else None
