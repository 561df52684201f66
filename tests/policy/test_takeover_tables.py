"""When a contender takes a claim over: rows of the holder's standing and of what the DNS shows."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, SECOND, TOKEN

from customdomains.model.claim import Claim, Contender, Holder, Standing
from customdomains.model.domain import Key
from customdomains.model.evidence import Evidence
from customdomains.policy.decide import decide
from customdomains.policy.jobs import CheckDns
from customdomains.policy.world import ReplaceClaim, World

HIS = "c" * 64
SEAT = Contender(
    "b" * 32, HIS, Holder(Key("other", "site"), "other-uid", "site-uid"), Standing(since=NOW - DAY)
)


def shows(*texts: str) -> Evidence:
    return build.evidence(build.answer(*texts) if texts else build.nothing())


def contested(**changed: Any) -> Claim:
    return build.claim(contenders=(SEAT,), **changed)


def gone(since: timedelta) -> Claim:
    return contested(verification=build.proof(gone_since=NOW - since))


UNPROVED = contested()
PROVED = contested(verification=build.proof())
AWAY = replace(PROVED, standing=Standing(vacant_since=NOW - HOUR))

ROWS: list[tuple[str, Claim, Evidence, timedelta, bool]] = [
    # name, the claim, what the DNS shows, how long ago it was asked, whether it is taken over
    ("nobody has proved anything", UNPROVED, shows(), SECOND, False),
    ("before the holder did", UNPROVED, shows(HIS), SECOND, True),
    ("both records are there, the holder's is not seen yet", UNPROVED, shows(TOKEN, HIS), SECOND,
     False),
    ("the holder's proof is good", PROVED, shows(HIS), SECOND, False),
    ("the holder's is gone, not for long", gone(HOUR), shows(HIS), SECOND, False),
    ("not for long enough", gone(72 * HOUR - SECOND), shows(HIS), SECOND, False),
    ("past its grace", gone(72 * HOUR), shows(HIS), SECOND, True),
    ("past its grace, and back just now", gone(80 * HOUR), shows(TOKEN, HIS), SECOND, False),
    ("past its grace, and back alone", gone(80 * HOUR), shows(TOKEN), SECOND, False),
    ("past its grace, seen a while ago", gone(80 * HOUR), shows(HIS), 5 * MINUTE, False),
    ("past its grace, out of reach", gone(80 * HOUR), build.SILENT, SECOND, False),
    ("the holder has deleted it", AWAY, shows(HIS), SECOND, True),
    ("the holder has deleted it and left the record", AWAY, shows(TOKEN, HIS), SECOND, True),
    ("the holder has deleted it, its record proves nobody else", AWAY, shows(TOKEN), SECOND, False),
]  # fmt: skip


def world(claim: Claim, found: Evidence, ago: timedelta) -> World:
    return build.world(
        key=SEAT.holder.key,
        domain=build.domain(key=SEAT.holder.key, uid=SEAT.holder.uid),
        claim=claim,
        namespace_uid=SEAT.holder.namespace_uid,
        memory=build.seen(found, NOW - ago),
    )


@pytest.mark.parametrize(("name", "claim", "found", "ago", "taken"), ROWS, ids=[r[0] for r in ROWS])
def test_when_it_is_taken_over(
    name: str, claim: Claim, found: Evidence, ago: timedelta, taken: bool
) -> None:
    plan = decide(world(claim, found, ago), NOW)
    assert isinstance(plan.claim, ReplaceClaim) is taken
    if isinstance(plan.claim, ReplaceClaim):
        after = plan.claim.claim
        assert (after.id, after.token, after.holder) == (SEAT.id, SEAT.token, SEAT.holder)
        assert after.verification is not None
        assert after.verification.gone_since is None
    else:
        asks = any(isinstance(job, CheckDns) for job in plan.jobs)
        assert asks or (plan.due is not None and plan.due > NOW), "it goes on looking"
