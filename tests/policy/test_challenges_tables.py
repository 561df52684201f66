"""Which ways to answer a challenge are open, when they are looked for, and what is told of it."""

from dataclasses import replace
from datetime import timedelta

import build
import pytest
from build import DAY, DOMAIN, HOUR, MINUTE, NOW, SECOND, TARGET

from customdomains.model.certificate import CaIdentity, Challenge, Method, Way
from customdomains.model.challengerecords import persistent_value
from customdomains.model.claim import Claim
from customdomains.model.compromise import Compromise, Ending
from customdomains.model.domain import Issuance
from customdomains.model.evidence import Evidence, Outcome
from customdomains.model.kept import Kept, Loss
from customdomains.model.reasons import Reason
from customdomains.policy.alternatives import alternatives
from customdomains.policy.challenges import (
    explain,
    look_for,
    looking_delay,
    looks_first,
    names_to_look_at,
    open_ways,
    refusal,
)
from customdomains.policy.decide import decide
from customdomains.policy.issuers import choose
from customdomains.policy.jobs import CheckDns, PlaceOrder
from customdomains.policy.prospects import Look, Prospects
from customdomains.policy.rules import Rules

DNS, ACCOUNT, PERSIST, HTTP = (
    Challenge.DNS,
    Challenge.DNS_ACCOUNT,
    Challenge.DNS_PERSIST,
    Challenge.HTTP,
)
ALL = (DNS, ACCOUNT, PERSIST, HTTP)
IDENTITY = CaIdentity("https://ca.example.net/acct/42", "_label", ("ca.example.net",))
VALUE = persistent_value("ca.example.net", IDENTITY.account, wildcard=False)
WIDE = persistent_value("ca.example.net", IDENTITY.account, wildcard=True)
LOOK = Look("pebble", DOMAIN, TARGET, (PERSIST, ACCOUNT, HTTP))

DELEGATED, MANUAL = Way(Method.DELEGATED), Way(Method.MANUAL)
PERSISTENT = Way(Method.PERSISTENT, PERSIST)
LABELLED = Way(Method.DELEGATED, ACCOUNT)
BY_HTTP = Way(Method.HTTP, HTTP)
LABELLED_BY_HAND = Way(Method.MANUAL, ACCOUNT)

BY_CNAME = build.claim(verification=build.proof())
BY_TXT = build.claim(verification=build.proof(Method.MANUAL))
UNPROVED = build.claim()
GONE = build.claim(verification=build.proof(Method.MANUAL, gone_since=NOW - HOUR))


def rules(*kinds: Challenge, **more: object) -> Rules:
    return replace(build.RULES, challenges={"pebble": kinds}, answers_http=True, **more)


def saying(*texts: str, **answer: object) -> Evidence:
    return Evidence("x", (build.answer(*texts, **answer),))


def seen(at=NOW, **found: object) -> Prospects:
    return Prospects(LOOK, at, IDENTITY, **found)


PERSISTS = {"persistent": saying("v=spf1", VALUE)}
LEADS = {"account": saying(cname=TARGET)}
REACHED = {"http": True}
EVERYTHING = PERSISTS | LEADS | REACHED


def ways(claim: Claim, kinds, prospects=None, **spec: object) -> tuple[Way, ...]:
    domain, known = build.domain(**spec), rules(*kinds)
    choice = choose(domain, claim, known, NOW)
    return open_ways(choice, domain, claim, known, prospects).get("pebble", ())


