"""Events and log lines for transitions."""

from __future__ import annotations

import logging

from customdomains.cluster.events import EventSink, ObjectReference
from customdomains.model.domain import API_VERSION, CustomDomain
from customdomains.policy.world import Announcement

log = logging.getLogger(__name__)


class TransitionAnnouncer:
    """One log line a change of phase, one Event an announcement."""

    def __init__(self, events: EventSink) -> None:
        self._events = events

    def announce(self, domain: CustomDomain, announcement: Announcement) -> None:
        """Have a Kubernetes Event written."""
        key = domain.key
        self._events.emit(
            ObjectReference(API_VERSION, "CustomDomain", key.namespace, key.name, domain.uid),
            reason=announcement.reason,
            action=announcement.reason,
            note=announcement.note,
            type="Warning" if announcement.warning else "Normal",
        )

    def moved(self, domain: CustomDomain, phase: str, reason: str) -> None:
        """Log that `domain` went from the phase it shows to `phase`."""
        before = domain.status.phase or "new"
        shown = domain.domain or domain.domain_name
        fields = {
            "namespace": domain.key.namespace,
            "name": domain.key.name,
            "domain": shown,
            "from": before,
            "to": phase,
            "reason": reason,
        }
        log.info(
            "%s %s: %s -> %s (%s)",
            domain.key,
            shown,
            before,
            phase,
            reason,
            extra={"fields": fields},
        )
