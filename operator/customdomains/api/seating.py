"""Seats for registrations by HTTP: the claim's side of registering and giving up.

A claim that others have a seat on is written on the version it was decided on, and decided anew
where somebody else was quicker. What a lost answer has left is looked up.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from customdomains.api.directory import Directory
from customdomains.api.errors import AlreadyRegistered, CallError, Failed, NotAllowed, code_of
from customdomains.api.idempotency import Attempt, mark_of, was_fresh
from customdomains.api.seated import Seated
from customdomains.cluster import (
    AlreadyExists,
    ApiClient,
    ApiError,
    Conflict,
    NotFound,
    Unavailable,
)
from customdomains.cluster.stores import ClaimStore
from customdomains.model.claim import Claim, Contender, Holder
from customdomains.model.domain import Key
from customdomains.model.identity import Identity, mint_identity
from customdomains.model.reasons import Reason
from customdomains.policy import seats, succession
from customdomains.policy.registration import new_claim
from customdomains.policy.rules import ClaimRules
from customdomains.policy.schedule import CLAIM_PATIENCE
from customdomains.policy.seats import Refusal
from customdomains.policy.telling import parted

_log = logging.getLogger(__name__)

_ATTEMPTS = 50  # each is lost only to somebody whose write went through; seats are fewer
_BUSY = "its claim is being written to by many at once; try again"


class Seating:
    """Takes and gives up seats for the directory's namespace.

    Raises `CallError` where the rules say no, `ApiError` where the API server does.
    """

    def __init__(self, client: ApiClient, directory: Directory, rules: ClaimRules) -> None:
        self._claims = ClaimStore(client)
        self._directory = directory
        self._rules = rules
        self._entering: Counter[str] = Counter()

    async def take(self, domain: str, attempt: Attempt | None = None) -> Seated:
        """A seat on the canonical name `domain` for a CustomDomain that is still to be made.

        Where nobody has registered the name, the create of its claim is the lock. On a claim that
        is there the namespace gets a seat beside the others, or its own vacant one back; or one
        that was got in this `attempt` before, and never got its CustomDomain.
        """
        key = Key(self._directory.namespace, domain)
        holder = Holder(key, self._directory.namespace_uid, uid=None)
        minted = new_claim(domain, holder, mint_identity(secrets.token_bytes))
        self._entering[domain] += 1
        try:
            for _ in range(_ATTEMPTS):
                seated = await self._create(minted, attempt) or await self._enter(minted, attempt)
                if seated is not None:
                    self._directory.claims.put(domain, seated.claim)
                    return seated
        finally:
            self._entering -= Counter((domain,))
        raise Failed("storage_error", f"{domain} could not be registered: {_BUSY}")

    async def rename(self, seated: Seated, name: str) -> Seated:
        """The same seat for a CustomDomain of another name, before there is one."""
        current: Seated | None = seated
        for _ in range(_ATTEMPTS):
            if current is None:
                # A resource of the name that the seat gave was quicker, and has it now.
                raise AlreadyRegistered(seated.claim.domain)
            holder = current.seat.holder
            holder = replace(holder, key=holder.key._replace(name=name))
            changed = seats.take_up(current.claim, current.seat, holder, _now(), self._rules)
            try:
                return replace(current, claim=await self._replace(changed))
            except (Conflict, NotFound):
                current = await self._still(seated)
        raise Failed("storage_error", f"{seated.claim.domain} could not be registered: {_BUSY}")

    async def give_back(self, seated: Seated) -> None:
        """Undo what `take` did, unless a CustomDomain has the seat by now.

        Where that fails, the controller's sweep does it after its ten minutes of patience.
        """
        current: Seated | None = seated
        why: object = _BUSY
        try:
            for _ in range(_ATTEMPTS):
                if current is None or await self._undo(current):
                    return
                current = await self._still(seated)
        except ApiError as error:
            why = error
        _log.warning(
            "The seat on %s could not be given back and stays until the sweep: %s",
            seated.claim.domain,
            why,
        )

    async def leave(self, domain: str, seat_id: str, gone: Collection[str | None]) -> None:
        """Remove the seat, for good, of a CustomDomain that had one of the uids `gone`.

        The name is free then, or somebody's who has waited for it. The seat may be gone already,
        since the controller writes, too; or somebody has come back to it, and stays.
        """

        def to_write(claim: Claim | None) -> Claim | None:
            seat = None if claim is None else self._directory.own_seat(claim)
            if seat is None or seat.id != seat_id:
                return None
            return claim if seat.standing.vacant_since or seat.holder.uid in gone else None

        claim = to_write(self._directory.claims.get(domain))
        for _ in range(_ATTEMPTS):
            if claim is None:
                return
            try:
                if await self._write(claim, self._without(claim, seat_id)):
                    return
                claim = to_write(await self._directory.read_claim(domain))
            except Unavailable:
                claim = to_write(await self._directory.read_claim(domain))
                if claim is not None:
                    raise
        raise Failed("storage_error", f"{domain} could not be deleted: {_BUSY}")

    # --- getting a seat ------------------------------------------------------------------------

    async def _create(self, minted: Claim, attempt: Attempt | None) -> Seated | None:
        """With the claim, where there is none and the namespace may have one more."""
        if self._over_quota(minted.domain) is not None:
            return None
        claim = Seated(minted, minted.id, fresh=True).marked(attempt).claim
        try:
            created = await self._claims.create(claim)
        except AlreadyExists:
            return None
        except Unavailable:
            stored = await self._directory.read_claim(minted.domain)
            if stored is None:
                raise
            return Seated(stored, minted.id, fresh=True) if stored.id == minted.id else None
        return Seated(created, minted.id, fresh=True)

    async def _enter(self, minted: Claim, attempt: Attempt | None) -> Seated | None:
        """On the claim that is there; None where it is another one by now."""
        claim = await self._directory.read_claim(minted.domain)
        if claim is None:
            refusal = self._over_quota(minted.domain)
            if refusal is not None:
                raise _refused(minted.domain, refusal)
            return None
        seated = None if attempt is None else self._go_on(claim, attempt)
        if seated is None:
            changed = await self._decide(claim, minted)
            if changed is None:
                return None
            seat_id = next(seat.id for seat in changed.seats if seat.holder == minted.holder)
            seated = Seated(changed, seat_id, fresh=seat_id == minted.id)
        seated = seated.marked(attempt)
        try:
            return replace(seated, claim=await self._replace(seated.claim))
        except (Conflict, NotFound):
            return None
        except Unavailable:
            written = await self._still(seated)
            if written is None or written.claim.resource_version == claim.resource_version:
                raise
            return written

    async def _decide(self, claim: Claim, minted: Claim) -> Claim | None:
        """The claim with a seat for us; None where something had to be cleared away first."""
        mine = self._directory.own_seat(claim)
        if mine is None or mine.standing.vacant_since:
            identity, held = Identity(minted.id, minted.token), self._seats(claim.domain)
            entered = seats.enter(claim, minted.holder, identity, _now(), self._rules, held)
            if isinstance(entered, Refusal):
                raise _refused(claim.domain, entered)
            return entered
        if not await self._is_deserted(claim, mine):
            raise AlreadyRegistered(claim.domain)
        if mine.standing.release:
            await self._write(claim, self._without(claim, mine.id))
            return None
        vacant = replace(mine, standing=replace(mine.standing, vacant_since=_now()))
        return seats.take_up(claim, vacant, minted.holder, _now(), self._rules)

    def _go_on(self, claim: Claim, attempt: Attempt) -> Seated | None:
        """With new patience for a seat that this attempt has got before, if it has."""
        mine = self._directory.own_seat(claim)
        if mine is None or mine.holder.uid or mine.standing.vacant_since:
            return None
        if not attempt.has_begun(claim, mine.id):
            return None
        patient = replace(mine, standing=replace(mine.standing, since=_now()))
        changed = succession.with_seat(claim, patient)
        return Seated(changed, mine.id, was_fresh(claim, mine.id))

    async def _is_deserted(self, claim: Claim, seat: Contender) -> bool:
        """Whether the seat's CustomDomain is gone, and the controller has not come to see it."""
        since = seat.standing.since or claim.created
        if seat.holder.uid is None and _now() - since < CLAIM_PATIENCE:
            return False  # between the two writes of another registration
        view = await self._directory.read_domain(seat.holder.key.name)
        return view is None or not view.is_for(claim.domain)

    def _over_quota(self, domain: str) -> Refusal | None:
        return seats.over_quota(self._directory.namespace, self._seats(domain), self._rules)

    def _seats(self, domain: str) -> int:
        """How many seats the namespace has, with those it is about to get beside one on `domain`.

        What other replicas, or the controller, are about to give it is not known here.
        """
        coming = (d for d in self._entering if d != domain and not self._directory.has_seat_on(d))
        return self._directory.seats + sum(1 for _ in coming)

    # --- giving it up --------------------------------------------------------------------------

    async def _undo(self, seated: Seated) -> bool:
        """Whether it worked."""
        claim, seat = seated.claim, seated.seat
        if seated.fresh:
            return await self._write(claim, self._without(claim, seat.id))
        return await self._write(claim, succession.vacate(claim, seat, _now()))

    async def _still(self, seated: Seated) -> Seated | None:
        """The seat as it is now, if it still waits for its CustomDomain. Raises `ApiError`."""
        claim = await self._directory.read_claim(seated.claim.domain)
        seat = next((s for s in claim.seats if s.id == seated.id), None) if claim else None
        if claim is None or seat is None or seat.holder.uid or seat.standing.vacant_since:
            return None
        if mark_of(claim, seat.id) != mark_of(seated.claim, seat.id):
            return None  # the same call came again, and goes on with it
        return replace(seated, claim=claim)

    def _without(self, claim: Claim, seat_id: str) -> Claim | None:
        """The claim without a seat; None: it is to be deleted."""
        after = succession.remove(claim, seat_id, _now())
        seat = next((seat for seat in claim.seats if seat.id == seat_id), None)
        if seat is None or not (self._rules.webhooks or claim.outbox):
            return after
        return parted(claim, seat, after, _now())

    async def _write(self, claim: Claim, changed: Claim | None) -> bool:
        """Store `changed` in place of `claim`, which None deletes. Whether it was still that."""
        try:
            if changed is not None:
                await self._replace(changed)
                return True
            await self._claims.delete(claim)
        except Conflict:
            return False
        except NotFound:
            pass
        self._directory.claims.remove(claim.domain, claim.uid)
        return True

    async def _replace(self, changed: Claim) -> Claim:
        stored = await self._claims.replace(changed)
        self._directory.claims.put(stored.domain, stored)
        return stored


def _refused(domain: str, refusal: Refusal) -> CallError:
    if refusal.reason is Reason.HELD_BY_ANOTHER:
        return AlreadyRegistered(domain, refusal.message)
    if refusal.reason is Reason.TOO_MANY_CONTENDERS:
        return AlreadyRegistered(
            domain,
            f"{domain} is already registered, and as many others wait for it as may; try again "
            "when one of them may have given up",
        )
    return NotAllowed(code_of(refusal.reason), refusal.message)


def _now() -> datetime:
    return datetime.now(UTC)
