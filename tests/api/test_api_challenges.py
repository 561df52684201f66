"""The answers to http-01 challenges, over real sockets: from the claims, to anybody."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import aiohttp
import build
import pytest
from api.calling import RULES
from api.claims import PROOF
from prometheus_client import CollectorRegistry

from customdomains.acme.reaching import HttpReach
from customdomains.api.ask import Known
from customdomains.api.challenges import PATH, answering_challenges
from customdomains.model.certificate import Challenge, Method
from customdomains.model.claim import NOBODY, Claim

SHOP = "shop.example.com"
TOKEN = "DGyRejmCefe7v4NfDGDKfADGyRejmCefe7v4NfDGDKfA"
RESPONSE = f"{TOKEN}.nP1qzpXGymHBrUEepNY9HCsQk7K8KhOypzEt62jcerQ"
ORDER = build.order(
    Method.HTTP, challenge=Challenge.HTTP, digests=(), responses=(RESPONSE, "other.answer")
)
CLAIM = build.claim(domain=SHOP, verification=PROOF, order=ORDER)


@dataclass
class Ca:
    """Who asks, and what is known where it asks."""

    url: str
    port: int
    session: aiohttp.ClientSession
    registry: CollectorRegistry
    claims: dict[str, Claim]
    synced: bool = True

    async def fetch(self, token, host=SHOP, method="GET", path=PATH):
        headers = {"Host": host}
        async with self.session.request(method, self.url + path + token, headers=headers) as answer:
            return answer.status, (await answer.read()).decode(), answer.headers

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"customdomains_challenge_{name}", labels) or 0


@pytest.fixture
async def ca() -> AsyncIterator[Ca]:
    claims: dict[str, Claim] = {SHOP: CLAIM}
    registry = CollectorRegistry()
    known = Known(claims.get, lambda: ca.synced, RULES)
    async with (
        answering_challenges("127.0.0.1", 0, known, registry) as port,
        aiohttp.ClientSession() as session,
    ):
        ca = Ca(f"http://127.0.0.1:{port}", port, session, registry, claims)
        yield ca


@pytest.mark.parametrize("host", [SHOP, "SHOP.Example.COM", f"{SHOP}:80", f"{SHOP}."])
async def test_the_answer_is_the_key_authorization_and_nothing_else(ca, host):
    status, body, headers = await ca.fetch(TOKEN, host)
    assert (status, body) == (200, RESPONSE)
    assert headers["Content-Type"] == "application/octet-stream"
    assert (await ca.fetch("other", host))[1] == "other.answer"
    assert ca.counted("requests_total", code="200") == 2


async def test_who_is_reached_can_be_seen_before_an_order(ca):
    ca.claims[SHOP] = replace(CLAIM, order=None)
    status, body, _ = await ca.fetch(CLAIM.id)
    assert (status, body) == (200, f"{CLAIM.id}.{RULES.zone}")


UNKNOWN = [
    # what it is about, the token, the host
    ("another token", f"{TOKEN}x", SHOP),
    ("part of a token", TOKEN[:-1], SHOP),
    ("no token", "", SHOP),
    ("the whole answer", RESPONSE, SHOP),
    ("another domain's", TOKEN, "other.example.com"),
    ("below the domain", TOKEN, f"www.{SHOP}"),
    ("no name", TOKEN, "127.0.0.1"),
    ("no name at all", TOKEN, "[::1]:80"),
    ("another's id", "0" * 32, SHOP),
    ("a path", f"x/../{TOKEN}x", SHOP),
]


@pytest.mark.parametrize(("token", "host"), [c[1:] for c in UNKNOWN], ids=[c[0] for c in UNKNOWN])
async def test_what_nobody_wants_answered_is_404(ca, token, host):
    status, body, _ = await ca.fetch(token, host)
    assert status == 404
    assert '"code":"no_challenge"' in body
    assert RESPONSE not in body


NOT_OURS = [
    ("without a proof", replace(CLAIM, verification=None)),
    ("held by nobody", replace(CLAIM, holder=NOBODY, id="", token="")),
    ("answered by DNS", replace(CLAIM, order=build.order(digests=(TOKEN,)))),
    (
        "persistent",
        replace(CLAIM, order=replace(ORDER, challenge=Challenge.DNS_PERSIST)),
    ),
    ("without an order", replace(CLAIM, order=None)),
]


@pytest.mark.parametrize("claim", [c[1] for c in NOT_OURS], ids=[c[0] for c in NOT_OURS])
async def test_claims_that_want_nothing_answered(ca, claim):
    ca.claims[SHOP] = claim
    assert (await ca.fetch(TOKEN))[0] == 404


async def test_other_paths_and_methods(ca):
    assert (await ca.fetch("", path="/"))[0] == 404
    assert (await ca.fetch(TOKEN, path="/.well-known/acme-challenges/"))[0] == 404
    status, _, headers = await ca.fetch(TOKEN, method="POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert (await ca.fetch(TOKEN, method="HEAD"))[:2] == (200, "")


async def test_before_the_claims_are_known_nothing_is_denied(ca):
    ca.synced = False
    status, _, headers = await ca.fetch(TOKEN)
    assert (status, headers["Retry-After"]) == (503, "1")


async def test_a_defect_costs_one_answer(ca, caplog, monkeypatch):
    monkeypatch.setattr("customdomains.api.challenges.delegation_target", None)
    assert (await ca.fetch(CLAIM.id))[0] == 500
    assert (await ca.fetch(TOKEN))[0] == 200
    assert "failed" in caplog.text
    assert TOKEN not in caplog.text


async def test_the_controller_finds_it_where_the_domain_leads_there(ca):
    async def addresses(name):
        return ("127.0.0.1",) if name == SHOP else ()

    reach = HttpReach(addresses, port=ca.port)
    try:
        assert await reach.serves(SHOP, PATH + CLAIM.id, f"{CLAIM.id}.{RULES.zone}")
        assert await reach.serves(SHOP, PATH + TOKEN, RESPONSE, patient=True)
        assert not await reach.serves(SHOP, PATH + TOKEN, f"{RESPONSE}x")
        assert not await reach.serves("other.example.com", PATH + TOKEN, RESPONSE)
    finally:
        await reach.close()
