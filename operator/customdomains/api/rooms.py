"""The namespaces that are served: a room each, and what they share."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from aiohttp import web

from customdomains.api.claims import Claims
from customdomains.api.directory import Directory
from customdomains.api.namespaces import Namespaces
from customdomains.api.options import ApiOptions
from customdomains.api.places import Places
from customdomains.api.registration import Registrar
from customdomains.api.requests import MAX_ASKING, MAX_ASKING_FOR_ONE, Requests
from customdomains.api.streams import MAX_STREAMS, MAX_STREAMS_OF_ONE, Streams
from customdomains.api.waiting import MAX_WAITS, MAX_WAITS_FOR_ONE, Waiting
from customdomains.cluster import ApiClient

PATIENCE = 20.0  # seconds for namespaces beside the first to be read


@dataclass(frozen=True, slots=True)
class Room:
    """All that the callers of one namespace come to: its domains and nobody else's."""

    directory: Directory
    registrar: Registrar
    requests: Requests
    waiting: Waiting
    streams: Streams


ROOM = web.RequestKey("room", Room)
"""Where a request that was let in finds its room."""


class Rooms:
    """The rooms by namespace. Claims and namespaces are watched once for all of them,
    and places are shared."""

    def __init__(self, client: ApiClient, options: ApiOptions) -> None:
        """`run` has to be running for anything to be known."""
        self.claims = Claims(client)
        self._namespaces = Namespaces(client, options.served)
        self.waits = Places(MAX_WAITS, MAX_WAITS_FOR_ONE)
        self.streams = Places(MAX_STREAMS, MAX_STREAMS_OF_ONE)
        self.asks = Places(MAX_ASKING, MAX_ASKING_FOR_ONE)
        self._rooms = {name: self._room(client, options, name) for name in options.served}
        self._home = self._rooms[options.namespace]
        self._begun = time.monotonic()

    def get(self, namespace: str) -> Room | None:
        """The room of this namespace; None where it is not served."""
        return self._rooms.get(namespace)

    @property
    def ready(self) -> bool:
        """Whether everything was here once; stays true while the API server is away.

        Namespaces that can't be read, for want of a role, hold up the others for a while only.
        """
        if time.monotonic() - self._begun > PATIENCE:
            return self._home.directory.synced
        return all(room.directory.synced for room in self._rooms.values())

    async def run(self) -> None:
        """Keep up with the API server until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.claims.mirror.cache.run())
            group.create_task(self._namespaces.cache.run())
            for room in self._rooms.values():
                group.create_task(room.directory.domains.cache.run())

    def end_waiting(self) -> None:
        """Answer all that only wait; the process is about to end."""
        self.waits.end()
        self.streams.end()

    def _room(self, client: ApiClient, options: ApiOptions, namespace: str) -> Room:
        directory = Directory(client, self.claims, self._namespaces, namespace)
        return Room(
            directory,
            Registrar(client, directory, options.rules),
            Requests(client, directory, options.controller_timeout, self.asks.share()),
            Waiting(directory, self.waits.share()),
            Streams(directory, self.streams.share()),
        )