OPEN = [
    # what it is about, the claim, the kinds allowed, what was found, the ways
    ("the CNAME", BY_CNAME, ALL, seen(**EVERYTHING), (DELEGATED,)),
    ("the CNAME, not allowed", BY_CNAME, (PERSIST,), seen(**PERSISTS), (PERSISTENT,)),
    ("the CNAME, by hand instead", BY_CNAME, (ACCOUNT,), None, (LABELLED_BY_HAND,)),
    ("all at once", BY_TXT, ALL, seen(**EVERYTHING), (PERSISTENT, LABELLED, BY_HTTP, MANUAL)),
    ("nothing looked at", BY_TXT, ALL, None, (MANUAL, LABELLED_BY_HAND)),
    ("nothing there", BY_TXT, ALL, seen(), (MANUAL, LABELLED_BY_HAND)),
    ("the label", BY_TXT, ALL, seen(**LEADS), (LABELLED, MANUAL)),
    ("the label by way of another", BY_TXT, (ACCOUNT,),
     seen(account=saying(cnames=("a.b", TARGET))), (LABELLED,)),
    ("the label leads elsewhere", BY_TXT, (ACCOUNT,), seen(account=saying(cname="a.b")),
     (LABELLED_BY_HAND,)),
    ("over HTTP", BY_TXT, (DNS, HTTP), seen(**REACHED), (BY_HTTP, MANUAL)),
    ("over HTTP only, not reached", BY_TXT, (HTTP,), seen(), ()),
    ("another account", BY_TXT, (PERSIST,), seen(persistent=saying(f"{VALUE}1")), ()),
    ("too few could be asked", BY_TXT, (PERSIST,),
     seen(persistent=saying(outcome=Outcome.TIMED_OUT)), ()),
    ("one of two servers", BY_TXT, (PERSIST,), seen(persistent=Evidence("x", (
        build.answer(VALUE, server="a", host="a"), build.answer(server="b", host="b")), needed=2)),
     ()),
    ("no account known", BY_TXT, (PERSIST, DNS),
     replace(seen(**PERSISTS), identity=None, trouble="away"), (MANUAL,)),
    ("another's look", BY_TXT, (PERSIST,),
     replace(seen(**PERSISTS), look=replace(LOOK, domain="a.example.com")), ()),
    ("another issuer's account", BY_TXT, (PERSIST, HTTP),
     replace(seen(**EVERYTHING), look=replace(LOOK, issuer="other")), (BY_HTTP,)),
    ("no proof", UNPROVED, ALL, seen(**EVERYTHING), ()),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "kinds", "found", "wanted"), [c[1:] for c in OPEN],
                         ids=[c[0] for c in OPEN])  # fmt: skip
def test_which_ways_are_open(claim, kinds, found, wanted) -> None:
    assert ways(claim, kinds, found) == wanted


def test_a_wildcard_takes_the_dns_only() -> None:
    assert ways(BY_TXT, (DNS, HTTP), seen(**REACHED), wildcard=True) == (MANUAL,)
    assert ways(BY_TXT, ALL, seen(**PERSISTS), wildcard=True) == (MANUAL, LABELLED_BY_HAND)
    wide = {"persistent": saying(WIDE)}
    assert ways(BY_TXT, (PERSIST,), seen(**wide), wildcard=True) == (PERSISTENT,)
    assert ways(BY_TXT, (PERSIST,), seen(**wide)) == (PERSISTENT,)


def test_http_needs_somebody_who_answers() -> None:
    silent = replace(rules(DNS, HTTP), answers_http=False)
    choice = choose(build.domain(), BY_TXT, silent, NOW)
    found = seen(**REACHED)
    assert open_ways(choice, build.domain(), BY_TXT, silent, found)["pebble"] == (MANUAL,)


def test_without_a_list_it_is_the_two_of_the_rfc() -> None:
    plain = replace(build.RULES, answers_http=True)
    look = look_for(build.domain(), BY_TXT, plain, NOW)
    assert look == replace(LOOK, kinds=(HTTP,))
    assert look_for(build.domain(), BY_TXT, build.RULES, NOW) is None


def test_at_a_fallback_only_what_is_allowed_there() -> None:
    both = rules(DNS, PERSIST, HTTP, fallbacks={"pebble": "other"})
    domain, found = build.domain(), seen(**EVERYTHING)
    choice = choose(domain, BY_TXT, both, NOW)
    assert open_ways(choice, domain, BY_TXT, both, found) == {
        "pebble": (PERSISTENT, BY_HTTP, MANUAL),
        "other": (BY_HTTP, MANUAL),
    }
    # Where the wanted one has no way, the other is no substitute for it.
    narrow = rules(PERSIST, fallbacks={"pebble": "other"})
    assert open_ways(choice, domain, BY_TXT, narrow, None) == {}


