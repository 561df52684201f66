"""A CA that can't say what our account is called holds up no check, and is not asked by each."""

import asyncio
from collections.abc import Awaitable, Callable

import build
import pytest
from build import DOMAIN, NOW, TARGET, ZONE

from customdomains.cluster.errors import Unavailable
from customdomains.controller import prospecting
from customdomains.controller.prospecting import RESTING_SECONDS, Prospecting
from customdomains.model.certificate import CaIdentity, Challenge, Method, OrderError
from customdomains.model.evidence import Evidence
from customdomains.model.reasons import Reason
from customdomains.policy.prospects import Look, Prospects

IDENTITY = CaIdentity("https://ca.example.net/acct/42", "_label", ("ca.example.net",))
DNS_KINDS = (Challenge.DNS_PERSIST, Challenge.DNS_ACCOUNT)
LOOK = Look("main", DOMAIN, TARGET, DNS_KINDS)


class Outside:
    """The DNS, a CA and the domains' web servers, in one; it counts what is asked."""

    def __init__(self) -> None:
        self.answer: Callable[[], Awaitable[CaIdentity]] = self.known
        self.asked = 0
        self.names: list[str] = []
        self.reached: list[tuple[str, str, str]] = []
        self.broken = False
        self.time = 0.0

    async def known(self) -> CaIdentity:
        return IDENTITY

    async def identity(self) -> CaIdentity:
        self.asked += 1
        return await self.answer()

    async def look_up(self, name: str, **_: object) -> Evidence:
        if self.broken:
            raise RuntimeError("a defect")
        self.names.append(name)
        return Evidence(name, (build.answer(cname=TARGET),))

    async def serves(self, domain: str, path: str, body: str, *, patient: bool = False) -> bool:
        self.reached.append((domain, path, body))
        return True


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def looking(outside: Outside) -> Prospecting:
    return Prospecting(
        outside,
        {"main": outside},  # type: ignore[dict-item]
        outside,
        zone=ZONE,
        now=lambda: NOW,
        monotonic=lambda: outside.time,
    )


async def test_each_name_is_looked_up_once_and_the_ca_asked_only_for_them(looking, outside):
    found = await looking.look(LOOK)
    assert outside.names == [f"_validation-persist.{DOMAIN}", f"_label._acme-challenge.{DOMAIN}"]
    assert (found.identity, found.at, found.trouble) == (IDENTITY, NOW, "")
    assert found.account is not None
    assert found.account.cnames == {TARGET}
    assert outside.reached == []


async def test_over_http_no_ca_is_asked(looking, outside):
    found = await looking.look(Look("main", DOMAIN, TARGET, (Challenge.HTTP,)))
    assert found.http
    path = f"/.well-known/acme-challenge/{build.ID}"
    assert outside.reached == [(DOMAIN, path, TARGET)]
    assert (outside.asked, outside.names) == (0, [])


async def test_a_known_label_needs_no_ca(looking, outside):
    found = await looking.look(Look("main", DOMAIN, TARGET, (Challenge.DNS_ACCOUNT,), label="_old"))
    assert outside.names == [f"_old._acme-challenge.{DOMAIN}"]
    assert (outside.asked, found.identity) == (0, None)


async def refuse() -> CaIdentity:
    raise OrderError(Reason.CA_UNREACHABLE, "The CA does not answer")


async def hang() -> CaIdentity:
    return await asyncio.get_running_loop().create_future()


async def no_key() -> CaIdentity:
    raise Unavailable(503, "ServiceUnavailable", "away")


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (refuse, "The CA does not answer"),
        (hang, "it did not answer within 0.01 s"),
        (no_key, "the key of the operator's account there can't be had"),
    ],
)
async def test_trouble_with_a_ca_is_told_and_rests(looking, outside, monkeypatch, answer, trouble):
    monkeypatch.setattr(prospecting, "ASKING_SECONDS", 0.01)
    outside.answer = answer
    wanted = Prospects(LOOK, NOW, trouble=trouble)
    assert await looking.look(LOOK) == wanted
    assert await looking.look(LOOK) == wanted
    assert outside.asked == 1
    outside.time = RESTING_SECONDS
    assert await looking.look(LOOK) == wanted
    assert outside.asked == 2
    outside.answer, outside.time = outside.known, 2 * RESTING_SECONDS
    assert (await looking.look(LOOK)).identity == IDENTITY
    assert (await looking.look(LOOK)).trouble == ""


async def test_a_defect_ends_a_look_and_no_check(looking, outside, caplog):
    outside.broken = True
    found = await looking.look(LOOK)
    assert found.trouble == "the look for it failed; it is in the log"
    assert "a defect" in caplog.text


async def test_what_the_responder_or_a_person_answers_is_not_looked_at_again(looking, outside):
    claim = build.claim()
    for method in (Method.DELEGATED, Method.UPDATED, Method.MANUAL):
        await looking.require_answered(claim, build.order(method))
    label = build.order(Method.MANUAL, challenge=Challenge.DNS_ACCOUNT, label="_old")
    await looking.require_answered(claim, label)
    assert (outside.names, outside.reached, outside.asked) == ([], [], 0)


async def test_trouble_with_the_ca_is_no_reason_to_give_up_an_order(looking, outside):
    outside.answer = refuse
    persistent = build.order(
        Method.PERSISTENT, issuer="main", challenge=Challenge.DNS_PERSIST, responses=("x",)
    )
    with pytest.raises(OrderError) as caught:
        await looking.require_answered(build.claim(), persistent)
    assert (caught.value.reason, caught.value.order_lost) == (Reason.CA_UNREACHABLE, False)
