"""The CA's resources, read with the `acme` library and checked for what is built on them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from acme import messages
from cryptography import x509
from josepy.errors import Error as JoseError

from customdomains.acme.exchange import Answer
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

STATUS_EXPIRED = messages.Status("expired")
"""An authorization's status of RFC 8555 section 7.1.6 that the library lacks; making it makes
the library read it."""

_UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


def read_order(answer: Answer) -> messages.Order:
    """An order (section 7.1.3) with status, identifiers, authorizations and finalize URL.

    Raises OrderError(CA_UNREACHABLE) for anything else: half an answer says nothing about
    the order.
    """
    try:
        order: messages.Order = messages.Order.from_json(answer.json())
    except _UNREADABLE:
        raise _unreadable("an order") from None
    if not (order.status and order.identifiers and order.authorizations and order.finalize):
        raise _unreadable("an order")
    return order


def read_authorization(answer: Answer) -> messages.Authorization:
    """An authorization (section 7.1.4); raises as `read_order`."""
    try:
        authorization: messages.Authorization = messages.Authorization.from_json(answer.json())
    except _UNREADABLE:
        raise _unreadable("an authorization") from None
    if not (authorization.status and authorization.identifier and authorization.challenges):
        raise _unreadable("an authorization")
    return authorization


def read_challenge(answer: Answer) -> messages.ChallengeBody:
    """A challenge (section 7.1.5); raises as `read_order`."""
    try:
        challenge: messages.ChallengeBody = messages.ChallengeBody.from_json(answer.json())
    except _UNREADABLE:
        raise _unreadable("a challenge") from None
    return challenge


def new_order(
    names: tuple[str, ...], profile: str | None = None, replaces: str | None = None
) -> bytes:
    """The payload of newOrder (section 7.4) for DNS `names`, of a `profile` of the directory's, in
    the place of the certificate `replaces` (RFC 9773 section 5)."""
    identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in names]
    order: dict[str, Any] = messages.NewOrder(identifiers=identifiers, profile=profile).to_json()
    if replaces is not None:
        order["replaces"] = replaces
    return json.dumps(order, default=lambda part: part.to_json()).encode()


def finalization(csr: x509.CertificateSigningRequest) -> bytes:
    """The payload that finalizes an order with `csr` (section 7.4)."""
    payload: bytes = messages.CertificateRequest(csr=csr).json_dumps().encode()
    return payload


def expiry(order: messages.Order) -> datetime | None:
    """When the CA gives the order up (aware), where it says so."""
    expires: datetime | None = order.expires
    if expires is not None and expires.tzinfo is None:
        return expires.replace(tzinfo=UTC)
    return expires


def order_names(order: messages.Order) -> frozenset[str]:
    """The DNS names of the order; an identifier of another type stands as `type:value`."""
    return frozenset(
        each.value.lower()
        if each.typ == messages.IDENTIFIER_FQDN
        else f"{each.typ.name}:{each.value}"
        for each in order.identifiers
    )


def _unreadable(what: str) -> OrderError:
    return OrderError(Reason.CA_UNREACHABLE, f"The CA's answer can't be read as {what}")
