"""What has to be seen for the demo to have succeeded."""

from __future__ import annotations


class NotSeenError(Exception):
    """Something did not happen; the message says what, and what was there instead."""


class Checks:
    """What has to be seen, in order, and whether it was."""

    def __init__(self, *wanted: str) -> None:
        self._seen = dict.fromkeys(wanted, False)

    def saw(self, check: str) -> None:
        """`check`, one of those wanted, was really seen."""
        if check not in self._seen:
            raise KeyError(check)
        self._seen[check] = True

    @property
    def passed(self) -> bool:
        """Whether all of it was seen."""
        return all(self._seen.values())

    @property
    def results(self) -> tuple[tuple[str, bool], ...]:
        """Each with whether it was seen."""
        return tuple(self._seen.items())
