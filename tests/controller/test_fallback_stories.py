"""CAA records and issuers that stand in for others, told step by step."""

from dataclasses import replace
from datetime import timedelta

import pytest
from fake_api import CLAIMS
from fake_cluster import NAME, SHOP, FakeCluster, verbs
from fake_controller import RULES

from customdomains.model.certificate import OrderError
from customdomains.model.domain import Key
from customdomains.model.reasons import Reason
from customdomains.model.scope import Scope, ScopeKind
from customdomains.policy.budget import IssuerLimits, Limit

ISSUERS = replace(RULES, issuers=("main", "spare"))
WITH_FALLBACK = replace(ISSUERS, fallbacks={"main": "spare"})
ONLY_SPARE = ("0 issue spare.example.net",)
MINUTE, DAY = 60.0, 86_400.0
BLOG, OTHER = Key("one", "blog"), "blog.example.com"
UNREACHABLE = OrderError(Reason.CA_UNREACHABLE, "The CA 'main' can't be connected to")


def begin(cluster: FakeCluster, rules=WITH_FALLBACK, **spec) -> None:
    cluster.rules = rules
    cluster.start("a")
    cluster.dns.records[NAME] = "delegated"
    cluster.apply(SHOP, NAME, **spec)
    cluster.run_for(10)


def issued_by(cluster: FakeCluster):
    have = cluster.claim(NAME).certificate
    return (have.issuer, have.fallback and have.fallback.because) if have else None


def condition(cluster: FakeCluster):
    conditions = cluster.status(SHOP)["conditions"]
    return next(each for each in conditions if each["type"] == "CertificateIssued")


def renew(cluster: FakeCluster) -> None:
    """Let two thirds of a certificate's lifetime go by."""
    cluster.wanted[NAME] += 1
    cluster.run_for(20 * DAY)


# --- CAA -----------------------------------------------------------------------------------------


def test_where_a_record_forbids_it_no_order_is_wasted(cluster: FakeCluster):
    cluster.dns.caa["example.com"] = ("0 issue other.net",)
    begin(cluster, ISSUERS)
    cluster.run_for(300 * MINUTE)
    assert (cluster.ca.ordered_at, cluster.spare.ordered_at) == ([], [])
    told = condition(cluster)
    assert (cluster.status(SHOP)["phase"], told["reason"]) == ("failed", "CAAForbids")
    assert (
        'the CAA records at example.com. (0 issue "other.net") do not let the CA ca.example.net '
        'issue; add example.com. CAA 0 issue "ca.example.net". The next try is at '
    ) in told["message"]


def test_it_goes_on_once_the_record_is_there_and_somebody_asks(cluster: FakeCluster):
    cluster.dns.caa[NAME] = ("0 issue other.net",)
    begin(cluster, ISSUERS)
    cluster.dns.caa[NAME] = ("0 issue other.net", "0 issue ca.example.net")
    cluster.annotate(SHOP, check_requested_at="again")
    cluster.run_for(30)
    assert issued_by(cluster) == ("main", None)


def test_it_goes_on_by_itself_too(cluster: FakeCluster):
    cluster.dns.caa[NAME] = ("0 issue other.net",)
    begin(cluster, ISSUERS)
    del cluster.dns.caa[NAME]
    cluster.run_for(2 * MINUTE)
    assert issued_by(cluster) == ("main", None)


def test_what_could_not_be_looked_up_is_not_ordered_and_tried_again(cluster: FakeCluster):
    cluster.dns.caa["com"] = None
    begin(cluster)
    cluster.run_for(30 * MINUTE)
    assert (cluster.ca.ordered_at, cluster.spare.ordered_at) == ([], [])
    assert condition(cluster)["reason"] == "CAAUnknown"
    assert "SERVFAIL" in condition(cluster)["message"]
    del cluster.dns.caa["com"]
    cluster.run_for(100 * MINUTE)
    assert issued_by(cluster) == ("main", None)


