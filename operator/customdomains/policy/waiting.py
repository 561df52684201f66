"""What to say of an order that waits for a CA's limits."""

from __future__ import annotations

from datetime import datetime, timedelta

from customdomains.model.reasons import Reason
from customdomains.model.scope import Scope, ScopeKind
from customdomains.model.times import format_time
from customdomains.policy.budget import Bucket, Kind, Limit
from customdomains.policy.limits import STOPPED, Wait, in_words, rounded_up

PAUSE = timedelta(minutes=2)
"""How long the others wait at most for the first order after a stop before they ask again."""


def wait_for_bucket(
    issuer: str,
    names: tuple[str, ...],
    bucket: Bucket,
    limit: Limit,
    until: datetime,
    now: datetime,
) -> Wait:
    """For room in a bucket that only some share."""
    subject = "exactly these names" if bucket.kind is Kind.NAMES else bucket.subject
    what, of = {
        Kind.ORDERS: ("new order", ""),
        Kind.DOMAIN: ("new certificate", f" for {subject} and all below it"),
        Kind.NAMES: ("certificate", f" for {subject}"),
        Kind.FAILURES: ("failed validation", f" of {subject}"),
    }[bucket.kind]
    moment = rounded_up(until, now)
    message = (
        f"the limit of {_so_many(limit, what)}{of} in {in_words(limit.per)} at the issuer "
        f"{issuer} is reached; the next one is possible at {format_time(moment)}"
    )
    return Wait(issuer, names, bucket.kind, Reason.AWAITING_BUDGET, message, moment)


def wait_in_line(
    issuer: str, names: tuple[str, ...], limit: Limit, turn: datetime, now: datetime
) -> Wait:
    """For the account's budget, which all share; `turn` is when it may be this order's turn."""
    moment = rounded_up(turn, now)
    message = (
        f"the limit of {_so_many(limit, 'new order')} in {in_words(limit.per)} at the issuer "
        f"{issuer}, which all domains share, is reached; it is the turn of this one at about "
        f"{format_time(moment)}"
    )
    return Wait(issuer, names, Kind.ORDERS, Reason.AWAITING_BUDGET, message, moment)


def wait_for_stop(issuer: str, names: tuple[str, ...], scope: Scope, until: datetime) -> Wait:
    """For the end that the CA has named itself."""
    subject = ", ".join(scope.names)
    what = {
        ScopeKind.ISSUER: "takes no requests",
        ScopeKind.ACCOUNT: "takes no new orders of the operator's account",
        ScopeKind.DOMAIN: f"takes no new orders for {subject} and all below it",
    }[scope.kind]
    message = f"the CA of the issuer {issuer} {what} until {format_time(until)}: it says so itself"
    return Wait(issuer, names, STOPPED, Reason.CA_RATE_LIMITED, message, until)


def one_by_one(issuer: str, names: tuple[str, ...], now: datetime) -> Wait:
    """For the one order that tries whether the CA takes any again."""
    message = (
        f"the CA of the issuer {issuer} took no orders until a moment ago; they go on as soon as "
        "it has taken one"
    )
    return Wait(issuer, names, STOPPED, Reason.CA_RATE_LIMITED, message, now + PAUSE)


def _so_many(limit: Limit, what: str) -> str:
    return f"{limit.most} {what}{'' if limit.most == 1 else 's'}"
