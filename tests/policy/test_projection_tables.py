"""What people read: phase, conditions and records of every kind of status."""

from dataclasses import replace
from typing import Any

import build
import pytest
from build import DAY, HOUR, NOW
from scenes import LATE, NAME_SERVERS, SCENES, status_of
from schema import faults, schema_of

from customdomains.model.evidence import Evidence
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import mark_of
from customdomains.policy.decide import decide
from customdomains.policy.findings import conclusive, judge
from customdomains.policy.standing import sleeps
from customdomains.policy.world import Memory, ReplaceClaim, World

# phase, Ready's value and reason, and some words that its message has to have
ROWS: list[tuple[str, Phase, bool, str, tuple[str, ...]]] = [
    ("refused", Phase.FAILED, False, "PublicSuffix", ("co.uk",)),
    ("taken", Phase.FAILED, False, "HeldByAnother", ("registered already", "once that is")),
    ("not allowed", Phase.FAILED, False, "NameNotAllowed", ("keeps example.com",)),
    ("over quota", Phase.FAILED, False, "QuotaExceeded", ("has 2 domains", "delete one")),
    ("reserved", Phase.FAILED, False, "Reserved", ("ask the operator of this platform",)),
    ("no room", Phase.FAILED, False, "TooManyContenders", ("8 others wait",)),
    ("contending", Phase.PENDING, False, "Contending",
     ("without having proved", "there is no record at")),
    ("contending, proved", Phase.PENDING, False, "Contending",
     ("and proved to own it", "remove the record at _acme-challenge.shop.example.com. that",
      "gone for 72 hours", ". Your record is there")),
    ("contending with a proved holder", Phase.PENDING, False, "Contending",
     ("and proved to own it", "there is no record at")),
    ("contending, the holder's proof gone", Phase.PENDING, False, "Contending",
     ("counts until 2026-03-04T11:00:00Z",)),
    ("contending, the holder's proof gone for long", Phase.PENDING, False, "Contending",
     ("gone for too long",)),
    ("contending with one who is away", Phase.PENDING, False, "Contending",
     ("has deleted it", "the first to prove it")),
    ("contending, reserved since", Phase.PENDING, False, "Contending", ("reserved for somebody",)),
    ("contending, suspended", Phase.PENDING, False, "Suspended", ("suspended; ",)),
    ("contending, silent", Phase.PENDING, False, "Contending", ("could not be looked up",)),
    ("contending, no contests any more", Phase.PENDING, False, "Contending",
     ("once they have deleted it",)),
    ("lost", Phase.FAILED, False, "Lost", ("somebody else has proved", "check-requested-at")),
    ("claim expired", Phase.FAILED, False, "ClaimExpired",
     ("by 2026-02-27T12:00:00Z", "check-requested-at")),
    ("expired behind another", Phase.FAILED, False, "ClaimExpired", ("not kept",)),
    ("missing", Phase.PENDING, False, "RecordMissing", ("create a TXT",)),
    ("wrong value", Phase.PENDING, False, "RecordMismatch", ('"v=spf1 -all"', "add one with")),
    ("quoted value", Phase.PENDING, False, "QuotedValue", ("without quotes or spaces",)),
    ("wrong target", Phase.PENDING, False, "WrongTarget", ("other.example.org", "change its")),
    ("zone appended", Phase.PENDING, False, "WrongTarget", ("appended", "dot at its end")),
    ("inside itself", Phase.PENDING, False, "WrongTarget", ("whole target",)),
    ("silent", Phase.PENDING, False, "LookupFailed", ("no answer in time", "tried again")),
    ("servers disagree", Phase.PENDING, False, "ServersDisagree", ("1 of 2 name servers",)),
    ("verified, servers disagree", Phase.VERIFIED, False, "AwaitingIssueRequest", ("over HTTP",)),
    ("our zone is silent", Phase.PENDING, False, "LookupFailed", ("is right", "platform")),
    ("a wrong target is silent", Phase.PENDING, False, "LookupFailed", ("gone.example.org",)),
    ("verified, being ordered", Phase.VERIFIED, False, "OrderDue", ("as soon as",)),
    ("verified by hand", Phase.VERIFIED, False, "AwaitingIssueRequest", ("issue-requested-at",)),
    ("verified by a digest", Phase.VERIFIED, False, "AwaitingIssueRequest", ("over HTTP",)),
    ("verified, on request", Phase.VERIFIED, False, "AwaitingIssueRequest", ("OnRequest",)),
    ("verified, never", Phase.VERIFIED, True, "Ready", ("the domain is verified",)),
    ("failed, then never", Phase.VERIFIED, True, "Ready", ("the domain is verified",)),
    ("issuer unknown", Phase.VERIFIED, False, "UnknownIssuer", ('"x"', "pebble, other")),
    ("no issuers", Phase.VERIFIED, False, "UnknownIssuer", ("name no issuer",)),
    ("order under way", Phase.CERTIFICATE_PENDING, False, "OrderUnderWay", ("being answered",)),
    ("order by hand", Phase.CERTIFICATE_PENDING, False, "AwaitingChallengeRecord", ("Challenge",)),
    ("order that failed for now", Phase.CERTIFICATE_PENDING, False, "CAUnreachable",
     ("an order is placed, but The CA does not answer", "next try is at 2026-03-01T12:00:55Z")),
    ("order, proof gone", Phase.CERTIFICATE_PENDING, False, "AwaitingVerification",
     ("is back; the proof of ownership is gone: there is no record at", "It counts until")),
    ("failed", Phase.FAILED, False, "CAUnreachable", ("next try is at", "check-requested-at")),
    ("failed, the CA's moment", Phase.FAILED, False, "CAUnreachable", ("next try is at",)),
    ("failed by hand", Phase.FAILED, False, "CAUnreachable", ("not tried again by itself",)),
    ("active", Phase.ACTIVE, True, "Ready", ("its certificate is in place",)),
    ("active, silent", Phase.ACTIVE, True, "Ready", ("its certificate is in place",)),
    ("active, gone", Phase.ACTIVE, True, "Ready", ("but the proof of ownership is gone",
                                                   "counts until 2026-03-04T11:00:00Z")),
    ("active, gone, now silent", Phase.ACTIVE, True, "Ready", ("was not there at the last",)),
    ("renewing", Phase.ACTIVE, True, "Ready", ("in place",)),
    ("renewal failed", Phase.ACTIVE, True, "Ready", ("in place",)),
    ("expired", Phase.VERIFIED, False, "CertificateExpired", ("expired at", "asked for")),
    ("expired, failed", Phase.FAILED, False, "CAUnreachable", ("expired at", "next try")),
    ("lapsed", Phase.FAILED, False, "ProofExpired", ("too long to count", "create a TXT")),
    ("suspended", Phase.PENDING, False, "Suspended", ("suspended; ",)),
    ("suspended, active", Phase.ACTIVE, True, "Suspended", ("suspended; ",)),
    ("suspended, gone", Phase.VERIFIED, False, "Suspended", ("suspended; ",)),
]  # fmt: skip


