"""Places for calls that do nothing but wait: bounded, apart from the calls that are worked on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from customdomains.api.errors import Busy


class Places:
    """At most `most` places, and `most_of_one` for one domain: nobody who has a link to a domain
    can take them all.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._taken: set[asyncio.Event] = set()
        self._by_domain: Counter[str] = Counter()
        self.ended = False

    def __len__(self) -> int:
        """How many places are taken."""
        return len(self._taken)

    @contextmanager
    def one(self, registration_id: str) -> Iterator[asyncio.Event]:
        """Take a place to wait for something about a domain. Raises `Busy` where there is none.

        The event is for whoever has news for who waits; `end` is such news.
        """
        if len(self._taken) >= self._most or self._by_domain[registration_id] >= self._most_of_one:
            raise Busy("too_many_waiting", "as many calls wait already as may; try again later")
        bell = asyncio.Event()
        self._taken.add(bell)
        self._by_domain[registration_id] += 1
        try:
            yield bell
        finally:
            self._taken.remove(bell)
            self._by_domain -= Counter((registration_id,))

    def end(self) -> None:
        """Nobody is to wait any more: `ended` is true from now on, and who waits is woken."""
        self.ended = True
        for bell in self._taken:
            bell.set()
