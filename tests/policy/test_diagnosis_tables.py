"""Each cause of a missing proof: told from the evidence, with its reason, its mend, its records."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import build
import pytest
from build import DOMAIN, ID, NOW, TARGET, TOKEN, ZONE, answer, evidence, nothing
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.certificate import Method
from customdomains.model.claim import Claim, Contender
from customdomains.model.domain import Key
from customdomains.model.evidence import (
    Evidence,
    Nearby,
    Obstacle,
    Outcome,
    Place,
    ServerAnswer,
)
from customdomains.model.reasons import Reason
from customdomains.policy.diagnosis import Ruling
from customdomains.policy.findings import Finding, judge
from customdomains.policy.records import wanted_records

CLAIM = build.claim()
APEX = "example.com"
CHALLENGE = f"_acme-challenge.{DOMAIN}"
OTHER_TOKEN = "a1" * 32
OTHER_TARGET = f"{'f' * 32}.{ZONE}"
SPF = "v=spf1 -all"
ONE, TWO, THREE = ({"host": f"ns{n}.example.net", "server": f"192.0.2.{n}:53"} for n in (1, 2, 3))


def found(*answers: ServerAnswer, near: Iterable[Nearby] | None = None, **more: Any) -> Evidence:
    """What was found in the zone of `APEX`, in wrong places as well where anybody looked."""
    nearby = None if near is None else tuple(near)
    return replace(evidence(*answers), nearby=nearby, **({"zone": APEX} | more))


def behind(obstacle: Obstacle, *answers: ServerAnswer, **more: Any) -> Evidence:
    return found(*answers, obstacle=obstacle, **more)


def cached(**more: Any) -> ServerAnswer:
    """A resolver's "there is nothing"."""
    return nothing(ttl=None, cached=True, **more)


def near(place: Place, name: str, *texts: str, cname: str | None = None) -> tuple[Nearby, ...]:
    return (Nearby(place, name, (cname,) if cname else (), texts),)


# evidence, ruling, reason, states of the TXT record and of the CNAME, words of the message
Row = tuple[str, Evidence, Ruling, Reason, str, str, tuple[str, ...]]
NOT_THERE, UNDECIDED = Ruling.NOT_THERE, Ruling.UNDECIDED

