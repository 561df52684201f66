"""Kubernetes Events, posted in the background: telling must never hold up doing."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from customdomains.cluster.client import ApiClient, Json
from customdomains.cluster.errors import ApiError
from customdomains.cluster.lease import format_micro_time
from customdomains.cluster.resource import Resource

EVENTS = Resource("events.k8s.io", "v1", "events", namespaced=True)
CONTROLLER = "customdomains.dev/controller"

_NOTE_BYTES = 1024  # the API server refuses more
_NAME_LENGTH = 236  # of the object's name in the Event's: 253 without a dot and 16 digits
_POST_TIMEOUT = 5.0  # seconds

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """What an Event is about; `namespace` is "" for a cluster-scoped object."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""


class EventSink:
    """A bounded queue of Events and who posts them, one at a time."""

    def __init__(self, client: ApiClient, *, instance: str, capacity: int = 1000) -> None:
        """`instance` is the reporting process, as a rule the pod's name."""
        self._client = client
        self._instance = instance
        self._queue: deque[Json] = deque(maxlen=capacity)
        self._filled = asyncio.Event()
        self._dropped = 0
        self._failed = 0

    @property
    def dropped(self) -> int:
        """How many were dropped, the oldest first, because the queue was full."""
        return self._dropped

    @property
    def failed(self) -> int:
        """How many the API server did not take."""
        return self._failed

    def emit(
        self,
        regarding: ObjectReference,
        *,
        reason: str,
        action: str,
        note: str,
        type: Literal["Normal", "Warning"] = "Normal",  # noqa: A002 - the field's name
    ) -> None:
        """Queue an Event; never waits, never raises. A `note` above 1024 bytes is cut.

        `reason` says why and `action` what was done, both in CamelCase of 128 characters at most.
        """
        if len(self._queue) == self._queue.maxlen:
            self._dropped += 1
        self._queue.append(
            {
                "apiVersion": EVENTS.api_version,
                "kind": "Event",
                "metadata": {
                    "name": f"{regarding.name[:_NAME_LENGTH].rstrip('.-')}.{secrets.token_hex(8)}",
                    # Where the API server wants those about cluster-scoped objects.
                    "namespace": regarding.namespace or "default",
                },
                "eventTime": format_micro_time(datetime.now(UTC)),
                "regarding": _render(regarding),
                "reason": reason,
                "action": action,
                "note": _cut(note),
                "type": type,
                "reportingController": CONTROLLER,
                "reportingInstance": self._instance[:128],
            }
        )
        self._filled.set()

    async def run(self) -> None:
        """Post what is queued until cancelled; what is queued then is lost."""
        while True:
            await self._filled.wait()
            while self._queue:
                await self._post(self._queue.popleft())
            self._filled.clear()

    async def _post(self, event: Json) -> None:
        try:
            await self._client.create(EVENTS, event, timeout=_POST_TIMEOUT)
        except ApiError as error:
            self._failed += 1
            about = event["regarding"]
            _log.warning(
                "Event %s about %s %s was not posted: %s",
                event["reason"],
                about["kind"],
                about["name"],
                error,
            )


def _render(regarding: ObjectReference) -> Json:
    fields = {
        "apiVersion": regarding.api_version,
        "kind": regarding.kind,
        "namespace": regarding.namespace,
        "name": regarding.name,
        "uid": regarding.uid,
    }
    return {key: value for key, value in fields.items() if value}


def _cut(note: str) -> str:
    """At most 1024 bytes of UTF-8, with an ellipsis where something is missing."""
    encoded = note.encode()
    if len(encoded) <= _NOTE_BYTES:
        return note
    return encoded[: _NOTE_BYTES - len("…".encode())].decode(errors="ignore") + "…"
