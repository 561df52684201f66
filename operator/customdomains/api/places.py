"""Places for calls that do nothing but wait: bounded, apart from the calls that are worked on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from customdomains.api.errors import Busy


class Places:
    """At most `most` places, shared by namespaces, and `most_of_one` for one domain: nobody who has
    a link to a domain can take them all.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self.most_of_one = most_of_one
        self._shares: list[Share] = []
        self.ended = False

    def __len__(self) -> int:
        """How many places are taken."""
        return sum(map(len, self._shares))

    def share(self) -> Share:
        """A namespace's part of them."""
        share = Share(self)
        self._shares.append(share)
        return share

    def has_one_for(self, share: Share) -> bool:
        """Whether there is one.

        Half of all are kept, in equal parts, for the namespaces that have not taken theirs; so none
        can take them all from the others.
        """
        part = self._most // (2 * len(self._shares))
        kept = sum(max(0, part - len(other)) for other in self._shares if other is not share)
        return len(self) + kept < self._most

    def end(self) -> None:
        """Nobody is to wait any more: `ended` is true from now on, and who waits is woken."""
        self.ended = True
        for share in self._shares:
            share.wake()


class Share:
    """What a namespace has of the places; made by `Places.share`."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._taken: set[asyncio.Event] = set()
        self._by_domain: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many of them are taken."""
        return len(self._taken)

    @property
    def ended(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._places.ended

    @contextmanager
    def one(self, registration_id: str) -> Iterator[asyncio.Event]:
        """Take a place to wait for something about a domain. Raises `Busy` where there is none.

        The event is for whoever has news for who waits; that nobody is to wait is such news.
        """
        domain_is_full = self._by_domain[registration_id] >= self._places.most_of_one
        if domain_is_full or not self._places.has_one_for(self):
            raise Busy("too_many_waiting", "as many calls wait already as may; try again later")
        bell = asyncio.Event()
        self._taken.add(bell)
        self._by_domain[registration_id] += 1
        try:
            yield bell
        finally:
            self._taken.remove(bell)
            self._by_domain -= Counter((registration_id,))

    def wake(self) -> None:
        """Wake all who wait."""
        for bell in self._taken:
            bell.set()