ROWS: list[Row] = [
    ("nothing is there", found(nothing(**ONE)), NOT_THERE, Reason.RECORD_MISSING,
     "Missing", "Missing", (f"there is no record at {CHALLENGE}.", TOKEN, f"target {TARGET}.")),
    ("nothing, by a resolver that forgets it soon", found(cached(negative_ttl=300)), NOT_THERE,
     Reason.RECORD_MISSING, "Missing", "Missing", ("there is no record",)),
    ("nothing, by a resolver that remembers it", found(cached(negative_ttl=3600)), NOT_THERE,
     Reason.NEGATIVE_ANSWER_CACHED, "Missing", "Missing",
     ("keep that answer until 2026-03-01T13:00:00Z", "SOA", TOKEN)),
    ("nothing, by an authoritative server", found(nothing(negative_ttl=3600, **ONE)), NOT_THERE,
     Reason.RECORD_MISSING, "Missing", "Missing", ("there is no record",)),
    ("another value", found(answer(SPF)), NOT_THERE, Reason.RECORD_MISMATCH,
     "Mismatch", "Conflict", (f'"{SPF}"', f"add one with the value {TOKEN}")),
    ("another registration's value", found(answer(OTHER_TOKEN)), NOT_THERE,
     Reason.OLDER_REGISTRATION, "Mismatch", "Conflict",
     (OTHER_TOKEN, "another registration", f"with the value {TOKEN}")),
    ("another registration's value, in quotes", found(answer(f'"{OTHER_TOKEN}"')), NOT_THERE,
     Reason.OLDER_REGISTRATION, "Mismatch", "Conflict", ("another registration", TOKEN)),
    ("another registration's target", found(answer(cname=OTHER_TARGET)), NOT_THERE,
     Reason.OLDER_REGISTRATION, "Conflict", "Mismatch",
     (f"{OTHER_TARGET}.", "another registration", f"change it to {TARGET}.")),
    ("quotes", found(answer(f'"{TOKEN}"')), NOT_THERE, Reason.QUOTED_VALUE,
     "Mismatch", "Conflict", ("with quotes in it", f"exactly as {TOKEN}")),
    ("spaces", found(answer(f" {TOKEN} ")), NOT_THERE, Reason.QUOTED_VALUE,
     "Mismatch", "Conflict", ("with spaces in it",)),
    ("a value in two halves", found(answer(f"{TOKEN[:9]} {TOKEN[9:]}")), NOT_THERE,
     Reason.QUOTED_VALUE, "Mismatch", "Conflict", ("with spaces in it",)),
    ("quotes that a word processor made", found(answer(f"\u201e {TOKEN}\u201c")), NOT_THERE,
     Reason.QUOTED_VALUE, "Mismatch", "Conflict", ("with quotes and spaces in it",)),
    ("a dot", found(answer(f"{TOKEN}.")), NOT_THERE, Reason.QUOTED_VALUE,
     "Mismatch", "Conflict", ("with other characters in it",)),
    ("quotes, behind somebody's own alias",
     found(answer(f'"{TOKEN}"', cname="dns.example.org")), NOT_THERE, Reason.QUOTED_VALUE,
     "Mismatch", "Conflict", ("with quotes in it",)),
    ("another target", found(answer(cname="a.example.org")), NOT_THERE, Reason.WRONG_TARGET,
     "Conflict", "Mismatch", ("points to a.example.org.;", f"change its target to {TARGET}.")),
    ("another target with texts behind it", found(answer(SPF, cname="a.example.org")), NOT_THERE,
     Reason.WRONG_TARGET, "Conflict", "Mismatch", ("points to a.example.org.;",)),
    ("the zone at the target's end", found(answer(cname=f"{TARGET}.{APEX}")), NOT_THERE,
     Reason.WRONG_TARGET, "Conflict", "Mismatch",
     ("appended a zone to the target", f"with a dot at its end: {TARGET}.")),
    ("the target without its zone", found(answer(cname=f"{ID}.{APEX}")), NOT_THERE,
     Reason.WRONG_TARGET, "Conflict", "Mismatch",
     ("inside the domain itself", f"enter the whole target: {TARGET}.")),
    ("a CNAME and a TXT record, by one server",
     found(answer(SPF, cname="a.example.org", clash=True)), NOT_THERE, Reason.RECORD_CONFLICT,
     "Conflict", "Conflict", ("a.example.org.", "side by side", "keep one", TOKEN, TARGET)),
    ("a CNAME and a TXT record, by two",
     found(answer(SPF, **ONE), answer(cname="a.example.org", **TWO)), NOT_THERE,
     Reason.RECORD_CONFLICT, "Conflict", "Conflict", ("side by side",)),
    ("the zone at the name's end",
     found(nothing(**ONE), near=near(Place.ZONE_TWICE, f"{CHALLENGE}.{APEX}", TOKEN)), NOT_THERE,
     Reason.WRONG_NAME, "Mismatch", "Missing",
     (f"the TXT record is at {CHALLENGE}.{APEX}. instead of {CHALLENGE}.", "appended the zone",
      f"appends {APEX}.: _acme-challenge.shop)")),
    ("the domain at the name's end",
     found(nothing(**ONE), near=near(Place.ZONE_TWICE, f"{CHALLENGE}.{DOMAIN}", cname=TARGET)),
     NOT_THERE, Reason.WRONG_NAME, "Missing", "Mismatch",
     (f"the CNAME is at {CHALLENGE}.{DOMAIN}.", f"with the target {TARGET}.")),
    ("the label is missing", found(nothing(**ONE), near=near(Place.LABEL_MISSING, DOMAIN, TOKEN)),
     NOT_THERE, Reason.WRONG_NAME, "Mismatch", "Missing",
     (f"is at {DOMAIN}. instead", "_acme-challenge is missing")),
    ("the value is at the zone's own name", found(answer(SPF), near=near(Place.APEX, APEX, TOKEN)),
     NOT_THERE, Reason.WRONG_NAME, "Mismatch", "Missing", (f"is at {APEX}. instead", "own name")),
    ("the value is at the zone's challenge name",
     found(nothing(), near=near(Place.APEX_CHALLENGE, f"_acme-challenge.{APEX}", f"'{TOKEN}'")),
     NOT_THERE, Reason.WRONG_NAME, "Mismatch", "Missing",
     (f"is at _acme-challenge.{APEX}. instead", "whole zone")),
    ("others' values are nearby", found(nothing(), near=near(Place.APEX, APEX, SPF, OTHER_TOKEN)),
     NOT_THERE, Reason.RECORD_MISSING, "Missing", "Missing", ("there is no record",)),
    ("a CNAME is in the way of the right name",
     found(answer(cname="a.example.org"), near=near(Place.APEX, APEX, TOKEN)), NOT_THERE,
     Reason.WRONG_TARGET, "Conflict", "Mismatch", ("change its target",)),
    ("a wildcard's value", found(answer(SPF), near=near(Place.SIBLING, f"xyz.{DOMAIN}", SPF)),
     NOT_THERE, Reason.WILDCARD_ANSWER, "Missing", "Missing",
     ("a wildcard record answers for it", f'"{SPF}"', TOKEN, TARGET)),
    ("a wildcard's CNAME",
     found(answer(cname="a.b"), near=near(Place.SIBLING, f"xyz.{DOMAIN}", cname="a.b")),
     NOT_THERE, Reason.WILDCARD_ANSWER, "Missing", "Missing", ("a CNAME to a.b.", TOKEN)),
    ("a wildcard's CNAME with texts behind it, seen by who does not follow it",
     found(answer(SPF, cname="a.b"), near=near(Place.SIBLING, f"xyz.{DOMAIN}", cname="a.b")),
     NOT_THERE, Reason.WILDCARD_ANSWER, "Missing", "Missing", ("a CNAME to a.b.",)),
    ("a wildcard beside a record of its own",
     found(answer(SPF), near=near(Place.SIBLING, f"xyz.{DOMAIN}", "else")), NOT_THERE,
     Reason.RECORD_MISMATCH, "Mismatch", "Conflict", ("add one",)),
    ("a wildcard, and the value at a wrong name",
     found(answer(cname="a.b"), near=(
         *near(Place.SIBLING, f"xyz.{DOMAIN}", cname="a.b"),
         *near(Place.APEX, APEX, TOKEN))), NOT_THERE,
     Reason.WRONG_NAME, "Mismatch", "Missing", (f"is at {APEX}. instead",)),
    ("one of two has the value",
     found(answer(TOKEN, **ONE), nothing(ttl=None, negative_ttl=7200, **TWO)), UNDECIDED,
     Reason.SERVERS_DISAGREE, "Mismatch", "Missing",
     ("1 of 2 name servers have the record", "still without it: ns2.example.net (192.0.2.2:53) (",
      "can keep that for up to 2 hours longer", "newest version of the zone")),
    ("a server has the value at one of its addresses",
     found(answer(TOKEN, **ONE), answer(TOKEN, **TWO),
           nothing(**TWO | {"server": "[2001:db8::2]:53"}), nothing(**THREE)), UNDECIDED,
     Reason.SERVERS_DISAGREE, "Mismatch", "Missing",
     ("1 of 3 name servers have the record", "ns2.example.net ([2001:db8::2]:53), ns3")),
    ("one of three has the CNAME",
     found(answer(cname=TARGET, **ONE), answer(SPF, ttl=60, **TWO), nothing(ttl=None, **THREE)),
     NOT_THERE, Reason.SERVERS_DISAGREE, "Missing", "Mismatch",
     ("1 of 3 name servers", "another answer: ns2.example.net (192.0.2.2:53), ns3",
      "for a few minutes")),
    ("resolvers remember another answer",
     found(answer(TOKEN, server="a:53"), answer(SPF, ttl=5400, cached=True, server="b:53")),
     UNDECIDED, Reason.SERVERS_DISAGREE, "Mismatch", "Missing",
     ("1 of 2 resolvers", "with another answer: b:53 (kept until 2026-03-01T13:30:00Z)")),
    ("too few have the value",
     found(answer(TOKEN, **ONE), nothing(Outcome.TIMED_OUT, **TWO), needed=2), UNDECIDED,
     Reason.SERVERS_UNREACHABLE, "Unreachable", "Unreachable",
     ("the record is there according to ns1.example.net", "at least 2 of 2",
      "no answer in time: ns2.example.net (192.0.2.2:53)")),
    ("too few say that there is nothing",
     found(nothing(**ONE), nothing(Outcome.LAME, **TWO), needed=2), UNDECIDED,
     Reason.LAME_DELEGATION, "Unreachable", "Unreachable",
     ("there is no record according to ns1", "does not hold the zone: ns2.example.net")),
    ("the CNAME goes round",
     behind(Obstacle.ALIAS_LOOP, answer(cnames=("a.b", "c.d", "a.b"))), NOT_THERE,
     Reason.ALIAS_LOOP, "Conflict", "Mismatch",
     ("round in a circle (to a.b. to c.d. to a.b.)", f"change its target to {TARGET}.")),
    ("the CNAME goes on and on",
     behind(Obstacle.ALIAS_LOOP, answer(cnames=tuple(f"{n}.b" for n in range(9)))), NOT_THERE,
     Reason.ALIAS_LOOP, "Conflict", "Mismatch", ("over too many CNAMEs (to 0.b. to", "and on)")),
    ("a resolver gives up on the CNAME",
     behind(Obstacle.ALIAS_LOOP, nothing(Outcome.SERVER_FAILURE)), UNDECIDED,
     Reason.ALIAS_LOOP, "Conflict", "Mismatch", ("round in a circle, or over too many CNAMEs;",)),
    ("there is no such domain",
     behind(Obstacle.ZONE_NOT_FOUND, cached(negative_ttl=900), zone=None), NOT_THERE,
     Reason.ZONE_NOT_FOUND, "Missing", "Missing",
     (f"no zone was found for {DOMAIN}.", "registered and paid for",
      "until 2026-03-01T12:15:00Z")),
    ("nobody knows of such a domain", behind(Obstacle.ZONE_NOT_FOUND, zone=None), UNDECIDED,
     Reason.ZONE_NOT_FOUND, "Unreachable", "Unreachable", ("no zone was found",)),
    ("the name servers have no addresses", behind(Obstacle.NO_SERVERS, nothing()), UNDECIDED,
     Reason.LAME_DELEGATION, "Unreachable", "Unreachable",
     (f"the zone {APEX}. is delegated to have no address", "NS records")),
    ("the platform's resolvers are out of order",
     behind(Obstacle.RESOLVERS_FAILED, nothing(Outcome.REFUSED), zone=None), UNDECIDED,
     Reason.LOOKUP_FAILED, "Unreachable", "Unreachable",
     ("resolvers of this platform failed (refused: 192.0.2.53:53)", "tell the operator")),
    ("DNSSEC is broken",
     found(nothing(Outcome.BOGUS, explanation="Signature Expired", **ONE)), UNDECIDED,
     Reason.DNSSEC_BOGUS, "Unreachable", "Unreachable",
     ("fail DNSSEC validation (Signature Expired)", "DS record", "signed anew")),
    ("DNSSEC is broken where the CNAME leads", found(nothing(Outcome.BOGUS, cname="a.b", **ONE)),
     UNDECIDED, Reason.DNSSEC_BOGUS, "Unreachable", "Unreachable",
     ("a CNAME points to a.b., fail DNSSEC", f"Change its target to {TARGET}. If they go on")),
    ("DNSSEC is broken where the right CNAME is",
     found(nothing(Outcome.BOGUS, cname=TARGET, **ONE)), UNDECIDED, Reason.DNSSEC_BOGUS,
     "Unreachable", "Unreachable", (f"about {CHALLENGE}. fail", "counts. Have the zone")),
    ("DNSSEC is broken by one resolver's word, and another does not look",
     found(nothing(Outcome.BOGUS), answer(TOKEN)), UNDECIDED,
     Reason.DNSSEC_BOGUS, "Unreachable", "Unreachable", ("nothing in them counts",)),
    ("nobody is delegated to that holds the zone",
     found(nothing(Outcome.LAME, **ONE), nothing(Outcome.REFUSED, **TWO)), UNDECIDED,
     Reason.LAME_DELEGATION, "Unreachable", "Unreachable",
     (f"the zone {APEX}. is delegated to don't serve it", "does not hold the zone: ns1",
      "refused: ns2", "correct the NS records")),
    ("the zone has expired at its servers", found(nothing(Outcome.SERVER_FAILURE, **ONE)),
     UNDECIDED, Reason.LAME_DELEGATION, "Unreachable", "Unreachable", ("SERVFAIL", "expired")),
    ("no name server is there",
     found(nothing(Outcome.TIMED_OUT, **ONE), nothing(Outcome.UNREACHABLE, **TWO)), UNDECIDED,
     Reason.SERVERS_UNREACHABLE, "Unreachable", "Unreachable",
     (f"the zone {APEX}. could not be asked", "no answer in time: ns1.example.net (192.0.2.1:53)",
      "not reachable: ns2.example.net (192.0.2.2:53)", "port 53")),
    ("the resolver finds out nothing", found(nothing(Outcome.SERVER_FAILURE)), UNDECIDED,
     Reason.LOOKUP_FAILED, "Unreachable", "Unreachable",
     (f"{CHALLENGE}. could not be looked up (SERVFAIL)", "tried again")),
    ("our own zone is silent", found(nothing(Outcome.SERVER_FAILURE, cname=TARGET)), UNDECIDED,
     Reason.LOOKUP_FAILED, "Unreachable", "Unreachable", ("is right, but", "delegation zone")),
    ("another's zone is silent", found(nothing(Outcome.TIMED_OUT, cname="a.b")), UNDECIDED,
     Reason.LOOKUP_FAILED, "Unreachable", "Unreachable", ("points to a.b., which", TARGET)),
]  # fmt: skip


