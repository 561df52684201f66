"""Why there is no page, in words for who opened the link."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """The answer's status, what is wrong, and what to do about it."""

    status: int
    headline: str
    text: str


FORGED = Problem(
    403,
    "This link is not complete",
    "Part of it is missing, or it has been changed. Open it again from the message that it came "
    "in, or copy all of it. If that does not help, ask for a new one where you got it.",
)
ENDED = Problem(
    410,
    "This link does not work any more",
    "It was made for a limited time that is over, or the domain is not registered any more. Ask "
    "for a new link where you got this one.",
)
_AGAIN = "Try again in a minute. Nothing is lost, and your domain is taken care of meanwhile."
_BUSY = Problem(503, "One moment, please", _AGAIN)
_DEFECT = Problem(500, "Something went wrong here", _AGAIN)


def by_status(status: int) -> Problem:
    """For an answer of this status that says no more."""
    if status == 503:
        return _BUSY
    if status >= 500:
        return Problem(status, _DEFECT.headline, _AGAIN)
    return Problem(status, "This can't be done here", "Open the link again from its message.")
