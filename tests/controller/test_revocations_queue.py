"""What becomes of a Secret whose certificate is to be revoked first, whatever the CA says."""

from datetime import datetime, timedelta

import build
import pytest
from build import DAY, HOUR, NOW, SECOND

from customdomains.cluster.errors import Conflict, Unavailable
from customdomains.cluster.orphans import OwnedSecret
from customdomains.cluster.secretforms import ROLE_CERTIFICATE
from customdomains.controller.revoking import Revocations
from customdomains.model.certificate import OrderError, RevocationReason
from customdomains.model.domain import Key
from customdomains.model.kept import Leaf
from customdomains.model.reasons import Reason

KEY = Key("tenant", "shop-tls")
SECRET = OwnedSecret(
    *KEY, "uid", "1", ROLE_CERTIFICATE, build.ID, build.DOMAIN, NOW - DAY, "pebble"
)


class Outside:
    """The CA, the Secrets and the reader of certificates, each as told."""

    def __init__(self) -> None:
        self.now = NOW
        self.not_after = NOW + HOUR
        self.text: str | None = "chain"
        self.refusal: Exception | None = None
        self.quick: Exception | None = None
        self.revoked: list[tuple[str, int]] = []
        self.tries = 0
        self.removed = False
        self.ended: list[str] = []

    async def chain(self, _secret: OwnedSecret) -> str | None:
        return self.text

    async def remove(self, _secret: OwnedSecret) -> None:
        if self.quick is not None:
            raise self.quick
        self.removed = True

    async def revoke(self, certificate: str, reason: RevocationReason) -> None:
        self.tries += 1
        if self.refusal is not None:
            raise self.refusal
        self.revoked.append((certificate, int(reason)))

    def leaf(self, chain_pem: str) -> Leaf | None:
        return Leaf("leaf", self.not_after) if chain_pem == "chain" else None


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def revocations(outside: Outside) -> Revocations:
    return Revocations(
        outside,
        {"pebble": outside},
        outside,
        now=lambda: outside.now,
        random=lambda: 1.0,
        done=lambda _kind, ended: outside.ended.append(ended),
    )


async def offered(revocations: Revocations, secret: OwnedSecret = SECRET) -> bool:
    """Whether the offer was taken, and then carried out."""
    before = len(revocations._lane)
    revocations.offer(secret)
    if len(revocations._lane) == before:
        return False
    key = await revocations._lane._queue.get()
    await revocations._run(key, revocations._lane._jobs.pop(key))
    revocations._lane._queue.done(key)
    return True


async def test_it_is_revoked_and_then_removed(outside, revocations):
    assert await offered(revocations)
    assert outside.revoked == [("leaf", RevocationReason.CESSATION_OF_OPERATION)]
    assert (outside.removed, outside.ended) == (True, ["done"])


@pytest.mark.parametrize(
    "change",
    [{"not_after": NOW}, {"text": "nothing that anybody could revoke"}],
    ids=["expired", "unreadable"],
)
async def test_what_can_not_be_revoked_any_more_is_removed(outside, revocations, change):
    vars(outside).update(change)
    assert await offered(revocations)
    assert (outside.tries, outside.removed) == (0, True)


async def test_what_has_changed_since_is_left_to_the_next_sweep(outside, revocations):
    outside.text = None
    assert await offered(revocations)
    assert (outside.tries, outside.removed) == (0, False)
    outside.text, outside.quick = "chain", Conflict(409, "Conflict", "another version")
    assert await offered(revocations)
    assert (outside.removed, outside.ended[-1]) == (False, "Conflict")
    outside.quick = None
    assert await offered(revocations), "no failure of the CA's"


@pytest.mark.parametrize(
    "refusal",
    [
        OrderError(Reason.CA_UNREACHABLE, "The CA does not answer"),
        Unavailable(0, "ConnectionFailed", "no key of the account"),
    ],
    ids=["CA", "API server"],
)
async def test_a_failure_keeps_it_and_is_tried_ever_more_slowly(
    outside, revocations, refusal, caplog
):
    outside.refusal, outside.not_after = refusal, NOW + 90 * DAY
    waits: list[timedelta] = []
    last: datetime = outside.now
    while len(waits) < 6:
        if await offered(revocations):
            waits.append(outside.now - last)
            last = outside.now
        outside.now += timedelta(seconds=30)
    assert not outside.removed
    assert waits[1] == timedelta(minutes=1)
    assert waits[2] == timedelta(minutes=10)
    assert waits[3] == timedelta(minutes=100)
    assert waits[4:] == [DAY, DAY]
    assert "so the Secret is kept" in caplog.text
    outside.refusal, outside.now = None, outside.now + DAY
    assert await offered(revocations)
    assert outside.removed


async def test_until_the_certificate_expires(outside, revocations):
    outside.refusal = OrderError(Reason.CA_REFUSED, "No")
    assert await offered(revocations)
    outside.now = outside.not_after + SECOND
    assert await offered(revocations)
    assert (outside.removed, outside.revoked) == (True, [])


async def test_an_issuer_that_is_not_in_the_settings_any_more_can_t_be_asked(
    outside, revocations, caplog
):
    gone = OwnedSecret(
        *KEY, "uid", "1", ROLE_CERTIFICATE, build.ID, build.DOMAIN, NOW - DAY, "former"
    )
    assert await offered(revocations, gone)
    assert (outside.tries, outside.removed) == (0, False)
    assert outside.ended == ["UnknownIssuer"]
    assert 'the issuer "former" is not in the operator\'s settings' in caplog.text
