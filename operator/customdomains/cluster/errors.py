"""What can go wrong when asking the API server, as callers need to tell it apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An answer that is not the one asked for, or none at all.

    `status` is the HTTP code, 0 where there was no answer. `reason` is the `Status` object's
    machine-readable word (`metav1.StatusReason`), for people and logs. `retry_after` is in
    seconds, None where the server did not say.
    """

    def __init__(
        self, status: int, reason: str, message: str, retry_after: float | None = None
    ) -> None:
        """`message` is the server's own where there is one."""
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class NotFound(ApiError):  # noqa: N818 - named like the API server's reasons
    """404: no such object, or no such resource (a CRD that is not installed)."""


class Conflict(ApiError):  # noqa: N818
    """409: the object is not in the version, or is not the one (uid), the write was meant for."""


class AlreadyExists(ApiError):  # noqa: N818
    """409 on create: the name is taken."""


class Gone(ApiError):  # noqa: N818
    """410: the resourceVersion or continue token is older than what the server remembers."""


class Forbidden(ApiError):  # noqa: N818
    """403: RBAC, a quota, or a namespace that is being deleted."""


class Invalid(ApiError):  # noqa: N818
    """422: the object breaks the schema or a validation rule; `message` says which."""


class TooManyRequests(ApiError):  # noqa: N818
    """429: not executed. `retry_after` is what the server asked for."""


class Unavailable(ApiError):  # noqa: N818
    """No answer, or a 5xx. A write may have been executed or not: read before deciding again."""


class Silence(Unavailable):
    """A stream on which nothing came for so long that its connection may be dead."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def error_from_answer(status: int, body: bytes, retry_after: str | None) -> ApiError:
    """The error for an HTTP answer that is no 2xx (source: `metav1.Status`, or any text).

    Proxies in front of the API server answer with HTML or nothing; the first line of that is
    then the message.
    """
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and parsed.get("kind") == "Status":
        return error_from_status({**parsed, "code": status}, retry_after)
    lines = body.decode(errors="replace").strip().splitlines()
    text = lines[0][:200] if lines else "the answer has no text"
    return _class_for(status, "")(status, "Unknown", text, _seconds(retry_after))


def error_from_status(status_object: Mapping[str, Any], retry_after: str | None = None) -> ApiError:
    """The error for a `metav1.Status`; without a Retry-After header its details may have it."""
    code = status_object.get("code")
    code = code if isinstance(code, int) else 0
    reason = str(status_object.get("reason") or "Unknown")
    message = str(status_object.get("message") or "the API server gave no message")
    details = status_object.get("details")
    wait = _seconds(retry_after)
    if wait is None and isinstance(details, Mapping):
        wait = _seconds(details.get("retryAfterSeconds"))
    return _class_for(code, reason)(code, reason, message, wait)


def _class_for(status: int, reason: str) -> type[ApiError]:
    if reason == "AlreadyExists":
        return AlreadyExists
    if status >= 500:
        return Unavailable
    return _BY_STATUS.get(status, ApiError)


def _seconds(value: object) -> float | None:
    """Retry-After as the API server writes it: whole seconds. An HTTP date counts as not said."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if 0 < seconds < 86_400 else None
