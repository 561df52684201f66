"""Bodies: each is there whole before its request counts as work, or it is not waited for longer."""

from __future__ import annotations

import asyncio

from aiohttp import web

from customdomains.api.errors import Busy, Refused

MAX_RECEIVING = 256  # bodies at once that have not come whole
PATIENCE = 10.0  # seconds a caller has to send what it announced


class Receiving:
    """The bodies that are on their way."""

    def __init__(self) -> None:
        self._coming = 0
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        """How many there are."""
        return self._coming

    async def whole(self, request: web.Request) -> None:
        """Wait for the body; the request keeps it.

        Raises `Refused`, `Busy`, and the answers of aiohttp to one that is too late or too large.
        """
        if request.content.is_eof():  # as nearly always: all of it has come with the headers
            await _read(request)
            return
        if self._coming >= MAX_RECEIVING:
            message = f"{MAX_RECEIVING} bodies are on their way; try again in a moment"
            raise Busy("overloaded", message, retry_after=1)
        self._coming += 1
        self._none.clear()
        try:
            async with asyncio.timeout(PATIENCE):
                await _read(request)
        except TimeoutError:
            message = f"the body has not come within {PATIENCE:g} s"
            raise web.HTTPRequestTimeout(reason=message) from None
        finally:
            self._coming -= 1
            if not self._coming:
                self._none.set()

    async def all_there(self) -> None:
        """Wait until no body is on its way; not for long."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._none.wait()
        except TimeoutError:
            pass


async def _read(request: web.Request) -> None:
    try:
        await request.read()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Refused("malformed_body", f"the body can't be read: {error}") from error
