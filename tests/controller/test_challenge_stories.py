"""How domains that are proved by a token get certificates without anybody, and what it costs."""

from dataclasses import replace

import pytest
from fake_api import CLAIMS, DOMAINS
from fake_cluster import NAME, SHOP, FakeCluster, verbs
from fake_controller import RULES
from fake_outside import ZONE, answered

from customdomains.model.certificate import Challenge, Method, Way
from customdomains.model.challengerecords import persistent_name, persistent_value
from customdomains.model.evidence import Evidence, Outcome, ServerAnswer
from customdomains.policy.findings import delegation_target

HOUR, DAY = 3600.0, 86_400.0
PERSIST, LABEL = persistent_name(NAME), f"_account._acme-challenge.{NAME}"
VALUE = persistent_value("ca.example.net", "https://ca/account/1", wildcard=False)
WIDE = persistent_value("ca.example.net", "https://ca/account/1", wildcard=True)


def rules(*kinds: Challenge):
    return replace(RULES, challenges={"main": kinds or tuple(Challenge)}, answers_http=True)


@pytest.fixture
def free():
    """A cluster whose issuer may be answered in every way, and a controller `a`."""
    cluster = FakeCluster(rules=rules())
    cluster.start("a")
    yield cluster
    cluster.close()


def proved(cluster, **spec):
    """`SHOP`, proved by its token a while ago."""
    cluster.dns.records[NAME] = "token"
    cluster.apply(SHOP, NAME, **spec)
    cluster.run_for(120)
    status = cluster.status(SHOP)
    assert status["phase"] == "verified", status
    return status


def settled(cluster, seconds=60.0):
    """The status a while later, which is `active`."""
    cluster.run_for(seconds)
    status = cluster.status(SHOP)
    assert status["phase"] == "active", status["conditions"]
    return status


def persist(cluster, value=VALUE):
    cluster.dns.others[PERSIST] = answered(PERSIST, texts=(value,))


def label(cluster, target=None):
    target = target or delegation_target(cluster.claim(NAME), ZONE)
    cluster.dns.others[LABEL] = answered(LABEL, cnames=(target,))


def way(cluster):
    return cluster.claim(NAME).certificate.way


# --- each way ------------------------------------------------------------------------------------


def test_a_record_that_stays_is_found_and_is_enough_from_then_on(free):
    status = proved(free)
    assert status["conditions"][0]["reason"] == "AwaitingIssueRequest"
    (record,) = [each for each in status["records"] if each["purpose"] == "Persistent"]
    assert (record["value"], record["state"]) == (VALUE, "Missing")
    persist(free)
    status = settled(free)
    assert way(free) == Way(Method.PERSISTENT, Challenge.DNS_PERSIST)
    assert status["certificate"]["challenge"] == "dns-persist-01"
    assert PERSIST in status["certificate"]["challengeMessage"]
    (record,) = [each for each in status["records"] if each["purpose"] == "Persistent"]
    assert (record["value"], record["state"]) == (VALUE, "Present")


def test_the_account_s_label_leads_to_our_own_responder(free):
    proved(free)
    label(free)
    status = settled(free)
    assert way(free) == Way(Method.DELEGATED, Challenge.DNS_ACCOUNT)
    assert status["certificate"]["challenge"] == "dns-account-01"


def test_a_domain_that_leads_to_us_over_http_needs_nothing_else(free):
    proved(free)
    free.ca.reaches.add(NAME)
    settled(free)
    assert way(free) == Way(Method.HTTP, Challenge.HTTP)


def test_the_first_way_that_is_open_is_taken(free):
    proved(free)
    persist(free)
    label(free)
    free.ca.reaches.add(NAME)
    settled(free)
    assert way(free).challenge is Challenge.DNS_PERSIST


def test_what_the_ca_does_not_offer_is_passed_over(free):
    free.ca.offers = (Challenge.HTTP, Challenge.DNS)
    proved(free)
    persist(free)
    free.ca.reaches.add(NAME)
    settled(free)
    assert way(free).challenge is Challenge.HTTP
    assert len(free.ca.orders) == 1


