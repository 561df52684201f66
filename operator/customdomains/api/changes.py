"""Who is told that something has changed, by the keys of the watch caches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Changes:
    """Bells that ring when the object of a key may have changed. They cost nothing until then."""

    def __init__(self) -> None:
        self._bells: dict[str, set[asyncio.Event]] = {}

    def __len__(self) -> int:
        """How many keys somebody listens to."""
        return len(self._bells)

    def ring(self, key: str) -> None:
        """The object of `key` may have changed."""
        for bell in self._bells.get(key, ()):
            bell.set()

    def listen(self, bell: asyncio.Event, keys: Iterable[str]) -> None:
        """From now on `bell` rings for these keys, too."""
        for key in keys:
            self._bells.setdefault(key, set()).add(bell)

    def leave(self, bell: asyncio.Event, keys: Iterable[str]) -> None:
        """From now on it does not ring for these."""
        for key in keys:
            bells = self._bells.get(key, set())
            bells.discard(bell)
            if not bells:
                self._bells.pop(key, None)
