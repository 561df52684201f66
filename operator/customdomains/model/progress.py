"""What the work on a claim has come to: its proof, order, certificate and last failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from customdomains.model.certificate import CertificateFacts, Method
from customdomains.model.evidence import Outcome, Seen
from customdomains.model.keys import parse_key_type
from customdomains.model.reasons import Reason
from customdomains.model.times import format_optional, format_time, parse_time

LEAST_REST = timedelta(hours=1)


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
class Order:
    """An ACME order under way; `digests` are the TXT values that answer its challenges."""

    url: str
    issuer: str
    names: tuple[str, ...]
    method: Method
    digests: tuple[str, ...]
    placed_at: datetime
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """The certificate that is in the Secret now.

    `serving_since` is when the first of an unbroken row of certificates was stored; None where
    this is the first.
    """

    issuer: str
    secret_name: str
    names: tuple[str, ...]
    issued_at: datetime
    facts: CertificateFacts
    serving_since: datetime | None = None

    @property
    def renewal_time(self) -> datetime:
        """Two thirds into the lifetime.

        A certificate that is old already when it comes, or looks so by a clock that is ahead,
        still rests for a while: else it would be renewed over and over.
        """
        facts = self.facts
        lifetime = facts.not_after - facts.not_before
        rest = min(lifetime / 3, LEAST_REST)
        return max(facts.not_before + lifetime * 2 / 3, self.issued_at + rest)


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failed try for a certificate; `count` is how many failed in a row.

    It is tried again at `retry_at`, and from `earliest` on (None: not before `retry_at`) as soon
    as somebody wants it. `heard` is what people had said when the failed try began: whoever says
    something else wants a new one. `unplaced` tells that no order came of it: then it is tried
    again whoever asked for it and whoever answers the challenge.
    """

    reason: Reason
    message: str
    at: datetime
    count: int
    retry_at: datetime
    earliest: datetime | None = None
    heard: str = ""
    unplaced: bool = False

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
        verified_at=_time(body["verifiedAt"]),
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


def render_order(value: Order) -> dict[str, Any]:
    """The JSON form."""
    return drop_empty(
        {
            "url": value.url,
            "issuer": value.issuer,
            "names": list(value.names),
            "method": value.method,
            "digests": list(value.digests),
            "placedAt": format_time(value.placed_at),
            "expires": format_optional(value.expires),
        }
    )


def parse_order(body: Mapping[str, Any]) -> Order:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    return Order(
        url=body["url"],
        issuer=body["issuer"],
        names=tuple(body["names"]),
        method=Method(body["method"]),
        digests=tuple(body.get("digests", ())),
        placed_at=_time(body["placedAt"]),
        expires=parse_time(body.get("expires")),
    )


def render_certificate(value: CertificateRecord) -> dict[str, Any]:
    """The JSON form."""
    return drop_empty(
        {
            "issuer": value.issuer,
            "secretName": value.secret_name,
            "names": list(value.names),
            "issuedAt": format_time(value.issued_at),
            "servingSince": format_optional(value.serving_since),
            "serialNumber": value.facts.serial_number,
            "notBefore": format_time(value.facts.not_before),
            "notAfter": format_time(value.facts.not_after),
            "fingerprint": value.facts.fingerprint,
            "keyType": str(value.facts.key_type) if value.facts.key_type else None,
        }
    )


def parse_certificate(body: Mapping[str, Any]) -> CertificateRecord:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    return CertificateRecord(
        issuer=body["issuer"],
        secret_name=body["secretName"],
        names=tuple(body["names"]),
        issued_at=_time(body["issuedAt"]),
        facts=CertificateFacts(
            serial_number=body["serialNumber"],
            not_before=_time(body["notBefore"]),
            not_after=_time(body["notAfter"]),
            fingerprint=body["fingerprint"],
            key_type=parse_key_type(body.get("keyType")),
        ),
        serving_since=parse_time(body.get("servingSince")),
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
        }
    )


def parse_failure(body: Mapping[str, Any]) -> Failure:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    return Failure(
        reason=Reason(body["reason"]),
        message=body["message"],
        at=_time(body["at"]),
        count=body["count"],
        retry_at=_time(body["retryAt"]),
        earliest=parse_time(body.get("earliest")),
        heard=body.get("heard", ""),
        unplaced=body.get("unplaced", False),
    )


def _time(text: str) -> datetime:
    moment = parse_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    return moment


def drop_empty(values: dict[str, Any]) -> dict[str, Any]:
    """`values` without what says nothing."""
    return {key: value for key, value in values.items() if value not in (None, [], "")}
