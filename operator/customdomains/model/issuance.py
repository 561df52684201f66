"""What the work on a certificate has come to: the order under way, and what the Secret holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from customdomains.model.certificate import CertificateFacts, Challenge, Fallback, Method, Way
from customdomains.model.kept import Kept, parse_kept, render_kept
from customdomains.model.keys import parse_key_type
from customdomains.model.reasons import Reason
from customdomains.model.rendering import drop_empty
from customdomains.model.renewal import RenewalWindow, parse_window, render_window
from customdomains.model.times import format_optional, format_time, parse_time, read_time

LEAST_REST = timedelta(hours=1)

LAST_PART = 20
"""Into the last part of its lifetime (one of so many) a certificate's renewal is not put off, even
where its CA says so: there has to be time for a second try."""


@dataclass(frozen=True, slots=True)
class Order:
    """An ACME order under way; `digests`, `label` and `responses` answer its challenges, as in
    `PlacedOrder`. `fallback` tells in whose place the issuer is used."""

    url: str
    issuer: str
    names: tuple[str, ...]
    method: Method
    digests: tuple[str, ...]
    placed_at: datetime
    expires: datetime | None
    challenge: Challenge = Challenge.DNS
    label: str | None = None
    responses: tuple[str, ...] = field(default=(), repr=False)
    fallback: Fallback | None = None

    @property
    def way(self) -> Way:
        """How its challenges are answered."""
        return Way(self.method, self.challenge)


DELEGATED = Way(Method.DELEGATED)
"""The way that most take: it is what is meant where none is written down."""


UNKNOWN = Kept()


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """The certificate that is in the Secret now.

    `serving_since` is when the first of an unbroken row of certificates was stored; None where
    this is the first. `way` is how the challenges of its order were answered, `persistent` the TXT
    value of dns-persist-01 that did, `fallback` tells in whose place the issuer was used. `renewal`
    is what the CA said of its renewal, `late` the stage of lateness that people were told of (0:
    none), `kept` how the Secret stands.
    """

    issuer: str
    secret_name: str
    names: tuple[str, ...]
    issued_at: datetime
    facts: CertificateFacts
    serving_since: datetime | None = None
    way: Way = DELEGATED
    persistent: str | None = None
    fallback: Fallback | None = None
    renewal: RenewalWindow | None = None
    late: int = 0
    kept: Kept = UNKNOWN

    @property
    def lifetime(self) -> timedelta:
        """From the one end of the validity to the other."""
        return self.facts.not_after - self.facts.not_before

    @property
    def renewal_time(self) -> datetime:
        """A moment in the window that the CA suggests, else two thirds into the lifetime.

        What was said to be due before it was said is due since then. A certificate that is old
        already when it comes, or looks so by a clock that is ahead, or is called back at once,
        still rests for a while: else it would be renewed over and over.
        """
        rested = self.issued_at + min(self.lifetime / 3, LEAST_REST)
        if self.renewal is None:
            return max(self.facts.not_before + self.lifetime * 2 / 3, rested)
        latest = self.facts.not_after - self.lifetime / LAST_PART
        moment = self.renewal.moment(self.facts.serial_number, latest)
        return max(moment, self.renewal.told_at, rested)


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
            "challenge": _unless(value.challenge, Challenge.DNS),
            "label": value.label,
            "responses": list(value.responses),
            "fallback": render_fallback(value.fallback),
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
        placed_at=read_time(body["placedAt"]),
        expires=parse_time(body.get("expires")),
        challenge=Challenge(body.get("challenge", Challenge.DNS)),
        label=body.get("label"),
        responses=tuple(body.get("responses", ())),
        fallback=_parse_fallback(body.get("fallback")),
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
            "ariID": value.facts.ari_id,
            "method": _unless(value.way.method, Method.DELEGATED),
            "challenge": _unless(value.way.challenge, Challenge.DNS),
            "persistent": value.persistent,
            "fallback": render_fallback(value.fallback),
            "renewal": render_window(value.renewal) if value.renewal else None,
            "late": value.late or None,
            "secret": render_kept(value.kept) or None,
        }
    )


def parse_certificate(body: Mapping[str, Any]) -> CertificateRecord:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    return CertificateRecord(
        issuer=body["issuer"],
        secret_name=body["secretName"],
        names=tuple(body["names"]),
        issued_at=read_time(body["issuedAt"]),
        facts=CertificateFacts(
            serial_number=body["serialNumber"],
            not_before=read_time(body["notBefore"]),
            not_after=read_time(body["notAfter"]),
            fingerprint=body["fingerprint"],
            key_type=parse_key_type(body.get("keyType")),
            ari_id=body.get("ariID"),
        ),
        serving_since=parse_time(body.get("servingSince")),
        way=Way(
            Method(body.get("method", Method.DELEGATED)),
            Challenge(body.get("challenge", Challenge.DNS)),
        ),
        persistent=body.get("persistent"),
        fallback=_parse_fallback(body.get("fallback")),
        renewal=parse_window(body["renewal"]) if "renewal" in body else None,
        late=body.get("late", 0),
        kept=parse_kept(body.get("secret") or {}),
    )


def _unless(value: str, usual: str) -> str | None:
    """Nothing where `value` is the usual one."""
    return None if value == usual else value


def render_fallback(value: Fallback | None) -> dict[str, Any] | None:
    """The JSON form; None where there is nothing to say."""
    return {"insteadOf": value.instead_of, "because": value.because} if value else None


def _parse_fallback(body: Mapping[str, Any] | None) -> Fallback | None:
    return Fallback(body["insteadOf"], Reason(body["because"])) if body else None
