"""What the composition root tells the controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from customdomains.controller.ports import (
    CaaLookup,
    CertificateEngine,
    Examiner,
    HttpCheck,
    SelfCheck,
    TextLookup,
    WebhookSender,
    ZoneUpdates,
)
from customdomains.policy.budget import IssuerLimits
from customdomains.policy.rules import Rules


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """What the settings say about this process. `probe_url` is where kopf answers liveness,
    `limits` are by issuer, `metrics_per_domain` is of how many domains metrics tell each."""

    identity: str
    namespace: str
    lease_duration: float
    secret_retention: timedelta
    probe_url: str
    rules: Rules
    limits: Mapping[str, IssuerLimits] = field(default_factory=dict)
    metrics_per_domain: int = 0


@dataclass(frozen=True, slots=True)
class Outside:
    """The adapters that the composition root chose; `engines` are by issuer, `webhooks` the URLs
    that `sender` posts to."""

    lookup: TextLookup
    caa_lookup: CaaLookup
    self_check: SelfCheck
    http: HttpCheck
    updates: ZoneUpdates
    engines: Mapping[str, CertificateEngine]
    sender: WebhookSender
    examiner: Examiner
    webhooks: tuple[str, ...] = ()
