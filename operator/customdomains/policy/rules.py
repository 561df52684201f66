"""The settings that policy depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from customdomains.model.certificate import Challenge


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """How claims are kept and contested.

    A seat that proves nothing expires after `pending_expiry`; one whose CustomDomain is gone is
    kept for `retention`, its Secret for `secrets_kept`. `contests` tells whether others may contend
    for a name that is held, `contenders` how many seats of others a claim has at most,
    `per_namespace` how many seats a namespace may have (0: as many as it likes), `webhooks` whether
    what happens is told by webhooks.
    """

    pending_expiry: timedelta = timedelta(days=7)
    retention: timedelta = timedelta(days=7)
    secrets_kept: timedelta = timedelta(days=1)
    contests: bool = True
    contenders: int = 8
    per_namespace: int = 0
    webhooks: bool = False


@dataclass(frozen=True, slots=True)
class NameRules:
    """Which names may be registered: suffixes (canonical) that are denied, and the only ones
    allowed where there are any; `private_suffixes` tells whether the names of the Public Suffix
    List's private part may be registered themselves."""

    denied: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    private_suffixes: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that policy depends on.

    `zone` is the delegation zone (canonical); `issuers` are names, the first is the default, and
    `fallbacks` has for some of them the one to use in its place, never in a circle, `challenges`
    the kinds of challenges that are used with it; `answers_http` tells whether http-01 can be;
    `updated_zones` are those that the operator may set challenge records in;
    `recheck_interval` is how often a proof is looked at again, `grace_period` how long a proof may
    be gone before the domain fails.
    """

    zone: str
    issuers: tuple[str, ...]
    recheck_interval: timedelta = timedelta(hours=24)
    grace_period: timedelta = timedelta(hours=72)
    claims: ClaimRules = ClaimRules()
    names: NameRules = NameRules()
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    challenges: Mapping[str, tuple[Challenge, ...]] = field(default_factory=dict)
    answers_http: bool = False
    updated_zones: tuple[str, ...] = ()
