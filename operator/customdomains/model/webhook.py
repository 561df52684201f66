"""What is told by webhooks: the messages that wait in a claim, and how tries to deliver end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from customdomains.model.domain import Key
from customdomains.model.reasons import Phase
from customdomains.model.rendering import drop_empty
from customdomains.model.times import format_time, read_time


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that happened to one registration.

    `id` is unique and the same at every try to deliver it, `type` such as `domain.active`.
    `subject` is the registration's id and `key` where its CustomDomain is (or was). `status` is
    None where it is gone, `previous` None where it was not there. `done` are the receivers that
    have it already, by the digests of their URLs.
    """

    id: str
    type: str
    at: datetime
    subject: str
    key: Key
    status: Phase | None
    previous: Phase | None
    reason: str
    text: str
    done: tuple[str, ...] = ()

    def body(self, domain: str) -> bytes:
        """What is sent about `domain` (canonical): JSON, the same to the byte at every try."""
        content = {
            "type": self.type,
            "timestamp": format_time(self.at),
            "data": {
                "id": self.subject,
                "domain_name": domain,
                "namespace": self.key.namespace,
                "name": self.key.name,
                "status": self.status,
                "previous_status": self.previous,
                "reason": self.reason,
                "message": self.text,
            },
        }
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of one try: the receiver's `status` (None: no answer, and `trouble` says why), and
    how long it wants to be left in peace (`Retry-After`)."""

    status: int | None
    trouble: str = ""
    rest: timedelta | None = None


def render_message(value: Message) -> dict[str, Any]:
    """The JSON form."""
    return drop_empty(
        {
            "id": value.id,
            "type": value.type,
            "at": format_time(value.at),
            "subject": value.subject,
            "namespace": value.key.namespace,
            "name": value.key.name,
            "status": value.status,
            "previous": value.previous,
            "reason": value.reason,
            "message": value.text,
            "done": list(value.done),
        }
    )


def parse_message(body: Mapping[str, Any]) -> Message:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    status, previous = body.get("status"), body.get("previous")
    return Message(
        id=body["id"],
        type=body["type"],
        at=read_time(body["at"]),
        subject=body["subject"],
        key=Key(body["namespace"], body["name"]),
        status=None if status is None else Phase(status),
        previous=None if previous is None else Phase(previous),
        reason=body["reason"],
        text=body.get("message", ""),
        done=tuple(body.get("done", ())),
    )
