"""kill -9 at every step of the way to a certificate: nothing is lost, nothing is done twice.

The relays kill the controller at one of its calls: right before the server hears of it, or right
after the server has done it and before the controller hears that. A new controller then finishes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.certificates import assert_serves, decoded
from e2e.domains import API, Domain
from e2e.ledger import orders_for
from e2e.relay import Call, Trap
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]


@dataclass(frozen=True)
class Step:
    """One call of the controller; `text` is part of its body."""

    name: str
    method: str
    path: str
    text: str = ""
    ends: str = ""

    def matches(self, domain: Domain) -> Callable[[Call], bool]:
        """Recognizes the call in the life of `domain`."""
        path = self.path.format(domain=domain.domain, name=domain.name, secret=domain.secret_name)
        text = self.text.format(secret=domain.secret_name).encode()

        def is_it(call: Call) -> bool:
            return (
                call.method == self.method
                and path in call.path
                and call.path.partition("?")[0].endswith(self.ends)
                and text in call.body
            )

        return is_it


STATUS = "/customdomains/{name}/status"
PENDING = Step("status-pending", "PUT", STATUS, '"pending"')
WRITES = (
    Step("claim", "POST", "/domainclaims"),
    PENDING,
    Step("order-in-claim", "PUT", "/domainclaims/{domain}", '"order"'),
    Step("status-ordered", "PUT", STATUS, '"certificate_pending"'),
    Step("key", "POST", "/secrets", '"{secret}-next"'),
    Step("certificate", "POST", "/secrets", "tls.crt"),
    Step("certificate-in-claim", "PUT", "/domainclaims/{domain}", '"certificate"'),
    Step("status-active", "PUT", STATUS, '"active"'),
    Step("drop-key", "DELETE", "/secrets/{secret}-next"),
)
ACCOUNT_KEY = Step("account-key", "POST", "/secrets", '"acme-account-')
NEW_ACCOUNT = Step("new-account", "POST", "/sign-me-up")
CA_CALLS = (
    Step("new-order", "POST", "/order-plz"),
    Step("answer-challenge", "POST", "/chalZ/"),
    Step("finalize", "POST", "/finalize-order/"),
    Step("download", "POST", "/certZ/"),
)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", WRITES, ids=lambda step: step.name)
def test_killed_at_a_write_to_the_api_server(stage: Stage, domain, step, before):
    trap = stage.trap_controller(step.matches(domain), before=before)
    survive(stage, domain, trap, delegates=step is not PENDING)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", CA_CALLS, ids=lambda step: step.name)
def test_killed_at_a_call_to_the_ca(stage: Stage, domain, step, before):
    trap = stage.ca.arm(step.matches(domain), stage.kill_controller, before=before)
    survive(stage, domain, trap)


@pytest.mark.parametrize("step", [ACCOUNT_KEY, NEW_ACCOUNT], ids=lambda step: step.name)
def test_killed_when_the_ca_account_is_made(stage: Stage, domain, step):
    stage.stop_controller()
    stage.forget_account()
    stage.start_controller()
    relay = stage.apiserver if step is ACCOUNT_KEY else stage.ca
    trap = relay.arm(step.matches(domain), stage.kill_controller, before=False)
    survive(stage, domain, trap)


def survive(stage: Stage, domain: Domain, trap: Trap, *, delegates: bool = True) -> None:
    """Bring `domain` into the trap and, with a new controller, out of it.

    Where the tenant `delegates` at once, the first check may find the CNAME, and nothing is ever
    pending.
    """
    domain.create()
    if delegates:
        bring_on(domain, trap.sprung.is_set)
    else:
        until(trap.sprung.is_set, "the controller is killed", explain=domain.status)
    claim, waiting = domain.claim(), domain.secret("-next")
    placed = orders_for(stage.ca.calls, domain.domain)
    stage.start_controller()
    bring_on(domain, lambda: domain.status().get("phase") == "active")

    status, (final,) = domain.status(), claims_of(domain)
    if claim is not None:
        assert (final["spec"], final["metadata"]["uid"]) == (
            claim["spec"],
            claim["metadata"]["uid"],
        )
    assert (status["id"], status["verificationToken"]) == (
        final["spec"]["id"],
        final["spec"]["token"],
    )
    orders = orders_for(stage.ca.calls, domain.domain)
    assert [order.finalized for order in orders].count(1) == 1, orders
    assert len(orders) <= 2, orders
    assert sum(order.finalized for order in orders) == 1, orders
    if claim is not None and claim.get("status", {}).get("order"):
        assert orders == orders[:1], "an order that is recorded is not replaced by another"
        assert [order.url for order in placed] == [claim["status"]["order"]["url"]]
    secret = domain.secret()
    assert secret is not None
    assert_serves(secret, stage.pebble.roots(), domain.domain)
    if waiting is not None:
        assert decoded(secret, "tls.key") == decoded(waiting, "tls.key")
    until(lambda: not in_use(domain.secret("-next")), "no key waits any more")


def bring_on(domain: Domain, enough: Callable[[], bool]) -> None:
    """Do the tenant's part as soon as that is possible, until it is `enough`."""
    delegated = False

    def step() -> bool:
        nonlocal delegated
        claim = None if delegated else domain.claim()
        if claim is not None:
            domain.delegate(claim["spec"]["id"])
            domain.check()
            delegated = True
        return enough()

    until(step, f"{domain.domain} gets there", explain=domain.status)


def claims_of(domain: Domain) -> list[dict[str, Any]]:
    """All claims held by the domain's resource."""
    claims = domain.plane.request("GET", f"{API}/domainclaims")["items"]
    return [
        claim
        for claim in claims
        if (holder := claim["spec"].get("holderRef"))  # others are only reserved
        and (holder["namespace"], holder["name"]) == (domain.namespace, domain.name)
    ]


def in_use(waiting: dict[str, Any] | None) -> bool:
    """Whether the key that waits is neither gone nor marked for the sweep."""
    if waiting is None:
        return False
    return "customdomains.dev/orphaned-at" not in waiting["metadata"]["annotations"]
