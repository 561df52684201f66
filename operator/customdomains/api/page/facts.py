"""What the page shows of a domain: a pure function of what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from customdomains.api.page import words
from customdomains.api.page.cards import Card, Need, cards
from customdomains.api.page.words import Run, Words
from customdomains.api.resources import Registration
from customdomains.model.certificate import Method
from customdomains.model.domain import Issuance
from customdomains.model.handover import Handover
from customdomains.model.names import u_labels
from customdomains.model.reasons import Phase, Reason
from customdomains.model.times import format_time
from customdomains.policy.records import wanted_records

_CNAME = "CNAME "


@dataclass(frozen=True, slots=True)
class Step:
    """A step on the way; `state` is `done`, `current`, `upcoming` or `stuck`."""

    label: str
    state: str


@dataclass(frozen=True, slots=True)
class Value:
    """A value that a server gave, and whether it is one that is wanted."""

    type: str
    text: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one server answered: values, or in words what it said instead."""

    server: str
    values: tuple[Value, ...]
    outcome: str
    secure: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate in use; times in RFC 3339, `renewal` only where it is by itself, and no
    serial number where cert-manager has it."""

    names: tuple[str, ...]
    issuer: str
    begins: str
    ends: str
    renewal: str | None
    serial_number: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `ascii` is the name as the DNS has it, where people read it differently."""

    name: str
    ascii: str | None
    words: Words
    message: tuple[Run, ...]
    steps: tuple[Step, ...]
    cards: tuple[Card, ...]
    sightings: tuple[Sighting, ...]
    certificate: Certificate | None
    may_check: bool


def facts(found: Registration, zone: str) -> Facts:
    """What there is to show; `zone` is the delegation zone."""
    claim, view = found.claim, found.domain
    conditions = _conditions(view.conditions)
    reasons = {kind: str(each.get("reason", "")) for kind, each in conditions.items()}
    records = _records(found, zone)
    states = frozenset(str(record["state"]) for record in records)
    name = u_labels(claim.domain)
    ready = conditions.get("Ready", {})
    shown = cards(records, claim, reasons, str(ready.get("message", "")))
    challenged = any(card.need is Need.CERTIFICATE for card in shown)
    said = words.of_state(view.phase, reasons, states, challenged=challenged)
    gone = reasons.get("Verified") == Reason.PROOF_GONE
    settled = view.phase in {Phase.ACTIVE, Phase.VERIFIED} and not gone and not challenged
    message = () if settled else _message(ready)
    return Facts(
        name=name,
        ascii=None if name == claim.domain else claim.domain,
        words=said,
        message=message,
        steps=_steps(said, wanted=view.issuance != Issuance.NEVER),
        cards=shown,
        sightings=_sightings(records),
        certificate=_certificate(found),
        # Where there is nothing to do, there is nothing to ask for either.
        may_check=not settled and not view.suspend and (said.tone != "wait" or bool(message)),
    )


def _conditions(raw: bytes) -> dict[str, dict[str, Any]]:
    conditions: list[dict[str, Any]] = msgspec.json.decode(raw or b"[]")
    return {str(each.get("type")): each for each in conditions}


def _records(found: Registration, zone: str) -> list[dict[str, Any]]:
    if found.domain.records:
        told: list[dict[str, Any]] = msgspec.json.decode(found.domain.records)
        return told
    return [record.render() for record in wanted_records(found.claim, None, None, zone)]


def _message(ready: Mapping[str, Any]) -> tuple[Run, ...]:
    reason = str(ready.get("reason", ""))
    if reason in words.SAID_ALREADY:
        return ()
    return words.message(str(ready.get("message", "")), reason)


def _steps(said: Words, *, wanted: bool) -> tuple[Step, ...]:
    """`wanted` tells that there will be a certificate."""
    labels = ("Registered", "DNS record", "Certificate")[: None if wanted else words.CERTIFICATE]
    here = "stuck" if said.tone in {"warn", "bad"} else "current"
    return tuple(
        Step(label, "done" if at < said.step else here if at == said.step else "upcoming")
        for at, label in enumerate(labels)
    )


def _sightings(records: Sequence[Mapping[str, Any]]) -> tuple[Sighting, ...]:
    wanted = frozenset(
        f"{_CNAME}{record['value']}" if record["type"] == "CNAME" else str(record["value"])
        for record in records
    )
    return tuple(_sighting(seen, wanted) for record in records for seen in record.get("seen", ()))


def _sighting(seen: Mapping[str, Any], wanted: frozenset[str]) -> Sighting:
    return Sighting(
        server=str(seen["server"]),
        values=tuple(
            Value(
                type="CNAME" if text.startswith(_CNAME) else "TXT",
                text=text.removeprefix(_CNAME),
                wanted=text in wanted,
            )
            for text in map(str, seen.get("values", ()))
        ),
        outcome=words.OUTCOMES.get(str(seen["outcome"]), str(seen["outcome"])),
        secure=bool(seen.get("authentic", False)),
    )


def _certificate(found: Registration) -> Certificate | None:
    claim, have = found.claim, found.claim.certificate
    if have is None:
        return _handed(claim.handed)
    proof = claim.verification
    by_itself = (
        proof is not None
        and proof.method is Method.DELEGATED
        and found.domain.issuance == Issuance.AUTOMATIC
    )
    return Certificate(
        names=tuple(u_labels(name) for name in have.names),
        issuer=have.issuer,
        begins=format_time(have.facts.not_before),
        ends=format_time(have.facts.not_after),
        renewal=format_time(have.renewal_time) if by_itself else None,
        serial_number=have.facts.serial_number,
    )


def _handed(have: Handover | None) -> Certificate | None:
    if have is None or not have.ready or have.not_before is None or have.not_after is None:
        return None
    return Certificate(
        names=tuple(u_labels(name) for name in have.names),
        issuer=str(have.issuer),
        begins=format_time(have.not_before),
        ends=format_time(have.not_after),
        renewal=format_time(have.renewal_time) if have.renewal_time is not None else None,
        serial_number=None,
    )
