"""Setup pages as a platform has them, and domains in all states of their lives."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import build
from api import claims
from api.calling import Caller, fresh_name
from build import NOW

from customdomains.api.options import SetupOptions
from customdomains.cluster import ApiClient
from customdomains.cluster.kinds import CUSTOM_DOMAINS
from customdomains.model.certificate import Method
from customdomains.model.claim import Claim
from customdomains.model.evidence import Evidence
from customdomains.model.names import challenge_name
from customdomains.model.reasons import Reason
from customdomains.policy.decide import decide

KEY = "a-key-of-at-least-thirty-two-characters"
PUBLIC_URL = "https://domains.example.net"
SERVERS = (
    {"host": "ns1.example.net", "server": "192.0.2.1:53"},
    {"host": "ns2.example.net", "server": "192.0.2.2:53"},
)


def setup_options(key_file: Path, **changed: Any) -> SetupOptions:
    """Those of a platform."""
    values = {"public_url": PUBLIC_URL, "name": "Meadow Hosting", "colour": "#2f5bd0"}
    return SetupOptions(key_file, **(values | changed))


async def link(caller: Caller, made: dict[str, Any], **options: Any) -> str:
    """Path and query of a new link to the page of a domain."""
    answer = await caller("POST", f"/domains/{made['id']}/setup-link", **options)
    assert answer.status == 201, answer
    assert answer.body["url"].startswith(f"{PUBLIC_URL}/domains/{made['id']}/setup?key=")
    parts = urlsplit(answer.body["url"])
    return f"{parts.path}?{parts.query}"


@dataclass(frozen=True)
class State:
    """What the controller knows of a domain: the facts in the claim, and what a check has found.

    `found` makes the answer of a server out of the claim and the CNAME's target.
    """

    found: Callable[[Claim, str], dict[str, Any]]
    facts: dict[str, Any]


def _nothing(_: Claim, __: str) -> dict[str, Any]:
    return {}


def _token(claim: Claim, _: str) -> dict[str, Any]:
    return {"texts": (claim.token,)}


def _delegated(claim: Claim, target: str) -> dict[str, Any]:
    return {"texts": (claim.token,), "cname": target, "authentic": True}


def _appended(_: Claim, target: str) -> dict[str, Any]:
    return {"cname": f"{target}.example.com"}


PROOF, BY_HAND = build.proof(seen=()), build.proof(Method.MANUAL, seen=())
LIMITED = build.failure(
    reason=Reason.CA_RATE_LIMITED,
    message="the CA says: too many certificates already issued for this exact set of names",
)
STATES = {
    "pending": State(_nothing, {}),
    "mismatch": State(_appended, {}),
    "verified": State(_token, {"verification": BY_HAND}),
    "certificate_pending": State(_delegated, {"verification": PROOF, "order": build.order()}),
    "challenge": State(_token, {"verification": BY_HAND, "order": build.order(Method.MANUAL)}),
    "active": State(_delegated, {"verification": PROOF, "certificate": build.certificate()}),
    "failed": State(_delegated, {"verification": PROOF, "failure": LIMITED}),
}


async def put(client: ApiClient, made: dict[str, Any], namespace: str, state: str) -> None:
    """Bring a registered domain into a state, as the controller does it: by what it projects."""
    wanted, name = STATES[state], made["domain_name"]
    empty = build.without_progress(build.claim())
    facts = {
        each: getattr(empty, each) for each in ("verification", "order", "certificate", "failure")
    } | wanted.facts
    stored = await claims.rewrite(client, name, lambda claim: replace(claim, **_of(name, facts)))
    await client.patch_status(
        CUSTOM_DOMAINS, name, {"status": status(stored, name, wanted)}, namespace
    )


def _of(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        each: value
        if value is None or not hasattr(value, "names")
        else replace(value, names=(name,))
        for each, value in facts.items()
    }


def status(claim: Claim, name: str, state: State) -> dict[str, Any]:
    """The status that the controller would write; what is not in it is to go."""
    texts = state.found(claim, f"{claim.id}.{build.ZONE}")
    answers = tuple(
        build.answer(*texts.get("texts", ()), **{k: v for k, v in texts.items() if k != "texts"},
                     **server)
        if texts
        else build.nothing(**server)
        for server in SERVERS
    )  # fmt: skip
    memory = build.seen(Evidence(challenge_name(name), answers, zone="example.com"))
    domain = build.domain(domain_name=name, domain=name)
    plan = decide(build.world(domain=domain, claim=replace(
        claim, holder=build.holder()), memory=memory), NOW)  # fmt: skip
    assert plan.status is not None
    rendered = plan.status.render()
    gone = dict.fromkeys({"certificate", "verification", "lastHandledCheckRequest"} - set(rendered))
    return {**rendered, **gone}


async def domain(caller: Caller, stem: str = "shop") -> dict[str, Any]:
    """A domain that is registered."""
    return await caller.register(fresh_name(stem))
