"""The records on the page: what is to be set, what would do instead, and what is to be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from customdomains.api.page import words
from customdomains.api.page.words import Run, Tone
from customdomains.model.claim import Claim
from customdomains.model.names import challenge_name, registrable_domain
from customdomains.model.reasons import Reason
from customdomains.model.status import Purpose, RecordState


class Need(IntEnum):
    """What a record is needed for, in the order of the page."""

    CERTIFICATE = 0  # the next one waits for it
    PROOF = 1
    RECOMMENDED = 2  # of two that would do
    ALTERNATIVE = 3  # the other one
    DONE = 4  # it is there
    OPTIONAL = 5


@dataclass(frozen=True, slots=True)
class Card:
    """A record to set, or to keep; one that is `folded` needs no attention now.

    `relative` is its name in a panel that adds `zone` (no dot at its end) by itself.
    """

    key: str
    need: Need
    type: str
    title: str
    hint: str
    name: str
    relative: str
    zone: str
    value: str
    badge: str
    tone: Tone
    message: tuple[Run, ...]
    folded: bool

    @property
    def missing(self) -> bool:
        """Whether something waits for it."""
        return self.need < Need.DONE


def cards(
    records: Sequence[Mapping[str, Any]], claim: Claim, reasons: Mapping[str, str], told: str
) -> tuple[Card, ...]:
    """`records` are those of the status, `reasons` its conditions' by type.

    `told` is the message that stands above them: none of them is to say it once more.
    """
    there = {record["purpose"] for record in records if record["state"] == RecordState.PRESENT}
    known = [(_need(record, claim, reasons, there), record) for record in records]
    zone = registrable_domain(claim.domain)
    return tuple(
        _card(record, need, f"record-{number}", zone, told)
        for number, (need, record) in enumerate(sorted(known, key=lambda each: each[0]), start=1)
    )


def _need(
    record: Mapping[str, Any], claim: Claim, reasons: Mapping[str, str], there: set[str]
) -> Need:
    purpose = record["purpose"]
    if record["state"] == RecordState.PRESENT:
        return Need.DONE
    if purpose == Purpose.CHALLENGE:
        return Need.CERTIFICATE
    if claim.verification is None:
        if there:
            return Need.OPTIONAL
        return Need.RECOMMENDED if purpose == Purpose.DELEGATION else Need.ALTERNATIVE
    here = record["name"] == f"{challenge_name(claim.domain)}."
    if purpose == Purpose.OWNERSHIP or (purpose == Purpose.DELEGATION and here):
        return Need.PROOF
    no_way = reasons.get("CertificateIssued") == Reason.NO_CHALLENGE
    return Need.CERTIFICATE if no_way else Need.OPTIONAL


def _card(record: Mapping[str, Any], need: Need, key: str, zone: str | None, told: str) -> Card:
    purpose, state, name = record["purpose"], record["state"], str(record["name"])
    message, inside = str(record.get("message", "")), zone and name.endswith(f".{zone}.")
    quiet = message == told or state in words.PLAIN_STATES or need is Need.OPTIONAL
    at_fault = message == told or state == RecordState.MISMATCH
    badge, tone = words.OPTIONAL if need is Need.OPTIONAL else words.STATES[state]
    return Card(
        key=key,
        need=need,
        type=record["type"],
        title=f"{record['type']} record{words.FOR_WHAT.get(purpose, '')}",
        hint=words.HINTS[purpose],
        name=name,
        relative=name.removesuffix(f".{zone}.") if inside else "",
        zone=zone or "",
        value=str(record["value"]),
        badge=badge,
        tone=tone,
        message=() if quiet else words.message(message, ""),
        folded=need >= Need.DONE or (need is Need.ALTERNATIVE and not at_fault),
    )
