"""A certificate whose key somebody else may have: what was asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from customdomains.model.rendering import drop_empty
from customdomains.model.times import format_optional, parse_time


class Ending(StrEnum):
    """What became of it: under way, revoked, expired before that; not a certificate of this
    domain's; or not in its Secret any more, without which no CA revokes it."""

    PENDING = "Pending"
    REVOKED = "Revoked"
    EXPIRED = "Expired"
    UNKNOWN = "Unknown"
    LOST = "Lost"


@dataclass(frozen=True, slots=True)
class Compromise:
    """What the last `request` of the annotation has come to.

    While it is `PENDING`: the certificate (`leaf`, DER in base64), whose it is and until when it
    counts, and after `count` failures to revoke it the `message` of the last and when it is tried
    again.
    """

    request: str
    ending: Ending
    serial_number: str = ""
    issuer: str = ""
    leaf: str = field(default="", repr=False)
    not_after: datetime | None = None
    count: int = 0
    retry_at: datetime | None = None
    message: str = ""


def render_compromise(value: Compromise) -> dict[str, Any]:
    """The JSON form."""
    return drop_empty(
        {
            "request": value.request,
            "ending": value.ending,
            "serialNumber": value.serial_number,
            "issuer": value.issuer,
            "certificate": value.leaf,
            "notAfter": format_optional(value.not_after),
            "count": value.count or None,
            "retryAt": format_optional(value.retry_at),
            "message": value.message,
        }
    )


def parse_compromise(body: Mapping[str, Any]) -> Compromise:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    return Compromise(
        request=body["request"],
        ending=Ending(body["ending"]),
        serial_number=body.get("serialNumber", ""),
        issuer=body.get("issuer", ""),
        leaf=body.get("certificate", ""),
        not_after=parse_time(body.get("notAfter")),
        count=body.get("count", 0),
        retry_at=parse_time(body.get("retryAt")),
        message=body.get("message", ""),
    )
