"""An event loop whose clock jumps to the next timer: nothing waits, everything is repeatable."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class _Jumping(selectors.SelectSelector):
    """Instead of waiting for `timeout`, it is then. There is no input or output."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        self.elapsed += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Use `run` and `run_for`; close it at the end."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed

    def now(self) -> datetime:
        """The wall clock that goes with it."""
        return EPOCH + timedelta(seconds=self.time())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.run_until_complete(coroutine)

    def run_for(self, seconds: float) -> None:
        self.run_until_complete(asyncio.sleep(seconds))