def look(evidence: Evidence) -> Finding:
    return judge(evidence, CLAIM, ZONE, NOW)


@pytest.mark.parametrize(
    ("evidence", "ruling", "reason", "txt", "cname", "words"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_a_cause(
    evidence: Evidence,
    ruling: Ruling,
    reason: Reason,
    txt: str,
    cname: str,
    words: tuple[str, ...],
) -> None:
    finding = look(evidence)
    assert (finding.ruling, finding.reason, finding.proof) == (ruling, reason, None)
    assert (finding.ownership.state, finding.delegation.state) == (txt, cname)
    for word in words:
        assert word in finding.message
    assert finding.message in {finding.ownership.message, finding.delegation.message} or (
        txt == cname == "Missing"
    )


def test_the_evidence_stands_at_the_record_it_is_about() -> None:
    """And once."""
    for name, told, *_ in ROWS:
        finding = look(told)
        records = wanted_records(CLAIM, finding, build.check(told), ZONE)
        assert [bool(record.seen) for record in records].count(True) == bool(told.answers), name
        about = [r.type for r in records if r.seen] or ["TXT"]
        assert about == ["CNAME" if finding.delegation.state == "Mismatch" else "TXT"], name


# What does not change the words: none of these is another fact.


@pytest.mark.parametrize("evidence", [row[1] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_same_fact_has_the_same_words(evidence: Evidence) -> None:
    wanted = words(look(evidence))
    for mixed in permutations(evidence.answers):
        turned = tuple(replace(a, texts=a.texts[::-1], milliseconds=n) for n, a in enumerate(mixed))
        nearby = evidence.nearby and evidence.nearby[::-1]
        assert words(look(replace(evidence, answers=turned, nearby=nearby))) == wanted


@pytest.mark.parametrize("evidence", [row[1] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_resolvers_keep_runs_down_and_ends_when_it_was_said_to(evidence: Evidence) -> None:
    wanted = words(look(evidence))
    for passed in (1, 59, 299, 550):
        later = tuple(ran_down(each, passed) for each in evidence.answers)
        at = NOW + timedelta(seconds=passed)
        finding = judge(replace(evidence, answers=later), CLAIM, ZONE, at)
        assert words(finding) == wanted


def ran_down(of: ServerAnswer, passed: int) -> ServerAnswer:
    if not of.cached:
        return of
    left = [ttl if ttl is None else max(ttl - passed, 0) for ttl in (of.ttl, of.negative_ttl)]
    return replace(of, ttl=left[0], negative_ttl=left[1])


def words(finding: Finding) -> object:
    """All that a write is worth."""
    seen = tuple(replace(each, ttl=None, milliseconds=0) for each in finding.seen)
    return replace(finding, seen=seen)


# Whatever the DNS says.

values = st.one_of(
    st.text(max_size=80),
    st.sampled_from([TOKEN, f'"{TOKEN}"', OTHER_TOKEN, build.DIGEST, "\x1b[31m\x00\u202e" * 90]),
)
names = st.one_of(
    st.sampled_from([TARGET, f"{TARGET}.{APEX}", OTHER_TARGET, f"{ID}.{DOMAIN}", "a.b", CHALLENGE]),
    st.text(max_size=30),
    st.just("\\000" * 250),
)
chains = st.lists(names, max_size=9).map(tuple)
seconds = st.none() | st.integers(0, 2**32)
answers = st.builds(
    ServerAnswer,
    server=st.sampled_from(["192.0.2.1:53", "https://dns.example/" + "x" * 400]),
    outcome=st.sampled_from(Outcome),
    cnames=chains,
    texts=st.lists(values, max_size=4).map(tuple),
    ttl=seconds,
    host=st.sampled_from(["", "ns.example.net", "n" * 253]),
    authentic=st.booleans(),
    negative_ttl=seconds,
    cached=st.booleans(),
    milliseconds=st.integers(0, 9999),
    explanation=st.text(max_size=300),
    clash=st.booleans(),
)
nearbys = st.builds(
    Nearby, st.sampled_from(Place), names, chains, st.lists(values, max_size=3).map(tuple)
)
evidences = st.builds(
    Evidence,
    name=st.just(CHALLENGE),
    answers=st.lists(answers, max_size=6).map(tuple),
    needed=st.integers(1, 5),
    zone=st.sampled_from([None, APEX, DOMAIN, "z" * 63]),
    obstacle=st.none() | st.sampled_from(Obstacle),
    nearby=st.none() | st.lists(nearbys, max_size=4).map(tuple),
)
OTHER_SEAT = build.claim(id="f" * 32, token=OTHER_TOKEN)
ORDERED = build.claim(verification=build.proof(Method.MANUAL), order=build.order(Method.MANUAL))


@given(evidences, st.sampled_from([CLAIM, ORDERED, OTHER_SEAT]))
def test_whatever_is_answered_can_be_judged_and_shown(evidence: Evidence, claim: Claim) -> None:
    finding = judge(evidence, claim, ZONE, NOW)
    told = (finding.message, finding.ownership.message, finding.delegation.message)
    assert all(0 < len(text) <= 1000 and text.isprintable() for text in told)
    assert len(finding.seen) <= 4
    for seen in finding.seen:
        assert len(seen.values) <= 4
        assert all(len(each) <= 512 and each.isprintable() for each in (seen.server, *seen.values))
    turned = replace(evidence, answers=evidence.answers[::-1])
    assert words(judge(turned, claim, ZONE, NOW)) == words(finding)


@given(evidences, st.sampled_from([CLAIM, ORDERED, OTHER_SEAT]))
def test_a_proof_is_agreed_on_and_of_this_seat(evidence: Evidence, claim: Claim) -> None:
    finding = judge(evidence, claim, ZONE, NOW)
    wanted = {*claim.texts, f"{claim.id}.{ZONE}"}
    proved = [a for a in evidence.conclusive if wanted & {*a.texts, *a.cnames}]
    if any(a.outcome is Outcome.BOGUS for a in evidence.answers):
        proved = [a for a in proved if a.authentic]
    assert (finding.ruling is Ruling.PROVED) is (finding.proof is not None)
    if finding.proof is not None:
        assert evidence.obstacle is None
        assert len(proved) >= evidence.needed
        assert finding.digest in {None, *claim.texts[1:]}
    if finding.ruling is Ruling.NOT_THERE:
        assert len(evidence.conclusive) - len(proved) >= evidence.needed
    if not evidence.conclusive:
        assert finding.ruling is Ruling.UNDECIDED


@given(st.lists(st.sampled_from([TOKEN, OTHER_TOKEN, TARGET, OTHER_TARGET, None]), min_size=1))
def test_one_record_proves_one_seat(records: list[str | None]) -> None:
    told = tuple(
        answer(cname=r) if r and "." in r else answer(r) if r else nothing() for r in records
    )
    for seat in (CLAIM, OTHER_SEAT):
        own = {seat.token, f"{seat.id}.{ZONE}"}
        more_than_half = sum(r in own for r in records) * 2 > len(records)
        finding = judge(evidence(*told), seat, ZONE, NOW)
        assert (finding.ruling is Ruling.PROVED) is more_than_half


def test_whose_value_it_is_stays_unsaid_and_whether_it_is_known() -> None:
    """The tenant of the one seat learns nothing about that of another."""
    other = Contender("f" * 32, OTHER_TOKEN, build.holder(namespace_uid="x", key=Key("them", "y")))
    contended = build.claim(contenders=(other,))
    for there in (found(answer(OTHER_TOKEN)), found(answer(cname=OTHER_TARGET))):
        assert judge(there, contended, ZONE, NOW) == look(there)


def test_a_forged_zone_proves_nothing_and_ends_no_proof() -> None:
    """Whoever else believes it; where the others have validated it they are right."""
    bad = nothing(Outcome.BOGUS)
    assert look(found(bad, answer(TOKEN), answer(TOKEN))).ruling is UNDECIDED
    assert look(found(bad, nothing(), nothing())).ruling is UNDECIDED
    assert look(found(bad, answer(TOKEN, authentic=True), answer(SPF))).ruling is Ruling.PROVED
    assert look(found(bad, nothing(authentic=True), answer(TOKEN))).ruling is NOT_THERE


def test_no_obstacle_lets_a_proof_pass() -> None:
    for obstacle in Obstacle:
        assert look(behind(obstacle, answer(TOKEN))).ruling is not Ruling.PROVED


def test_servers_that_prove_it_in_two_ways_prove_it_together() -> None:
    """While a tenant changes from one record to the other."""
    two = found(answer(TOKEN, server="a:53"), answer(cname=TARGET))
    assert (look(two).proof, look(two).digest) == (Method.MANUAL, None)
    three = found(*two.answers, answer(cname=TARGET, server="b:53"))
    assert look(three).proof is Method.DELEGATED


def test_of_many_servers_those_that_differ_are_shown() -> None:
    same = [nothing(server=f"a{n}:53") for n in range(9)]
    shown = look(found(*same, answer(SPF, server="z:53"), nothing(Outcome.TIMED_OUT))).seen
    assert [each.server for each in shown] == ["a0:53", "a1:53", "a2:53", "z:53"]


def test_where_nothing_is_decided_who_did_not_answer_is_shown_too() -> None:
    seen = look(found(answer(TOKEN, **ONE), nothing(Outcome.TIMED_OUT, **TWO), needed=2)).seen
    assert [each.outcome for each in seen] == [Outcome.ANSWERED, Outcome.TIMED_OUT]
