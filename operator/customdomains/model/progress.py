"""The proof of ownership, and the last failure on the way to a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customdomains.model.certificate import Method
from customdomains.model.evidence import Outcome, Seen
from customdomains.model.reasons import Reason
from customdomains.model.rendering import drop_empty
from customdomains.model.scope import Scope, parse_scope, render_scope
from customdomains.model.times import format_optional, format_time, parse_time, read_time


@dataclass(frozen=True, slots=True)
class Verification:
    """The proof: how and when it was found, what was seen, since when it is gone (or None).

    `digest` is the challenge value that the proof rests on where the tenant put that in the
    token's place; it goes on counting when its order is over.
    """

    method: Method
    verified_at: datetime
    seen: tuple[Seen, ...] = ()
    gone_since: datetime | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failed try for a certificate; `count` is how many failed in a row.

    It is tried again at `retry_at`, and from `earliest` on (None: not before `retry_at`) as soon
    as somebody wants it. `heard` is what people had said when the failed try began: whoever says
    something else wants a new one. `unplaced` tells that no order came of it: then it is tried
    again whoever asked for it and whoever answers the challenge. `issuer` is whose order failed,
    and `scope` what else its CA stops until `retry_at` (None: nothing).
    """

    reason: Reason
    message: str
    at: datetime
    count: int
    retry_at: datetime
    earliest: datetime | None = None
    heard: str = ""
    unplaced: bool = False
    issuer: str = ""
    scope: Scope | None = None

    @property
    def heard_from(self) -> datetime:
        """The first moment at which it is tried again for somebody who asks."""
        return self.retry_at if self.earliest is None else min(self.earliest, self.retry_at)


def render_verification(value: Verification) -> dict[str, Any]:
    """The JSON form."""
    return drop_empty(
        {
            "method": value.method,
            "verifiedAt": format_time(value.verified_at),
            "seen": [render_seen(each) for each in value.seen],
            "goneSince": format_optional(value.gone_since),
            "digest": value.digest,
        }
    )


def parse_verification(body: Mapping[str, Any]) -> Verification:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    return Verification(
        method=Method(body["method"]),
        verified_at=read_time(body["verifiedAt"]),
        seen=tuple(_parse_seen(each) for each in body.get("seen", ())),
        gone_since=parse_time(body.get("goneSince")),
        digest=body.get("digest"),
    )


def render_seen(value: Seen) -> dict[str, Any]:
    """The JSON form."""
    return drop_empty(
        {
            "server": value.server,
            "outcome": value.outcome,
            "values": list(value.values),
            "authentic": value.authentic or None,
            "ttl": value.ttl,
            "milliseconds": value.milliseconds,
        }
    )


def _parse_seen(body: Mapping[str, Any]) -> Seen:
    return Seen(
        server=body["server"],
        outcome=Outcome(body["outcome"]),
        values=tuple(body.get("values", ())),
        authentic=body.get("authentic", False),
        ttl=body.get("ttl"),
        milliseconds=body.get("milliseconds", 0),
    )


def render_failure(value: Failure) -> dict[str, Any]:
    """The JSON form."""
    rendered: dict[str, Any] = {
        "reason": value.reason,
        "message": value.message,
        "at": format_time(value.at),
        "count": value.count,
        "retryAt": format_time(value.retry_at),
    }
    return rendered | drop_empty(
        {
            "earliest": format_optional(value.earliest),
            "heard": value.heard,
            "unplaced": value.unplaced or None,
            "issuer": value.issuer,
            "scope": render_scope(value.scope) if value.scope else None,
        }
    )


def parse_failure(body: Mapping[str, Any]) -> Failure:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    scope = body.get("scope")
    return Failure(
        reason=Reason(body["reason"]),
        message=body["message"],
        at=read_time(body["at"]),
        count=body["count"],
        retry_at=read_time(body["retryAt"]),
        earliest=parse_time(body.get("earliest")),
        heard=body.get("heard", ""),
        unplaced=body.get("unplaced", False),
        issuer=body.get("issuer", ""),
        scope=parse_scope(scope) if scope else None,
    )
