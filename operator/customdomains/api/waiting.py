"""Waiting for a domain's status instead of asking for it again and again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from multidict import MultiMapping

from customdomains.api import checking
from customdomains.api.directory import Directory
from customdomains.api.errors import Failed, Refused
from customdomains.api.following import fits_together, following
from customdomains.api.places import Share
from customdomains.api.resources import Registration
from customdomains.model.reasons import Phase

MIN_TIMEOUT = 1  # seconds
MAX_TIMEOUT = 120  # seconds

MAX_WAITS = 512
MAX_WAITS_FOR_ONE = 64  # domain

_LOOK = 5.0  # seconds between two looks at whether the caller is still there

_DURATION = re.compile(r"(?:([0-9]{1,3})m)?(?:([0-9]{1,3})s)?")
_WAY = (Phase.PENDING, Phase.VERIFIED, Phase.CERTIFICATE_PENDING, Phase.ACTIVE)


class Ending(StrEnum):
    """How a wait has ended; who waits for anything but `failed` has no reason to wait on in it."""

    REACHED = "reached"
    PASSED = "passed"  # the domain is further on its way than was waited for
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    INTERRUPTED = "interrupted"  # this process is stopping


@dataclass(frozen=True, slots=True)
class Wish:
    """The status to wait for, and for how many seconds at most."""

    phase: Phase
    timeout: float


def wish(query: MultiMapping[str]) -> Wish | None:
    """What the query says about waiting; None where it says nothing. Raises `Refused`."""
    if not query:
        return None
    checked = checking.of("getDomain").query(query)
    if "wait" in checked:
        return Wish(Phase(checked["wait"]), _seconds(checked["timeout"]))
    if "timeout" in query:
        raise Refused("invalid_timeout", "timeout goes with wait, as in wait=active")
    return None


def _seconds(text: str) -> int:
    found = _DURATION.fullmatch(text)
    seconds = int(found[1] or 0) * 60 + int(found[2] or 0) if found else 0
    if not MIN_TIMEOUT <= seconds <= MAX_TIMEOUT:
        raise Refused(
            "invalid_timeout",
            f"timeout has to be from {MIN_TIMEOUT}s to {MAX_TIMEOUT}s, such as 30s or 1m30s",
        )
    return seconds


class Waiting:
    """Waits for domains of the directory's namespace."""

    def __init__(self, directory: Directory, places: Share) -> None:
        self._directory = directory
        self._places = places

    async def wait(
        self, registration_id: str, wanted: Wish, has_left: Callable[[], bool]
    ) -> tuple[Registration, Ending]:
        """The domain as it is at the end of the wait. `has_left` tells of the caller.

        Raises `NotThere` as soon as there is no such domain, `Busy` where too many wait.
        """
        deadline = time.monotonic() + wanted.timeout
        found = await self._directory.find(registration_id)
        ending = _ending(found, wanted.phase)
        if ending is not None:
            return found, ending
        with (
            self._places.one(registration_id) as bell,
            following(self._directory, registration_id, bell) as follower,
        ):
            while True:
                try:
                    found = await follower.look()
                except Failed:
                    pass  # nothing is known but what was
                else:
                    ending = _ending(found, wanted.phase)
                    if ending is not None:
                        return found, ending
                left = deadline - time.monotonic()
                if left <= 0:
                    return found, Ending.TIMED_OUT
                if self._places.ended or has_left():
                    return found, Ending.INTERRUPTED
                await follower.news(min(left, _LOOK))


def _ending(found: Registration, wanted: Phase) -> Ending | None:
    """How a wait for `wanted` ends with the domain as it is; None where it goes on."""
    if not fits_together(found):
        return None
    phase = found.domain.phase
    if phase == wanted:
        return Ending.REACHED
    if phase == Phase.FAILED:
        return Ending.FAILED
    if wanted is Phase.FAILED or _WAY.index(Phase(phase)) < _WAY.index(wanted):
        return None
    return Ending.PASSED