def test_a_wildcard_needs_the_dns(free):
    proved(free, wildcard=True)
    free.ca.reaches.add(NAME)
    persist(free)
    free.run_for(120)
    status = free.status(SHOP)
    assert status["phase"] == "verified"
    assert "can't be had over HTTP" in status["conditions"][0]["message"]
    (record,) = [each for each in status["records"] if each["purpose"] == "Persistent"]
    assert (record["value"], record["state"]) == (WIDE, "Mismatch")
    persist(free, WIDE)
    settled(free)
    assert set(free.claim(NAME).certificate.names) == {NAME, f"*.{NAME}"}


def test_by_hand_with_the_label_where_nothing_else_is_allowed():
    cluster = FakeCluster(rules=rules(Challenge.DNS_ACCOUNT))
    cluster.start("a")
    try:
        proved(cluster)
        cluster.annotate(SHOP, issue_requested_at="a")
        cluster.run_for(60)
        status = cluster.status(SHOP)
        assert status["phase"] == "certificate_pending"
        (record,) = [each for each in status["records"] if each["purpose"] == "Challenge"]
        assert (record["name"], record["state"]) == (f"{LABEL}.", "Missing")
        cluster.dns.others[LABEL] = answered(LABEL, texts=(record["value"],))
        settled(cluster, 180)
        assert way(cluster) == Way(Method.MANUAL, Challenge.DNS_ACCOUNT)
    finally:
        cluster.close()


# --- what it rests on goes ------------------------------------------------------------------------


def test_a_renewal_takes_what_is_open_then(free):
    free.ca.lifetime = free.ca.lifetime / 100  # 36 days
    free.wanted[NAME] += 1
    proved(free)
    persist(free)
    settled(free)
    del free.dns.others[PERSIST]
    label(free)
    settled(free, 30 * DAY)
    assert len(free.ca.finalized) == 1
    assert free.ca.finalized[NAME] == 2
    assert way(free) == Way(Method.DELEGATED, Challenge.DNS_ACCOUNT)


def test_a_record_that_is_gone_before_the_renewal_is_asked_for_and_found_again(free):
    free.ca.lifetime = free.ca.lifetime / 100
    free.wanted[NAME] += 1
    proved(free)
    persist(free)
    settled(free)
    del free.dns.others[PERSIST]
    free.run_for(26 * DAY)
    status = free.status(SHOP)
    assert status["phase"] == "active"
    message = next(c for c in status["conditions"] if c["type"] == "CertificateIssued")["message"]
    assert "a new one is due" in message
    assert "with the record listed as Persistent" in message
    persist(free)
    settled(free, 5 * HOUR)
    assert free.ca.finalized[NAME] == 2


def test_what_is_gone_between_the_look_and_the_ca_costs_no_validation(free):
    """It is looked at once more before the CA is told; the next order goes another way."""
    proved(free)
    persist(free)
    free.dns.asked.clear()
    while not free.claim(NAME).order:
        free.run_for(0.01)
    free.dns.others[PERSIST] = Evidence(PERSIST, (ServerAnswer("dns:53", Outcome.NO_SUCH_NAME),))
    free.ca.reaches.add(NAME)
    free.run_for(5)
    failure = free.claim(NAME).failure
    assert failure is not None
    assert (failure.reason, free.claim(NAME).order) == ("ChallengeGone", None)
    settled(free, 120)
    assert way(free) == Way(Method.HTTP, Challenge.HTTP)
    assert free.claim(NAME).failure is None


