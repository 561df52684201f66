"""What evidence means for a claim."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import build
import pytest
from build import (
    DIGEST,
    DOMAIN,
    ID,
    NOW,
    OTHER_DIGEST,
    TARGET,
    TOKEN,
    ZONE,
    answer,
    evidence,
    nothing,
)
from hypothesis import given
from hypothesis import strategies as st

from customdomains.model.certificate import Method
from customdomains.model.evidence import Evidence, Outcome, Seen, ServerAnswer
from customdomains.model.reasons import Reason
from customdomains.policy.diagnosis import Ruling, holds_any
from customdomains.policy.findings import challenges_present, judge
from customdomains.policy.seen import describe
from customdomains.policy.wording import shown

CLAIM = build.claim()
ORDERED = build.claim(
    verification=build.proof(Method.MANUAL),
    order=build.order(Method.MANUAL, digests=(DIGEST, OTHER_DIGEST)),
)
RESTING = build.claim(verification=build.proof(Method.MANUAL, digest=DIGEST))
SILENT = nothing(Outcome.TIMED_OUT, server="198.51.100.1:53")

ROWS: list[tuple[str, Any, Evidence, Method | None, Reason]] = [
    ("the CNAME", CLAIM, evidence(answer(cname=TARGET)), Method.DELEGATED, Reason.PROVED),
    ("by way of another", CLAIM, evidence(answer(cnames=("a.b", TARGET))), Method.DELEGATED,
     Reason.PROVED),
    ("the token", CLAIM, evidence(answer("x", TOKEN)), Method.MANUAL, Reason.PROVED),
    ("two of three servers have it", CLAIM, evidence(nothing(), answer(TOKEN), answer(TOKEN)),
     Method.MANUAL, Reason.PROVED),
    ("one of two servers has it", CLAIM, evidence(nothing(), answer(TOKEN)), None,
     Reason.SERVERS_DISAGREE),
    ("an order's value", ORDERED, evidence(answer(OTHER_DIGEST)), Method.MANUAL, Reason.PROVED),
    ("the value of an order that is over", RESTING, evidence(answer(DIGEST)), Method.MANUAL,
     Reason.PROVED),
    ("a value nobody asked for", CLAIM, evidence(answer(DIGEST)), None, Reason.RECORD_MISMATCH),
    ("half the token", CLAIM, evidence(answer(TOKEN[:32])), None, Reason.RECORD_MISMATCH),
    ("another id", CLAIM, evidence(answer(cname=f"{'f' * 32}.{ZONE}")), None,
     Reason.OLDER_REGISTRATION),
    ("no such name", CLAIM, evidence(nothing()), None, Reason.RECORD_MISSING),
    ("no record", CLAIM, evidence(answer()), None, Reason.RECORD_MISSING),
    ("one says no, one nothing", CLAIM, evidence(nothing(), SILENT), None, Reason.RECORD_MISSING),
    ("silence", CLAIM, evidence(SILENT), None, Reason.LOOKUP_FAILED),
    ("nobody asked", CLAIM, evidence(), None, Reason.LOOKUP_FAILED),
    ("the alias alone proves nothing", CLAIM,
     evidence(nothing(Outcome.SERVER_FAILURE, cname=TARGET)), None, Reason.LOOKUP_FAILED),
    ("nor does what a failed answer carries", CLAIM,
     evidence(answer(TOKEN, outcome=Outcome.REFUSED)), None, Reason.LOOKUP_FAILED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "claim", "found", "proof", "reason"), ROWS, ids=[r[0] for r in ROWS]
)
def test_what_evidence_means(
    name: str, claim: Any, found: Evidence, proof: Method | None, reason: Reason
) -> None:
    finding = judge(found, claim, ZONE, NOW)
    assert (finding.proof, finding.reason) == (proof, reason)


def test_which_value_the_proof_rests_on() -> None:
    assert judge(evidence(answer(TOKEN, DIGEST)), ORDERED, ZONE, NOW).digest is None
    assert judge(evidence(answer(OTHER_DIGEST, DIGEST)), ORDERED, ZONE, NOW).digest == DIGEST
    kept = replace(ORDERED, verification=build.proof(Method.MANUAL, digest=OTHER_DIGEST))
    assert judge(evidence(answer(DIGEST, OTHER_DIGEST)), kept, ZONE, NOW).digest == OTHER_DIGEST


@pytest.mark.parametrize(
    "value", [f'"{TOKEN}"', f" {TOKEN}", f"{TOKEN}\n", "A" * 64, f"' {TOKEN}'", f'\\"{TOKEN}\\"']
)
def test_typing_mistakes_are_told_from_other_values(value: str) -> None:
    claim = replace(CLAIM, token="a" * 64) if value == "A" * 64 else CLAIM
    finding = judge(evidence(answer(value)), claim, ZONE, NOW)
    assert finding.reason is Reason.QUOTED_VALUE
    assert f"enter it exactly as {claim.token}" in finding.message


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (f"{TARGET}.{DOMAIN}", "appended a zone"),
        (f"{ID}.{DOMAIN}", "inside the domain itself"),
        ("shops.example.org", f"change its target to {TARGET}."),
    ],
)
def test_the_mend_of_a_wrong_cname(target: str, words: str) -> None:
    assert words in judge(evidence(answer(cname=target)), CLAIM, ZONE, NOW).message


def test_the_same_fact_has_the_same_words() -> None:
    """Whatever the order of answers and values, and whoever else did not answer."""
    answers = (answer("b", "a"), answer("a", server="203.0.113.9:53"))
    wanted = judge(evidence(*answers), CLAIM, ZONE, NOW)
    for mixed in permutations((*answers, SILENT)):
        turned = tuple(replace(a, texts=a.texts[::-1]) for a in mixed)
        assert judge(evidence(*turned), CLAIM, ZONE, NOW) == wanted


def test_who_said_what() -> None:
    found = (
        answer("b", "a", cname="x.y", authentic=True, milliseconds=7),
        nothing(server="203.0.113.9:53", host="ns.example.net"),
        SILENT,
    )
    assert describe(found, frozenset("b")) == (
        Seen("192.0.2.53:53", Outcome.ANSWERED, ("CNAME x.y.", "b", "a"), True, 5, 7),
        Seen("ns.example.net (203.0.113.9:53)", Outcome.NO_SUCH_NAME, (), False, 5),
    )
    assert describe((SILENT,), frozenset()) == (
        Seen("198.51.100.1:53", Outcome.TIMED_OUT, (), False, 5),
    )


@given(st.text(max_size=400), st.integers(4, 200))
def test_what_is_shown_is_bounded_and_harmless(text: str, length: int) -> None:
    assert shown(text, length).isprintable()
    assert len(shown(text, length)) <= length


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_constant_time_comparison_is_comparison(found: list[str], wanted: list[str]) -> None:
    assert holds_any(found, wanted) == bool(set(found) & set(wanted))


def test_all_values_of_an_order_have_to_be_there() -> None:
    both = (DIGEST, OTHER_DIGEST)
    full = answer(DIGEST, OTHER_DIGEST)
    assert challenges_present(evidence(full, SILENT), both)
    assert not challenges_present(evidence(answer(DIGEST)), both)
    assert not challenges_present(evidence(answer(DIGEST), answer(OTHER_DIGEST)), both)
    assert not challenges_present(evidence(full, full, full, answer(DIGEST)), both)
    assert not challenges_present(replace(evidence(full, SILENT), needed=2), both)
    assert challenges_present(evidence(nothing()), ())


outcomes = st.sampled_from(Outcome)
names = st.sampled_from([TARGET, "a.b", "\\000" * 200, f"{TARGET}.x"])
texts = st.one_of(st.text(), st.sampled_from([TOKEN, DIGEST, '"' + TOKEN]))
answers = st.builds(
    ServerAnswer, st.text(max_size=60), outcomes, st.tuples(names), st.lists(texts).map(tuple)
)


@given(st.lists(answers).map(tuple), st.sampled_from([CLAIM, ORDERED, RESTING]))
def test_only_what_was_asked_for_proves(found: tuple[ServerAnswer, ...], claim: Any) -> None:
    finding = judge(Evidence("_acme-challenge.shop.example.com", found), claim, ZONE, NOW)
    conclusive = [a for a in found if a.outcome.conclusive]
    there = any(TARGET in a.cnames or set(a.texts) & {*claim.texts, DIGEST} for a in conclusive)
    if finding.proof is not None:
        assert there
    if not conclusive:
        assert finding.ruling is Ruling.UNDECIDED
