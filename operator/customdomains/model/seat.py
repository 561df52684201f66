"""Seats on a claim: the holder's, and those of others who want the domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from customdomains.model.domain import Key
from customdomains.model.handover import Handover, parse_handover, render_handover
from customdomains.model.issuance import CertificateRecord, parse_certificate, render_certificate
from customdomains.model.reasons import Phase
from customdomains.model.rendering import drop_empty
from customdomains.model.times import format_optional, parse_time


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a seat is. `uid` is None between the two writes of a registration by HTTP."""

    key: Key
    namespace_uid: str
    uid: str | None


NOBODY = Holder(Key("", ""), "", None)
"""The holder of a claim that only reserves its name, or remembers a failure."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a seat stands.

    `since` is when it was taken (None: with the claim's creation); `vacant_since` when its
    CustomDomain was found gone; `expired_at` when it had proved nothing for too long, and `asked`
    the check request that was known then, so that another one wakes it; `lost_at` when another
    took the claim over; `release` tells that it is not kept for anybody once it is vacant; `told`
    is the phase that was last told by webhooks (None: none was).
    """

    since: datetime | None = None
    vacant_since: datetime | None = None
    expired_at: datetime | None = None
    asked: str | None = None
    lost_at: datetime | None = None
    release: bool = False
    told: Phase | None = None

    @property
    def active(self) -> bool:
        """Whether somebody is there and wants the domain."""
        return self.vacant_since is None and self.expired_at is None


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who wants a domain that another holds, with an identity of their own.

    `certificate` is what one who lost the claim had, `handed` what cert-manager still has of it.
    """

    id: str
    token: str = field(repr=False)
    holder: Holder
    standing: Standing = Standing()
    certificate: CertificateRecord | None = None
    handed: Handover | None = None


def render_holder(value: Holder) -> dict[str, Any]:
    """The JSON form."""
    rendered = {
        "namespace": value.key.namespace,
        "namespaceUID": value.namespace_uid,
        "name": value.key.name,
    }
    return rendered | ({"uid": value.uid} if value.uid else {})


def parse_holder(body: Mapping[str, Any]) -> Holder:
    """From the JSON form. Raises `KeyError`."""
    return Holder(Key(body["namespace"], body["name"]), body["namespaceUID"], body.get("uid"))


def render_standing(value: Standing) -> dict[str, Any]:
    """The JSON form; empty where there is nothing to say."""
    return drop_empty(
        {
            "since": format_optional(value.since),
            "vacantSince": format_optional(value.vacant_since),
            "expiredAt": format_optional(value.expired_at),
            "asked": value.asked,
            "lostAt": format_optional(value.lost_at),
            "release": value.release or None,
            "told": value.told,
        }
    )


def parse_standing(body: Mapping[str, Any]) -> Standing:
    """From the JSON form. Raises `ValueError`."""
    return Standing(
        since=parse_time(body.get("since")),
        vacant_since=parse_time(body.get("vacantSince")),
        expired_at=parse_time(body.get("expiredAt")),
        asked=body.get("asked"),
        lost_at=parse_time(body.get("lostAt")),
        release=body.get("release", False),
        told=Phase(body["told"]) if "told" in body else None,
    )


def render_contender(value: Contender) -> dict[str, Any]:
    """The JSON form."""
    rendered: dict[str, Any] = {
        "id": value.id,
        "token": value.token,
        "holderRef": render_holder(value.holder),
    }
    return rendered | drop_empty(
        {
            "standing": render_standing(value.standing) or None,
            "certificate": render_certificate(value.certificate) if value.certificate else None,
            "handed": render_handover(value.handed) if value.handed else None,
        }
    )


def parse_contender(body: Mapping[str, Any]) -> Contender:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    certificate, handed = body.get("certificate"), body.get("handed")
    return Contender(
        id=body["id"],
        token=body["token"],
        holder=parse_holder(body["holderRef"]),
        standing=parse_standing(body.get("standing") or {}),
        certificate=parse_certificate(certificate) if certificate else None,
        handed=parse_handover(handed) if handed else None,
    )
