"""The TXT records of orders in zones that the platform runs: put in place, and taken away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from customdomains.controller.ports import TextLookup, ZoneUpdates
from customdomains.model.certificate import Method, OrderError
from customdomains.model.claim import Order
from customdomains.model.names import challenge_name
from customdomains.model.reasons import Reason
from customdomains.policy.findings import challenges_present

log = logging.getLogger(__name__)

_PAUSES = (0.2, 0.5, 1.0, 2.0, *(5.0 for _ in range(10)))
"""Seconds between two looks at a zone's servers: secondaries have to hear of it first."""


class Updating:
    """Answers challenges by updates of zones (RFC 2136)."""

    def __init__(
        self,
        updates: ZoneUpdates,
        lookup: TextLookup,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float],
    ) -> None:
        self._updates = updates
        self._lookup = lookup
        self._sleep = sleep
        self._random = random

    async def answer(self, domain: str, order: Order) -> None:
        """Put the order's TXT records in place, if that is how it is answered, and return when the
        zone's servers show them.

        Can be repeated; what else stands at the name stays. Raises OrderError(UPDATE_FAILED).
        """
        if order.method is not Method.UPDATED or not order.digests:
            return
        name = challenge_name(domain)
        await self._updates.put(name, order.digests)
        for pause in (0.0, *_PAUSES):
            await self._sleep(pause * (0.75 + self._random() / 2))
            if challenges_present(await self._lookup.look_up(name), order.digests):
                return
        raise OrderError(
            Reason.UPDATE_FAILED,
            f"the challenge's TXT record was put into the zone, but not all of the name servers "
            f"answer {name} with it yet",
        )

    @asynccontextmanager
    async def taken_away(self, domain: str, order: Order) -> AsyncIterator[None]:
        """Take the order's records away when the body has ended, unless the order goes on.

        Failing to do so is no failure of the order: nothing rests on a record that is left.
        """
        try:
            yield
        except OrderError as error:
            if error.order_lost:
                await self._take_away(domain, order)
            raise
        await self._take_away(domain, order)

    async def _take_away(self, domain: str, order: Order) -> None:
        if order.method is not Method.UPDATED or not order.digests:
            return
        try:
            await self._updates.remove(challenge_name(domain), order.digests)
        except OrderError as error:
            log.warning("%s: a challenge's TXT record is left: %s", domain, error)
