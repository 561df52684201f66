"""Domains that wait for what their CA allows, told step by step in a time that jumps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from build import DAY, HOUR, MINUTE
from fake_cluster import NAME, SHOP, FakeCluster, verbs
from fake_controller import RULES
from prometheus_client import CollectorRegistry

from customdomains.controller.counting import count_admission
from customdomains.model.certificate import OrderError
from customdomains.model.claim import NOBODY
from customdomains.model.domain import Key
from customdomains.model.reasons import Reason
from customdomains.model.scope import Scope, ScopeKind
from customdomains.policy.budget import LETS_ENCRYPT, IssuerLimits, Limit
from customdomains.policy.rules import ClaimRules

PACE = 12 * MINUTE
FIVE_AN_HOUR = IssuerLimits(orders=Limit(5, HOUR))
LIMITED = Reason.CA_RATE_LIMITED


def names(number: int, suffix: str = "example.com") -> list[str]:
    return [f"shop{each:02}.{suffix}" for each in range(number)]


def register(cluster: FakeCluster, namespace: str, wanted: list[str]) -> None:
    for name in wanted:
        cluster.dns.records[name] = "delegated"
        cluster.apply(Key(namespace, name.partition(".")[0]), name)


def begin(cluster: FakeCluster, **limits: IssuerLimits) -> None:
    cluster.limits = limits
    cluster.start("a")


def issued(cluster: FakeCluster, wanted: list[str]) -> int:
    return sum(cluster.ca.finalized[name] for name in wanted)


def told(cluster: FakeCluster, key: Key) -> tuple[str, str]:
    conditions = cluster.status(key)["conditions"]
    found = next(each for each in conditions if each["type"] == "CertificateIssued")
    return found["reason"], found["message"]


def stop(cluster: FakeCluster, kind: ScopeKind, after: timedelta, *of: str) -> OrderError:
    until = cluster.loop.now() + after
    return OrderError(LIMITED, "enough", retry_at=until, scope=Scope(kind, of))


# --- whose turn it is -----------------------------------------------------------------------------


def test_one_tenants_many_delay_anothers_one_by_a_turn(cluster):
    begin(cluster, main=FIVE_AN_HOUR)
    many = names(40)
    register(cluster, "one", many)
    cluster.run_for(60)
    assert issued(cluster, many) == 5
    register(cluster, "two", [NAME])
    cluster.run_for(2 * PACE.total_seconds())
    assert issued(cluster, [NAME]) == 1
    assert issued(cluster, many) == 6
    cluster.run_for(40 * PACE.total_seconds())
    assert issued(cluster, many) == 40
    gaps = [b - a for a, b in pairwise(cluster.ca.ordered_at[5:])]
    assert max(gaps) <= PACE + 5 * MINUTE, "room is left unused"
    asked = cluster.ca.ordered_at
    for place, at in enumerate(asked):
        within = [moment for moment in asked[: place + 1] if moment > at - HOUR]
        assert len(within) <= 5 + 5


def test_who_waits_is_told_until_when_and_that_is_one_write(cluster):
    begin(cluster, main=FIVE_AN_HOUR)
    register(cluster, "one", names(7))
    cluster.run_for(60)
    waiting = [key for key in (d.key for d in cluster.domains) if "order" not in told(cluster, key)]
    reasons = {key: told(cluster, key) for key in waiting}
    last = next(key for key, (reason, _) in reasons.items() if reason == Reason.AWAITING_BUDGET)
    _, message = told(cluster, last)
    assert message.startswith(
        "the limit of 5 new orders in an hour at the issuer main, which all domains share, is "
        "reached; it is the turn of this one at about 2026-01-01T00:"
    )
    assert cluster.status(last)["phase"] == "verified"
    cluster.forget_writes()
    cluster.run_for(5 * 60)
    assert cluster.writes == []
    cluster.run_for(2 * PACE.total_seconds())
    assert issued(cluster, names(7)) == 7
    assert cluster.status(last)["phase"] == "active"
    assert verbs(cluster)["update", "domainclaims"] == 4, "two each: the order, the certificate"


def test_whose_record_is_gone_by_its_turn_is_not_ordered_for(cluster):
    begin(cluster, main=FIVE_AN_HOUR)
    first, later = names(5), ["gone.example.org", "here.example.org"]
    register(cluster, "one", first)
    cluster.run_for(30)
    register(cluster, "one", later[:1])
    cluster.run_for(5)
    register(cluster, "one", later[1:])
    cluster.run_for(30)
    cluster.dns.records[later[0]] = "none"
    cluster.run_for(3 * PACE.total_seconds())
    assert len(cluster.ca.ordered_at) == 6, "the one whose record is there has had its turn"
    assert (issued(cluster, later[:1]), issued(cluster, later[1:])) == (0, 1)


def test_a_turn_that_is_not_used_goes_to_the_next(cluster):
    """Suspended after it was called, before its record has been looked up."""
    begin(cluster, main=IssuerLimits(orders=Limit(1, DAY)))
    register(cluster, "one", ["a.example.com"])
    cluster.run_for(30)
    register(cluster, "one", ["b.example.com"])
    cluster.run_for(30)
    register(cluster, "one", ["c.example.com"])
    cluster.run_for(30)
    cluster.edit(Key("one", "b"), suspend=True)
    cluster.run_for(DAY.total_seconds())
    assert issued(cluster, ["b.example.com"]) == 0
    assert issued(cluster, ["c.example.com"]) == 1


def test_a_limit_of_a_registered_domain_is_in_nobody_elses_way(cluster):
    begin(cluster, main=IssuerLimits(domain=Limit(2, DAY)))
    register(cluster, "one", [*names(4), "other.example.org"])
    cluster.run_for(60)
    assert issued(cluster, names(4)) == 2
    assert issued(cluster, ["other.example.org"]) == 1
    waits = [told(cluster, d.key) for d in cluster.domains]
    texts = [message for reason, message in waits if reason == Reason.AWAITING_BUDGET]
    assert len(texts) == 2
    assert "2 new certificates for example.com and all below it in a day" in texts[0]
    cluster.run_for(DAY.total_seconds() / 2 + 60)
    assert issued(cluster, names(4)) == 3


def test_an_order_that_fails_takes_no_certificate(cluster):
    begin(cluster, main=IssuerLimits(domain=Limit(1, DAY)))
    register(cluster, "one", [NAME])
    cluster.processes["a"].self_check.silent = True
    cluster.run_for(20)
    register(cluster, "one", ["other.example.com"])
    cluster.run_for(20)
    assert told(cluster, Key("one", "other"))[0] == Reason.AWAITING_BUDGET
    cluster.edit(Key("one", "shop"), certificate={"issuance": "Never"})
    cluster.processes["a"].self_check.silent = False
    cluster.run_for(DAY.total_seconds() + 600)
    assert issued(cluster, ["other.example.com"]) == 1


def test_after_a_restart_it_is_known_what_was_spent(cluster):
    begin(cluster, main=FIVE_AN_HOUR)
    register(cluster, "one", names(9))
    cluster.run_for(60)
    cluster.kill("a")
    cluster.start("b")
    cluster.run_for(60)
    assert len(cluster.ca.ordered_at) == 5
    cluster.run_for(4 * PACE.total_seconds() + 60)
    assert issued(cluster, names(9)) == 9


def test_renewals_go_before_new_ones(cluster):
    begin(cluster, main=IssuerLimits(orders=Limit(1, HOUR)))
    cluster.ca.lifetime = 9 * HOUR
    register(cluster, "one", [NAME])
    cluster.wanted[NAME] += 1
    cluster.run_for(5 * 3600)
    register(cluster, "two", names(4))
    cluster.run_for(2 * 3600)
    assert cluster.ca.finalized[NAME] == 2
    assert issued(cluster, names(4)) < 3


def test_renewals_that_do_not_count_do_not_wait(cluster):
    begin(cluster, main=IssuerLimits(orders=Limit(1, DAY), renewals_exempt=True))
    cluster.ca.lifetime = 9 * HOUR
    register(cluster, "one", [NAME])
    cluster.wanted[NAME] += 1
    cluster.run_for(60)
    register(cluster, "two", names(2))
    cluster.run_for(6 * 3600 + 600)
    assert cluster.ca.finalized[NAME] == 2
    assert issued(cluster, names(2)) == 0


def test_without_limits_nothing_is_kept(cluster):
    cluster.start("a")
    register(cluster, "one", names(5))
    cluster.run_for(60)
    assert issued(cluster, names(5)) == 5
    assert dict(cluster.processes["a"].admission.desks) == {}


def test_the_write_budget_holds_with_limits(cluster):
    begin(cluster, main=LETS_ENCRYPT)
    cluster.apply(SHOP, NAME)
    cluster.run_for(1)
    cluster.dns.records[NAME] = "delegated"
    cluster.run_for(10)
    assert sum(verbs(cluster).values()) == 9
    cluster.forget_writes()
    cluster.run_for(3600)
    assert cluster.meaningful == []


def test_metrics_tell_who_waits_and_until_when(cluster):
    begin(cluster, main=replace(FIVE_AN_HOUR, domain=Limit(6, DAY)), spare=IssuerLimits())
    registry = CollectorRegistry()
    count_admission(registry, cluster.processes["a"].admission, cluster.loop.now)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(
            f"customdomains_orders_{name}", {"issuer": "main"} | labels
        )

    assert (value("left"), value("free_at_seconds")) == (5, None)
    register(cluster, "one", names(9))
    cluster.run_for(60)
    assert (value("left"), value("waiting", limit="ordersPerAccount")) == (0, 4)
    free_at = value("free_at_seconds")
    assert free_at is not None
    assert timedelta(0) < datetime.fromtimestamp(free_at, UTC) - cluster.loop.now() <= PACE
    cluster.run_for(2 * PACE.total_seconds())
    assert value("waiting", limit="certificatesPerDomain") == 3
    cluster.ca.refusal = stop(cluster, ScopeKind.ACCOUNT, HOUR)
    cluster.run_for(2 * PACE.total_seconds())
    for name in ("other.example.org", "more.example.org"):
        register(cluster, "two", [name])
        cluster.run_for(30)
    assert value("waiting", limit="stoppedByCA") == 1


# --- when a CA says no ----------------------------------------------------------------------------


def test_a_stop_of_the_account_stops_all_and_then_one_goes_first(cluster):
    cluster.start("a")
    cluster.ca.refusal = stop(cluster, ScopeKind.ACCOUNT, HOUR)
    register(cluster, "one", names(8))
    cluster.run_for(120)
    asked = len(cluster.ca.ordered_at)
    assert asked <= 3, "more than were on their way"
    register(cluster, "two", [NAME])
    cluster.run_for(50 * 60)
    assert len(cluster.ca.ordered_at) == asked
    reason, message = told(cluster, Key("two", "shop"))
    assert reason == LIMITED
    assert "takes no new orders of the operator's account until 2026-01-01T01:00:0" in message
    cluster.run_for(500)
    assert len(cluster.ca.ordered_at) == asked + 1, "one tries whether it is over"
    cluster.ca.refusal = None
    cluster.run_for(3600)
    assert issued(cluster, [*names(8), NAME]) == 9
    assert all(claim.failure is None for claim in cluster.claims)


def test_who_met_a_stop_has_not_failed_more_often_for_it(cluster):
    cluster.start("a")
    for _ in range(4):
        cluster.ca.refusal = stop(cluster, ScopeKind.ACCOUNT, MINUTE)
        if not cluster.domains:
            register(cluster, "one", [NAME])
        cluster.run_for(65)
    failure = cluster.claim(NAME).failure
    assert failure is not None
    assert failure.count == 1
    assert len(cluster.ca.ordered_at) == 5, "once a minute"


def test_a_stop_of_a_registered_domain_lets_others_go_on(cluster):
    cluster.start("a")
    cluster.ca.refusal = stop(cluster, ScopeKind.DOMAIN, HOUR, "example.com")
    register(cluster, "one", [NAME])
    cluster.run_for(10)
    cluster.ca.refusal = None
    register(cluster, "two", ["a.example.com", "b.example.org"])
    cluster.run_for(60)
    assert (issued(cluster, ["b.example.org"]), issued(cluster, ["a.example.com"])) == (1, 0)
    cluster.run_for(3600)
    assert issued(cluster, ["a.example.com", NAME]) == 2


def test_a_stop_is_known_after_a_restart(cluster):
    cluster.start("a")
    cluster.ca.refusal = stop(cluster, ScopeKind.ACCOUNT, HOUR)
    register(cluster, "one", [NAME])
    cluster.run_for(10)
    cluster.ca.refusal = None
    cluster.kill("a")
    cluster.start("b")
    register(cluster, "two", names(3))
    cluster.run_for(600)
    assert len(cluster.ca.ordered_at) == 1
    cluster.run_for(3600)
    assert issued(cluster, [NAME, *names(3)]) == 4


def test_a_refusal_of_one_order_stops_nobody_else(cluster):
    cluster.start("a")
    cluster.ca.refusal = OrderError(LIMITED, "this one", retry_at=cluster.loop.now() + HOUR)
    register(cluster, "one", [NAME])
    cluster.run_for(10)
    cluster.ca.refusal = None
    register(cluster, "one", names(3))
    cluster.run_for(60)
    assert issued(cluster, names(3)) == 3
    assert told(cluster, SHOP)[0] == LIMITED


def test_a_stop_of_everything_holds_up_orders_that_are_placed(cluster):
    cluster.start("a")
    cluster.processes["a"].self_check.silent = True
    register(cluster, "one", [NAME])
    cluster.run_for(10)
    assert cluster.claim(NAME).order is not None
    cluster.processes["a"].self_check.silent = False
    cluster.ca.refusal = stop(cluster, ScopeKind.ISSUER, HOUR)
    register(cluster, "two", ["other.example.org"])
    cluster.run_for(120)
    cluster.ca.refusal = None
    assert issued(cluster, [NAME]) == 0
    assert (
        "an order is placed, but the CA of the issuer main takes no requests"
        in told(cluster, SHOP)[1]
    )
    cluster.run_for(3700)
    assert issued(cluster, [NAME, "other.example.org"]) == 2


# --- failures -------------------------------------------------------------------------------------


def test_deleting_and_making_it_anew_shortens_no_wait(cluster):
    cluster.rules = replace(RULES, claims=ClaimRules(retention=timedelta(0)))
    cluster.start("a")
    cluster.ca.refusal = OrderError(Reason.CA_REFUSED, "no")
    register(cluster, "one", [NAME])
    cluster.run_for(3600)
    assert len(cluster.ca.ordered_at) == 3
    for _ in range(5):
        cluster.delete(SHOP)
        cluster.run_for(60)
        left = cluster.claim(NAME)
        assert (left.holder, left.verification) == (NOBODY, None)
        cluster.apply(SHOP, NAME)
        cluster.run_for(60)
    assert len(cluster.ca.ordered_at) == 3
    assert told(cluster, SHOP)[0] == Reason.CA_REFUSED
    cluster.ca.refusal = None
    cluster.run_for(100 * 60)
    assert issued(cluster, [NAME]) == 1


def test_what_nobody_holds_is_forgotten_when_the_wait_is_over(cluster):
    cluster.rules = replace(RULES, claims=ClaimRules(retention=timedelta(0)))
    cluster.start("a")
    cluster.ca.refusal = OrderError(Reason.CA_REFUSED, "no")
    register(cluster, "one", [NAME])
    cluster.run_for(300)
    cluster.delete_over_http(SHOP)
    cluster.run_for(60)
    assert cluster.claim(NAME).failure is not None
    cluster.run_for(1800)
    assert cluster.claims == []


# --- an issuer that stands in ---------------------------------------------------------------------

STANDING_IN = replace(RULES, issuers=("main", "spare"), fallbacks={"main": "spare"})


def test_a_long_stop_leaves_the_order_to_who_stands_in(cluster):
    cluster.rules = STANDING_IN
    cluster.start("a")
    cluster.ca.refusal = stop(cluster, ScopeKind.ACCOUNT, HOUR)
    register(cluster, "one", [NAME, "other.example.org"])
    cluster.run_for(120)
    assert len(cluster.spare.finalized) == 2
    again = len(cluster.ca.ordered_at)
    register(cluster, "two", ["third.example.org"])
    cluster.run_for(60)
    assert len(cluster.ca.ordered_at) == again, "it is known that main takes none"
    have = cluster.claim("third.example.org").certificate
    assert (have.issuer, have.fallback.because) == ("spare", LIMITED)


def test_a_long_wait_for_a_budget_does_as_well_and_its_own_budget_holds(cluster):
    cluster.rules = STANDING_IN
    begin(cluster, main=IssuerLimits(orders=Limit(1, DAY)), spare=FIVE_AN_HOUR)
    register(cluster, "one", names(9))
    cluster.run_for(60)
    assert (len(cluster.ca.ordered_at), len(cluster.spare.ordered_at)) == (1, 5)
    reasons = [told(cluster, domain.key)[0] for domain in cluster.domains]
    assert reasons.count(Reason.AWAITING_BUDGET) == 3


def test_who_stands_in_within_the_job_is_asked_for_its_turn_too(cluster):
    cluster.rules = STANDING_IN
    begin(cluster, spare=IssuerLimits(orders=Limit(2, DAY)))
    cluster.dns.caa["example.com"] = ("0 issue spare.example.net",)
    register(cluster, "one", names(5))
    cluster.run_for(60)
    assert (cluster.ca.ordered_at, len(cluster.spare.ordered_at)) == ([], 2)
