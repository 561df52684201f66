"""What the answers look like: the JSON of the HTTP contract, as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from customdomains.api.resources import DomainView, Registration
from customdomains.model.certificate import Method
from customdomains.model.claim import CertificateRecord, Claim, Order
from customdomains.model.handover import Handover
from customdomains.model.names import challenge_name
from customdomains.model.reasons import Phase
from customdomains.model.times import format_time
from customdomains.policy.challenges import challenge_record_name
from customdomains.policy.records import wanted_records
from customdomains.policy.registration import instructions

_NOTHING_TO_DO = "Nothing is to be done: the challenge is answered for you."

_encode = msgspec.json.Encoder().encode


def error(code: str, message: str) -> bytes:
    """The form of every error."""
    return _encode({"error": message, "code": code})


def registered(found: Registration, zone: str) -> bytes:
    """The answer to a registration, the same for as long as it is there.

    `zone` is the delegation zone.
    """
    claim, view = replace(found.claim, verification=None, order=None), found.domain
    return _encode(
        {
            "id": claim.id,
            "domain_name": _as_supplied(view),
            "verification_token": claim.token,
            "status": Phase.PENDING,
            "instructions": instructions(claim.domain, claim.token),
            "records": _first_records(claim, zone),
            **_platforms_own(view),
        }
    )


def domain(found: Registration, zone: str) -> bytes:
    """One domain."""
    return _encode(_domain(found, zone))


def page(found: Iterable[Registration], following: str | None, zone: str) -> bytes:
    """Some domains; `following` is the continue token, None on the last page."""
    body: dict[str, Any] = {"domains": [_domain(each, zone) for each in found]}
    if following is not None:
        body["continue"] = following
    return _encode(body)


def certificate(claim: Claim, record: CertificateRecord) -> bytes:
    """The certificate of a domain."""
    return _encode(_certificate(claim, record))


def handed(claim: Claim, record: Handover) -> bytes:
    """The certificate of a domain that cert-manager has made: of that no serial number is known."""
    return _encode(_handed(claim, record))


def order(found: Registration) -> bytes:
    """An order under way, or the certificate that it has become already."""
    claim = found.claim
    under_way = claim.order
    name = challenge_name(claim.domain)
    if under_way is not None:
        name = challenge_record_name(under_way, claim.domain)
    digests = _digests_to_set(under_way)
    return _encode(
        {
            "order_id": _order_id(claim),
            "status": Phase.CERTIFICATE_PENDING,
            "challenge_domain": name,
            "expected_txt_value": under_way.digests[0] if under_way and under_way.digests else "",
            "expected_txt_values": under_way.digests if under_way else (),
            "instructions": _challenge_instructions(name, digests),
        }
    )


def _domain(found: Registration, zone: str) -> dict[str, Any]:
    claim, view = found.claim, found.domain
    body: dict[str, Any] = {
        "id": claim.id,
        "domain_name": _as_supplied(view),
        "status": view.phase,
        "created_at": view.created,
        "records": msgspec.Raw(view.records) if view.records else _first_records(claim, zone),
        "conditions": msgspec.Raw(view.conditions or b"[]"),
        **_platforms_own(view),
    }
    if claim.verification is not None and view.phase != Phase.PENDING:
        # The claim is a step ahead of the status; an answer says only what fits together.
        body["verified_at"] = format_time(claim.verification.verified_at)
    if claim.certificate is not None:
        body["certificate"] = _certificate(claim, claim.certificate)
    elif claim.handed is not None and claim.handed.ready:
        body["certificate"] = _handed(claim, claim.handed)
    return body


def _as_supplied(view: DomainView) -> str:
    return view.domain_name if view.supplied is None else view.supplied


def _platforms_own(view: DomainView) -> dict[str, Any]:
    own: dict[str, Any] = {}
    if view.external_id is not None:
        own["external_id"] = view.external_id
    if view.labels:
        own["labels"] = view.labels
    return own


def _first_records(claim: Claim, zone: str) -> list[dict[str, Any]]:
    """What would do, before the controller has looked."""
    return [record.render() for record in wanted_records(claim, None, None, zone)]


def _certificate(claim: Claim, record: CertificateRecord) -> dict[str, Any]:
    facts, issued_at = record.facts, format_time(record.issued_at)
    return {
        "id": _short_hash(facts.fingerprint),
        "domain_id": claim.id,
        "issued_at": issued_at,
        "expires_at": format_time(facts.not_after),
        "created_at": issued_at,
        "serial_number": facts.serial_number,
        "issuer": record.issuer,
        "secret_name": record.secret_name,
    }


def _handed(claim: Claim, record: Handover) -> dict[str, Any]:
    issued_at = format_time(record.not_before or record.since)
    return {
        "id": _short_hash(f"{claim.id} {record.name} {issued_at}"),
        "domain_id": claim.id,
        "issued_at": issued_at,
        "expires_at": format_time(record.not_after or record.since),
        "created_at": issued_at,
        "issuer": str(record.issuer),
        "secret_name": record.secret_name,
    }


def _order_id(claim: Claim) -> str:
    """The same for as long as the order is; after that, the id of what it led to."""
    if claim.order is not None:
        return _short_hash(claim.order.url)
    if claim.handed is not None:
        return _short_hash(f"{claim.id} {claim.handed.name}")
    return _short_hash(claim.certificate.facts.fingerprint) if claim.certificate else ""


def _digests_to_set(under_way: Order | None) -> tuple[str, ...]:
    """What the tenant has to set; a CA that still trusts earlier proofs asks for nothing."""
    if under_way is None or under_way.method is not Method.MANUAL:
        return ()
    return under_way.digests


def _challenge_instructions(name: str, digests: tuple[str, ...]) -> str:
    if not digests:
        return _NOTHING_TO_DO
    if len(digests) == 1:
        return f"Create a TXT record for {name}. with value: {digests[0]}"
    values = " and ".join(digests)
    return f"Create TXT records for {name}. with these values, each: {values}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
