"""`decide` as tables: a row is a world and what is wanted of the plan."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, RULES, SECOND

from customdomains.model.certificate import Method
from customdomains.model.domain import Issuance
from customdomains.model.keys import Algorithm, KeyType
from customdomains.model.names import NameRefusedError
from customdomains.model.reasons import Reason
from customdomains.policy import schedule
from customdomains.policy.decide import PATIENCE, PATIENCE_WATCHED, decide
from customdomains.policy.jobs import CheckDns, CompleteOrder, DropNextKey, PlaceOrder
from customdomains.policy.world import EnterClaim, Memory, MintClaim, ReplaceClaim, World

PROVED = build.claim(verification=build.proof())
BY_HAND = build.claim(verification=build.proof(Method.MANUAL))
FRESH = build.seen(build.DELEGATED, NOW - 2 * SECOND)
FRESH_BY_HAND = build.seen(build.TOKENED, NOW - 2 * SECOND)
OPEN = build.order(Method.MANUAL)
WAITED = build.claim(verification=build.proof(Method.MANUAL), order=OPEN)
P256 = replace(build.facts(), key_type=KeyType())
ANSWERED = build.evidence(build.answer(build.TOKEN, build.DIGEST))


class Row(NamedTuple):
    name: str
    world: World
    claim: type | None = None
    jobs: tuple[type, ...] = ()
    status: bool = True
    due: datetime | timedelta | str | None = "any"


def row(name: str, wanted: dict[str, Any], **parts: Any) -> Row:
    return Row(name, build.world(**parts), **wanted)


WRITES: dict[str, Any] = {"claim": ReplaceClaim, "status": False, "due": None}
RESTS: dict[str, Any] = {}
QUIET: dict[str, Any] = {"status": False}

ROWS = [
    # whose it is
    row("nothing there, nothing to do", QUIET | {"due": None}, domain=None, claim=None),
    row("a new domain", {"claim": MintClaim, "status": False, "due": None}, claim=None),
    row("an unknown namespace decides nothing", QUIET | {"due": 10 * SECOND}, namespace_uid=""),
    row(
        "a name that can't be registered",
        RESTS | {"due": None},
        domain=build.domain(domain=None, refusal=NameRefusedError(Reason.INVALID_NAME, "no")),
        claim=None,
    ),
    row(
        "held by another name",
        RESTS | {"due": schedule.HELD_DELAY},
        claim=build.claim(holder=build.holder(key=build.Key("tenant", "other"))),
    ),
    row(
        "a namespace made again inherits nothing",
        {"claim": EnterClaim, "status": False, "due": None},
        claim=build.claim(holder=build.holder(namespace_uid="other")),
    ),
    row("deleted and created again", WRITES, claim=build.claim(holder=build.holder(uid="old"))),
    row("the uid after POST", WRITES, claim=build.claim(holder=build.holder(uid=None))),
    # the proof
    row("an unproved domain is checked, the status waits", QUIET | {"jobs": (CheckDns,)}),
    row("and is not checked twice", QUIET | {"jobs": ()}, memory=Memory(checking=True)),
    row("missing", RESTS, memory=build.seen(build.MISSING)),
    row(
        "missing, looked at again",
        RESTS | {"jobs": (CheckDns,)},
        memory=build.seen(build.MISSING, NOW - 10 * MINUTE),
    ),
    row(
        "a fresh proof waits for its order",
        QUIET | {"jobs": (PlaceOrder,), "due": NOW - 2 * SECOND + PATIENCE},
        memory=FRESH,
    ),
    row(
        "and goes on waiting while the order is placed",
        QUIET | {"due": NOW - 2 * SECOND + PATIENCE},
        memory=replace(FRESH, ordering_since=NOW - SECOND),
    ),
    row(
        "but not for ever either",
        WRITES,
        memory=build.seen(build.DELEGATED, NOW - PATIENCE, ordering_since=NOW - SECOND),
    ),
    row(
        "nor while somebody waits for the answer",
        WRITES,
        domain=build.domain(check_requested="a"),
        memory=build.seen(
            build.DELEGATED, NOW - PATIENCE_WATCHED, "a", ordering_since=NOW - SECOND
        ),
    ),
    row("a proof by TXT is written at once", WRITES, memory=FRESH_BY_HAND),
    row("a proof without issuers too", WRITES, memory=FRESH, rules=replace(RULES, issuers=())),
    row("gone", WRITES, claim=PROVED, memory=build.seen(build.MISSING)),
    row("could not ask", RESTS, claim=PROVED, memory=build.seen(build.SILENT)),
    row(
        "gone is kept when the DNS does not answer",
        RESTS,
        claim=build.claim(verification=build.proof(gone_since=NOW - HOUR)),
        memory=build.seen(build.SILENT),
    ),
    row(
        "back",
        WRITES,
        claim=build.claim(verification=build.proof(gone_since=NOW - HOUR)),
        memory=FRESH,
    ),
    row("by CNAME instead of TXT", WRITES, claim=BY_HAND, memory=FRESH),
    row("asked for a check", {"status": False, "jobs": (CheckDns,)}, domain=build.domain(
        check_requested="b"), memory=build.seen(build.MISSING, NOW - 10 * SECOND, "a")),
    row("asked and asked again", RESTS | {"jobs": (CheckDns,)}, domain=build.domain(
        check_requested="b"), memory=build.seen(build.MISSING, NOW, "a")),
    row("answered", RESTS, domain=build.domain(check_requested="b"),
        memory=build.seen(build.MISSING, NOW, "b")),
    row(
        "a request that nothing remembers after a restart is answered again, and nothing written",
        {"status": False, "jobs": (CheckDns,)},
        domain=build.domain(check_requested="a"),
        claim=build.claim(verification=build.proof(), certificate=build.certificate()),
    ),
    row(
        "gone is looked at right after a restart",
        {"status": False, "jobs": (CheckDns,)},
        claim=build.claim(verification=build.proof(gone_since=NOW - HOUR)),
    ),
    row(
        "an active domain is not",
        RESTS,
        claim=build.claim(verification=build.proof(), certificate=build.certificate()),
    ),
    row("a clock set back", {"jobs": (CheckDns,)}, memory=build.seen(build.MISSING, NOW + HOUR)),
    # when to order
    row("delegated", RESTS | {"jobs": (PlaceOrder,)}, claim=PROVED, memory=FRESH),
    row("after a restart the proof is looked at first", {"status": False, "jobs": (CheckDns,)},
        claim=PROVED),
    row("one order at a time", RESTS | {"jobs": ()}, claim=PROVED,
        memory=replace(FRESH, ordering_since=NOW)),
    row("a proof that is not fresh", RESTS | {"jobs": (CheckDns,)}, claim=PROVED,
        memory=build.seen(build.DELEGATED, NOW - 6 * MINUTE)),
    row("a proof from the future is not fresh", RESTS | {"jobs": (CheckDns,)}, claim=PROVED,
        memory=build.seen(build.DELEGATED, NOW + MINUTE)),
    row("no proof just now", RESTS, claim=PROVED, memory=build.seen(build.SILENT)),
    row("gone: no order", RESTS, claim=build.claim(verification=build.proof(gone_since=NOW)),
        memory=build.seen(build.MISSING)),
    row("by hand: rests", RESTS, claim=BY_HAND, memory=FRESH_BY_HAND),
    row("by hand, asked for", RESTS | {"jobs": (PlaceOrder,)}, claim=BY_HAND,
        domain=build.domain(issue_requested="a"), memory=FRESH_BY_HAND),
    row("by hand, answered", RESTS, claim=replace(BY_HAND, issue_handled="a"),
        domain=build.domain(issue_requested="a"), memory=FRESH_BY_HAND),
    row("asked for before there is a proof", RESTS, memory=build.seen(build.MISSING),
        domain=build.domain(issue_requested="a")),
    row("on request: rests", RESTS, claim=PROVED, memory=FRESH,
        domain=build.domain(issuance=Issuance.ON_REQUEST)),
    row("on request: renews", RESTS | {"jobs": (PlaceOrder,)},
        claim=replace(PROVED, certificate=build.certificate(facts=build.facts(NOW - 61 * DAY))),
        memory=FRESH, domain=build.domain(issuance=Issuance.ON_REQUEST)),
    row("never", RESTS, claim=PROVED, memory=FRESH,
        domain=build.domain(issuance=Issuance.NEVER, issue_requested="a")),
    row("issuer unknown", RESTS, claim=PROVED, memory=FRESH, domain=build.domain(issuer="nobody")),
    row("suspended", RESTS | {"due": None}, claim=PROVED, memory=FRESH,
        domain=build.domain(suspend=True)),
    row("suspended after a restart: it expires all the same", RESTS | {"due": NOW - HOUR + 7 * DAY},
        domain=build.domain(suspend=True)),
    row("active", RESTS | {"jobs": ()}, memory=FRESH,
        claim=replace(PROVED, certificate=build.certificate())),
    row("two thirds are over", RESTS | {"jobs": (PlaceOrder,)}, memory=FRESH,
        claim=replace(PROVED, certificate=build.certificate(facts=build.facts(NOW - 60 * DAY)))),
    row("a wildcard was added", RESTS | {"jobs": (PlaceOrder,)}, memory=FRESH,
        domain=build.domain(wildcard=True),
        claim=replace(PROVED, certificate=build.certificate())),
    row("another Secret", RESTS | {"jobs": (PlaceOrder,)}, memory=FRESH,
        domain=build.domain(secret_name="new"),
        claim=replace(PROVED, certificate=build.certificate())),
    row("another issuer", RESTS | {"jobs": (PlaceOrder,)}, memory=FRESH,
        domain=build.domain(issuer="other"),
        claim=replace(PROVED, certificate=build.certificate())),
    row("another kind of key", RESTS | {"jobs": (PlaceOrder,)}, memory=FRESH,
        domain=build.domain(key_type=KeyType(Algorithm.RSA, 2048)),
        claim=replace(PROVED, certificate=build.certificate(facts=P256))),
    row("the kind of key that is there", RESTS | {"jobs": ()}, memory=FRESH,
        domain=build.domain(key_type=KeyType()),
        claim=replace(PROVED, certificate=build.certificate(facts=P256))),
    row("a kind of key that was never noted", RESTS | {"jobs": ()}, memory=FRESH,
        domain=build.domain(key_type=KeyType(Algorithm.RSA, 2048)),
        claim=replace(PROVED, certificate=build.certificate())),
    row("a new default issuer replaces nothing", RESTS | {"jobs": ()}, memory=FRESH,
        rules=replace(RULES, issuers=("other", "pebble")),
        claim=replace(PROVED, certificate=build.certificate())),
    row("asked for while active: renews", RESTS | {"jobs": (PlaceOrder,)}, memory=FRESH,
        domain=build.domain(issue_requested="a"),
        claim=replace(PROVED, certificate=build.certificate())),
    # an order under way
    row("delegated: completed", RESTS | {"jobs": (CompleteOrder,)}, memory=FRESH,
        claim=replace(PROVED, order=build.order())),
    row("resumed: the proof is looked at first", {"status": False, "jobs": (CheckDns,)},
        claim=replace(PROVED, order=build.order())),
    row("by hand: waits for the record", RESTS, claim=WAITED, memory=FRESH_BY_HAND),
    row("by hand: answered", RESTS | {"jobs": (CompleteOrder,)}, claim=WAITED,
        memory=build.seen(ANSWERED)),
    row("by hand: answered, seen too long ago", RESTS | {"jobs": (CheckDns,)}, claim=WAITED,
        memory=build.seen(ANSWERED, NOW - 6 * MINUTE)),
    row("the digest in the token's place is the proof from then on", WRITES, claim=WAITED,
        memory=build.seen(build.evidence(build.answer(build.DIGEST)))),
    row("a request is answered by the order under way", WRITES, memory=FRESH,
        domain=build.domain(issue_requested="a"), claim=replace(PROVED, order=build.order())),
    row("gone: the order waits", RESTS, memory=build.seen(build.MISSING),
        claim=build.claim(verification=build.proof(gone_since=NOW), order=build.order())),
    row("a wildcard was added: another order", WRITES, memory=FRESH,
        domain=build.domain(wildcard=True), claim=replace(PROVED, order=build.order())),
    row("another issuer: another order", WRITES, memory=FRESH,
        domain=build.domain(issuer="other"), claim=replace(PROVED, order=build.order())),
    row("an issuer that is no more", WRITES, memory=FRESH, rules=replace(RULES, issuers=("other",)),
        claim=replace(PROVED, order=build.order())),
    row("not wanted any more", WRITES, memory=FRESH, domain=build.domain(issuance=Issuance.NEVER),
        claim=replace(PROVED, order=build.order())),
    row("expired", WRITES, memory=FRESH, claim=replace(PROVED, order=build.order(expires=NOW))),
    row("expired while it is worked on: the work tells", RESTS,
        memory=replace(FRESH, ordering_since=NOW - MINUTE),
        claim=replace(PROVED, order=build.order(expires=NOW))),
    row("expired and suspended", RESTS, domain=build.domain(suspend=True),
        claim=replace(PROVED, order=build.order(expires=NOW))),
    row("expires soon", RESTS | {"due": NOW + 20 * SECOND},
        memory=replace(FRESH, ordering_since=NOW),
        claim=replace(PROVED, order=build.order(expires=NOW + 20 * SECOND))),
    row("suspended and gone: the grace period ends all the same", RESTS | {"due": NOW + HOUR},
        domain=build.domain(suspend=True),
        claim=build.claim(verification=build.proof(gone_since=NOW - 71 * HOUR))),
    row("suspended with a key to drop", RESTS, domain=build.domain(suspend=True), claim=PROVED,
        memory=replace(FRESH, next_key_to_drop="shop-tls")),
    row("the key that waited goes", RESTS | {"jobs": (DropNextKey,)},
        memory=replace(FRESH, next_key_to_drop="shop-tls"),
        claim=replace(PROVED, certificate=build.certificate())),
    row("but not while an order may need it", RESTS | {"jobs": (CompleteOrder,)},
        memory=replace(FRESH, next_key_to_drop="shop-tls"),
        claim=replace(PROVED, order=build.order(), certificate=build.certificate())),
    # after a failure
    row("failed: waits", RESTS | {"jobs": (), "due": NOW + 55 * SECOND}, memory=FRESH,
        claim=replace(PROVED, failure=build.failure())),
    row("failed: tried again", RESTS | {"jobs": (PlaceOrder,)}, memory=FRESH,
        claim=replace(PROVED, failure=build.failure(at=NOW - MINUTE))),
    row("failed and asked for a check: waits ten seconds at least", RESTS | {
        "jobs": (), "due": NOW + 5 * SECOND},
        memory=build.seen(build.DELEGATED, NOW, "a"), domain=build.domain(check_requested="a"),
        claim=replace(PROVED, failure=build.failure())),
    row("failed and asked for a check: goes on", RESTS | {"jobs": (PlaceOrder,)},
        memory=build.seen(build.DELEGATED, NOW, "a"), domain=build.domain(check_requested="a"),
        claim=replace(PROVED, failure=build.failure(at=NOW - 10 * SECOND))),
    row("failed and the spec changed: goes on", RESTS | {"jobs": (PlaceOrder,)}, memory=FRESH,
        domain=build.domain(generation=2),
        claim=replace(PROVED, failure=build.failure(at=NOW - 10 * SECOND))),
    row("failed and asked for again: the CA's moment holds", RESTS | {
        "jobs": (), "due": NOW + 50 * SECOND},
        memory=FRESH, domain=build.domain(issue_requested="a"),
        claim=replace(PROVED, failure=build.failure(
            at=NOW - 10 * SECOND, earliest=NOW + 50 * SECOND))),
    row("no order by hand could be placed: tried again", RESTS | {"jobs": (PlaceOrder,)},
        memory=FRESH_BY_HAND, domain=build.domain(issue_requested="a"),
        claim=replace(BY_HAND, issue_handled="a", failure=build.failure(
            at=NOW - MINUTE, heard="1 - a", unplaced=True))),
    row("an order by hand that is lost waits to be asked for", RESTS | {"jobs": ()},
        memory=FRESH_BY_HAND, domain=build.domain(issue_requested="a"),
        claim=replace(BY_HAND, issue_handled="a",
                      failure=build.failure(at=NOW - DAY, heard="1 - a"))),
    row("the order failed: completed again later", RESTS | {"jobs": (), "due": NOW + 55 * SECOND},
        memory=FRESH, claim=replace(PROVED, order=build.order(), failure=build.failure())),
    row("the order failed: completed again now", RESTS | {"jobs": (CompleteOrder,)}, memory=FRESH,
        claim=replace(PROVED, order=build.order(), failure=build.failure(at=NOW - MINUTE))),
    row("the order failed, asked for a certificate: completed at once", RESTS | {
        "jobs": (CompleteOrder,)},
        memory=FRESH, domain=build.domain(issue_requested="b"),
        claim=replace(PROVED, order=build.order(), issue_handled="b",
                      failure=build.failure(at=NOW - 10 * SECOND))),
    row("an older failure does not hold up a new order", RESTS | {"jobs": (CompleteOrder,)},
        memory=FRESH, claim=replace(PROVED, order=build.order(), failure=build.failure(
            at=NOW - HOUR, retry_at=NOW + HOUR))),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_plan(row: Row) -> None:
    plan = decide(row.world, NOW)
    assert (type(plan.claim) if plan.claim else None) is row.claim
    assert tuple(type(job) for job in plan.jobs) == row.jobs
    assert (plan.status is not None) is row.status
    if row.due == "any":
        assert plan.due is None or plan.due > NOW
        return
    due = NOW + row.due if isinstance(row.due, timedelta) else row.due
    assert plan.due == due
