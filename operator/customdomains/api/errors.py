"""What can go wrong with a call, in the words of the HTTP contract but without its numbers.

Every error has a stable `code` (snake_case) and one sentence a person can act on. Which status
code a class means is the gate's business.
"""

from __future__ import annotations

import re

from customdomains.cluster import ApiError


class CallError(Exception):
    """A call that is not carried out; `code` is part of the contract."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Refused(CallError):  # noqa: N818 - says what is wrong, like the gateway's errors
    """The caller has to change something first: the call, the domain's spec, or its DNS."""


class NotThere(CallError):  # noqa: N818
    """There is nothing of that id, or nothing that the caller may know of."""


class AlreadyRegistered(CallError):  # noqa: N818
    """The domain can't be registered beside what is there; it is not said whose that is."""

    def __init__(self, domain: str, message: str | None = None) -> None:
        super().__init__(
            "domain_already_registered",
            message
            or f"{domain} is already registered; to register it again, delete the record first",
        )


class KeyReused(CallError):  # noqa: N818
    """The call's idempotency key was given with another call before."""


class NotAllowed(CallError):  # noqa: N818
    """The call is right, and an administrator's rule is against it."""


class Stranger(CallError):  # noqa: N818
    """Who calls is not known."""


class NotPermitted(CallError):  # noqa: N818
    """Who calls has no right to this, be it there or not."""


class LookupFailed(CallError):  # noqa: N818
    """The DNS could not be asked, which says nothing about the record."""


class Busy(CallError):  # noqa: N818
    """There are as many like this as may be; it is worth trying again in `retry_after` seconds."""

    def __init__(self, code: str, message: str, retry_after: int = 5) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class Failed(CallError):  # noqa: N818
    """It is not the caller's fault; trying again later may work."""


def no_such_domain() -> NotThere:
    """For ids that are unknown, malformed, or of another namespace: the same for all."""
    return NotThere("domain_not_found", "there is no domain with this id")


def storage_failed(what: str, error: ApiError) -> Failed:
    """`what` is the first part of the sentence, such as `the domain could not be stored`."""
    said = f"said {error.status} {error.reason}" if error.status else "gave no answer"
    return Failed("storage_error", f"{what}: the Kubernetes API server {said}; try again")


def code_of(reason: str) -> str:
    """A condition's CamelCase reason as a code: `RecordMissing` is `record_missing`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", reason).lower()
