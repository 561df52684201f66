"""Builders for tests: one object each, complete by itself; a case spells out what it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from customdomains.model.certificate import CertificateFacts, Method
from customdomains.model.claim import (
    CertificateRecord,
    Claim,
    Contender,
    Failure,
    Holder,
    Order,
    Standing,
    Verification,
)
from customdomains.model.domain import CustomDomain, Issuance, Key
from customdomains.model.evidence import Evidence, Outcome, Seen, ServerAnswer
from customdomains.model.names import challenge_name
from customdomains.model.reasons import Reason
from customdomains.model.status import mark_of
from customdomains.policy.rules import Rules
from customdomains.policy.world import Check, Memory, World

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

KEY = Key("tenant", "shop")
NAMESPACE_UID = "11111111-1111-4111-8111-111111111111"
UID = "22222222-2222-4222-8222-222222222222"
DOMAIN = "shop.example.com"
ID = "0123456789abcdef0123456789abcdef"
TOKEN = "5" * 64
DIGEST = "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
OTHER_DIGEST = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
ZONE = "delegated.example.net"
TARGET = f"{ID}.{ZONE}"
RIVAL = Holder(Key("rival", "site"), "44444444-4444-4444-8444-444444444444", "rival-uid")
RIVAL_ID = "fedcba9876543210fedcba9876543210"
RIVAL_TOKEN = "7" * 64
SEEN = Seen("192.0.2.53:53", Outcome.ANSWERED, ("it",))
RULES = Rules(zone=ZONE, issuers=("pebble", "other"))


def domain(**changed: Any) -> CustomDomain:
    """A CustomDomain that asks for nothing special."""
    values: dict[str, Any] = {
        "key": KEY,
        "uid": UID,
        "resource_version": "7",
        "generation": 1,
        "created": NOW - HOUR,
        "domain_name": DOMAIN,
        "domain": DOMAIN,
        "refusal": None,
        "wildcard": False,
        "suspend": False,
        "issuance": Issuance.AUTOMATIC,
        "issuer": None,
        "secret_name": "shop-tls",
        "key_type": None,
        "check_requested": None,
        "issue_requested": None,
        "release": False,
        "revoke": False,
        "compromised": None,
        "status": mark_of({"observedGeneration": -1}),
    }
    return CustomDomain(**(values | changed))


def holder(**changed: Any) -> Holder:
    """`domain()` as the holder of a claim."""
    return Holder(**({"key": KEY, "namespace_uid": NAMESPACE_UID, "uid": UID} | changed))


def claim(**changed: Any) -> Claim:
    """The claim of `domain()`, unproved."""
    values: dict[str, Any] = {
        "domain": DOMAIN,
        "id": ID,
        "token": TOKEN,
        "holder": holder(),
        "uid": "33333333-3333-4333-8333-333333333333",
        "resource_version": "9",
        "created": NOW - HOUR,
    }
    return Claim(**(values | changed))


def seat(**standing: Any) -> Contender:
    """The seat of `domain()` beside a holder."""
    return Contender(ID, TOKEN, holder(), Standing(**({"since": NOW - HOUR} | standing)))


def contested(*others: Contender, **changed: Any) -> Claim:
    """The claim that somebody else holds; `domain()` contends for it, unless `others` do."""
    held = {"id": RIVAL_ID, "token": RIVAL_TOKEN, "holder": RIVAL, "created": NOW - 2 * HOUR}
    return claim(**(held | {"contenders": others or (seat(),)} | changed))


def without_progress(of: Claim) -> Claim:
    """The bare identity of a claim, as it was minted."""
    return replace(
        of,
        verification=None,
        order=None,
        certificate=None,
        failure=None,
        issue_handled=None,
        compromise=None,
        handed=None,
    )


def proof(method: Method = Method.DELEGATED, **changed: Any) -> Verification:
    """A proof that is half an hour old."""
    values: dict[str, Any] = {"verified_at": NOW - 30 * MINUTE, "seen": (SEEN,)}
    return Verification(method=method, **(values | changed))


def order(method: Method = Method.DELEGATED, **changed: Any) -> Order:
    """An order placed ten minutes ago."""
    values: dict[str, Any] = {
        "url": "https://ca.example.net/order/1",
        "issuer": "pebble",
        "names": (DOMAIN,),
        "digests": (DIGEST,),
        "placed_at": NOW - 10 * MINUTE,
        "expires": NOW + 7 * DAY,
    }
    return Order(method=method, **(values | changed))


def facts(not_before: datetime = NOW - 10 * DAY, lifetime: timedelta = 90 * DAY) -> Any:
    """Facts of a certificate in its first third."""
    return CertificateFacts("0a1b2c", not_before, not_before + lifetime, "f" * 64)


def certificate(**changed: Any) -> CertificateRecord:
    """A certificate in its first third."""
    values: dict[str, Any] = {
        "issuer": "pebble",
        "secret_name": "shop-tls",
        "names": (DOMAIN,),
        "issued_at": NOW - 10 * DAY,
        "facts": facts(),
    }
    return CertificateRecord(**(values | changed))


def failure(**changed: Any) -> Failure:
    """A first failure, five seconds ago."""
    at = changed.get("at", NOW - 5 * SECOND)
    values: dict[str, Any] = {
        "reason": Reason.CA_UNREACHABLE,
        "message": "The CA does not answer",
        "at": at,
        "count": 1,
        "retry_at": at + MINUTE,
        "earliest": at + 10 * SECOND,
        "heard": "1 - -",
    }
    return Failure(**(values | changed))


def answer(*texts: str, cname: str | None = None, **changed: Any) -> ServerAnswer:
    """A resolver's answer with TXT values, behind a CNAME or not."""
    values: dict[str, Any] = {
        "server": "192.0.2.53:53",
        "outcome": Outcome.ANSWERED,
        "cnames": (cname,) if cname else (),
        "texts": texts,
        "ttl": 5,
    }
    return ServerAnswer(**(values | changed))


def nothing(outcome: Outcome = Outcome.NO_SUCH_NAME, **changed: Any) -> ServerAnswer:
    """An answer without records."""
    return answer(outcome=outcome, **changed)


def evidence(*answers: ServerAnswer) -> Evidence:
    """What was found for `DOMAIN`."""
    return Evidence(challenge_name(DOMAIN), answers)


DELEGATED = evidence(answer(TOKEN, cname=TARGET))
TOKENED = evidence(answer(TOKEN))
MISSING = evidence(nothing())
SILENT = evidence(nothing(Outcome.TIMED_OUT))


def check(found: Evidence, at: datetime = NOW, request: str | None = None) -> Check:
    """A check that ended `at`."""
    return Check(at, found, request)


def seen(found: Evidence, at: datetime = NOW, request: str | None = None, **more: Any) -> Memory:
    """The memory of a process that has checked."""
    return Memory(check=check(found, at, request), attempts=1, **more)


def world(**changed: Any) -> World:
    """The world of `domain()` with its unproved claim, as a new process knows it."""
    values: dict[str, Any] = {
        "key": KEY,
        "domain": domain(),
        "claim": claim(),
        "namespace_uid": NAMESPACE_UID,
        "memory": Memory(),
        "rules": RULES,
        "started": NOW,
    }
    return World(**(values | changed))
