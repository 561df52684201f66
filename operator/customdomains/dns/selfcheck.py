"""Whether every replica of our own responder answers with what a CA is about to look for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import dns.rdatatype

from customdomains.dns.addresses import resolve_servers
from customdomains.dns.answers import read_answer
from customdomains.dns.asking import parse_name
from customdomains.dns.exchange import transact
from customdomains.dns.messages import make_query
from customdomains.model.evidence import ServerAnswer

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


async def texts_at(server: str, name: str, timeout: float) -> ServerAnswer:
    """The TXT records that `server` itself holds at `name` (recursion not desired).

    `server` is `address:port`, `timeout` seconds in all. Raises ValueError for another server,
    or a name that cannot be in the DNS.
    """
    question = parse_name(name)
    query = make_query(question, dns.rdatatype.TXT, recursion=False)
    reply = await transact(server, query, timeout)
    if reply.response is None:
        return ServerAnswer(server, reply.outcome, milliseconds=reply.milliseconds)
    answer = read_answer(server, question, reply.response)
    return replace(answer, milliseconds=reply.milliseconds)
