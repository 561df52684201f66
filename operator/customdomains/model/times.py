"""RFC 3339 times in UTC with whole seconds, as Kubernetes' `metav1.Time` writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(text: object) -> datetime | None:
    """The moment `text` names, in UTC; None for anything that is not an RFC 3339 time."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):  # the latter near the ends of the calendar
        return None


def format_time(moment: datetime) -> str:
    """`2026-01-31T12:00:00Z`; fractions of a second are cut off.

    Written field by field because strftime's %Y does not pad years below 1000 everywhere.
    """
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def format_optional(moment: datetime | None) -> str | None:
    """Like `format_time`; None stays None."""
    return None if moment is None else format_time(moment)


def read_time(text: object) -> datetime:
    """Like `parse_time`; raises ValueError for what is no time."""
    moment = parse_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    return moment
