"""What a CA says about when a certificate is to be renewed (RFC 9773), and when that is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customdomains.model.rendering import drop_empty
from customdomains.model.times import format_time, read_time


@dataclass(frozen=True, slots=True)
class RenewalInfo:
    """One answer of the CA: the window that it suggests (whole seconds, `start` before `end`), a
    page that says why, and when it wants to be asked again, where it named either."""

    start: datetime
    end: datetime
    explanation: str | None = None
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RenewalWindow:
    """The window that counts for a certificate; `told_at` is when the CA said so first."""

    start: datetime
    end: datetime
    told_at: datetime
    explanation: str | None = None

    def moment(self, serial_number: str, latest: datetime) -> datetime:
        """A moment in the window, and not after `latest`: any is as likely as another, and it is
        the same one for the same certificate and window, whoever asks and whenever."""
        end = min(self.end, latest)
        start = min(self.start, end)
        text = f"{serial_number} {self.start.timestamp()} {self.end.timestamp()}"
        drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / (1 << 48)
        return (start + (end - start) * drawn).replace(microsecond=0)


def render_window(value: RenewalWindow) -> dict[str, Any]:
    """The JSON form."""
    return drop_empty(
        {
            "start": format_time(value.start),
            "end": format_time(value.end),
            "toldAt": format_time(value.told_at),
            "explanationURL": value.explanation,
        }
    )


def parse_window(body: Mapping[str, Any]) -> RenewalWindow:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    return RenewalWindow(
        start=read_time(body["start"]),
        end=read_time(body["end"]),
        told_at=read_time(body["toldAt"]),
        explanation=body.get("explanationURL"),
    )
