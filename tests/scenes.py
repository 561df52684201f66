"""Every kind of status there is, by name: for what it says, and for the server to accept."""

from dataclasses import replace
from typing import Any

import build
from build import DAY, HOUR, NOW

from customdomains.model.certificate import Method
from customdomains.model.claim import NOBODY, Standing
from customdomains.model.compromise import Compromise, Ending
from customdomains.model.domain import Issuance, Key
from customdomains.model.evidence import Evidence, Nearby, Obstacle, Outcome, Place
from customdomains.model.kept import Kept, Loss
from customdomains.model.names import NameRefusedError
from customdomains.model.reasons import Reason
from customdomains.model.status import Status
from customdomains.policy.decide import decide
from customdomains.policy.findings import Finding, judge
from customdomains.policy.rules import ClaimRules, NameRules
from customdomains.policy.world import Memory, World

PROVED = build.claim(verification=build.proof())
BY_HAND = build.claim(verification=build.proof(Method.MANUAL))
GONE = build.claim(verification=build.proof(gone_since=NOW - HOUR))
LAPSED = build.claim(verification=build.proof(gone_since=NOW - 4 * DAY))
EXPIRED = build.certificate(facts=build.facts(NOW - 100 * DAY))
OLD = build.certificate(facts=build.facts(NOW - 70 * DAY))
FRESH, FRESH_BY_HAND = build.seen(build.DELEGATED), build.seen(build.TOKENED)
GONE_NOW, SILENT_NOW = build.seen(build.MISSING), build.seen(build.SILENT)
BUSY = replace(FRESH, ordering_since=NOW)
LOST_SECRET = build.certificate(
    kept=Kept(7, Loss(Reason.SECRET_DAMAGED, "the Secret shop-tls is gone", NOW - HOUR))
)
COMPROMISED = Compromise(
    "now", Ending.PENDING, build.facts().serial_number, "pebble", "QUJD", NOW + 80 * DAY
)


def _found(*texts: str, cname: str | None = None, outcome: Outcome = Outcome.ANSWERED) -> Memory:
    return build.seen(build.evidence(build.answer(*texts, cname=cname, outcome=outcome)))


def judged(found: Evidence) -> Finding:
    """What the evidence means for the claim without anything proved."""
    return judge(found, build.claim(), build.ZONE, NOW)


LONGEST_NAME = ".".join(["a" * 59] * 3 + ["b" * 52, "com"])
HOSTILE = Evidence(
    f"_acme-challenge.{LONGEST_NAME}",
    tuple(
        build.answer(
            "\x1b[31m\x00\u202e" * 2000, "x" * 60000, server=f"[2001:db8::{n}]:53",
            cname="\\001" * 250, outcome=outcome, host=f"{n}" * 253,
            explanation="\x1b[31m" * 999,
        )
        for n, outcome in enumerate([Outcome.ANSWERED] * 9)
    ),
    zone=LONGEST_NAME,
)  # fmt: skip
HOSTILE_PLACES = replace(
    HOSTILE,
    answers=(build.nothing(host="n" * 253),),
    nearby=(
        Nearby(Place.ZONE_TWICE, f"\x00{'x.' * 200}", ("\\001" * 250,), (f'"{build.TOKEN}"\x07',)),
    ),
)


def _hostile(outcome: Outcome, **changed: Any) -> World:
    answers = tuple(replace(a, outcome=outcome, **changed) for a in HOSTILE.answers)
    return _longest(replace(HOSTILE, answers=answers))


def _longest(found: Evidence) -> World:
    return build.world(
        domain=build.domain(domain=LONGEST_NAME),
        claim=build.claim(domain=LONGEST_NAME),
        memory=build.seen(found),
    )


NAME_SERVERS = ({"host": "ns1.example.net", "server": "192.0.2.1:53"},
                {"host": "ns2.example.net", "server": "192.0.2.2:53"},
                {"host": "ns3.example.net", "server": "192.0.2.3:53"})  # fmt: skip