def conditions(name: str) -> dict[str, dict[str, Any]]:
    return {c["type"]: c for c in status_of(name).render()["conditions"]}


@pytest.mark.parametrize(
    ("name", "phase", "ready", "reason", "words"), ROWS, ids=[r[0] for r in ROWS]
)
def test_ready(name: str, phase: Phase, ready: bool, reason: str, words: tuple[str, ...]) -> None:
    status = status_of(name).render()
    found = conditions(name)
    assert status["phase"] == phase
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == (str(ready), reason)
    for word in words:
        assert word in found["Ready"]["message"]
    assert ("Stalled" in found) is (phase == Phase.FAILED)
    working = phase in {Phase.PENDING, Phase.CERTIFICATE_PENDING} and reason != "Suspended"
    assert ("Reconciling" in found) is working
    assert status["conditions"][0]["type"] == "Ready"


def test_who_lost_a_domain_hears_of_the_secret_that_there_is() -> None:
    world = SCENES["lost"]
    assert world.claim is not None
    (seat,) = world.claim.contenders
    for have, told in ((build.certificate(), True), (None, False)):
        condition = sleeps(world.claim, replace(seat, certificate=have))
        assert ("The Secret is kept" in condition.message) is told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("renewing", ("in the Secret shop-tls", "an order is placed")),
        ("renewal failed", ("The CA does not answer. The next try",)),
        ("renewal by hand", ("a new one is due", "issue-requested-at")),
        ("renewal, issuer unknown", ("a new one is due, but", '"x"')),
        ("active", ("in the Secret shop-tls",)),
    ],
)
def test_what_is_said_of_the_next_certificate(name: str, words: tuple[str, ...]) -> None:
    issued = conditions(name)["CertificateIssued"]
    assert issued["status"] == "True"
    assert all(word in issued["message"] for word in words)


