"""Following one domain by the watches: as it is now, and a bell that rings when it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from customdomains.api.directory import Directory
from customdomains.api.resources import Registration
from customdomains.model.reasons import Phase


class Follower:
    """Made by `following`."""

    def __init__(self, directory: Directory, registration_id: str, bell: asyncio.Event) -> None:
        self._directory = directory
        self._id = registration_id
        self._bell = bell
        self._keys: frozenset[str] = frozenset()

    async def look(self) -> Registration:
        """The registration as it is now; the bell rings for what changes from here on.

        Raises `NotThere` once it is deleted, and `Failed` where only the API server could tell.
        """
        while True:
            self._bell.clear()
            found = await self._directory.find(self._id)
            keys = frozenset((found.claim.domain, str(found.domain.key)))
            if keys == self._keys:
                return found
            # Look again: it may have changed between the look and the listening.
            self.listen_to(keys)

    def listen_to(self, keys: frozenset[str]) -> None:
        """Hear of these keys, and of no others."""
        self._directory.changes.leave(self._bell, self._keys - keys)
        self._directory.changes.listen(self._bell, keys - self._keys)
        self._keys = keys

    async def news(self, timeout: float) -> bool:
        """Wait until the bell has rung, `timeout` seconds at most; whether it has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._bell.wait()
        return self._bell.is_set()


@contextmanager
def following(
    directory: Directory, registration_id: str, bell: asyncio.Event
) -> Iterator[Follower]:
    """Follow a domain for the time of the block."""
    follower = Follower(directory, registration_id, bell)
    try:
        yield follower
    finally:
        follower.listen_to(frozenset())


def fits_together(found: Registration) -> bool:
    """Whether the claim has what the status speaks of.

    The status is written after the claim, but comes by a watch of its own, that may be ahead. And
    a tenant may have written it; that lasts until the controller has put it right.
    """
    claim, phase = found.claim, found.domain.phase
    if phase == Phase.ACTIVE:
        return claim.certificate is not None
    if phase in {Phase.VERIFIED, Phase.CERTIFICATE_PENDING}:
        return claim.verification is not None
    return True
