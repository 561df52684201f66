"""Delivers what waits in the claims' outboxes, and takes out what is delivered.

Everything is found by level: what a claim's outbox has and a receiver has not is to be delivered.
What was delivered and is not written down yet is known in memory only, so who is killed in between
leaves a message that is delivered twice. Each receiver has a lane of its own, where the messages of
one registration come one after the other; nothing here holds up a reconcile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from customdomains.cluster.errors import ApiError, Conflict, NotFound
from customdomains.controller.agenda import Agenda
from customdomains.controller.lanes import Lane
from customdomains.controller.ports import Announcer, Claims, WebhookSender
from customdomains.controller.routes import Route
from customdomains.controller.store import Store
from customdomains.model.claim import Claim
from customdomains.model.domain import Key
from customdomains.model.webhook import Message, Receipt
from customdomains.policy.delivery import Again, GivenUp, first_try, in_words, weigh
from customdomains.policy.succession import is_over
from customdomains.policy.telling import settled
from customdomains.policy.world import Announcement

log = logging.getLogger(__name__)

SETTLE = timedelta(seconds=10)
"""How long what is delivered may stay in a claim: a write that comes anyway takes it along, and
what is delivered meanwhile goes with it."""

RECORDS_AT_ONCE = 4
RECORD_AGAIN = timedelta(seconds=30)

UNDELIVERED = "WebhookUndelivered"


class Courier:
    """Delivers to the receivers at `urls`. Without any it only clears away what is left in claims.

    `done` is told how each try has ended: delivered, failed or dropped.
    """

    def __init__(
        self,
        store: Store,
        claims: Claims,
        announcer: Announcer,
        sender: WebhookSender,
        urls: Sequence[str],
        *,
        now: Callable[[], datetime],
        random: Callable[[], float],
        done: Callable[[str], None],
    ) -> None:
        self._store = store
        self._claims = claims
        self._announcer = announcer
        self._sender = sender
        self._now = now
        self._random = random
        self._tell = done
        self._routes = tuple(Route(url, self._deliver, now) for url in urls)
        self._receivers = frozenset(route.digest for route in self._routes)
        self._done: dict[str, dict[str, frozenset[str]]] = {}
        """By claim and message: who has it, which is not in the claim yet."""
        self._records: Lane[None] = Lane("webhook-records", RECORDS_AT_ONCE, self._record)
        self._agenda = Agenda(now, lambda key: self._records.put(key, None))
        self._working = False

    def settle(self, claim: Claim) -> Claim:
        """The claim as it is to be written: without what is delivered."""
        return settled(claim, self._done.get(claim.domain, {}), self._receivers)

    def look(self, domain: str) -> None:
        """There may be something new in the outbox of this claim."""
        claim = self._store.claim(domain)
        self._prune(domain, claim)
        if claim is None or not self._working:
            return
        for route in self._routes if claim.outbox else ():
            for stream in self._heads(route, claim):
                route.go(stream, domain)
        self._record_later(claim)

    async def work(self) -> None:
        """Deliver until cancelled."""
        self._working = True
        now = self._now()
        for claim in self._store.claims:
            for route in self._routes if claim.outbox else ():
                for stream, message in self._heads(route, claim).items():
                    route.put_off(stream, claim.domain, first_try(message, now, self._random()))
            self._record_later(claim)
        try:
            async with asyncio.TaskGroup() as group:
                for route in self._routes:
                    group.create_task(route.work())
                group.create_task(self._records.work())
        finally:
            self._working = False
            self._agenda.close()

    # --- delivering ----------------------------------------------------------------------------

    async def _deliver(self, route: Route, stream: Key, domain: str) -> None:
        """Try to deliver a stream's first message, if it is to be tried now."""
        claim = self._store.claim(domain)
        message = self._heads(route, claim).get(stream) if claim is not None else None
        if message is None:
            route.clear(stream)
            return
        if route.holds(stream, domain, self._now()):
            return
        try:
            receipt = await self._sender.post(route.url, message.id, message.body(domain))
        except Exception:
            log.exception("%s: posting %s broke", route.name, message.id)
            receipt = Receipt(None, "posting it broke")
        match weigh(message, receipt, self._now(), self._random()):
            case Again(at, rests_until):
                log.info("%s: %s: %s", route.name, message.id, in_words(receipt))
                self._tell("failed")
                if rests_until is not None:
                    route.rest(rests_until)
                route.put_off(stream, domain, at)
                return
            case GivenUp(why):
                self._tell("dropped")
                self._give_up(route, domain, message, why)
            case _:
                self._tell("delivered")
        self._has(route, domain, message)
        route.clear(stream)
        self.look(domain)

    def _heads(self, route: Route, claim: Claim) -> dict[Key, Message]:
        """By stream: the first message that the receiver does not have."""
        done = self._done.get(claim.domain, {})
        heads: dict[str, Message] = {}
        for message in claim.outbox:
            if route.digest not in {*message.done, *done.get(message.id, ())}:
                heads.setdefault(message.subject, message)
        return {Key(m.key.namespace, subject): m for subject, m in heads.items()}

    def _has(self, route: Route, domain: str, message: Message) -> None:
        """Remember that the receiver gets the message no more."""
        done = self._done.setdefault(domain, {})
        done[message.id] = done.get(message.id, frozenset()) | {route.digest}

    def _give_up(self, route: Route, domain: str, message: Message, why: str) -> None:
        note = f"the webhook {message.type} ({message.id}) was not delivered to {route.name}: {why}"
        log.warning("%s %s: %s", message.key, domain, note)
        resource = self._store.domain(message.key)
        if resource is not None:
            self._announcer.announce(resource, Announcement(UNDELIVERED, note, warning=True))

    # --- writing down --------------------------------------------------------------------------

    def _record_later(self, claim: Claim) -> None:
        if is_over(claim, self._now()) or self.settle(claim) != claim:
            self._agenda.at_latest(Key("", claim.domain), self._now() + SETTLE)

    async def _record(self, key: Key, _: None) -> None:
        """Write down what is delivered; nothing where another write has done so."""
        claim = self._store.claim(key.name)
        after = self.settle(claim) if claim is not None else None
        if claim is None or after is None or (after == claim and not is_over(claim, self._now())):
            return
        try:
            if is_over(after, self._now()):
                await self._claims.delete(claim)
                self._store.drop_claim(claim)
            else:
                written = await self._claims.replace(after)
                self._store.put_claim(written, writer=claim.holder.key)
        except (Conflict, NotFound):
            await self._read_again(claim)
        except ApiError as error:
            log.warning("%s: what is delivered is not written down: %s", key.name, error)
            again = RECORD_AGAIN * (0.5 + self._random() / 2)
            self._agenda.at_latest(key, self._now() + again)
            return
        self.look(key.name)

    async def _read_again(self, claim: Claim) -> None:
        """Somebody else has written the claim."""
        try:
            live = await self._claims.read(claim.domain)
        except ApiError as error:
            log.warning("%s: it can't be read: %s", claim.domain, error)
            return
        if live is None:
            self._store.drop_claim(claim)
        else:
            self._store.put_claim(live)

    def _prune(self, domain: str, claim: Claim | None) -> None:
        """Forget who has what is not in the claim any more."""
        done = self._done.get(domain)
        if done is None:
            return
        there = {message.id for message in claim.outbox} if claim is not None else set()
        left = {message: have for message, have in done.items() if message in there}
        if left:
            self._done[domain] = left
        else:
            del self._done[domain]