RECORDS: list[tuple[str, list[tuple[str, str, str]]]] = [
    ("missing", [("Ownership", "TXT", "Missing"), ("Delegation", "CNAME", "Missing")]),
    ("contending", [("Ownership", "TXT", "Missing"), ("Delegation", "CNAME", "Missing")]),
    ("contending, proved", [("Ownership", "TXT", "Present"), ("Delegation", "CNAME", "Missing")]),
    ("lost", [("Ownership", "TXT", "Unknown"), ("Delegation", "CNAME", "Unknown")]),
    ("claim expired", [("Ownership", "TXT", "Unknown"), ("Delegation", "CNAME", "Unknown")]),
    ("wrong value", [("Ownership", "TXT", "Mismatch"), ("Delegation", "CNAME", "Conflict")]),
    ("wrong target", [("Ownership", "TXT", "Conflict"), ("Delegation", "CNAME", "Mismatch")]),
    ("silent", [("Ownership", "TXT", "Unreachable"), ("Delegation", "CNAME", "Unreachable")]),
    ("suspended", [("Ownership", "TXT", "Unknown"), ("Delegation", "CNAME", "Unknown")]),
    ("active", [("Delegation", "CNAME", "Present")]),
    ("active, silent", [("Delegation", "CNAME", "Unreachable")]),
    ("active, gone", [("Delegation", "CNAME", "Missing")]),
    ("verified by hand", [("Ownership", "TXT", "Present")]),
    ("verified by a digest", [("Ownership", "TXT", "Present")]),
    ("order by hand", [("Ownership", "TXT", "Present"), ("Challenge", "TXT", "Missing")]),
    ("servers disagree", [("Ownership", "TXT", "Mismatch"), ("Delegation", "CNAME", "Missing")]),
    ("verified, servers disagree", [("Ownership", "TXT", "Mismatch")]),
    ("verified before all servers had it", [("Ownership", "TXT", "Present")]),
    ("order by hand, not yet everywhere",
     [("Ownership", "TXT", "Present"), ("Challenge", "TXT", "Mismatch")]),
    ("order by hand, silent",
     [("Ownership", "TXT", "Unreachable"), ("Challenge", "TXT", "Unreachable")]),
    ("two orders by hand, one found",
     [("Ownership", "TXT", "Present"), ("Challenge", "TXT", "Present"),
      ("Challenge", "TXT", "Missing")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wanted"), RECORDS, ids=[row[0] for row in RECORDS])
def test_records(name: str, wanted: list[tuple[str, str, str]]) -> None:
    records = status_of(name).render()["records"]
    assert [(r["purpose"], r["type"], r["state"]) for r in records] == wanted
    assert {r["name"] for r in records} == {f"_acme-challenge.{build.DOMAIN}."}
    values = {r["purpose"]: r["value"] for r in records}
    assert values.get("Ownership", build.TOKEN) == build.TOKEN
    assert values.get("Delegation", f"{build.TARGET}.") == f"{build.TARGET}."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "verified before all servers had it",
            "DNSSEC vouches for it; at 2 of 3 servers: ns2.example.net (192.0.2.2:53) did not have",
        ),
        (
            "order by hand, not yet everywhere",
            "found at 1 of 2 servers; ns2.example.net (192.0.2.2:53) still answer without it",
        ),
        ("active, gone", "or create a CNAME at"),
    ],
)
def test_what_the_last_record_says(name: str, words: str) -> None:
    assert words in status_of(name).render()["records"][-1]["message"]


