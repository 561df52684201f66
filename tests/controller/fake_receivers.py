"""Receivers of webhooks on a virtual clock: no real one can be down for a day in a test."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from customdomains.model.webhook import Receipt

LATENCY = 0.05


class FakeReceivers:
    """Notes what is posted, in `got`, and answers as `answers` say, by URL, or with 204."""

    def __init__(self, *urls: str) -> None:
        self.urls = urls
        self.answers: dict[str, Receipt] = {}
        self.latency = LATENCY
        self.got: list[tuple[str, str, dict[str, Any]]] = []
        """URL, id and body of what was taken."""
        self.tries: list[tuple[float, str, str]] = []
        """When, to which URL, and the id."""

    async def post(self, url: str, message_id: str, body: bytes) -> Receipt:
        self.tries.append((asyncio.get_running_loop().time(), url, message_id))
        await asyncio.sleep(self.latency)
        receipt = self.answers.get(url, Receipt(204))
        if receipt.status == 204:
            self.got.append((url, message_id, json.loads(body)))
        return receipt

    def told(self, url: str | None = None) -> list[str]:
        """What was taken, in order: the types without what all begin with."""
        types = [body["type"] for where, _, body in self.got if url in {None, where}]
        return [each.removeprefix("domain.") for each in types]


class FakeSender:
    """How one process posts, which may die before and after."""

    def __init__(self, receivers: FakeReceivers, step: Callable[[], Awaitable[None]]) -> None:
        self._receivers = receivers
        self._step = step

    async def post(self, url: str, message_id: str, body: bytes) -> Receipt:
        await self._step()
        receipt = await self._receivers.post(url, message_id, body)
        await self._step()
        return receipt
