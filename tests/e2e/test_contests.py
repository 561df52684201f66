"""Many want one name: one has it, and who proves it gets it from one who does not."""

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.certificates import assert_serves
from e2e.domains import API, Domain, condition_of
from e2e.stage import Stage
from e2e.tenants import at_once, events_of, make_namespace, statuses
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

CROWD = 50
ROUNDS = 3
SEATS = 8  # of others, by default
HTTP_NAMESPACE = "default"  # the one of the api process


@pytest.fixture(scope="module")
def crowd(shared_stage: Stage) -> list[str]:
    """Namespaces of as many tenants."""
    makers: list[Callable[[], str]] = [lambda: make_namespace(shared_stage.plane)] * CROWD
    return at_once(makers)


@pytest.fixture
def wanted(stage: Stage) -> Iterator[str]:
    """A name that nobody has yet. All who want it give it up afterwards."""
    name = f"rush-{secrets.token_hex(4)}.example.com"
    yield name
    plane = stage.plane
    for item in plane.request("GET", f"{API}/customdomains")["items"]:
        if item["spec"]["domainName"] == name:
            meta = item["metadata"]
            path = f"{API}/namespaces/{meta['namespace']}/customdomains/{meta['name']}"
            plane.request("DELETE", path)


@pytest.fixture
def pair(stage: Stage, wanted: str) -> tuple[Domain, Domain]:
    """Two tenants who want the same name."""
    first, second = (
        Domain(stage.plane, stage.dns, make_namespace(stage.plane), wanted, stage.zone)
        for _ in range(2)
    )
    return first, second


def registered(domain: Domain) -> dict[str, Any]:
    """Create it; its status as soon as it has records to set."""
    domain.create()
    return domain.wait(lambda status: status.get("records"), "records to set")


def assert_names_nobody(found: dict[str, dict[str, Any]]) -> None:
    """No status tells a namespace that somebody else is in."""
    for namespace, status in found.items():
        said = json.dumps(status)
        assert not [other for other in found if other != namespace and other in said]


def assert_one_holder(stage: Stage, wanted: str, namespaces: list[str]) -> dict[str, Any]:
    """Everybody is told where they are, and one of them that it holds the name."""

    def told() -> dict[str, Any]:
        found = statuses(stage.plane, wanted)
        done = [status for status in found.values() if condition_of(status, "Claimed")]
        return found if len(done) == len(namespaces) else {}

    found = until(told, "everybody is told", explain=lambda: statuses(stage.plane, wanted))
    (claim,) = (
        item
        for item in stage.plane.request("GET", f"{API}/domainclaims")["items"]
        if item["metadata"]["name"] == wanted
    )
    holder = claim["spec"]["holderRef"]["namespace"]
    reasons = {ns: condition_of(status, "Claimed") for ns, status in found.items()}
    assert [ns for ns, said in reasons.items() if said["status"] == "True"] == [holder]
    seats = {each["holderRef"]["namespace"]: each for each in claim["status"]["contenders"]}
    expected = Counter({"Held": 1, "Contending": len(seats)})
    expected["TooManyContenders"] = len(namespaces) - expected.total()
    assert Counter(said["reason"] for said in reasons.values()) == +expected
    assert len(seats) == min(SEATS, len(namespaces) - 1)
    assert holder not in seats
    # Each seat has an identity of its own, and its own tenant is told that one.
    ids = {claim["spec"]["id"], *(seat["id"] for seat in seats.values())}
    assert len(ids) == 1 + len(seats)
    for namespace, seat in seats.items():
        status = found[namespace]
        assert (status["id"], status["verificationToken"]) == (seat["id"], seat["token"])
    assert found[holder]["id"] == claim["spec"]["id"]
    assert_names_nobody(found)
    return found


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_fifty_register_one_name_at_once_and_one_has_it(stage: Stage, crowd, wanted, turn):
    del turn
    wanting = [Domain(stage.plane, stage.dns, each, wanted, stage.zone) for each in crowd]
    at_once([each.create for each in wanting])
    found = assert_one_holder(stage, wanted, crowd)
    refused = [status for status in found.values() if not status.get("id")]
    assert len(refused) == CROWD - 1 - SEATS
    for status in refused:
        assert status["phase"] == "failed"
        assert not status.get("records")


