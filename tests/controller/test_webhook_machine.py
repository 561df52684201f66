"""The same trouble with webhooks: each registration's story is told without a gap, in order."""

from datetime import timedelta
from typing import Any

import pytest
from fake_api import CLAIMS, Json, Place
from fake_cluster import FakeCluster
from fake_receivers import FakeReceivers
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from test_controller_machine import NAMESPACES, Trouble
from test_webhook_stories import DOWN, HOOK, TOLD
from virtual_time import EPOCH

from customdomains.model.claim import parse_claim
from customdomains.model.webhook import Message
from customdomains.policy.delivery import LIFE
from customdomains.policy.telling import OUTBOX


class Stories:
    """What was ever put into an outbox, by registration, in order."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.told: dict[str, list[Message]] = {}
        self.fell_out: set[str] = set()
        self._cluster = cluster
        self._audit = cluster.api.audit
        cluster.api.audit = self.audit

    def audit(self, verb: str, place: Place, before: Json | None, after: Json | None) -> None:
        """Each message goes on where the one before it ended."""
        self._audit(verb, place, before, after)
        if place[0] != CLAIMS:
            return
        now = parse_claim(after).outbox if after is not None else ()
        was = parse_claim(before).outbox if before is not None else ()
        gone = {message.id for message in was} - {message.id for message in now}
        if len(now) == OUTBOX or not self._cluster.by_operator:
            self.fell_out |= gone  # for want of room, or with a claim that somebody deleted
        for message in now:
            story = self.told.setdefault(message.subject, [])
            if message.id not in {each.id for each in story}:
                ended = story[-1].status if story else None
                assert message.previous == ended, f"{message} does not follow on {story[-1:]}"
                story.append(message)

    def check_taken(self) -> None:
        """The receiver has the stories in order, all but what was given up."""
        first = list(dict.fromkeys(message_id for _, message_id, _ in self._cluster.receivers.got))
        place = {message_id: number for number, message_id in enumerate(first)}
        for story in self.told.values():
            came = [place[message.id] for message in story if message.id in place]
            assert came == sorted(came), f"not in order: {story}"
            missing = [m for m in story if m.id not in place and m.id not in self.fell_out]
            assert all(map(self._was_given_up, missing)), f"never told: {missing}"

    def _was_given_up(self, message: Message) -> bool:
        """Whether it was tried in vain for a day."""
        tries = [
            at for at, _, message_id in self._cluster.receivers.tries if message_id == message.id
        ]
        return bool(tries) and EPOCH + timedelta(seconds=tries[-1]) >= message.at + LIFE


class Telling(Trouble):
    """A receiver that may be away, beside all the other trouble."""

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        self.it = FakeCluster(NAMESPACES, TOLD)
        self.it.receivers = FakeReceivers(HOOK)
        self.stories = Stories(self.it)
        self.it.start("left")
        self.stamp = 0

    @rule(down=st.booleans())
    def receiver(self, *, down: bool) -> None:
        self.it.receivers.answers = {HOOK: DOWN} if down else {}

    def heal(self) -> None:
        self.it.receivers.answers = {}
        super().heal()
        assert [claim.domain for claim in self.it.claims if claim.outbox] == []
        self.stories.check_taken()
        for domain in self.it.domains:
            status: dict[str, Any] = self.it.status(domain.key)
            story = self.stories.told.get(status.get("id", ""))
            if story is not None:
                assert story[-1].status == status["phase"], "another phase was told last"


Telling.TestCase.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
TestTelling = pytest.mark.timeout(300)(Telling.TestCase)
