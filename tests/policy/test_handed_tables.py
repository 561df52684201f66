"""When cert-manager's Certificates are looked at, and what is said of a domain that is its."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import build
import pytest
from build import DAY, HOUR, MINUTE, NOW, SECOND

from customdomains.model.claim import CertificateRecord, Claim, Standing
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.handover import (
    CertificateState,
    Fault,
    Handover,
    IssuerRef,
    WantedCertificate,
)
from customdomains.model.reasons import Phase, Reason
from customdomains.policy import edge, expiry, handed, handover, issuers
from customdomains.policy.checking import Case
from customdomains.policy.conditions import phase_of
from customdomains.policy.decide import decide
from customdomains.policy.handwords import certificate_issued
from customdomains.policy.jobs import CheckDns, HandOver, HandResult, TakeBack
from customdomains.policy.world import Looked, Memory, ReplaceClaim

REF = IssuerRef("lets")
HEARD = "1 - -"


def theirs(**changed: Any) -> CustomDomain:
    return build.domain(**({"handed_to": REF, "secret_name": "shop-cm"} | changed))


def record(**changed: Any) -> Handover:
    values: dict[str, Any] = {
        "name": "shop",
        "issuer": REF,
        "secret_name": "shop-cm",
        "names": (build.DOMAIN,),
        "since": NOW - 2 * HOUR,
    }
    return Handover(**(values | changed))


def ready(**changed: Any) -> Handover:
    values: dict[str, Any] = {
        "ready": True,
        "not_before": NOW - 10 * DAY,
        "not_after": NOW + 80 * DAY,
        "renewal_time": NOW + 50 * DAY,
    }
    return record(**(values | changed))


def fault(reason: Reason = Reason.SECRET_CONFLICT, at: datetime = NOW - MINUTE) -> Fault:
    return Fault(reason, "it is there already", at)


def proved(have: Handover | None, **changed: Any) -> Claim:
    return build.claim(verification=build.proof(), handed=have, **changed)


def next_look(have: Handover, looked: Looked | None, started: datetime = NOW - DAY) -> timedelta:
    world = build.world(memory=Memory(looked=looked), started=started)
    return handed.next_look(world, theirs(), proved(have), NOW) - NOW


LOOKED = Looked(NOW, HEARD)


@pytest.mark.parametrize(
    ("have", "looked", "least", "most"),
    [
        (record(since=NOW - 10 * SECOND), LOOKED, 1 * SECOND, 2 * SECOND),
        (record(since=NOW - 4 * MINUTE), LOOKED, 3 * SECOND, 4 * SECOND),
        (record(since=NOW - 2 * HOUR), LOOKED, 5 * MINUTE, 6 * MINUTE),
        (record(since=NOW - 9 * DAY), LOOKED, 54 * MINUTE, HOUR),
        (ready(), LOOKED, 54 * MINUTE, HOUR),
        (ready(renewal_time=NOW + MINUTE), LOOKED, 3 * MINUTE, 3 * MINUTE),
        (ready(renewal_time=NOW - HOUR), LOOKED, 54 * MINUTE, HOUR),
        (record(fault=fault()), LOOKED, 54 * SECOND, MINUTE),
        (record(fault=fault(at=NOW - 9 * DAY)), LOOKED, 54 * MINUTE, HOUR),
        (record(fault=fault(Reason.CERT_MANAGER_MISSING)), LOOKED, 9 * MINUTE, 10 * MINUTE),
        (ready(), replace(LOOKED, heard="2 - -"), 0 * SECOND, 0 * SECOND),
        (ready(), replace(LOOKED, off=True), 0 * SECOND, 0 * SECOND),
        (ready(), replace(LOOKED, at=NOW + DAY), 0 * SECOND, 0 * SECOND),
        (record(since=NOW), None, 0 * SECOND, 0 * SECOND),
    ],
)
def test_when_it_is_looked_at(
    have: Handover, looked: Looked | None, least: timedelta, most: timedelta
) -> None:
    assert least <= next_look(have, looked) <= most


@pytest.mark.parametrize(("have", "within"), [(ready(), 2 * HOUR), (record(), 10 * MINUTE)])
def test_after_a_restart_the_looks_are_spread(have: Handover, within: timedelta) -> None:
    world = build.world(memory=Memory(), started=NOW)
    claims = [proved(have, id=f"{n * 0x1000003:032x}"[-8:] * 4) for n in range(200)]
    moments = [handed.next_look(world, theirs(), claim, NOW) - NOW for claim in claims]
    assert timedelta(0) <= min(moments)
    assert max(moments) <= within
    assert len({int(each / within * 10) for each in moments}) >= 4


@pytest.mark.parametrize(
    ("domain", "claim", "value", "reason", "phase"),
    [
        (theirs(), build.claim(), False, Reason.AWAITING_VERIFICATION, Phase.PENDING),
        (theirs(), proved(None), False, Reason.ORDER_DUE, Phase.VERIFIED),
        (
            theirs(issuance=Issuance.ON_REQUEST),
            proved(None),
            False,
            Reason.AWAITING_ISSUE_REQUEST,
            Phase.VERIFIED,
        ),
        (
            theirs(),
            proved(record()),
            False,
            Reason.AWAITING_CERT_MANAGER,
            Phase.CERTIFICATE_PENDING,
        ),
        (theirs(), proved(record(fault=fault())), False, Reason.SECRET_CONFLICT, Phase.FAILED),
        (theirs(), proved(ready()), True, Reason.ISSUED, Phase.ACTIVE),
        (theirs(), proved(ready(fault=fault())), True, Reason.ISSUED, Phase.ACTIVE),
        (
            theirs(),
            proved(ready(not_after=NOW)),
            False,
            Reason.CERTIFICATE_EXPIRED,
            Phase.CERTIFICATE_PENDING,
        ),
        (
            theirs(),
            proved(None, certificate=build.certificate()),
            True,
            Reason.ISSUED,
            Phase.ACTIVE,
        ),
    ],
)
def test_what_is_said(
    domain: CustomDomain, claim: Claim, value: bool, reason: Reason, phase: Phase
) -> None:
    told = certificate_issued(domain, claim, NOW)
    assert (told.value, told.reason) == (value, reason)
    assert phase_of(domain, claim, NOW, proof_expired=False) is phase


def test_a_new_fault_beside_a_certificate_that_serves_is_told() -> None:
    told = certificate_issued(theirs(), proved(ready(fault=fault())), NOW)
    assert told.message.endswith("can't be handed over: it is there already")


# --- the decision ---------------------------------------------------------------------------------


def test_a_first_proof_and_the_handover_are_one_write() -> None:
    memory = build.seen(build.DELEGATED)
    plan = decide(build.world(domain=theirs(), memory=memory), NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    after = plan.claim.claim
    assert after.verification is not None
    assert after.handed == record(since=NOW)


def test_nothing_of_our_own_engine_runs() -> None:
    """An own certificate that is due, with a failure whose wait is over."""
    old = build.certificate(facts=build.facts(NOW - 89 * DAY))
    claim = proved(record(), certificate=old)
    memory = build.seen(build.DELEGATED, looked=LOOKED)
    plan = decide(build.world(domain=theirs(), claim=claim, memory=memory), NOW)
    assert plan.jobs == ()
    assert plan.claim is None
    assert issuers.choose(theirs(), claim, build.RULES, NOW) is None


def test_an_order_under_way_is_given_up() -> None:
    claim = proved(None, order=build.order())
    plan = decide(build.world(domain=theirs(), claim=claim), NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    assert plan.claim.claim.order is None


def test_a_change_waits_for_a_fresh_proof() -> None:
    claim = proved(ready(names=("other.example.com",)))
    looked = replace(LOOKED, heard="another", at=NOW - HOUR)
    stale = build.seen(build.DELEGATED, NOW - HOUR, looked=looked)
    plan = decide(build.world(domain=theirs(), claim=claim, memory=stale), NOW)
    assert [type(job) for job in plan.jobs] == [CheckDns]
    fresh = build.seen(build.DELEGATED, looked=looked)
    plan = decide(build.world(domain=theirs(), claim=claim, memory=fresh), NOW)
    (job,) = plan.jobs
    assert isinstance(job, HandOver)
    assert job.fresh


@pytest.mark.parametrize(
    ("domain", "claim"),
    [
        (build.domain(), proved(ready())),
        (theirs(issuance=Issuance.NEVER), proved(ready())),
        (theirs(), proved(ready(name="former"))),
        (theirs(), build.claim(handed=ready())),
        (theirs(), replace(proved(ready()), verification=build.proof(gone_since=NOW - 4 * DAY))),
        (
            theirs(suspend=True),
            replace(proved(ready()), verification=build.proof(gone_since=NOW - 4 * DAY)),
        ),
    ],
)
def test_when_it_is_taken_back(domain: CustomDomain, claim: Claim) -> None:
    case = Case(build.world(domain=domain, claim=claim), domain, claim, None, NOW)
    job = handover.job(case)
    assert isinstance(job, TakeBack)
    done = HandResult(job, None, NOW)
    assert handover.let_go(claim, claim.id, done).handed is None


@pytest.mark.parametrize("domain", [theirs(), theirs(suspend=True), build.domain(suspend=True)])
def test_when_it_is_not(domain: CustomDomain) -> None:
    claim = proved(ready())
    memory = Memory(looked=LOOKED)
    case = Case(build.world(domain=domain, claim=claim, memory=memory), domain, claim, None, NOW)
    assert handover.job(case) is None


# --- what was found -------------------------------------------------------------------------------

WANTED = WantedCertificate(
    "tenant", "shop", build.UID, build.ID, REF, "shop-cm", (build.DOMAIN,), None
)
STATE = CertificateState(True, NOW, "Ready", "fine", NOW, NOW + 90 * DAY, NOW + 60 * DAY)


def found(
    outcome: CertificateState | Fault | None, wanted: WantedCertificate = WANTED
) -> HandResult:
    return HandResult(HandOver(wanted, fresh=True), outcome, NOW)


def test_a_ready_one_takes_the_place_of_our_own() -> None:
    claim = proved(record(), certificate=build.certificate())
    after = handover.take_in(theirs(), claim, found(STATE))
    assert after.certificate is None
    assert after.handed is not None
    assert (after.handed.ready, after.handed.not_after) == (True, NOW + 90 * DAY)


@pytest.mark.parametrize(
    "wanted",
    [
        replace(WANTED, id="f" * 32),
        replace(WANTED, owner="another"),
        replace(WANTED, name="another"),
    ],
)
def test_what_was_found_of_another_counts_for_nothing(wanted: WantedCertificate) -> None:
    claim = proved(record())
    assert handover.take_in(theirs(), claim, found(STATE, wanted)) == claim


def test_the_same_fault_is_the_same_claim() -> None:
    claim = proved(record(fault=fault()))
    again = found(replace(fault(), at=NOW))
    assert handover.take_in(theirs(), claim, again) == claim


def test_what_cert_manager_says_is_bounded_and_printable() -> None:
    said = replace(STATE, ready=False, reason="R" * 500, message="bad\x1b[31m" + "x" * 9999)
    after = handover.take_in(theirs(), proved(record()), found(said)).handed
    assert after is not None
    assert len(after.reason) <= 64
    assert len(after.message) <= 400
    assert after.message.isprintable()


# --- who else asks --------------------------------------------------------------------------------


def test_an_edge_serves_what_a_handed_wildcard_covers() -> None:
    names = (build.DOMAIN, f"*.{build.DOMAIN}")
    claim = proved(ready(names=names))
    claims = {claim.domain: claim}
    assert edge.may_be_served(f"a.{build.DOMAIN}", claims.get, build.RULES, NOW)
    assert not edge.may_be_served(f"a.b.{build.DOMAIN}", claims.get, build.RULES, NOW)


def test_its_end_is_counted_too() -> None:
    claim = proved(ready(not_after=NOW + 2 * DAY))
    assert expiry.count_left([claim], NOW)["3"] == 1
    assert expiry.soonest([claim], 1) == [claim]
    assert expiry.count_left([proved(record())], NOW).total() == 0


@pytest.mark.parametrize(
    ("have", "own", "told"),
    [
        (record(), None, "domain.certificate_issued"),
        (ready(not_after=NOW + DAY), None, "domain.certificate_renewed"),
        (record(), build.certificate(), "domain.certificate_renewed"),
    ],
)
def test_webhooks_tell_of_its_certificates(
    have: Handover, own: CertificateRecord | None, told: str
) -> None:
    rules = replace(build.RULES, claims=replace(build.RULES.claims, webhooks=True))
    phase = Phase.ACTIVE if own or have.ready else Phase.CERTIFICATE_PENDING
    claim = proved(have, certificate=own, standing=Standing(told=phase))
    memory = build.seen(build.DELEGATED, handed=found(STATE), looked=LOOKED)
    plan = decide(build.world(domain=theirs(), claim=claim, memory=memory, rules=rules), NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    assert plan.claim.claim.outbox[0].type == told
    assert "Secret shop-cm" in plan.claim.claim.outbox[0].text
