"""Webhooks on the controller's real parts: what is told, in which order, at which price, and what
survives kills and receivers that are away."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from fake_api import CLAIMS, DOMAINS
from fake_cluster import NAME, SHOP, FakeCluster, verbs
from fake_controller import RULES
from fake_receivers import FakeReceivers

from customdomains.model.domain import Key
from customdomains.model.webhook import Receipt
from customdomains.policy.telling import OUTBOX

HOOK, OTHER = "https://hooks.example.net/1", "https://hooks.example.org/2"
TOLD = replace(RULES, claims=replace(RULES.claims, webhooks=True))
DAY = 86_400.0
BLOG = Key("two", "blog")
WAY = ["pending", "verified", "certificate_pending", "certificate_issued", "active"]
DOWN = Receipt(503)


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """One receiver, no controller yet."""
    cluster = FakeCluster(rules=TOLD)
    cluster.receivers = FakeReceivers(HOOK)
    yield cluster
    cluster.close()


@pytest.fixture
def active(cluster: FakeCluster) -> FakeCluster:
    """A controller `a`, and the delegated domain `SHOP`, active and all told."""
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    assert cluster.receivers.told() == WAY
    cluster.receivers.got.clear()
    cluster.receivers.tries.clear()
    cluster.forget_writes()
    return cluster


def bodies(cluster: FakeCluster) -> list[dict]:
    return [body["data"] for _, _, body in cluster.receivers.got]


# --- what is told, and what it costs --------------------------------------------------------------


def test_the_way_to_active_is_told_in_order_for_one_write_more(cluster):
    cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(1)
    cluster.dns.records[NAME] = "delegated"
    cluster.run_for(60)
    assert cluster.receivers.told() == WAY
    assert verbs(cluster) == {
        ("create", CLAIMS): 1,
        ("update", CLAIMS): 3,
        ("update", DOMAINS): 3,
        ("create", "secrets"): 2,
        ("delete", "secrets"): 1,
    }
    claim = cluster.claim(NAME)
    assert claim.outbox == ()
    assert [(b["previous_status"], b["status"]) for b in bodies(cluster)] == [
        (None, "pending"),
        ("pending", "verified"),
        ("verified", "certificate_pending"),
        ("certificate_pending", "certificate_pending"),
        ("certificate_pending", "active"),
    ]
    assert {(b["id"], b["domain_name"], b["namespace"], b["name"]) for b in bodies(cluster)} == {
        (claim.id, NAME, "one", "shop")
    }
    assert all(b["reason"] and b["message"] for b in bodies(cluster))
    assert len({message_id for _, message_id, _ in cluster.receivers.got}) == len(WAY)


def test_who_waits_for_the_record_costs_two_writes_more(cluster):
    cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(120)
    cluster.dns.records[NAME] = "delegated"
    cluster.run_for(120)
    assert cluster.receivers.told() == WAY
    assert verbs(cluster)["update", CLAIMS] == 2 + 2


def test_without_receivers_it_costs_nothing(cluster):
    cluster.receivers = FakeReceivers()
    cluster.rules = RULES
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    assert cluster.receivers.tries == []
    assert verbs(cluster)["update", CLAIMS] == 2
    body = cluster.api.find(CLAIMS)[0]
    assert "outbox" not in body["status"]
    assert "told" not in body["status"].get("standing", {})


def test_an_idle_week_tells_and_writes_nothing(active):
    active.run_for(5 * DAY)
    assert active.meaningful == []
    assert active.receivers.tries == []


def test_a_proof_that_goes_and_comes_back_is_told_and_so_is_its_end(active):
    active.dns.records[NAME] = "none"
    active.run_for(2 * DAY)
    assert active.receivers.told() == ["proof_gone"]
    assert bodies(active)[0]["status"] == bodies(active)[0]["previous_status"] == "active"
    active.run_for(3 * DAY)
    assert active.receivers.told() == ["proof_gone", "failed"], "its end comes without a check"
    assert bodies(active)[1]["reason"] == "ProofExpired"
    active.dns.records[NAME] = "delegated"
    active.run_for(2 * DAY)
    assert active.receivers.told() == ["proof_gone", "failed", "proof_back", "active"]
    assert active.status(SHOP)["phase"] == "active"


def test_a_renewal_is_told(active):
    serial = active.claim(NAME).certificate.facts.serial_number
    active.edit(SHOP, wildcard=True)
    active.run_for(60)
    assert active.receivers.told() == ["certificate_renewed"]
    assert serial not in bodies(active)[0]["message"]


def test_what_the_spec_alone_changes_is_told(cluster):
    """No proof, no order and no certificate changes, so nothing else is written."""
    cluster.start("a")
    cluster.ca.down = True
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    assert cluster.status(SHOP)["phase"] == "failed"
    cluster.edit(SHOP, certificate={"issuance": "Never"})
    cluster.run_for(60)
    assert cluster.receivers.told()[-2:] == ["failed", "verified"]


# --- who leaves, loses and comes back -------------------------------------------------------------


def test_a_deletion_is_told_and_the_return(active):
    subject = active.claim(NAME).id
    active.delete(SHOP)
    active.run_for(60)
    assert active.receivers.told() == ["deleted"]
    assert bodies(active)[0]["status"] is None
    assert bodies(active)[0]["previous_status"] == "active"
    active.apply(SHOP, NAME)
    active.run_for(60)
    assert active.receivers.told() == ["deleted", "active"]
    assert bodies(active)[1]["previous_status"] is None
    assert {body["id"] for body in bodies(active)} == {subject}


def test_who_deletes_over_http_frees_the_name_at_once_and_all_is_told(active):
    active.receivers.answers[HOOK] = DOWN
    active.delete_over_http(SHOP)
    active.run_for(60)
    assert active.claim(NAME).seats == ()
    active.dns.records[NAME] = "none"
    active.apply(BLOG, NAME)
    active.run_for(2)
    assert active.claim(NAME).holder.key == BLOG
    del active.receivers.answers[HOOK]
    active.run_for(300)
    told = {(body["name"], body["status"]) for body in bodies(active)}
    assert told == {("shop", None), ("blog", "pending")}


def test_a_claim_that_nobody_holds_goes_once_all_is_told(active):
    active.receivers.answers[HOOK] = DOWN
    active.delete_over_http(SHOP)
    active.run_for(60)
    assert [message.type for message in active.claim(NAME).outbox] == ["domain.deleted"]
    del active.receivers.answers[HOOK]
    active.run_for(300)
    assert active.receivers.told() == ["deleted"]
    assert active.claims == []


def test_who_loses_a_name_is_told_and_who_gets_it(cluster):
    cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(30)
    cluster.apply(BLOG, NAME)
    cluster.run_for(30)
    cluster.dns.records[NAME] = "token:two"
    cluster.run_for(600)
    by_name = {
        name: [b["status"] for b in bodies(cluster) if b["name"] == name]
        for name in ("shop", "blog")
    }
    assert by_name == {"shop": ["pending", "failed"], "blog": ["pending", "verified"]}
    assert "lost" in cluster.receivers.told()


# --- receivers that are away ----------------------------------------------------------------------


def test_a_receiver_that_is_away_is_tried_ever_more_slowly_and_gets_all_in_order(cluster):
    cluster.receivers.answers[HOOK] = DOWN
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(0.8 * DAY)
    times = [at for at, _, _ in cluster.receivers.tries]
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert 2.5 <= pauses[0] <= 6
    assert 1800 <= pauses[-1] <= 3601
    assert 20 <= len(times) <= 60
    assert len({message_id for _, _, message_id in cluster.receivers.tries}) == 1, "in order"
    del cluster.receivers.answers[HOOK]
    cluster.run_for(3700)
    assert cluster.receivers.told() == WAY
    assert cluster.claim(NAME).outbox == ()


def test_it_slows_no_domain_down(cluster):
    cluster.receivers.answers[HOOK] = Receipt(None, "there was no answer within 10 s")
    cluster.receivers.latency = 10.0
    cluster.start("a")
    for number in range(40):
        cluster.dns.records[f"d{number}.example.com"] = "delegated"
        cluster.apply(Key("one", f"d{number}"), f"d{number}.example.com")
    cluster.run_for(10)
    assert {cluster.status(domain.key)["phase"] for domain in cluster.domains} == {"active"}


def test_a_namespace_with_much_to_tell_delays_no_other(cluster):
    cluster.receivers.latency = 9.0
    cluster.start("a")
    for number in range(200):
        cluster.apply(Key("one", f"d{number}"), f"d{number}.example.com")
    cluster.run_for(5)
    cluster.apply(BLOG, "blog.example.com")
    cluster.run_for(15)
    names = [body["name"] for body in bodies(cluster)]
    assert "blog" in names
    assert len(names) < 40


def test_one_receiver_that_is_away_holds_up_no_other(cluster):
    cluster.receivers = FakeReceivers(HOOK, OTHER)
    cluster.receivers.answers[HOOK] = DOWN
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    assert cluster.receivers.told(OTHER) == WAY
    assert {len(message.done) for message in cluster.claim(NAME).outbox} == {1}
    cluster.kill("a")
    cluster.start("b")
    del cluster.receivers.answers[HOOK]
    cluster.run_for(300)
    assert cluster.receivers.told(OTHER) == WAY, "what is written down is not posted twice"
    assert cluster.receivers.told(HOOK) == WAY
    assert cluster.claim(NAME).outbox == ()


def test_after_a_day_it_is_given_up_and_told_by_an_event(cluster):
    cluster.receivers.answers[HOOK] = DOWN
    process = cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(DAY - 60)
    assert (SHOP, "WebhookUndelivered") not in process.announced.events
    cluster.run_for(120)
    assert process.announced.events.count((SHOP, "WebhookUndelivered")) == 1
    assert cluster.claim(NAME).outbox == ()


def test_a_receiver_that_is_gone_gets_it_once(cluster):
    cluster.receivers.answers[HOOK] = Receipt(410)
    process = cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    assert len(cluster.receivers.tries) == 1
    assert process.announced.events.count((SHOP, "WebhookUndelivered")) == 1
    assert cluster.claim(NAME).outbox == ()


def test_a_receiver_that_wants_peace_has_it_from_all_domains(cluster):
    cluster.receivers.answers[HOOK] = Receipt(429, rest=timedelta(minutes=10))
    cluster.start("a")
    cluster.apply(SHOP, NAME)
    cluster.run_for(1)
    cluster.apply(BLOG, "blog.example.com")
    cluster.run_for(590)
    assert len(cluster.receivers.tries) == 1
    del cluster.receivers.answers[HOOK]
    cluster.run_for(20)
    assert cluster.receivers.told() == ["pending", "pending"]


def test_what_waits_is_bounded_and_what_falls_out_is_told(cluster):
    cluster.receivers.answers[HOOK] = DOWN
    process = cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    for number in range(12):
        cluster.edit(SHOP, certificate={"issuance": "Never" if number % 2 else "Automatic"})
        cluster.edit(SHOP, wildcard=number % 2 == 0)
        cluster.run_for(600)
        cluster.dns.records[NAME] = "none" if number % 2 else "delegated"
        cluster.annotate(SHOP, check_requested_at=f"{number}")
        cluster.run_for(600)
    outbox = cluster.claim(NAME).outbox
    assert len(outbox) == OUTBOX
    assert process.announced.events.count((SHOP, "WebhookDropped")) > 0
    assert outbox[0].type != "domain.pending"


# --- kills ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", range(0, 60, 3))
def test_killed_anywhere_all_is_delivered_at_least_once_and_in_order(cluster, steps):
    process = cluster.start("a")
    process.steps_to_live = steps
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(30)
    if "a" in cluster.processes:
        cluster.kill("a")
    cluster.start("b")
    cluster.run_for(300)
    first = list(dict.fromkeys(message_id for _, message_id, _ in cluster.receivers.got))
    types = {message_id: body["type"] for _, message_id, body in cluster.receivers.got}
    assert [types[message_id].removeprefix("domain.") for message_id in first] == WAY
    assert cluster.claim(NAME).outbox == ()


def test_what_comes_by_time_alone_is_told_by_the_next_process(active):
    active.dns.records[NAME] = "none"
    active.run_for(2 * DAY)
    active.kill("a")
    active.run_for(3 * DAY)
    active.start("b")
    active.run_for(60)
    assert active.receivers.told() == ["proof_gone", "failed"]


# --- switching it on and off ----------------------------------------------------------------------


def test_who_was_there_before_is_told_about_from_the_next_change_on(cluster):
    cluster.rules, receivers = RULES, cluster.receivers
    cluster.receivers = FakeReceivers()
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    cluster.kill("a")
    cluster.rules, cluster.receivers = TOLD, receivers
    cluster.forget_writes()
    cluster.start("b")
    cluster.run_for(600)
    assert cluster.writes == []
    assert receivers.tries == []
    cluster.dns.records[NAME] = "none"
    cluster.run_for(5 * DAY)
    assert receivers.told() == ["proof_gone", "failed"]


def test_switched_off_it_leaves_nothing(active):
    active.receivers.answers[HOOK] = DOWN
    active.delete_over_http(SHOP)
    active.apply(BLOG, "blog.example.com")
    active.run_for(60)
    active.kill("a")
    active.rules, active.receivers = RULES, FakeReceivers()
    active.start("b")
    active.run_for(60)
    assert [claim.domain for claim in active.claims] == ["blog.example.com"]
    assert active.claims[0].outbox == ()
