"""Refusals, lost answers and kills: nothing is lost, nothing is hammered, people are told."""

from itertools import pairwise

import pytest
from fake_api import CLAIMS, DOMAINS
from fake_cluster import NAME, SHOP, FakeCluster, verbs

from customdomains.cluster import Forbidden, Invalid, NotFound


def refuse(cluster: FakeCluster, monkeypatch, verb: str, plural: str, error: Exception) -> None:
    """From now on this verb on this kind of object is refused."""
    original = getattr(cluster.api, verb)

    def refusing(kind, *arguments, **options):
        if kind == plural and cluster.by_operator:
            raise error
        return original(kind, *arguments, **options)

    monkeypatch.setattr(cluster.api, verb, refusing)


def test_a_refused_status_does_not_hold_up_the_certificate(cluster, monkeypatch):
    refuse(cluster, monkeypatch, "update", DOMAINS, Invalid(422, "Invalid", "by a webhook"))
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(60)
    assert cluster.claim(NAME).certificate is not None
    assert cluster.status(SHOP) == {"observedGeneration": -1}


def test_secrets_that_are_refused_are_the_tenant_s_to_see_and_not_asked_for_on_and_on(
    cluster, monkeypatch
):
    terminating = Forbidden(403, "Forbidden", "the namespace is being terminated")
    refuse(cluster, monkeypatch, "create", "secrets", terminating)
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.run_for(300)
    failure = cluster.claim(NAME).failure
    assert (failure.reason, failure.count) == ("StorageFailed", 2)
    assert "being terminated" in failure.message
    assert verbs(cluster)["update", CLAIMS] <= 4


def test_a_job_that_fails_again_and_again_is_tried_ever_more_slowly(cluster, monkeypatch):
    tries = []

    def broken(*_):
        tries.append(cluster.loop.time())
        raise RuntimeError("broken")

    monkeypatch.setattr(cluster.ca, "place", broken)
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    cluster.loop.run_for(240)
    cluster._breakages.seen.clear()
    assert 5 <= len(tries) <= 14
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[-1] > 20


@pytest.mark.parametrize("fault", ["before", "after", "busy"])
@pytest.mark.parametrize("call", range(16))
def test_no_single_fault_costs_a_second_certificate(cluster, fault, call):
    process = cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    process.client.faults.extend([""] * call + [fault])
    cluster.run_for(60)
    assert cluster.status(SHOP)["phase"] == "active"
    assert (len(cluster.ca.orders), cluster.ca.finalized[NAME]) == (1, 1)
    assert cluster.claim(NAME).failure is None


@pytest.mark.parametrize("steps", range(0, 46, 2))
def test_a_kill_at_any_step_loses_nothing(cluster, steps):
    process = cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME)
    process.steps_to_live = steps
    cluster.run_for(60)
    before = cluster.claim(NAME)
    if "a" not in cluster.processes:
        cluster.start("a")
    cluster.run_for(120)
    after = cluster.claim(NAME)
    assert cluster.status(SHOP)["phase"] == "active"
    assert before is None or (after.id, after.token) == (before.id, before.token)
    assert cluster.ca.finalized[NAME] == 1
    assert len(cluster.ca.orders) <= 2


def test_a_404_of_something_else_releases_no_claim(issued, monkeypatch):
    def page_not_found(place):
        raise NotFound(404, "Unknown", "404 page not found")

    issued.kill("a")
    issued.api.watchers.clear()
    process = issued.start("a")
    monkeypatch.setattr(issued.api, "get", page_not_found)
    process.store.drop_domain(SHOP, issued.domains[0].uid)
    issued.run_for(300)
    assert [claim.domain for claim in issued.claims] == [NAME]
    monkeypatch.undo()