def test_a_look_costs_no_write(cluster: FakeCluster):
    cluster.dns.caa[NAME] = ("0 issue ca.example.net",)
    begin(cluster)
    assert issued_by(cluster) == ("main", None)
    assert verbs(cluster)["update", CLAIMS] == 2


def test_where_caa_forbids_the_one_the_next_is_used_at_once(cluster: FakeCluster):
    cluster.dns.caa[NAME] = ONLY_SPARE
    begin(cluster)
    assert issued_by(cluster) == ("spare", Reason.CAA_FORBIDS)
    assert cluster.ca.ordered_at == []
    status = cluster.status(SHOP)
    assert status["certificate"]["issuer"] == "spare"
    assert status["certificate"]["fallback"] == {"insteadOf": "main", "because": "CAAForbids"}
    assert (
        "it is by spare, since main is not allowed to issue by CAA records"
        in condition(cluster)["message"]
    )
    assert verbs(cluster)["update", CLAIMS] == 2


def test_an_issuer_that_was_asked_for_has_its_fallback_too(cluster: FakeCluster):
    cluster.dns.caa[NAME] = ONLY_SPARE
    begin(cluster, certificate={"issuer": "main"})
    assert issued_by(cluster) == ("spare", Reason.CAA_FORBIDS)
    cluster.forget_writes()
    cluster.run_for(5 * DAY)
    assert cluster.meaningful == []  # it does not want another one for that


def test_where_nobody_may_issue_it_is_said_of_all(cluster: FakeCluster):
    cluster.dns.caa[NAME] = ("0 issue ;",)
    begin(cluster)
    assert (cluster.ca.ordered_at, cluster.spare.ordered_at) == ([], [])
    told = condition(cluster)
    assert told["reason"] == "CAAForbids"
    assert "do not let the CA ca.example.net issue" in told["message"]
    assert "nor does spare: the CAA records" in told["message"]


def test_a_record_that_only_the_ca_sees_makes_the_next_one_be_tried(cluster, monkeypatch):
    async def forbidden(*_):
        raise OrderError(Reason.CAA_FORBIDS, "A CAA record forbids it", order_lost=True)

    monkeypatch.setattr(cluster.ca, "complete", forbidden)
    begin(cluster)
    cluster.run_for(2 * MINUTE)
    assert (len(cluster.ca.ordered_at), issued_by(cluster)) == (1, ("spare", Reason.CAA_FORBIDS))


# --- an issuer in trouble ------------------------------------------------------------------------


def test_the_second_failure_in_a_row_brings_the_next_one(cluster: FakeCluster):
    cluster.ca.refusal = UNREACHABLE
    begin(cluster)
    assert (len(cluster.ca.ordered_at), issued_by(cluster)) == (1, None)
    assert condition(cluster)["reason"] == "CAUnreachable"
    cluster.run_for(2 * MINUTE)
    assert (len(cluster.ca.ordered_at), issued_by(cluster)) == (2, ("spare", Reason.CA_UNREACHABLE))
    assert "since main could not be reached" in condition(cluster)["message"]


@pytest.mark.parametrize("reason", [Reason.CA_REFUSED, Reason.ISSUER_MISCONFIGURED])
def test_so_does_trouble_with_the_account(cluster: FakeCluster, reason: Reason):
    cluster.ca.refusal = OrderError(reason, "The CA says that we are not authorized")
    begin(cluster)
    cluster.run_for(2 * MINUTE)
    assert issued_by(cluster) == ("spare", reason)


def test_without_a_fallback_nothing_else_is_tried(cluster: FakeCluster):
    cluster.ca.refusal = UNREACHABLE
    begin(cluster, ISSUERS)
    cluster.run_for(5 * DAY)
    assert (cluster.spare.ordered_at, issued_by(cluster)) == ([], None)


