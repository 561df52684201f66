"""Which transitions are told as Events beside those that the tables of decide show."""

from dataclasses import replace

import build
import pytest

from customdomains.model.names import NameRefusedError
from customdomains.model.reasons import Reason
from customdomains.policy.announcements import announce, failed
from customdomains.policy.projection import project_refused, project_unseated
from customdomains.policy.seats import Refusal


def test_a_registration_over_http_is_told_once_its_resource_is_there():
    claim = build.claim()
    minted = replace(claim, holder=replace(claim.holder, uid=None))
    assert [told.reason for told in announce(minted, claim, None)] == ["Registered"]
    assert announce(claim, claim, None) == ()


def test_who_is_handed_a_name_is_told_and_who_comes_back_to_it_is_not():
    before = build.claim(verification=build.proof())
    heir = replace(build.RIVAL, uid="heir")
    (told,) = announce(before, replace(before, holder=heir), None)
    assert (told.reason, told.warning) == ("HandedOver", False)
    assert before.id in told.note
    again = replace(before.holder, uid="anew")
    assert announce(before, replace(before, holder=again), None) == ()


@pytest.mark.parametrize("reason", [Reason.INVALID_NAME, Reason.PUBLIC_SUFFIX])
def test_a_refused_name_is_told(reason):
    status = project_refused(build.domain(), NameRefusedError(reason, "no such name"))
    told = failed(status)
    assert told is not None
    assert (told.reason, told.note, told.warning) == (reason, "no such name", True)


@pytest.mark.parametrize(
    "reason",
    [
        Reason.HELD_BY_ANOTHER,
        Reason.RESERVED,
        Reason.QUOTA_EXCEEDED,
        Reason.TOO_MANY_CONTENDERS,
    ],
)
def test_who_gets_no_seat_is_told(reason):
    told = failed(project_unseated(build.domain(), Refusal(reason, "no room")))
    assert told is not None
    assert (told.reason, told.note, told.warning) == (reason, "no room", True)
