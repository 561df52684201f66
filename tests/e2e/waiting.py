"""Waiting for what has to become true, with a deadline and something to say when it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 45.0
PAUSE = 0.03


def until(
    probe: Callable[[], T],
    what: str,
    *,
    timeout: float = PATIENCE,
    explain: Callable[[], object] = lambda: "",
) -> T:
    """What `probe` returns as soon as that is true; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}\n{explain()}"
        time.sleep(PAUSE)