def test_the_same_by_http_and_kubectl_mixed(stage: Stage, crowd, wanted, backend):
    namespaces = crowd[:SEATS]
    wanting = [Domain(stage.plane, stage.dns, each, wanted, stage.zone) for each in namespaces]
    calls: list[Callable[[], Any]] = []
    for each in wanting:
        calls += [each.create, lambda: backend.register(wanted)]
    answers = [each for each in at_once(calls) if isinstance(each, tuple)]
    made = [body for code, body in answers if code == 201]
    assert len(made) == 1, answers
    again = {(code, body["code"]) for code, body in answers if code != 201}
    assert again == {(500, "domain_already_registered")}
    found = assert_one_holder(stage, wanted, [*namespaces, HTTP_NAMESPACE])
    mine = found[HTTP_NAMESPACE]
    assert (mine["id"], mine["verificationToken"]) == (
        made[0]["id"],
        made[0]["verification_token"],
    )
    assert backend.call("DELETE", f"/domains/{made[0]['id']}")[0] == 204


def test_who_proves_it_takes_the_name_from_one_who_has_not(stage: Stage, pair):
    holder, other = pair
    first, second = registered(holder), registered(other)
    assert condition_of(second, "Claimed")["reason"] == "Contending"
    assert second["phase"] == "pending"
    assert {first["id"], first["verificationToken"]}.isdisjoint(
        {second["id"], second["verificationToken"]}
    )

    # The holder's token in the DNS proves the holder's right and nobody else's.
    other.set_txt(first["verificationToken"])
    assert other.wait_checked()["phase"] == "pending"
    stage.dns.clear(other.challenge_name)

    active = other.bring_to_active()
    assert (active["id"], condition_of(active, "Claimed")["reason"]) == (second["id"], "Held")
    assert_serves(other.secret() or {}, stage.pebble.roots(), other.domain)
    lost = holder.wait_phase("failed")
    assert condition_of(lost, "Claimed")["reason"] == "Lost"
    assert condition_of(lost, "Stalled")["status"] == "True"
    for each, reason in ((other, "TakenOver"), (holder, "Lost")):
        until(
            lambda each=each, reason=reason: reason in dict(events_of(each)),
            f"the Event {reason}",
            explain=lambda each=each: events_of(each),
        )
    for mine, theirs in (pair, pair[::-1]):
        said = json.dumps([mine.status(), events_of(mine)])
        assert theirs.namespace not in said

    # Who has lost is heard again when it asks, and gets nothing without a proof.
    holder.check()
    again = holder.wait(
        lambda status: condition_of(status, "Claimed").get("reason") == "Contending",
        "it contends again",
    )
    assert (again["phase"], again["id"]) == ("pending", first["id"])
    assert other.wait_checked()["phase"] == "active"


def test_who_has_proved_it_cannot_be_displaced(stage: Stage, pair):
    holder, other = pair
    first = registered(holder)
    holder.set_txt(first["verificationToken"])
    holder.check()
    holder.wait_phase("verified")
    second = registered(other)
    # Both proofs are there now, and the holder's stays good.
    holder.set_txt(first["verificationToken"], second["verificationToken"])
    late = other.wait_checked()
    assert (late["phase"], condition_of(late, "Claimed")["reason"]) == ("pending", "Contending")
    assert holder.wait_checked()["phase"] == "verified"
    assert (holder.claim() or {})["spec"]["holderRef"]["namespace"] == holder.namespace

    # The holder leaves. Its name is kept for it, unless somebody proves that it is theirs.
    holder.delete()
    taken = other.wait(
        lambda status: condition_of(status, "Claimed").get("reason") == "Held", "it is theirs"
    )
    assert taken["id"] == second["id"]


def test_name_reserved_by_an_administrator_is_for_one_namespace(stage: Stage, pair):
    owner, stranger = pair
    reservation = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "DomainClaim",
        "metadata": {"name": owner.domain},
        "spec": {"reservedFor": owner.namespace},
    }
    stage.plane.request("POST", f"{API}/domainclaims", reservation)
    stranger.create()
    refused = stranger.wait_phase("failed")
    assert condition_of(refused, "Claimed")["reason"] == "Reserved"
    assert owner.namespace not in json.dumps(refused)
    stranger.check()
    stranger.wait(lambda s: s.get("lastHandledCheckRequest"), "the check is heard")
    assert "holderRef" not in (owner.claim() or {})["spec"]

    registered(owner)
    owner.bring_to_active()
    owner.annotate("customdomains.dev/release-on-delete", "true")
    until(
        lambda: ((owner.claim() or {}).get("status", {}).get("standing") or {}).get("release"),
        "the annotation is known",
    )
    owner.delete()
    claim = until(
        lambda: (c := owner.claim() or {}) and "holderRef" not in c["spec"] and c,
        "the name is only reserved again",
        explain=owner.claim,
    )
    assert claim["spec"] == {"reservedFor": owner.namespace}
    assert "status" not in claim
    assert condition_of(stranger.status(), "Claimed")["reason"] == "Reserved"
    stage.plane.request("DELETE", f"{API}/domainclaims/{owner.domain}")
