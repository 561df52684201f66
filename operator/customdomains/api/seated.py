"""A seat that a registration by HTTP has got."""

from __future__ import annotations

from dataclasses import dataclass, replace

from customdomains.api.idempotency import Attempt, with_mark
from customdomains.model.claim import Claim, Contender


@dataclass(frozen=True, slots=True)
class Seated:
    """A seat that was got: the claim as it is stored, and the seat's id.

    `fresh` tells that its identity was minted just now; else the seat was there, and vacant.
    """

    claim: Claim
    id: str
    fresh: bool

    @property
    def seat(self) -> Contender:
        """The seat itself."""
        return next(seat for seat in self.claim.seats if seat.id == self.id)

    @property
    def view(self) -> Claim:
        """The claim as it is for this seat."""
        return self.claim if self.id == self.claim.id else self.claim.seen_by(self.seat)

    def marked(self, attempt: Attempt | None) -> Seated:
        """The same, with the attempt's mark in the claim as long as there is no CustomDomain."""
        mark = None if attempt is None else attempt.mark(fresh=self.fresh)
        return replace(self, claim=with_mark(self.claim, self.id, mark))
