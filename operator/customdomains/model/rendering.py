"""What the JSON forms of all resources share."""

from __future__ import annotations

from typing import Any


def drop_empty(values: dict[str, Any]) -> dict[str, Any]:
    """`values` without what says nothing."""
    return {key: value for key, value in values.items() if value not in (None, [], "")}
