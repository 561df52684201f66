"""What the responder answers for claims as they come, change hands and go."""

from dataclasses import replace

import build

from customdomains.dns.source import ClaimTexts
from customdomains.model.claim import NOBODY, Claim
from customdomains.policy.succession import remove, take_over

CONTESTED = build.contested(order=build.order())


class Told:
    """A source that has heard of some claims."""

    def __init__(self) -> None:
        self.source = ClaimTexts(lambda: True)
        self.known: Claim | None = None

    def hear(self, claim: Claim | None) -> None:
        self.source.changed(build.DOMAIN, self.known, claim)
        self.known = claim

    def answers(self) -> dict[str, tuple[str, ...] | None]:
        ids = (build.ID, build.RIVAL_ID)
        return {label: self.source.texts(label) for label in ids if self.source.texts(label)}


def test_each_seat_is_answered_for_by_its_own_token() -> None:
    """A contender's CNAME has to prove it, and the holder's challenges are the holder's."""
    it = Told()
    it.hear(CONTESTED)
    assert it.answers() == {
        build.RIVAL_ID: (build.RIVAL_TOKEN, build.DIGEST),
        build.ID: (build.TOKEN,),
    }
    assert len(it.source) == 2


def test_a_change_of_hands_changes_no_token() -> None:
    it = Told()
    it.hear(CONTESTED)
    it.hear(take_over(CONTESTED, build.seat(), build.proof(), build.NOW, None))
    assert it.answers() == {build.RIVAL_ID: (build.RIVAL_TOKEN,), build.ID: (build.TOKEN,)}


def test_who_is_gone_is_not_answered_for() -> None:
    it = Told()
    it.hear(CONTESTED)
    it.hear(remove(CONTESTED, build.RIVAL_ID, build.NOW))
    assert it.answers() == {build.ID: (build.TOKEN,)}
    it.hear(None)
    assert it.answers() == {}
    assert len(it.source) == 0


def test_a_claim_that_nobody_holds_answers_for_those_who_want_it() -> None:
    it = Told()
    it.hear(replace(CONTESTED, id="", token="", holder=NOBODY, order=None, reserved_for="x"))
    assert it.answers() == {build.ID: (build.TOKEN,)}
    assert it.source.texts("") is None