def test_what_can_t_be_asked_again_is_no_reason_for_another_order(free):
    proved(free)
    persist(free)
    while not free.claim(NAME).order:
        free.run_for(0.01)
    free.dns.others[PERSIST] = Evidence(PERSIST, (ServerAnswer("dns:53", Outcome.TIMED_OUT),))
    free.run_for(30)
    claim = free.claim(NAME)
    assert claim.failure.reason == "ChallengeGone"
    assert "could not be looked up again" in claim.failure.message
    assert claim.order is not None
    persist(free)
    settled(free, 120)
    assert len(free.ca.orders) == 1


def test_without_a_proof_of_ownership_no_way_is_of_any_use(free):
    """The record names the platform's account, which others use too."""
    free.dns.records[NAME] = "none"
    persist(free)
    label(free, "somewhere.else.example")
    free.ca.reaches.add(NAME)
    free.apply(SHOP, NAME)
    free.run_for(DAY)
    assert free.status(SHOP)["phase"] == "pending"
    assert free.ca.orders == {}
    assert PERSIST not in free.dns.asked


# --- a CA that can't be asked ---------------------------------------------------------------------


def test_a_ca_that_is_down_keeps_no_check_waiting_and_is_told_of(free):
    free.ca.down = True
    free.dns.records[NAME] = "token"
    free.apply(SHOP, NAME)
    free.run_for(10)
    status = free.status(SHOP)
    assert status["phase"] == "verified"
    assert "the CA could not be asked for the account" in status["conditions"][0]["message"]
    free.ca.down = False
    persist(free)
    settled(free, 180)


# --- what it costs --------------------------------------------------------------------------------


def test_a_delegated_domain_costs_no_lookup_more(free):
    free.dns.records[NAME] = "delegated"
    free.apply(SHOP, NAME)
    settled(free)
    assert way(free) == Way(Method.DELEGATED)
    assert set(free.dns.asked) == {f"_acme-challenge.{NAME}"}
    assert verbs(free) == {
        ("create", CLAIMS): 1,
        ("update", CLAIMS): 2,
        ("update", DOMAINS): 2,
        ("create", "secrets"): 2,
        ("delete", "secrets"): 1,
    }


def test_without_such_kinds_in_the_settings_nothing_more_is_looked_up(cluster):
    cluster.start("a")
    cluster.dns.records[NAME] = "token"
    cluster.apply(SHOP, NAME)
    cluster.run_for(DAY)
    assert set(cluster.dns.asked) == {f"_acme-challenge.{NAME}"}
    assert sum(cluster.dns.asked.values()) <= 3


def test_a_certificate_that_rests_costs_no_look(free):
    proved(free)
    persist(free)
    settled(free)
    free.dns.asked.clear()
    free.run_for(7 * DAY)
    assert free.dns.asked[PERSIST] == 0


def test_a_restart_says_nothing_new(free):
    proved(free)
    for prepare in (lambda: None, lambda: persist(free) or settled(free)):
        prepare()
        free.kill("a")
        free.forget_writes()
        free.start("a")
        free.run_for(600)
        assert free.writes == []


def test_looking_is_less_and_less_often(free):
    proved(free)
    free.dns.asked.clear()
    free.run_for(HOUR)
    first = free.dns.asked[PERSIST]
    assert 100 <= first <= 160
    free.run_for(2 * DAY)
    free.dns.asked.clear()
    free.forget_writes()
    free.run_for(DAY)
    assert 6 <= free.dns.asked[PERSIST] <= 12
    assert free.meaningful == []


@pytest.mark.parametrize("steps", range(30))
def test_a_kill_at_any_step_ends_in_one_certificate(steps):
    cluster = FakeCluster(rules=rules())
    try:
        process = cluster.start("a")
        cluster.dns.records[NAME] = "token"
        persist(cluster)
        cluster.apply(SHOP, NAME)
        process.steps_to_live = steps
        cluster.run_for(60)
        if "a" in cluster.processes:
            cluster.kill("a")
        cluster.start("b")
        settled(cluster, 180)
        assert cluster.ca.finalized[NAME] == 1
        assert way(cluster).challenge is Challenge.DNS_PERSIST
    finally:
        cluster.close()
