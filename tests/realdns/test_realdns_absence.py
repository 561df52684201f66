"""What signed zones of real servers deny is as secure as what they answer: Knot and NSD with NSEC,
and Knot with NSEC3."""

import pytest

from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.model.evidence import Outcome
from realdns.judging import evidence_of


@pytest.mark.parametrize("zone", ["signed.com", "online.com"])
@pytest.mark.parametrize(
    ("domain", "outcome"),
    [
        pytest.param("", Outcome.NO_SUCH_NAME, id="at the apex"),
        pytest.param("missing.", Outcome.NO_SUCH_NAME, id="no name"),
        pytest.param("far.below.what.is.missing.", Outcome.NO_SUCH_NAME, id="no name above it"),
        pytest.param("deep.good.", Outcome.NO_SUCH_NAME, id="an empty name above it"),
    ],
)
async def test_an_absence_is_authentic(
    authoritative: AuthoritativeLookup, zone: str, domain: str, outcome: Outcome
) -> None:
    evidence = await evidence_of(authoritative, f"{domain}{zone}")
    assert evidence.conclusive
    assert {(a.outcome, a.authentic) for a in evidence.answers} == {(outcome, True)}
