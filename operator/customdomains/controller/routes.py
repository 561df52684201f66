"""The way to one receiver of webhooks: what is on its way, and what waits for its next try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlsplit

from customdomains.controller.agenda import Agenda
from customdomains.controller.lanes import Lane
from customdomains.model.domain import Key
from customdomains.policy.telling import digest_of

AT_ONCE = 16
"""Messages that are on their way to one receiver at a time."""


class Route:
    """Runs `deliver` with a stream and the name of its claim, one at a time for a stream.

    A stream is what one receiver is to be told about one registration: its key has the namespace
    and the registration's id. `name` is the receiver without what its URL may have of secrets.
    """

    def __init__(
        self,
        url: str,
        deliver: Callable[[Route, Key, str], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        parts = urlsplit(url)
        self.url = url
        self.digest = digest_of(url)
        self.name = f"{parts.scheme}://{parts.netloc}"
        self._deliver = deliver
        self._lane: Lane[str] = Lane("webhooks", AT_ONCE, self._run)
        self._agenda = Agenda(now, self._wake)
        self._waiting: dict[Key, tuple[str, datetime]] = {}
        self._rests_until: datetime | None = None

    def go(self, stream: Key, domain: str) -> None:
        """Have the next message of a stream delivered."""
        self._lane.put(stream, domain)

    def put_off(self, stream: Key, domain: str, until: datetime) -> None:
        """Let a stream wait for its next try."""
        self._waiting[stream] = (domain, until)
        self._agenda.set(stream, until)

    def rest(self, until: datetime) -> None:
        """Let nothing through before `until`."""
        self._rests_until = until

    def holds(self, stream: Key, domain: str, now: datetime) -> bool:
        """Whether a stream still has to wait; then it comes back by itself."""
        _, until = self._waiting.get(stream, (domain, now))
        until = max(until, self._rests_until or until)
        if now >= until:
            return False
        self.put_off(stream, domain, until)
        return True

    def clear(self, stream: Key) -> None:
        """Nothing of the stream waits any more."""
        self._waiting.pop(stream, None)
        self._agenda.set(stream, None)

    async def work(self) -> None:
        """Deliver until cancelled."""
        try:
            await self._lane.work()
        finally:
            self._agenda.close()

    async def _run(self, stream: Key, domain: str) -> None:
        await self._deliver(self, stream, domain)

    def _wake(self, stream: Key) -> None:
        domain, _ = self._waiting[stream]
        self._lane.put(stream, domain)
