"""Putting questions to name servers that anybody may have named: bounded, and not again and again
to those that don't answer.

Silence counts for a server and a zone: a server may well be silent about zones that it was never
given, and whoever delegates those to it must not shut it for others. Only a server that has
answered nobody for an hour is taken for dead; a few zones at a time may still try it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import dns.message
import dns.name

from customdomains.dns.exchange import Reply, transact
from customdomains.model.evidence import Outcome

_SILENT_OFTEN = 2
"""Questions in a row without answer, after which there is a pause."""

ENOUGH_SECONDS = 1.0
"""Who has not answered after so long is silent, even if it was not waited for any longer."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_ALIVE_SECONDS = 3600.0
_TRIALS = 4
"""Questions at once to a server taken for dead."""

_MAX_SERVERS = 4096
_MAX_SILENCES = 16384
"""Servers and zones that they are silent about, as far as that is remembered."""


@dataclass(slots=True)
class _Silence:
    """How often in a row there was no answer, and until when nobody asks again."""

    times: int = 0
    until: float = 0.0
    trying: bool = False

    def rests(self, now: float) -> bool:
        """Whether it is not the time for a question; after a pause one at a time is put."""
        return self.times >= _SILENT_OFTEN and (self.trying or now < self.until)

    def more(self, now: float) -> None:
        """One more question stayed without answer."""
        self.times += 1
        pauses = self.times - _SILENT_OFTEN
        if pauses >= 0:
            self.until = now + min(_FIRST_PAUSE * 2.0 ** min(pauses, 16), _LONGEST_PAUSE)


@dataclass(slots=True)
class _Server:
    places: asyncio.Semaphore
    silence: _Silence = field(default_factory=_Silence)
    answered: float | None = None
    trials: int = 0


_NOT_ASKED = Reply(
    Outcome.TIMED_OUT,
    None,
    0,
    "not asked this time: it left the questions before this one without an answer",
)
_TOO_LATE = Reply(Outcome.TIMED_OUT, None, 0, "not asked this time: others took all the time")
_CROWDED = Reply(Outcome.TIMED_OUT, None, 0, "not asked this time: too many questions are waiting")


Question = Callable[[], dns.message.Message]
"""Makes the message, which takes a while, when it is certain that it will be sent."""

_About = tuple[str, dns.name.Name]
"""A server, and a zone that it is asked about."""


class Servers:
    """Name servers by `address:port`. `timeout` is seconds for one question, `concurrency` how
    many are under way in all, `per_server` how many to one."""

    def __init__(
        self, *, timeout: float, concurrency: int, per_server: int, clock: Callable[[], float]
    ) -> None:
        self._timeout = timeout
        self._per_server = per_server
        self._clock = clock
        self._places = asyncio.Semaphore(concurrency)
        self._servers: OrderedDict[str, _Server] = OrderedDict()
        self._silences: OrderedDict[_About, _Silence] = OrderedDict()

    def __len__(self) -> int:
        """Servers that something is remembered of."""
        return len(self._servers)

    def silences(self, address: str) -> int:
        """How many questions in a row that server has left without an answer."""
        server = self._servers.get(address)
        return server.silence.times if server is not None else 0

    async def ask(self, address: str, zone: dns.name.Name, query: Question, until: float) -> Reply:
        """Put `query`, about a name in `zone`, until the moment `until` of the clock.

        A server that is not asked this time has timed out, and the reply's `trouble` says so.
        """
        server = self._server(address)
        if self._clock() >= until:
            return _TOO_LATE
        # Before waiting as well: whoever is refused takes no time at all.
        if self._rests(server, address, zone):
            return _NOT_ASKED
        async with self._place(server.places, until) as placed:
            if not placed:
                return _CROWDED
            # What was known before the wait may be out of date.
            if self._rests(server, address, zone):
                return _NOT_ASKED
            async with self._place(self._places, until) as placed_in_all:
                if not placed_in_all:
                    return _CROWDED
                return await self._put(server, address, zone, query, until)

    @asynccontextmanager
    async def _place(self, places: asyncio.Semaphore, until: float) -> AsyncIterator[bool]:
        """One of `places`, while the body runs; false where none was free in time."""
        placed = False
        with suppress(TimeoutError):
            async with asyncio.timeout(until - self._clock()):
                placed = await places.acquire()
        try:
            yield placed
        finally:
            if placed:
                places.release()

    def _server(self, address: str) -> _Server:
        server = self._servers.get(address)
        if server is None:
            if len(self._servers) >= _MAX_SERVERS:
                self._servers.popitem(last=False)
            server = self._servers[address] = _Server(asyncio.Semaphore(self._per_server))
        self._servers.move_to_end(address)
        return server

    def _rests(self, server: _Server, address: str, zone: dns.name.Name) -> bool:
        now = self._clock()
        about = self._silences.get((address, zone))
        if about is not None and about.rests(now):
            return True
        if server.answered is not None and now - server.answered < _ALIVE_SECONDS:
            return False
        if server.silence.times < _SILENT_OFTEN:
            return False
        # A zone that has never been asked for may have the server that others only pretend.
        first = about is None
        return server.trials >= _TRIALS or (not first and now < server.silence.until)

    async def _put(
        self,
        server: _Server,
        address: str,
        zone: dns.name.Name,
        query: Question,
        until: float,
    ) -> Reply:
        left = until - self._clock()
        if left <= 0:
            return _TOO_LATE
        about = self._silences.get((address, zone))
        if about is not None:
            about.trying = True
        server.trials += 1
        try:
            reply = await transact(address, query(), min(self._timeout, left))
        finally:
            server.trials -= 1
            if about is not None:
                about.trying = False
        if reply.response is not None:
            server.answered = self._clock()
            server.silence = _Silence()
            self._silences.pop((address, zone), None)
        elif reply.outcome is Outcome.TIMED_OUT and left >= min(self._timeout, ENOUGH_SECONDS):
            self._silent(server, (address, zone))
        return reply

    def _silent(self, server: _Server, about: _About) -> None:
        now = self._clock()
        server.silence.more(now)
        silence = self._silences.pop(about, None) or _Silence()
        silence.more(now)
        self._silences[about] = silence
        if len(self._silences) > _MAX_SILENCES:
            self._silences.popitem(last=False)
