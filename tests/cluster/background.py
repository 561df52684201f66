"""Work that runs while a test looks at what it does."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol


class Runs(Protocol):
    def run(self) -> Coroutine[Any, Any, None]: ...


@asynccontextmanager
async def running(work: Runs) -> AsyncIterator[None]:
    """`work.run()` for the time of the block; if it fails, the block fails."""
    task = asyncio.create_task(work.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
