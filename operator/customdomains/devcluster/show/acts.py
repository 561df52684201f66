"""The three acts of the demo: one domain each, from the user's first step to what comes of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from customdomains.devcluster.show.checks import NotSeenError
from customdomains.devcluster.show.stage import (
    Stage,
    condition_of,
    phase_of,
    ready_of,
    record_of,
)
from customdomains.devcluster.show.watch import Resource

DELEGATED = "shop.example.com"
BY_HAND = "app.example.org"
WRONG = "blog.example.com"
WRONG_ZONE = "example.com"

SEEN_DELEGATED = f"{DELEGATED} became active once its CNAME was set, with no further step"
SEEN_BY_HAND = f"{BY_HAND} was registered, verified and issued over HTTP, its challenge set by hand"
SEEN_WRONG = f"for {WRONG} the operator named the mistake and its mend, and went on once mended"
SEEN_TABLE = "kubectl shows all three as active"
SEEN_CERTIFICATES = "all certificates are in their Secrets, their chains lead to the CA's root"

ALL = (SEEN_DELEGATED, SEEN_BY_HAND, SEEN_WRONG, SEEN_TABLE, SEEN_CERTIFICATES)


def delegated(stage: Stage) -> None:
    """A CustomDomain applied with kubectl, delegated by CNAME: all else happens by itself."""
    stage.terminal.heading("1  kubectl apply, and a CNAME")
    stage.tell("A tenant writes a manifest and applies it.")
    stage.apply("delegated.yaml")
    found = stage.wait(DELEGATED, "to list the records that would do", _looked_up)
    record = _wanted(found, "Delegation")
    stage.tell("The status lists the records that would do. The tenant sets the CNAME:")
    stage.set_record("CNAME", record["name"], record["value"])
    found = stage.wait(DELEGATED, "to become active", _active)
    _was_pending_first(stage, DELEGATED)
    if _wanted(found, "Delegation")["state"] != "Present":
        raise NotSeenError(f"{DELEGATED} is active, and yet its CNAME is not said to be there")
    stage.checks.saw(SEEN_DELEGATED)


def by_hand(stage: Stage) -> None:
    """A domain registered over HTTP, proved by TXT; its challenge is answered by its owner."""
    stage.terminal.heading("2  POST /domains, and TXT records set by hand")
    stage.tell("The platform's backend registers a domain for another tenant.")
    stage.began()
    made = stage.ask("POST", "/domains", HTTPStatus.CREATED, {"domain_name": BY_HAND})
    path = f"/domains/{made['id']}"
    stage.wait(BY_HAND, "to be looked up", _looked_up)
    stage.tell("The tenant sets the TXT record, and the backend asks for a check now.")
    stage.set_record("TXT", f"_acme-challenge.{BY_HAND}.", made["verification_token"])
    stage.ask("POST", f"{path}/verify", HTTPStatus.OK)
    stage.wait(BY_HAND, "to be verified", lambda found: phase_of(found) == "verified")
    stage.tell("A certificate takes one more record, so it is ordered only when it is asked for.")
    order = stage.ask("POST", f"{path}/issue-certificate", HTTPStatus.ACCEPTED)
    stage.tell("The tenant answers the challenge beside the token.")
    stage.set_record("TXT", f"{order['challenge_domain']}.", order["expected_txt_value"])
    stage.wait(BY_HAND, "to become active", _active)
    _was_pending_first(stage, BY_HAND)
    stage.tell("What the backend can tell its customer:")
    stage.ask("GET", f"{path}/certificate", HTTPStatus.OK)
    stage.checks.saw(SEEN_BY_HAND)


def wrong(stage: Stage) -> None:
    """A CNAME whose target lacks the dot at its end, until somebody reads what is said about it."""
    stage.terminal.heading("3  A record that is wrong, and its mend")
    stage.tell("A third tenant wants a wildcard certificate.")
    stage.apply("wildcard.yaml")
    found = stage.wait(WRONG, "to list the records that would do", _looked_up)
    record = _wanted(found, "Delegation")
    stage.tell(
        "The tenant types the target without the dot at its end. The DNS panel takes it for a name "
        f"inside {WRONG_ZONE} and appends that."
    )
    wanted, mistaken = record["value"], f"{record['value']}{WRONG_ZONE}."
    stage.set_record("CNAME", record["name"], mistaken)
    found = stage.wait(WRONG, "to tell what is wrong", _mistake_seen)
    stage.tell("What was wanted and what was seen, side by side in status.records:")
    show_records(stage, found)
    message = _wanted(found, "Delegation")["message"]
    both = mistaken in message and wanted in message.replace(mistaken, "")
    if phase_of(found) != "pending" or not both:
        raise NotSeenError(f"{WRONG} is {phase_of(found)}, and the operator says: {message}")
    stage.tell("The tenant does what it says.")
    stage.set_record("CNAME", record["name"], wanted)
    stage.wait(WRONG, "to become active", _active)
    _was_pending_first(stage, WRONG)
    stage.checks.saw(SEEN_WRONG)


def show_records(stage: Stage, found: Resource) -> None:
    """The records of a status, each with what is wanted, what was seen, and what to do."""
    for record in found["status"]["records"]:
        name = f"{record['type']} {record['name']}"
        stage.terminal.line(name, "bold", indent="  ")
        rows = [("wanted", record["value"]), ("state", record["state"])]
        rows += [("seen", _in_words(seen)) for seen in record.get("seen", [])]
        rows.append(("says", record["message"]))
        for label, text in rows:
            colour = {"Present": "green", "Missing": "yellow"}.get(record["state"], "red")
            stage.terminal.row(f"    {label:<8}", text, *((colour,) if label == "state" else ()))
        stage.terminal.gap()


def _in_words(seen: dict[str, Any]) -> str:
    """What one server answered."""
    parts = [f"{seen['server']}: {', '.join(seen.get('values', ())) or seen['outcome']}"]
    if "ttl" in seen:
        parts.append(f"TTL {seen['ttl']} s")
    if seen.get("authentic"):
        parts.append("secured by DNSSEC")
    return ", ".join([*parts, f"{seen.get('milliseconds', 0)} ms"])


def _looked_up(found: Resource) -> bool:
    return bool(condition_of(found, "Verified")["reason"] == "RecordMissing")


def _active(found: Resource) -> bool:
    return phase_of(found) == "active" and ready_of(found)["status"] == "True"


def _mistake_seen(found: Resource) -> bool:
    record = record_of(found, "Delegation")
    return record is not None and record["state"] == "Mismatch"


def _wanted(found: Resource, purpose: str) -> dict[str, Any]:
    record = record_of(found, purpose)
    if record is None:
        raise NotSeenError(f"status.records of {found['spec']['domainName']} lacks {purpose}")
    return record


def _was_pending_first(stage: Stage, domain: str) -> None:
    phases = stage.phases[domain]
    if phases[0] != "pending" or phases[-1] != "active":
        raise NotSeenError(f"{domain} went from {phases[0]} to {phases[-1]}")