@pytest.mark.parametrize(("minutes", "by"), [(0.5, None), (600, "spare")])
def test_a_ca_that_names_a_later_time_is_not_waited_for(cluster: FakeCluster, minutes, by):
    until = cluster.loop.now() + timedelta(minutes=minutes)
    cluster.ca.refusal = OrderError(Reason.CA_RATE_LIMITED, "enough", retry_at=until)
    begin(cluster)
    assert len(cluster.ca.ordered_at) == 1
    assert issued_by(cluster) == (by and (by, Reason.CA_RATE_LIMITED))


def test_a_failure_that_is_the_domains_own_brings_no_other(cluster: FakeCluster, monkeypatch):
    async def failing(*_):
        raise OrderError(Reason.CHALLENGE_FAILED, "saw no answer", order_lost=True)

    monkeypatch.setattr(cluster.ca, "complete", failing)
    begin(cluster)
    cluster.run_for(DAY)
    assert (len(cluster.ca.ordered_at), cluster.spare.ordered_at) == (4, [])


def test_where_all_fail_it_goes_on_at_the_usual_pace(cluster: FakeCluster):
    cluster.ca.refusal = UNREACHABLE
    cluster.spare.refusal = OrderError(Reason.CA_RATE_LIMITED, "enough")
    begin(cluster)
    cluster.run_for(120 * MINUTE)
    # After 1, 10 and 100 minutes; the spare one from the second time on.
    assert (len(cluster.ca.ordered_at), len(cluster.spare.ordered_at)) == (4, 3)
    told = condition(cluster)
    assert told["reason"] == "CAUnreachable"
    assert "can't be connected to; nor does spare: enough" in told["message"]
    cluster.spare.refusal = None
    cluster.run_for(DAY)
    assert issued_by(cluster) == ("spare", Reason.CA_UNREACHABLE)


def test_a_renewal_has_the_time_to_wait_while_there_is_more_than_a_third_left(cluster):
    begin(cluster)
    cluster.ca.refusal = UNREACHABLE
    cluster.wanted[NAME] += 1
    cluster.edit(SHOP, certificate={"secretName": "elsewhere"})
    cluster.run_for(10 * DAY)
    assert (len(cluster.ca.ordered_at) > 5, cluster.spare.ordered_at) == (True, [])
    assert issued_by(cluster) == ("main", None)


def test_in_its_last_third_it_goes_elsewhere_and_back_at_the_next_renewal(cluster: FakeCluster):
    cluster.ca.lifetime = cluster.spare.lifetime = timedelta(days=30)
    begin(cluster)
    cluster.ca.refusal = UNREACHABLE
    renew(cluster)
    cluster.run_for(5 * MINUTE)
    assert issued_by(cluster) == ("spare", Reason.CA_UNREACHABLE)
    cluster.ca.refusal = None
    cluster.run_for(10 * DAY)
    assert issued_by(cluster) == ("spare", Reason.CA_UNREACHABLE)
    renew(cluster)
    assert issued_by(cluster) == ("main", None)
    assert "fallback" not in cluster.status(SHOP)["certificate"]


def test_killed_at_any_step_there_is_one_finalized_order(cluster: FakeCluster):
    cluster.dns.caa[NAME] = ONLY_SPARE
    begin(cluster)
    steps = 60
    for step in range(steps):
        cluster.annotate(SHOP, issue_requested_at=f"r{step}")
        cluster.processes["a"].steps_to_live = step
        cluster.run_for(3)
        if "a" not in cluster.processes:
            cluster.start("a")
            cluster.run_for(600)
    assert issued_by(cluster) == ("spare", Reason.CAA_FORBIDS)
    assert cluster.ca.finalized[NAME] == 0
    assert 1 < cluster.spare.finalized[NAME] <= steps + 1


# --- a CA's limits -------------------------------------------------------------------------------


def stopped(cluster: FakeCluster, hours: float) -> OrderError:
    until = cluster.loop.now() + timedelta(hours=hours)
    scope = Scope(ScopeKind.ISSUER)
    return OrderError(Reason.CA_RATE_LIMITED, "enough", retry_at=until, scope=scope)


