"""How a certificate's Secret stands: which version of it is ours, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from customdomains.model.keys import KeyPair
from customdomains.model.reasons import Reason
from customdomains.model.rendering import drop_empty
from customdomains.model.times import format_optional, format_time, parse_time, read_time


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a Secret does not hold its certificate any more, and since when that is known."""

    reason: Reason
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a certificate's Secret.

    `version` is the resourceVersion that our last write left (None: not known); `loss` what was
    found wrong with a later one, and `back` when one was last found whole again after that. `early`
    is how many certificates in a row were issued because something had happened to the one before.
    `revoke` tells that the Secret is marked: its certificate is revoked before it is removed.
    """

    version: int | None = None
    loss: Loss | None = None
    back: datetime | None = None
    early: int = 0
    revoke: bool = False


@dataclass(frozen=True, slots=True)
class StoredPair:
    """A TLS Secret of ours as it is: its `version`, the URL of the `order` that it was written
    for, and whether the chain in it is `altered`, not the one that was written."""

    pair: KeyPair
    version: int
    order: str | None
    altered: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """What a key pair is worth: its `fault` (None: it is what it should be), and its certificate
    (`leaf`, DER in base64) if that is the right one."""

    fault: str | None
    leaf: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate (DER in base64), and until when it counts."""

    certificate: str = field(repr=False)
    not_after: datetime


def render_kept(value: Kept) -> dict[str, Any]:
    """The JSON form; empty where there is nothing to say."""
    loss = value.loss
    return drop_empty(
        {
            "version": None if value.version is None else str(value.version),
            "loss": loss
            and {"reason": loss.reason, "message": loss.message, "at": format_time(loss.at)},
            "backAt": format_optional(value.back),
            "early": value.early or None,
            "revokeOnDelete": value.revoke or None,
        }
    )


def parse_kept(body: Mapping[str, Any]) -> Kept:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    version, loss = body.get("version"), body.get("loss")
    return Kept(
        version=None if version is None else int(version),
        loss=loss and Loss(Reason(loss["reason"]), loss["message"], read_time(loss["at"])),
        back=parse_time(body.get("backAt")),
        early=body.get("early", 0),
        revoke=body.get("revokeOnDelete", False),
    )