ORDERED = replace(BY_TXT, order=build.order(Method.MANUAL))
LABEL_ORDER = build.order(Method.MANUAL, challenge=ACCOUNT, label="_old")
HAVING = replace(BY_TXT, certificate=build.certificate())
DUE = build.claim(
    verification=build.proof(Method.MANUAL, verified_at=NOW - 80 * DAY),
    certificate=build.certificate(issued_at=NOW - 70 * DAY, facts=build.facts(NOW - 70 * DAY)),
)

LOST = Loss(Reason.SECRET_DAMAGED, "it is gone", NOW)
SPOILED = replace(BY_TXT, certificate=build.certificate(kept=Kept(loss=LOST)))
SPOILED_AGAIN = replace(
    BY_TXT,
    certificate=build.certificate(issued_at=NOW - HOUR, kept=Kept(loss=LOST, early=2)),
)
COMPROMISED = replace(HAVING, compromise=Compromise("now", Ending.PENDING, "0a1b2c", "pebble"))

LOOKED_FOR = [
    # what it is about, the claim, the spec, the kinds allowed, what is looked for
    ("proved by TXT", BY_TXT, {}, ALL, LOOK),
    ("proved by CNAME", BY_CNAME, {}, ALL, None),
    ("by CNAME, which is not allowed", BY_CNAME, {}, (PERSIST,), replace(LOOK, kinds=(PERSIST,))),
    ("unproved", UNPROVED, {}, ALL, None),
    ("the proof is gone", GONE, {}, ALL, None),
    ("suspended", BY_TXT, {"suspend": True}, ALL, None),
    ("no certificate wanted", BY_TXT, {"issuance": Issuance.NEVER}, ALL, None),
    ("not asked for", BY_TXT, {"issuance": Issuance.ON_REQUEST}, ALL, None),
    ("asked for", BY_TXT, {"issuance": Issuance.ON_REQUEST, "issue_requested": "a"}, ALL, LOOK),
    ("an order is placed", ORDERED, {}, ALL, None),
    ("an order waits by hand", replace(BY_TXT, order=LABEL_ORDER), {}, ALL,
     replace(LOOK, kinds=(ACCOUNT,), label="_old")),
    ("there is a certificate", HAVING, {}, ALL, None),
    ("it is to be renewed", DUE, {}, ALL, LOOK),
    ("its Secret is gone", SPOILED, {}, ALL, LOOK),
    ("its Secret was gone a moment ago too", SPOILED_AGAIN, {}, ALL, None),
    ("its key is known to others", COMPROMISED, {}, ALL, LOOK),
    ("a wildcard", BY_TXT, {"wildcard": True}, ALL, replace(LOOK, kinds=(PERSIST, ACCOUNT))),
    ("by hand only", BY_TXT, {}, (DNS,), None),
    ("no such issuer", BY_TXT, {"issuer": "x"}, ALL, None),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "spec", "kinds", "wanted"), [c[1:] for c in LOOKED_FOR],
                         ids=[c[0] for c in LOOKED_FOR])  # fmt: skip
def test_what_is_looked_for(claim, spec, kinds, wanted) -> None:
    assert look_for(build.domain(**spec), claim, rules(*kinds), NOW) == wanted


