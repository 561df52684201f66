"""The status on the API server: written where its meaning changed, and not worn out by quarrels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from customdomains.cluster.errors import Conflict, NotFound
from customdomains.controller.agenda import Agenda
from customdomains.controller.ports import Announcer, Domains
from customdomains.controller.store import Store
from customdomains.model.domain import CustomDomain, Key
from customdomains.model.status import Status
from customdomains.policy.announcements import failed

TIMES_SHOWN = timedelta(hours=1)
"""How often the times of checks are written that nothing else is written with."""

QUARREL_LIMIT = timedelta(minutes=2)
"""A status that stood for this long is no quarrel any more."""


@dataclass(frozen=True, slots=True)
class _Written:
    """The last status written for a key, and how often somebody undid it since."""

    digest: bytes
    at: datetime
    undone: int = 0


class StatusWriter:
    """Writes a status where its meaning changed, or hourly where only times did.

    A status that somebody else keeps undoing is restored ever more slowly.
    """

    def __init__(
        self,
        store: Store,
        agenda: Agenda,
        domains: Domains,
        announcer: Announcer,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._domains = domains
        self._announcer = announcer
        self._now = now
        self._written: dict[Key, _Written] = {}

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._written.pop(key, None)

    async def show(self, domain: CustomDomain, status: Status) -> None:
        """Have `domain` show `status`. Raises `ApiError`."""
        key = domain.key
        now, digest = self._now(), status.mark.digest
        written = self._written.get(key)
        fresh = _Written(digest, now)
        if written is None or written.digest != digest:
            if domain.status.digest == digest:
                self._written[key] = fresh
            else:
                await self._put(domain, status, fresh)
        elif domain.status.digest == digest:
            if _only_times_are_old(written, status, now):
                self._written[key] = fresh  # even where the answer is lost: an hour is an hour
                await self._put(domain, status, fresh)
        else:
            undone = written.undone if now < written.at + QUARREL_LIMIT else 0
            patience = min(timedelta(seconds=2**undone - 1), QUARREL_LIMIT / 2)
            if now < written.at + patience:
                self._agenda.at_latest(key, written.at + patience)
            else:
                await self._put(domain, status, replace(fresh, undone=min(undone + 1, 10)))

    async def _put(self, domain: CustomDomain, status: Status, written: _Written) -> None:
        try:
            stored = await self._domains.write_status(domain, status.render())
        except Conflict:
            live = await self._domains.read(domain.key)
            if live is None:
                self._store.drop_domain(domain.key, domain.uid)
            else:
                self._store.put_domain(live)
            return
        except NotFound:
            self._store.drop_domain(domain.key, domain.uid)
            return
        self._written[domain.key] = written
        if domain.status.phase != status.phase:
            self._announcer.moved(domain, status.phase, status.reason)
            if (announcement := failed(status)) is not None:
                self._announcer.announce(domain, announcement)
        self._store.put_domain(stored, own=True)


def _only_times_are_old(written: _Written, status: Status, now: datetime) -> bool:
    """Whether a check's times were not shown for an hour although there was one since."""
    last = status.checks.last
    return last is not None and last > written.at and now - written.at >= TIMES_SHOWN