def add_another(cluster: FakeCluster) -> None:
    cluster.dns.records[OTHER] = "delegated"
    cluster.apply(BLOG, OTHER)
    cluster.run_for(10)


def certificate_of(cluster: FakeCluster, name: str):
    have = cluster.claim(name).certificate
    return (have.issuer, have.fallback and have.fallback.because) if have else None


def test_a_ca_that_has_stopped_all_is_not_asked_again_for_another_domain(cluster: FakeCluster):
    cluster.ca.refusal = stopped(cluster, 10)
    begin(cluster)
    add_another(cluster)
    assert certificate_of(cluster, NAME) == ("spare", Reason.CA_RATE_LIMITED)
    assert certificate_of(cluster, OTHER) == ("spare", Reason.CA_RATE_LIMITED)
    assert (len(cluster.ca.ordered_at), len(cluster.spare.ordered_at)) == (1, 2)


def test_where_the_other_has_stopped_too_both_are_waited_for(cluster: FakeCluster):
    cluster.ca.refusal = stopped(cluster, 10)
    cluster.spare.refusal = stopped(cluster, 5)
    begin(cluster)
    add_another(cluster)
    assert (len(cluster.ca.ordered_at), len(cluster.spare.ordered_at)) == (1, 1)
    cluster.ca.refusal = cluster.spare.refusal = None
    cluster.run_for(4 * 60 * MINUTE)
    assert (len(cluster.ca.ordered_at), len(cluster.spare.ordered_at)) == (1, 1)
    cluster.run_for(3 * 60 * MINUTE)
    assert certificate_of(cluster, NAME) == ("spare", Reason.CA_RATE_LIMITED)
    assert certificate_of(cluster, OTHER) == ("spare", Reason.CA_RATE_LIMITED)
    assert len(cluster.ca.ordered_at) == 1


@pytest.mark.parametrize(
    ("per", "second"),
    [
        (timedelta(minutes=50), ("main", None)),
        (timedelta(hours=3), ("spare", Reason.AWAITING_BUDGET)),
    ],
)
def test_room_in_the_budget_is_waited_for_but_not_for_long(cluster: FakeCluster, per, second):
    cluster.limits = {"main": IssuerLimits(orders=Limit(1, per))}
    begin(cluster)
    add_another(cluster)
    cluster.run_for(55 * MINUTE)
    assert certificate_of(cluster, NAME) == ("main", None)
    assert certificate_of(cluster, OTHER) == second


def test_what_stands_in_has_a_budget_of_its_own(cluster: FakeCluster):
    both = IssuerLimits(orders=Limit(1, timedelta(hours=30)))
    cluster.limits = {"main": both, "spare": both}
    begin(cluster)
    add_another(cluster)
    third = Key("two", "third")
    cluster.dns.records["third.example.com"] = "delegated"
    cluster.apply(third, "third.example.com")
    cluster.run_for(20 * 60 * MINUTE)
    by = {name: certificate_of(cluster, name) for name in (NAME, OTHER, "third.example.com")}
    assert sorted(have[0] for have in by.values() if have) == ["main", "spare"]
    assert (len(cluster.ca.ordered_at), len(cluster.spare.ordered_at)) == (1, 1)


def test_an_order_elsewhere_takes_no_room_here(cluster: FakeCluster):
    """CAA sends the first one to the other issuer; the second one has the room that is left."""
    cluster.limits = {
        name: IssuerLimits(orders=Limit(1, 300 * timedelta(hours=1))) for name in ("main", "spare")
    }
    cluster.dns.caa[NAME] = ONLY_SPARE
    begin(cluster)
    add_another(cluster)
    assert certificate_of(cluster, NAME) == ("spare", Reason.CAA_FORBIDS)
    assert certificate_of(cluster, OTHER) == ("main", None)