FAILED = replace(BY_TXT, failure=build.failure(at=NOW - HOUR))
FIRST = [
    # what it is about, the claim, the spec, how old the last look is, whether it comes first
    ("never looked", BY_TXT, {}, None, True),
    ("just looked", BY_TXT, {}, SECOND, False),
    ("looked a while ago", BY_TXT, {}, 20 * MINUTE, False),
    ("looked before it was proved", BY_TXT, {}, 31 * MINUTE, True),
    ("looked in the future", BY_TXT, {}, -HOUR, True),
    ("asked for since", BY_TXT, {"issue_requested": "a"}, 6 * MINUTE, True),
    ("asked for just now", BY_TXT, {"issue_requested": "a"}, MINUTE, False),
    ("due since", DUE, {}, 11 * DAY, True),
    ("looked since it is due", DUE, {}, 9 * DAY, False),
    ("failed, and may be tried again", FAILED, {}, 62 * MINUTE, True),
    ("failed, and looked since", FAILED, {}, 20 * MINUTE, False),
    ("failed, and rests", replace(BY_TXT, failure=build.failure(count=3, at=NOW - HOUR,
     retry_at=NOW + HOUR)), {}, 2 * HOUR, False),
    ("by hand", replace(BY_TXT, order=LABEL_ORDER), {}, None, False),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "spec", "age", "first"), [c[1:] for c in FIRST],
                         ids=[c[0] for c in FIRST])  # fmt: skip
def test_what_is_looked_for_before_anything_else(claim, spec, age, first) -> None:
    domain = build.domain(**spec)
    look = look_for(domain, claim, rules(*ALL), NOW)
    assert look is not None
    found = None if age is None else Prospects(look, NOW - age)
    assert looks_first(look, found, domain, claim, NOW) is first
    if found is not None and not first:
        assert looks_first(look, replace(found, look=LOOK), domain, claim, NOW) is (look != LOOK) \
            or claim.order is not None  # fmt: skip


@pytest.mark.parametrize(
    ("proved", "wanted"), [(SECOND, 25), (30 * MINUTE, 25), (10 * HOUR, 1800), (99 * DAY, 14400)]
)
def test_a_way_is_looked_for_less_and_less(proved: timedelta, wanted: int) -> None:
    claim = build.claim(verification=build.proof(Method.MANUAL, verified_at=NOW - proved))
    assert looking_delay(build.domain(), claim, NOW).total_seconds() == wanted


def test_names_that_are_too_long_for_the_dns_are_not_looked_at() -> None:
    long = ".".join(["a" * 60] * 3 + ["b" * 40, "com"])
    look = replace(LOOK, domain=long)
    assert names_to_look_at(look, "_abcdefghijklmnop") == {PERSIST: f"_validation-persist.{long}"}
    assert names_to_look_at(replace(LOOK, kinds=(HTTP,)), "_label") == {}


# --- what is decided -----------------------------------------------------------------------------


def planned(claim: Claim, prospects: Prospects | None, kinds=ALL, **spec: object):
    memory = build.seen(build.TOKENED)
    assert memory.check is not None
    memory = replace(memory, check=replace(memory.check, prospects=prospects))
    domain = build.domain(**spec)
    return decide(build.world(domain=domain, claim=claim, memory=memory, rules=rules(*kinds)), NOW)


def test_without_a_look_nothing_is_said_or_ordered_before_it() -> None:
    plan = planned(BY_TXT, None, issue_requested="a")
    assert plan.status is None
    (job,) = plan.jobs
    assert isinstance(job, CheckDns)
    assert job.look == LOOK


def test_what_needs_nobody_is_ordered_at_once() -> None:
    (job,) = [job for job in planned(BY_TXT, seen(**PERSISTS)).jobs if isinstance(job, PlaceOrder)]
    assert job.ways == {"pebble": (PERSISTENT, MANUAL, LABELLED_BY_HAND)}


def test_what_needs_somebody_waits_and_says_for_what() -> None:
    plan = planned(BY_TXT, seen())
    assert not plan.jobs
    assert plan.status is not None
    assert plan.status.reason == "AwaitingIssueRequest"
    assert plan.status.message.endswith(
        "(the challenge has to be answered by hand; with the CNAME or with the record listed as "
        "Persistent or with the CNAME listed as Delegation or once http://shop.example.com leads "
        "to the operator it would go on by itself)"
    )
    listed = [(r["purpose"], r["name"], r["value"]) for r in plan.status.meaning["records"]]
    assert listed[1:] == [
        ("Persistent", "_validation-persist.shop.example.com.", VALUE),
        ("Delegation", "_label._acme-challenge.shop.example.com.", f"{TARGET}."),
    ]


