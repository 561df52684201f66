"""Registering once, however often it is asked for with the same idempotency key.

What has been made is looked up on the API server: the watches may not know yet what another
replica made, or deleted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from customdomains.api.directory import Directory
from customdomains.api.errors import AlreadyRegistered, Failed, KeyReused, storage_failed
from customdomains.api.idempotency import KEY_LABEL, Attempt
from customdomains.api.resources import Registration, parse_view
from customdomains.cluster import ApiClient, ApiError
from customdomains.cluster.kinds import CUSTOM_DOMAINS

_ATTEMPTS = 3


class Retries:
    """Calls with a key in the directory's namespace."""

    def __init__(self, client: ApiClient, directory: Directory) -> None:
        self._client = client
        self._directory = directory
        self._turns: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()

    async def once(
        self, attempt: Attempt, register: Callable[[], Awaitable[Registration]]
    ) -> Registration:
        """What a call like this has made before, or what `register` makes.

        Raises `KeyReused` where the key was another call's, and what `register` raises.
        """
        async with self._turn(attempt.key):
            for number in range(_ATTEMPTS):
                before = await self._before(attempt)
                if before is not None:
                    return before
                try:
                    return await register()
                except AlreadyRegistered:
                    # Perhaps by the same call, at another replica.
                    if number == _ATTEMPTS - 1:
                        raise
        raise AssertionError  # the last attempt returns or raises

    async def _before(self, attempt: Attempt) -> Registration | None:
        """What was made with this key, and is there still."""
        selector = f"{KEY_LABEL}={attempt.key}"
        try:
            listed = self._client.list(
                CUSTOM_DOMAINS, self._directory.namespace, label_selector=selector
            )
            made = [item async for item in listed]
            same = [parse_view(item) for item in made if attempt.made(item)]
            for view in same:
                claim = await self._directory.read_claim(view.domain or "")
                seat = None if claim is None else self._directory.own_seat(claim)
                if claim is not None and seat is not None and seat.holder.key == view.key:
                    self._directory.domains.put(str(view.key), view)
                    return Registration(claim if seat.id == claim.id else claim.seen_by(seat), view)
        except ApiError as error:
            raise storage_failed("the key could not be looked for", error) from error
        if same:
            raise Failed("storage_error", "the domain is just getting its claim; try again")
        if made:
            raise KeyReused(
                "idempotency_key_reused",
                "this Idempotency-Key has registered another domain, or the same in another way; "
                "use a key of its own for each registration",
            )
        return None

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """One after the other."""
        turn = self._turns.setdefault(key, asyncio.Lock())
        self._waiting[key] += 1
        try:
            async with turn:
                yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key], self._turns[key]
