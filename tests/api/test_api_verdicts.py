"""Which answer a check's outcome gets."""

import json
from dataclasses import replace

import pytest

from customdomains.api.errors import LookupFailed, Refused, code_of
from customdomains.api.resources import parse_view
from customdomains.api.verdicts import (
    LOOKUP_SUCCEEDED,
    lookup_failed,
    shortcoming,
    status_proved,
    what_is_wrong,
)
from customdomains.model.reasons import Reason

REASONS = list(Reason)
OF_VERIFIED = REASONS[
    REASONS.index(Reason.NOT_CHECKED_YET) : REASONS.index(Reason.PROOF_EXPIRED) + 1
]

VIEW = parse_view(
    {
        "metadata": {"namespace": "a", "name": "b", "uid": "c", "resourceVersion": "1"},
        "spec": {"domainName": "shop.example.com"},
    }
)


def viewed(*conditions, state=None):
    told = [
        {"type": kind, "status": str(holds), "reason": reason, "message": f"{kind} says so"}
        for kind, holds, reason in conditions
    ]
    records = [{"state": state, "message": "the record says so"}] if state else []
    return replace(VIEW, conditions=json.dumps(told).encode(), records=json.dumps(records).encode())


def test_every_reason_of_verified_is_in_the_table():
    assert set(LOOKUP_SUCCEEDED) == set(OF_VERIFIED)


@pytest.mark.parametrize("reason", [r for r in OF_VERIFIED if r is not Reason.PROVED])
def test_a_reason_is_the_caller_s_or_the_lookup_s(reason):
    error = what_is_wrong(viewed(("Verified", False, reason)))
    assert type(error) is (Refused if LOOKUP_SUCCEEDED[reason] else LookupFailed)
    assert (error.code, error.message) == (code_of(reason), "Verified says so")


@pytest.mark.parametrize("reason", OF_VERIFIED)
def test_a_proof_that_cannot_be_checked_again_is_one(reason):
    assert status_proved(viewed(("Verified", True, reason))) is (reason is not Reason.PROOF_GONE)
    assert not status_proved(viewed(("Verified", False, reason)))
    assert not status_proved(viewed(("Verified", True, reason), ("Claimed", False, "Contending")))


@pytest.mark.parametrize("reason", [Reason.PROOF_GONE, Reason.PROOF_EXPIRED])
@pytest.mark.parametrize("state", ["Missing", "Unreachable"])
def test_a_proof_that_is_gone_may_be_one_that_nobody_could_look_for(reason, state):
    holds = reason is Reason.PROOF_GONE
    error = what_is_wrong(viewed(("Verified", holds, reason), state=state))
    if state == "Missing":
        assert (type(error), error.code) == (Refused, code_of(reason))
    else:
        assert (type(error), error.code) == (LookupFailed, "lookup_failed")
        assert error.message == "the record says so"


@pytest.mark.parametrize(
    ("conditions", "code", "message"),
    [
        (
            [("Claimed", False, "Contending"), ("Verified", True, "Proved")],
            "contending",
            "Claimed says so",
        ),
        (
            [
                ("Ready", False, "Contending"),
                ("Claimed", False, "Contending"),
                ("Verified", True, "Proved"),
            ],
            "contending",
            "Ready says so",
        ),
        (
            [
                ("Ready", False, "Contending"),
                ("Claimed", False, "Contending"),
                ("Verified", False, "RecordMissing"),
            ],
            "record_missing",
            "Ready says so",
        ),
        (
            [("Ready", False, "HeldByAnother"), ("Claimed", False, "HeldByAnother")],
            "held_by_another",
            "Ready says so",
        ),
        ([("Ready", False, "ClaimExpired")], "claim_expired", "Ready says so"),
        ([("Verified", True, "Proved")], "domain_not_verified", "the domain is not verified"),
        ([], "domain_not_verified", "the domain is not verified"),
    ],
)
def test_a_seat_may_be_what_is_wrong(conditions, code, message):
    error = what_is_wrong(viewed(*conditions))
    assert (type(error), error.code, error.message) == (Refused, code, message)


@pytest.mark.parametrize("reason", ["Proved", "LameDelegation"])
def test_what_is_well_has_no_shortcoming(reason):
    view = viewed(("Claimed", True, "Held"), ("Verified", True, reason))
    assert shortcoming(view) is None
    assert (lookup_failed(view) is None) is (reason == "Proved")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("RecordMissing", "record_missing"),
        ("DNSSECBogus", "dnssec_bogus"),
        ("CAUnreachable", "ca_unreachable"),
        ("Lost", "lost"),
    ],
)
def test_codes_are_the_reasons_in_snake_case(reason, code):
    assert code_of(reason) == code