def test_where_no_way_is_open_it_says_what_would_open_one() -> None:
    plan = planned(BY_TXT, replace(LOOK_ONLY_HTTP, http=False), kinds=(HTTP,))
    assert plan.status is not None
    assert plan.status.reason == "NoChallenge"
    assert "it goes on once http://shop.example.com leads to the operator" in plan.status.message


LOOK_ONLY_HTTP = Prospects(replace(LOOK, kinds=(HTTP,)), NOW)


def test_a_wildcard_over_http_is_refused_in_words() -> None:
    plan = planned(BY_TXT, None, kinds=(HTTP,), wildcard=True)
    assert plan.status is not None
    assert plan.status.reason == "NoChallenge"
    assert "a certificate for *.shop.example.com needs a DNS challenge" in plan.status.message
    plan = planned(BY_TXT, replace(LOOK_ONLY_HTTP, http=True), kinds=(DNS, HTTP), wildcard=True)
    assert plan.status is not None
    assert "it can't be had over HTTP" in plan.status.message


def test_where_nobody_answers_http_the_settings_are_named() -> None:
    silent = replace(rules(HTTP), answers_http=False)
    said = refusal(build.domain(), BY_TXT, silent)
    assert said is not None
    assert "api.challengeListen" in said
    assert refusal(build.domain(), BY_TXT, rules(HTTP)) is None


def test_a_ca_that_does_not_say_the_account_is_told_of() -> None:
    plan = planned(BY_TXT, Prospects(LOOK, NOW, trouble="The CA does not answer"))
    assert plan.status is not None
    assert "the CA could not be asked for the account: The CA does not answer" in (
        plan.status.message
    )
    assert [record["purpose"] for record in plan.status.meaning["records"]] == ["Ownership"]


STATES = [
    (saying(VALUE), "Present"),
    (saying("v=spf1"), "Mismatch"),
    (saying(), "Missing"),
    (saying(outcome=Outcome.NO_SUCH_NAME), "Missing"),
    (saying(outcome=Outcome.SERVER_FAILURE), "Unknown"),
    (None, "Unknown"),
]


@pytest.mark.parametrize(("evidence", "state"), STATES)
def test_how_a_persistent_record_stands(evidence: Evidence | None, state: str) -> None:
    found = replace(seen(persistent=evidence), look=replace(LOOK, kinds=(PERSIST,)))
    told = alternatives(build.domain(), BY_TXT, rules(DNS, PERSIST), found, NOW)
    assert [record.state for record in told.records] == [state]


def test_a_persistent_record_in_use_is_told_from_the_claim() -> None:
    ordered = build.order(Method.PERSISTENT, challenge=PERSIST, digests=(), responses=(VALUE,))
    having = build.certificate(way=PERSISTENT, persistent=VALUE)
    for claim in (replace(BY_TXT, order=ordered), replace(BY_TXT, certificate=having)):
        told = alternatives(build.domain(), claim, rules(*ALL), None, NOW)
        assert [(r.purpose, r.value, r.state) for r in told.records] == [
            ("Persistent", VALUE, "Present")
        ]


@pytest.mark.parametrize(
    "way", [DELEGATED, LABELLED, PERSISTENT, BY_HTTP, Way(Method.UPDATED), MANUAL]
)
def test_each_way_is_explained(way: Way) -> None:
    assert len({explain(each, DOMAIN) for each in (way, DELEGATED)}) == (
        1 if way == DELEGATED else 2
    )
    claim = replace(BY_TXT, certificate=build.certificate(way=way))
    status = planned(claim, None).status
    assert status is not None
    shown = status.meaning["certificate"]
    assert shown["challenge"] == way.challenge
    assert shown["challengeMessage"] == explain(way, DOMAIN)
