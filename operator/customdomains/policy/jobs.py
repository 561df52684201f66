"""What takes the outside: the jobs that a decision starts, and how they end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from customdomains.model.certificate import (
    Fallback,
    IssuedCertificate,
    OrderError,
    PlacedOrder,
    Way,
)
from customdomains.model.claim import Claim
from customdomains.model.handover import CertificateState, Fault, WantedCertificate
from customdomains.model.kept import Loss
from customdomains.model.keys import KeyType
from customdomains.policy.prospects import Look


@dataclass(frozen=True, slots=True)
class CheckDns:
    """Job: look the challenge name up, and with `nearby` also where people put it by mistake,
    unless one of the `proofs` (TXT values, alias targets) is where it belongs; and `look` for ways
    to answer an order's challenges."""

    name: str
    request: str | None
    nearby: bool = False
    proofs: tuple[str, ...] = field(default=(), repr=False)
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The issuers at which a new order may be placed, in the order in which they are tried.

    `passed` is the issuer that is wanted and not among them. The next one is tried where CAA
    records forbid one, and, where the domain is `hurried` (it has no certificate, or not for much
    longer), where one fails `again` or says that it will go on failing for a while.
    """

    issuers: tuple[str, ...]
    passed: Fallback | None = None
    hurried: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Job: place a new order.

    Its challenges are to be answered by the first of the issuer's `ways` that the CA offers.
    `request` is the issue request it answers, if any; `heard` is all that people had said.
    `replaces` is set where it is a renewal that the CA is told to be one (RFC 9773 section 5): the
    `ari_id` of the certificate that it replaces, which only that one's own issuer is told.
    """

    claim: Claim
    choice: Choice
    names: tuple[str, ...]
    ways: Mapping[str, tuple[Way, ...]]
    secret_name: str
    request: str | None
    heard: str = ""
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class CompleteOrder:
    """Job: take the claim's order to its certificate and store that.

    `key_type` is the kind of key that the CustomDomain wants, None where the issuer chooses;
    `revoke` tells that the certificate is to be revoked before its Secret is removed.
    """

    claim: Claim
    secret_name: str
    heard: str = ""
    key_type: KeyType | None = None
    revoke: bool = False


@dataclass(frozen=True, slots=True)
class DropNextKey:
    """Job: the certificate is recorded, so the Secret its key waited in can go."""

    claim: Claim
    secret_name: str


@dataclass(frozen=True, slots=True)
class AskRenewal:
    """Job: ask the issuer when the certificate of this `ari_id` is to be renewed."""

    issuer: str
    ari_id: str


@dataclass(frozen=True, slots=True)
class InspectSecret:
    """Job: look at the Secret of the claim's certificate; `as_of` is the version of all Secrets
    that made it necessary, `request` the report of a compromised key that needs the certificate."""

    claim: Claim
    as_of: int
    request: str | None = None


@dataclass(frozen=True, slots=True)
class MarkSecret:
    """Job: write on the Secret whether its certificate is to be revoked before it is removed."""

    claim: Claim
    as_of: int
    revoke: bool


@dataclass(frozen=True, slots=True)
class RevokeCertificate:
    """Job: revoke the certificate whose key is compromised."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class HandOver:
    """Job: see what cert-manager says of the Certificate, which is to be as it is `wanted`; only
    with a `fresh` proof it is created or changed. `heard` is all that people had said."""

    wanted: WantedCertificate
    fresh: bool
    heard: str = ""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Job: delete the Certificate that was made for a seat on the claim; its Secret stays."""

    seat: str
    name: str
    namespace: str


KeepJob = InspectSecret | MarkSecret | RevokeCertificate
HandJob = HandOver | TakeBack
Job = CheckDns | PlaceOrder | CompleteOrder | DropNextKey | AskRenewal | KeepJob | HandJob


@dataclass(frozen=True, slots=True)
class OrderResult:
    """How a PlaceOrder or CompleteOrder ended, for the next decision to take in."""

    job: PlaceOrder | CompleteOrder
    outcome: PlacedOrder | IssuedCertificate | OrderError
    at: datetime


@dataclass(frozen=True, slots=True)
class SecretState:
    """What a Secret was found to be: its `version` (of all Secrets, where it is not there), what is
    wrong with it, the URL of the order that it was written for, and the certificate in it (DER in
    base64) if that is the claim's."""

    version: int
    loss: Loss | None = None
    order: str | None = None
    leaf: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class KeepResult:
    """How a job that looks after a Secret or a certificate has ended; None: revoked."""

    job: KeepJob
    outcome: SecretState | OrderError | None
    at: datetime


@dataclass(frozen=True, slots=True)
class HandResult:
    """How a job with cert-manager's Certificates has ended; None: it is taken back, or it is to be
    written for which the proof was not fresh."""

    job: HandJob
    outcome: CertificateState | Fault | None
    at: datetime
