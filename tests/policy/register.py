"""The claim that those who want one domain share, and what has to hold for each version of it."""

import json
from datetime import timedelta
from typing import Protocol

import build
from build import NOW
from schema import faults, schema_of

from customdomains.model.claim import Claim, parse_claim, render_claim
from customdomains.model.domain import CustomDomain
from customdomains.model.identity import Identity
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.rules import Rules
from customdomains.policy.seats import IDLE_SEATS
from customdomains.policy.world import Announcement

_CLAIM = schema_of("DomainClaim")


class Wanting(Protocol):
    """Somebody who wants the domain."""

    domain: CustomDomain | None

    def act(self) -> None: ...

    def rests(self) -> None: ...


class Register:
    """The claim on `build.DOMAIN`, who wants it, and the clock."""

    def __init__(self, rules: Rules = build.RULES) -> None:
        self.rules = rules
        self.now = NOW + timedelta(milliseconds=700)
        self.claim: Claim | None = None
        self.wanted_by: list[Wanting] = []
        self.identities: dict[str, str] = {}
        self.told: list[Announcement] = []
        self._version = 0

    def mint(self) -> Identity:
        number = len(self.identities) + 1
        identity = Identity(f"{number:032x}", f"{number:064x}")
        self.identities[identity.id] = identity.token
        return identity

    def settle(self) -> None:
        """Let everybody decide until nobody has anything to do without news."""
        for _ in range(2 * len(self.wanted_by) + 2):
            before = self.claim
            for who in self.wanted_by:
                who.act()
            if self.claim == before:
                break
        else:
            raise AssertionError("they do not come to rest")
        for who in self.wanted_by:
            who.rests()

    def store(self, claim: Claim | None) -> None:
        """What the API server makes of it."""
        if claim is None:
            assert self.claim is not None
            assert self.claim.reserved_for is None, "a reservation is lost"
            self.claim = None
            return
        if self.claim is not None:
            assert claim != self.claim
            assert claim.resource_version == self.claim.resource_version
            self._nobody_is_displaced(self.claim, claim)
            self._who_leaves_leaves_for_good(self.claim, claim)
        self._seats_are_in_order(claim)
        body = json.loads(json.dumps(render_claim(claim)))
        assert list(faults(_CLAIM["properties"]["spec"], body["spec"])) == []
        assert list(faults(_CLAIM["properties"]["status"], body.get("status", {}))) == []
        self._version += 1
        body["metadata"] |= {
            "uid": claim.uid or f"claim-{self._version}",
            "resourceVersion": str(self._version),
        }
        created = claim.created if claim.uid else self.now
        body["metadata"]["creationTimestamp"] = created.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.claim = parse_claim(body)

    def _seats_are_in_order(self, claim: Claim) -> None:
        namespaces = [seat.holder.namespace_uid for seat in claim.seats]
        assert len(namespaces) == len(set(namespaces)), "a namespace has two seats"
        assert len(claim.contenders) <= self.rules.claims.contenders + IDLE_SEATS
        for seat in claim.seats:
            assert self.identities.get(seat.id, seat.token) == seat.token, "another token"
        if self.claim is None:
            return
        kept = {seat.holder.namespace_uid: seat.id for seat in self.claim.seats}
        for seat in claim.seats:
            assert kept.get(seat.holder.namespace_uid, seat.id) == seat.id, "another id"

    def _who_leaves_leaves_for_good(self, before: Claim, after: Claim) -> None:
        """Whoever is there keeps the seat, with what is on record for its Secret."""
        left = {seat.id: seat for seat in after.seats}
        for seat in before.seats:
            kept, standing = left.get(seat.id), seat.standing
            there = any(
                who.domain is not None and who.domain.uid == seat.holder.uid
                for who in self.wanted_by
            )
            if kept is None:
                assert not there, "a seat is given up whose owner lives"
                gone = standing.vacant_since or standing.expired_at or standing.release
                assert gone, "a seat is not kept for its namespace"
            elif there and after.id != before.id:
                assert kept.certificate == seat.certificate, "a Secret is forgotten"

    def _nobody_is_displaced(self, before: Claim, after: Claim) -> None:
        if before.id == after.id or before.verification is None:
            return
        left = before.standing.vacant_since is not None or before.standing.release
        ends = proof_expired_at(before, self.rules)
        assert left or (ends is not None and self.now >= ends), "a proved holder is displaced"
        assert left or after.verification is not None, "displaced without any proof"
