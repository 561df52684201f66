"""Whether every replica of our own responder answers with what a CA is about to look for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from customdomains.dns.addresses import resolve_servers
from customdomains.dns.lookup import texts_at

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_ANSWER_TIMEOUT = 1.0


class ResponderSelfCheck:
    """Asks `responders` (`host:port`; a name stands for all its addresses) directly."""

    def __init__(self, responders: Sequence[str], deadline: float = 30.0) -> None:
        self._responders = tuple(responders)
        self._deadline = deadline

    async def serves(self, name: str, texts: tuple[str, ...]) -> bool:
        """Whether every replica answers `name` with all of `texts`; waits for it to come true,
        for `deadline` seconds. No replica at all is not every replica."""
        try:
            async with asyncio.timeout(self._deadline):
                await self._until_served(name, frozenset(texts))
        except TimeoutError:
            return False
        return True

    async def _until_served(self, name: str, texts: frozenset[str]) -> None:
        pause = _FIRST_PAUSE
        while not await self._served(name, texts):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _served(self, name: str, texts: frozenset[str]) -> bool:
        try:
            replicas = await resolve_servers(self._responders)
        except OSError:
            return False
        answers = await asyncio.gather(
            *(texts_at(replica, name, _ANSWER_TIMEOUT) for replica in replicas)
        )
        return bool(answers) and all(texts <= set(answer.texts) for answer in answers)