ONE, TWO, THREE = NAME_SERVERS
LATE = build.evidence(
    build.answer(build.TOKEN, **ONE, authentic=True),
    build.nothing(**TWO),
    build.answer(build.TOKEN, **THREE, authentic=True),
)
DIFFERENT = build.evidence(build.answer(build.TOKEN, **ONE), build.nothing(**TWO))

SCENES: dict[str, World] = {
    "refused": build.world(
        domain=build.domain(
            domain=None, refusal=NameRefusedError(Reason.PUBLIC_SUFFIX, "co.uk is one")
        ),
        claim=None,
    ),
    "taken": build.world(claim=build.claim(holder=build.holder(key=Key("tenant", "other")))),
    "not allowed": build.world(
        claim=None, rules=replace(build.RULES, names=NameRules(denied=("example.com",)))
    ),
    "over quota": build.world(
        claim=None, seats=2, rules=replace(build.RULES, claims=ClaimRules(per_namespace=2))
    ),
    "reserved": build.world(
        claim=build.claim(id="", token="", holder=NOBODY, reserved_for="somebody")
    ),
    "no room": build.world(
        claim=build.contested(
            *(replace(build.seat(), id=f"{n}" * 32, holder=build.RIVAL) for n in range(8))
        )
    ),
    "contending": build.world(claim=build.contested(), memory=GONE_NOW),
    "contending, proved": build.world(
        claim=build.contested(verification=build.proof()), memory=FRESH_BY_HAND
    ),
    "contending with a proved holder": build.world(
        claim=build.contested(verification=build.proof()), memory=GONE_NOW
    ),
    "contending, the holder's proof gone": build.world(
        claim=build.contested(verification=build.proof(gone_since=NOW - HOUR)), memory=GONE_NOW
    ),
    "contending, the holder's proof gone for long": build.world(
        claim=build.contested(verification=build.proof(gone_since=NOW - 4 * DAY)), memory=GONE_NOW
    ),
    "contending with one who is away": build.world(
        claim=build.contested(
            verification=build.proof(), standing=Standing(vacant_since=NOW - HOUR)
        ),
        memory=GONE_NOW,
    ),
    "contending, reserved since": build.world(
        claim=build.contested(reserved_for="rival"), memory=FRESH_BY_HAND
    ),
    "contending, suspended": build.world(
        claim=build.contested(), domain=build.domain(suspend=True), memory=GONE_NOW
    ),
    "contending, silent": build.world(claim=build.contested(), memory=SILENT_NOW),
    "contending, no contests any more": build.world(
        claim=build.contested(),
        memory=FRESH_BY_HAND,
        rules=replace(build.RULES, claims=ClaimRules(contests=False)),
    ),
    "lost": build.world(
        claim=build.contested(
            replace(build.seat(lost_at=NOW - HOUR), certificate=build.certificate()),
            verification=build.proof(),
        ),
        memory=FRESH_BY_HAND,
    ),
    "claim expired": build.world(
        claim=build.claim(
            standing=Standing(since=NOW - 9 * DAY, expired_at=NOW - 2 * DAY, asked="a")
        ),
        domain=build.domain(check_requested="a"),
    ),
    "expired behind another": build.world(
        claim=build.contested(build.seat(expired_at=NOW - DAY)), memory=GONE_NOW
    ),
    "missing": build.world(memory=GONE_NOW),
    "wrong value": build.world(memory=_found("v=spf1 -all")),
    "quoted value": build.world(memory=_found(f'"{build.TOKEN}"')),
    "upper-case value": build.world(memory=_found(f" {'A5' * 32}")),
    "wrong target": build.world(memory=_found(cname="other.example.org")),
    "zone appended": build.world(memory=_found(cname=f"{build.TARGET}.{build.DOMAIN}")),
    "inside itself": build.world(memory=_found(cname=f"{build.ID}.{build.DOMAIN}")),
    "silent": build.world(memory=SILENT_NOW),
    "our zone is silent": build.world(
        memory=_found(cname=build.TARGET, outcome=Outcome.SERVER_FAILURE)
    ),
    "a wrong target is silent": build.world(
        memory=_found(cname="gone.example.org", outcome=Outcome.SERVER_FAILURE)
    ),
    "verified, being ordered": build.world(claim=PROVED, memory=BUSY),
    "verified by hand": build.world(claim=BY_HAND, memory=FRESH_BY_HAND),
    "verified by a digest": build.world(
        claim=build.claim(verification=build.proof(Method.MANUAL, digest=build.DIGEST)),
        memory=_found(build.DIGEST),
    ),
    "verified, on request": build.world(
        claim=PROVED, memory=FRESH, domain=build.domain(issuance=Issuance.ON_REQUEST)
    ),
    "verified, never": build.world(
        claim=PROVED, memory=FRESH, domain=build.domain(issuance=Issuance.NEVER)
    ),
    "failed, then never": build.world(
        claim=replace(PROVED, failure=build.failure()),
        memory=FRESH,
        domain=build.domain(issuance=Issuance.NEVER),
    ),
    "issuer unknown": build.world(claim=PROVED, memory=FRESH, domain=build.domain(issuer="x")),
    "no issuers": build.world(
        claim=PROVED, memory=FRESH, rules=replace(build.RULES, issuers=())
    ),
    "order under way": build.world(claim=replace(PROVED, order=build.order()), memory=BUSY),
    "order by hand": build.world(
        claim=replace(BY_HAND, order=build.order(Method.MANUAL)), memory=FRESH_BY_HAND
    ),
    "two orders by hand, one found": build.world(
        domain=build.domain(wildcard=True),
        claim=replace(
            BY_HAND,
            order=build.order(
                Method.MANUAL,
                digests=(build.DIGEST, build.OTHER_DIGEST),
                names=(build.DOMAIN, f"*.{build.DOMAIN}"),
            ),
        ),
        memory=_found(build.TOKEN, build.DIGEST),
    ),
    "order by hand, silent": build.world(
        claim=replace(BY_HAND, order=build.order(Method.MANUAL)), memory=SILENT_NOW
    ),
    "order that failed for now": build.world(
        claim=replace(PROVED, order=build.order(), failure=build.failure()), memory=FRESH
    ),
    "order, proof gone": build.world(claim=replace(GONE, order=build.order()), memory=GONE_NOW),
    "failed": build.world(claim=replace(PROVED, failure=build.failure()), memory=FRESH),
    "failed, the CA's moment": build.world(
        claim=replace(PROVED, failure=build.failure(earliest=NOW + 60 * HOUR)), memory=FRESH
    ),
    "failed by hand": build.world(
        claim=replace(BY_HAND, failure=build.failure()), memory=FRESH_BY_HAND
    ),
    "active": build.world(claim=replace(PROVED, certificate=build.certificate()), memory=FRESH),
    "active, silent": build.world(
        claim=replace(PROVED, certificate=build.certificate()), memory=SILENT_NOW
    ),
    "active, gone": build.world(
        claim=replace(GONE, certificate=build.certificate()), memory=GONE_NOW
    ),
    "active, gone, now silent": build.world(
        claim=replace(GONE, certificate=build.certificate()), memory=SILENT_NOW
    ),
    "renewing": build.world(
        claim=replace(PROVED, certificate=OLD, order=build.order()), memory=BUSY
    ),
    "renewal failed": build.world(
        claim=replace(PROVED, certificate=OLD, failure=build.failure()), memory=FRESH
    ),
    "renewal by hand": build.world(
        claim=replace(BY_HAND, certificate=OLD), memory=FRESH_BY_HAND
    ),
    "renewal, issuer unknown": build.world(
        claim=replace(PROVED, certificate=OLD), memory=FRESH, domain=build.domain(issuer="x")
    ),
    "secret gone": build.world(claim=replace(PROVED, certificate=LOST_SECRET), memory=FRESH),
    "secret gone, by hand": build.world(
        claim=replace(BY_HAND, certificate=LOST_SECRET), memory=FRESH_BY_HAND
    ),
    "secret gone, too often": build.world(
        claim=replace(
            PROVED,
            certificate=replace(
                LOST_SECRET, issued_at=NOW - HOUR, kept=replace(LOST_SECRET.kept, early=2)
            ),
        ),
        memory=FRESH,
    ),
    "key compromised": build.world(
        claim=replace(PROVED, certificate=build.certificate(), compromise=COMPROMISED),
        domain=build.domain(compromised="now"),
        memory=BUSY,
    ),
    "key compromised, not to be revoked yet": build.world(
        claim=replace(
            PROVED,
            certificate=build.certificate(),
            compromise=replace(
                COMPROMISED, serial_number="ff", count=2, retry_at=NOW + HOUR, message="It is down."
            ),
        ),
        domain=build.domain(compromised="now"),
        memory=FRESH,
    ),
    **{
        f"key compromised, {ending}": build.world(
            claim=replace(
                PROVED,
                certificate=build.certificate(),
                compromise=Compromise("now", ending, "0a1b2c"),
            ),
            domain=build.domain(compromised="now"),
            memory=FRESH,
        )
        for ending in Ending
        if ending is not Ending.PENDING
    },
    "expired": build.world(claim=replace(BY_HAND, certificate=EXPIRED), memory=FRESH_BY_HAND),
    "expired, failed": build.world(
        claim=replace(PROVED, certificate=EXPIRED, failure=build.failure()), memory=FRESH
    ),
    "lapsed": build.world(
        claim=replace(LAPSED, certificate=build.certificate()), memory=GONE_NOW
    ),
    "suspended": build.world(domain=build.domain(suspend=True, check_requested="a")),
    "suspended, active": build.world(
        claim=replace(PROVED, certificate=build.certificate()),
        domain=build.domain(suspend=True),
    ),
    "suspended, gone": build.world(claim=GONE, domain=build.domain(suspend=True)),
    "check answered": build.world(
        domain=build.domain(check_requested="a" * 64),
        memory=build.seen(build.MISSING, NOW, "a" * 64),
    ),
    "hostile answers": _hostile(Outcome.ANSWERED),
    "hostile silence": _hostile(Outcome.SERVER_FAILURE),
    "hostile lameness": _hostile(Outcome.LAME, cnames=()),
    "hostile signatures": _hostile(Outcome.BOGUS),
    "hostile places": _longest(HOSTILE_PLACES),
    **{
        f"hostile {obstacle}": _longest(replace(HOSTILE, obstacle=obstacle))
        for obstacle in Obstacle
    },
    "servers disagree": build.world(memory=build.seen(DIFFERENT)),
    "verified, servers disagree": build.world(claim=BY_HAND, memory=build.seen(DIFFERENT)),
    "verified before all servers had it": build.world(
        claim=build.claim(verification=build.proof(Method.MANUAL, seen=judged(LATE).seen)),
        memory=build.seen(LATE),
    ),
    "order by hand, not yet everywhere": build.world(
        claim=replace(BY_HAND, order=build.order(Method.MANUAL)),
        memory=build.seen(
            build.evidence(
                build.answer(build.TOKEN, build.DIGEST, **ONE), build.answer(build.TOKEN, **TWO)
            )
        ),
    ),
    "hostile CA": build.world(
        claim=replace(
            PROVED,
            failure=build.failure(message="x" * 500),
            certificate=build.certificate(secret_name="s" * 248),
        ),
        memory=FRESH,
    ),
}  # fmt: skip


def status_of(name: str) -> Status:
    """What `decide` has to say of the scene."""
    status = decide(SCENES[name], NOW).status
    assert status is not None
    return status