def test_a_proof_that_some_servers_lacked_is_brought_up_to_date_once() -> None:
    """The claim keeps what was seen when it was proved; not what every check sees."""
    world = SCENES["verified before all servers had it"]
    assert not isinstance(decide(world, NOW).claim, ReplaceClaim)
    full = build.evidence(*(build.answer(build.TOKEN, **ns) for ns in NAME_SERVERS))
    plan = decide(replace(world, memory=build.seen(full)), NOW)
    assert isinstance(plan.claim, ReplaceClaim)
    after = replace(world, claim=plan.claim.claim, memory=build.seen(full))
    status = decide(after, NOW).status
    assert status is not None
    assert status.render()["records"][0]["message"] == "found as wanted"
    again = decide(replace(after, memory=build.seen(LATE)), NOW)
    assert again.claim is None


@pytest.mark.parametrize("name", SCENES)
def test_the_server_takes_it(name: str) -> None:
    """By its schema; tests/crds has the real server take it."""
    status = status_of(name)
    rendered = status.render()
    assert list(faults(schema_of("CustomDomain")["properties"]["status"], rendered)) == []
    assert mark_of(rendered) == status.mark


@pytest.mark.parametrize("name", SCENES)
def test_it_can_be_shown_on_a_terminal(name: str) -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [t for item in value.values() for t in texts(item)]
        if isinstance(value, list):
            return [t for item in value for t in texts(item)]
        return [str(value)]

    assert all(text.isprintable() for text in texts(status_of(name).render()))


def undecided(world: World) -> bool:
    """Nobody waits for the next check to say what could not be found out in this one."""
    check = world.memory.check
    if check is None or world.claim is None:
        return False
    return not conclusive(judge(check.evidence, world.claim, build.ZONE, check.at))


@pytest.mark.parametrize("name", SCENES)
def test_a_restart_changes_no_word(name: str) -> None:
    """What a new process says after the same answer from the DNS, if it asks at all."""
    world = SCENES[name]
    said = status_of(name)
    fresh = decide(replace(world, memory=Memory()), NOW)
    if fresh.status is not None and not (world.memory.check and fresh.jobs):
        assert undecided(world) or fresh.status.mark == said.mark
    check = world.memory.check
    again = decide(replace(world, memory=Memory(check=check, attempts=1)), NOW)
    assert again.status is not None
    assert again.status.mark == said.mark


@pytest.mark.parametrize("name", SCENES)
def test_no_word_changes_with_time_alone(name: str) -> None:
    world, said = SCENES[name], status_of(name)
    plan = decide(world, NOW)
    step = HOUR if plan.due is None else (plan.due - NOW) * 0.99
    later = decide(world, NOW + step)
    if isinstance(later.claim, ReplaceClaim) or later.status is None:
        return
    assert later.status.mark == said.mark


@pytest.mark.parametrize("name", SCENES)
def test_reasons_are_of_the_closed_list(name: str) -> None:
    assert {c["reason"] for c in status_of(name).render()["conditions"]} <= set(Reason)


def test_what_changes_with_every_check_is_no_meaning() -> None:
    one = decide(build.world(memory=build.seen(build.MISSING, NOW)), NOW).status
    other = decide(
        build.world(
            memory=Memory(check=build.check(build.MISSING, NOW - 2 * build.SECOND), attempts=9)
        ),
        NOW,
    ).status
    assert one is not None
    assert other is not None
    assert one.render() != other.render()
    assert one.mark == other.mark


def test_ready_since_its_own_change() -> None:
    """Proving the domain does not move the time since which it is not ready."""
    world = SCENES["verified by hand"]
    assert world.claim is not None
    ready = conditions("verified by hand")["Ready"]
    assert ready["lastTransitionTime"] == world.claim.created.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert conditions("lapsed")["Ready"]["lastTransitionTime"] == "2026-02-28T12:00:00Z"
    assert DAY * 4 - build.RULES.grace_period == DAY


@pytest.mark.parametrize("found", [build.MISSING, build.SILENT, build.TOKENED])
def test_what_a_suspended_domain_says_outlives_a_restart(found: Evidence) -> None:
    """Nobody would look at the DNS after it."""
    world = replace(SCENES["suspended, gone"], memory=build.seen(found, NOW - 2 * HOUR))
    plan = decide(world, NOW)
    if isinstance(plan.claim, ReplaceClaim):
        world = replace(world, claim=plan.claim.claim)
        plan = decide(world, NOW)
    fresh = decide(replace(world, memory=Memory()), NOW)
    assert plan.status is not None
    assert fresh.status is not None
    assert fresh.status.mark == plan.status.mark
