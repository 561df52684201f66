"""Who is next: a line that is fair between namespaces, urgent renewals first in each."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from datetime import datetime

from customdomains.model.domain import Key
from customdomains.policy.budget import Rank

RENEWALS_IN_A_ROW = 3
"""After so many renewals a new domain has its turn: neither may wait for the other's end."""

_Place = tuple[datetime, int, Key]


class Turns:
    """Keys that wait for the same thing.

    What costs nothing of it (`Rank.EXEMPT`) goes first; then renewals, then new ones. In each of
    these namespaces take turns, so a namespace with 500 waiting delays another's one by as many
    turns as there are namespaces. Within a namespace the most urgent goes first.
    """

    def __init__(self) -> None:
        self._lines: dict[Rank, OrderedDict[str, list[_Place]]] = {r: OrderedDict() for r in Rank}
        self._places: dict[Key, tuple[Rank, _Place]] = {}
        self._sizes = dict.fromkeys(Rank, 0)
        self._depths: dict[Rank, list[int]] = {r: [] for r in Rank}
        """At `n`: how many namespaces have more than `n` waiting."""
        self._came = 0
        self._in_a_row = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def waiting(self, *, counted: bool) -> bool:
        """Whether `take` has anybody."""
        return bool(self._sizes[Rank.EXEMPT] or (counted and len(self)))

    def add(self, key: Key, rank: Rank, urgent_by: datetime) -> None:
        """Have `key` wait; where it does so already, at its place unless that has changed."""
        known = self._places.get(key)
        if known is not None:
            if known[0] is rank and known[1][0] <= urgent_by:
                return
            self.discard(key)
        self._came += 1
        place = (urgent_by, self._came, key)
        places, depths = self._lines[rank].setdefault(key.namespace, []), self._depths[rank]
        if len(places) == len(depths):
            depths.append(0)
        depths[len(places)] += 1
        insort(places, place)
        self._places[key] = (rank, place)
        self._sizes[rank] += 1

    def discard(self, key: Key) -> None:
        """`key` does not wait any more."""
        rank, place = self._places.pop(key, (None, None))
        if rank is None or place is None:
            return
        line = self._lines[rank]
        places = line[key.namespace]
        del places[bisect_left(places, place)]
        self._depths[rank][len(places)] -= 1
        if not places:
            del line[key.namespace]
        self._sizes[rank] -= 1

    def take(self, *, counted: bool) -> Key | None:
        """Whose turn it is, who then waits no more; without `counted` only of the exempt."""
        rank = self._next_rank(counted=counted)
        if rank is None:
            return None
        if rank is not Rank.EXEMPT:
            self._in_a_row = self._in_a_row + 1 if rank is Rank.RENEWAL else 0
        line = self._lines[rank]
        namespace = next(iter(line))
        key = line[namespace][0][2]
        line.move_to_end(namespace)
        self.discard(key)
        return key

    def ahead(self, key: Key) -> int:
        """How many of those that wait now have their turn before `key` does."""
        rank, place = self._places[key]
        line = self._lines[rank]
        place_at_home = bisect_left(line[key.namespace], place)
        before = place_at_home
        if len(line) > 1:  # of each namespace as many as go before this one in its own
            before = sum(self._depths[rank][: place_at_home + 1]) - 1
        if rank is Rank.NEW:
            return before + min(self._sizes[Rank.RENEWAL], RENEWALS_IN_A_ROW * (before + 1))
        return before + min(self._sizes[Rank.NEW], before // RENEWALS_IN_A_ROW)

    def _next_rank(self, *, counted: bool) -> Rank | None:
        if self._sizes[Rank.EXEMPT]:
            return Rank.EXEMPT
        if not counted:
            return None
        renewals, new = self._sizes[Rank.RENEWAL], self._sizes[Rank.NEW]
        if renewals and not (new and self._in_a_row >= RENEWALS_IN_A_ROW):
            return Rank.RENEWAL
        return Rank.NEW if new else None
