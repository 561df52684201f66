"""What the sweep takes for nobody's: Secrets, which go a day later, and seats."""

from dataclasses import replace
from datetime import datetime, timedelta

import build
import pytest
from build import DAY, HOUR, NOW, SECOND

from customdomains.cluster.errors import Conflict
from customdomains.cluster.orphans import OwnedSecret
from customdomains.cluster.secretforms import ROLE_CERTIFICATE, ROLE_NEXT_KEY
from customdomains.controller.store import Store
from customdomains.controller.sweep import Sweep
from customdomains.model.claim import NOBODY, Claim, Contender, Failure, Standing
from customdomains.model.domain import CustomDomain, Key
from customdomains.model.reasons import Reason

HAS = build.claim(certificate=build.certificate())
ELSE = build.holder(key=Key("other", "shop"), namespace_uid="other-uid")
LOSER = Contender(
    build.ID,
    build.TOKEN,
    build.holder(),
    Standing(lost_at=NOW - DAY),
    certificate=build.certificate(),
)
LOST = replace(HAS, id="b" * 32, holder=ELSE, certificate=None, contenders=(LOSER,))


class Secrets:
    """One Secret, and what becomes of it."""

    def __init__(
        self, role: str, orphaned_at: datetime | None, revoke_by: str | None = None
    ) -> None:
        self.secret = OwnedSecret(
            "tenant", "shop-tls", "uid", "1", role, build.ID, build.DOMAIN, orphaned_at, revoke_by
        )
        self.marked = orphaned_at
        self.removed = False
        self.offered = False

    async def owned(self) -> list[OwnedSecret]:
        return [self.secret]

    async def mark_orphaned(self, _secret: OwnedSecret, since: datetime | None) -> None:
        self.marked = since

    async def remove(self, _secret: OwnedSecret) -> None:
        self.removed = True

    def offer(self, _secret: OwnedSecret) -> None:
        self.offered = True


class Domains:
    """The only ones there are."""

    def __init__(self, *there: CustomDomain) -> None:
        self.there = {domain.key: domain for domain in there}

    async def names(self) -> dict[Key, str]:
        return {key: domain.uid for key, domain in self.there.items()}

    async def read(self, key: Key) -> CustomDomain | None:
        return self.there.get(key)


class Claims:
    """What is deleted of them; `quick` tells that somebody always writes before."""

    def __init__(self, *, quick: bool = False) -> None:
        self.deleted: list[Claim] = []
        self._quick = quick

    async def delete(self, claim: Claim) -> None:
        if self._quick:
            raise Conflict(409, "Conflict", "it was changed")
        self.deleted.append(claim)


async def swept(
    claim: Claim | None,
    role: str = ROLE_CERTIFICATE,
    orphaned: timedelta | None = None,
    *,
    there: tuple[CustomDomain, ...] = (),
    woken: list[Key] | None = None,
    claims: Claims | None = None,
    revoke_by: str | None = None,
) -> Secrets:
    store = Store(lambda _key: None)
    if claim is not None:
        store.put_claim(claim)
    secrets = Secrets(role, None if orphaned is None else NOW - orphaned, revoke_by)
    keys: list[Key] = [] if woken is None else woken
    sweep = Sweep(
        store,
        Domains(*there),
        claims or Claims(),
        secrets,
        secrets,
        now=lambda: NOW,
        wake=keys.append,
        retention=DAY,
    )
    await sweep.sweep()
    return secrets


@pytest.mark.parametrize(
    ("claim", "role", "used"),
    [
        (HAS, ROLE_CERTIFICATE, True),
        (None, ROLE_CERTIFICATE, False),
        (build.claim(), ROLE_CERTIFICATE, False),
        (build.claim(order=build.order()), ROLE_NEXT_KEY, True),
        (HAS, ROLE_NEXT_KEY, False),
        (replace(HAS, id="b" * 32), ROLE_CERTIFICATE, False),
        (replace(HAS, standing=Standing(vacant_since=NOW)), ROLE_CERTIFICATE, False),
        (LOST, ROLE_CERTIFICATE, True),
        # The seat and its id were handed over to another namespace, which has a Secret of its own.
        (replace(HAS, holder=ELSE), ROLE_CERTIFICATE, False),
        (replace(HAS, holder=ELSE, order=build.order()), ROLE_NEXT_KEY, False),
    ],
)
async def test_whose_secret(claim: Claim | None, role: str, used: bool) -> None:
    assert (await swept(claim, role)).marked == (None if used else NOW)
    late = await swept(claim, role, orphaned=DAY)
    assert late.removed is not used
    if used:
        assert late.marked is None, "it is wanted again"


async def test_it_is_kept_for_a_day() -> None:
    assert not (await swept(None, orphaned=DAY - SECOND)).removed
    assert (await swept(None, orphaned=HOUR)).marked == NOW - HOUR


def nobodys(ends: timedelta, **changed: object) -> Claim:
    failure = Failure(Reason.CHALLENGE_FAILED, "no answer", NOW - HOUR, 3, NOW + ends)
    bare = build.claim(id="", token="", holder=NOBODY, failure=failure)
    return replace(bare, **changed)


@pytest.mark.parametrize(
    ("claim", "over"),
    [
        (nobodys(SECOND), False),
        (nobodys(-SECOND), True),
        (nobodys(-SECOND, reserved_for="tenant"), False),
        (nobodys(SECOND, failure=None), True),
        (HAS, False),
    ],
)
async def test_a_claim_that_only_remembers_goes_when_it_may_forget(
    claim: Claim, over: bool
) -> None:
    claims = Claims()
    await swept(claim, claims=claims)
    assert claims.deleted == ([claim] if over else [])


async def test_who_registers_meanwhile_keeps_it() -> None:
    await swept(nobodys(-SECOND), claims=Claims(quick=True))


async def test_one_whose_certificate_is_to_be_revoked_first_is_handed_on() -> None:
    early = await swept(None, orphaned=HOUR, revoke_by="pebble")
    assert (early.offered, early.removed) == (False, False)
    late = await swept(None, orphaned=DAY, revoke_by="pebble")
    assert (late.offered, late.removed) == (True, False)
    used = await swept(HAS, orphaned=DAY, revoke_by="pebble")
    assert (used.offered, used.marked) == (False, None)


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ((), [build.RIVAL.key, build.KEY]),
        ((build.domain(),), [build.RIVAL.key]),
        ((build.domain(uid="anew"),), [build.RIVAL.key, build.KEY]),
        ((build.domain(), build.domain(key=build.RIVAL.key, uid=build.RIVAL.uid)), []),
    ],
)
async def test_every_seat_whose_resource_is_not_there_is_looked_after(
    there: tuple[CustomDomain, ...], wanted: list[Key]
) -> None:
    woken: list[Key] = []
    await swept(build.contested(), there=there, woken=woken)
    assert woken == wanted
