"""Whether the watch has brought every CustomDomain that there is."""

from __future__ import annotations

import asyncio
import logging

from customdomains.cluster.errors import ApiError
from customdomains.cluster.stores import DomainStore
from customdomains.controller.store import Store
from customdomains.controller.watching import DomainWatcher

log = logging.getLogger(__name__)

SYNC_POLL = 0.1
LIST_AGAIN = 5.0


async def until_synced(domains: DomainStore, store: Store, watcher: DomainWatcher) -> None:
    """Wait until every resource of a live listing has come through the watch."""
    while True:
        try:
            waited_for = await domains.names()
        except ApiError as error:
            log.warning("CustomDomains can't be listed: %s", error)
            await asyncio.sleep(LIST_AGAIN)
            continue
        # One that was deleted before the watch began never comes through it: list again.
        for _ in range(round(LIST_AGAIN / SYNC_POLL)):
            unreadable = watcher.unreadable
            if all(store.domain(key) is not None or key in unreadable for key in waited_for):
                return
            await asyncio.sleep(SYNC_POLL)
