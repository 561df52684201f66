"""Webhooks by the operator's own processes, to real receivers: signed, in order, at least once."""

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from webhooks.receiver import Answer, Receiver

from customdomains.devcluster.operatorprocs import Operator
from e2e.backend import Backend
from e2e.domains import API, Domain, found
from e2e.relay import Call
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

WAY = ["pending", "verified", "certificate_pending", "certificate_issued", "active"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets"
    path.write_text(f"{new_secret()}\n")
    return path


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def teller(stage: Stage, receiver: Receiver, secret_file: Path) -> Iterator[Operator]:
    """A controller that tells the receiver, in the shared one's place."""
    controller = stage.operator("controller", changes=settings(receiver, secret_file))
    stage.stop_controller()
    lead(stage, controller)
    yield controller
    controller.stop()
    log = controller.log_of("controller").read_text()
    assert "Traceback" not in log
    assert secret_file.read_text().split()[0] not in log


def settings(receiver: Receiver, secret_file: Path) -> dict:
    return {
        "controller": {"leaseDuration": "3s"},
        "webhooks": {
            "urls": [receiver.url],
            "secretFile": str(secret_file),
            "allowPrivateAddresses": True,
        },
    }


def lead(stage: Stage, controller: Operator) -> None:
    stage.free_lease()
    controller.start("controller")
    stage.wait_leading()


def told(receiver: Receiver, domain: Domain) -> list[str]:
    """What the receiver has taken about `domain`, each once, in the order it came first."""
    types = {
        got.id: got.content["type"].removeprefix("domain.")
        for got in receiver.taken()
        if got.content["data"]["domain_name"] == domain.domain
    }
    return list(types.values())


def register(domain: Domain) -> str:
    """Create it and set its CNAME; its id."""
    domain.create()
    claim = until(domain.claim, "it is registered")
    domain.delegate(claim["spec"]["id"])
    domain.check()
    return str(claim["spec"]["id"])


def is_active(domain: Domain) -> bool:
    return domain.status().get("phase") == "active"


def test_killed_between_delivery_and_record_it_delivers_again_and_loses_nothing(
    stage: Stage, teller: Operator, receiver: Receiver, domain: Domain, secret_file: Path
):
    def records(call: Call) -> bool:
        """Whether it is the write that takes out what was delivered last."""
        ours = call.method == "PUT" and call.path.partition("?")[0].endswith(domain.domain)
        return ours and b'"told":"active"' in call.body and b'"outbox"' not in call.body

    trap = stage.apiserver.arm(records, lambda: teller.kill("controller"), before=True)
    subject = register(domain)
    until(trap.sprung.is_set, "it is about to write down what is delivered")
    assert told(receiver, domain) == WAY
    before = {got.id for got in receiver.taken()}
    lead(stage, teller)
    until(lambda: "outbox" not in domain.claim()["status"], "it is written down", timeout=90)

    came = [got.id for got in receiver.taken()]
    assert set(came) == before, "what is delivered again has the id that it had"
    assert len(came) > len(before), "what was not written down is delivered again"
    assert told(receiver, domain) == WAY
    for got in receiver.taken():
        data = got.verified(secret_file.read_text().strip())["data"]
        assert (data["id"], data["namespace"], data["name"]) == (
            subject,
            domain.namespace,
            domain.name,
        )


def test_a_receiver_that_fails_holds_nothing_up_and_secrets_are_replaced_meanwhile(
    teller: Operator, receiver: Receiver, domain: Domain, secret_file: Path
):
    receiver.answer = Answer(503)
    register(domain)
    until(lambda: is_active(domain), "it is active", explain=domain.status)
    outbox = domain.claim()["status"]["outbox"]
    assert [message["type"].removeprefix("domain.") for message in outbox] == WAY
    old, new = secret_file.read_text().strip(), new_secret()
    secret_file.write_text(f"{new}\n{old}\n")
    until(
        lambda: "has changed" in teller.log_of("controller").read_text(),
        "the secrets are read anew",
    )
    receiver.answer = Answer(204)
    until(lambda: told(receiver, domain) == WAY, "all is told", timeout=90)
    assert receiver.got[0].verified(old)
    assert receiver.got[-1].verified(old)
    assert receiver.got[-1].verified(new)


def test_a_deletion_over_http_is_told_before_the_claim_goes(
    stage: Stage, teller: Operator, receiver: Receiver, domain: Domain, secret_file: Path
):
    api = stage.operator("api", changes=settings(receiver, secret_file))
    api.start("api")
    try:
        backend = Backend(api.api_url, api.api_token)
        code, made = backend.register(domain.domain)
        assert code == 201
        until(lambda: told(receiver, domain) == ["pending"], "it is told")
        receiver.answer = Answer(503)
        assert backend.call("DELETE", f"/domains/{made['id']}")[0] == 204
        path = f"{API}/domainclaims/{domain.domain}"
        claim = found(stage.plane, path)
        assert claim is not None
        assert "holderRef" not in claim["spec"]
        code, again = backend.register(domain.domain)
        assert code == 201, "the name is free at once"
        assert again["id"] != made["id"]
        assert backend.call("DELETE", f"/domains/{again['id']}")[0] == 204
        receiver.answer = Answer(204)
        until(lambda: found(stage.plane, path) is None, "all is told, and it goes", timeout=90)
    finally:
        api.stop()
    last = [got.content["data"] for got in receiver.taken() if "deleted" in got.content["type"]]
    assert {data["id"] for data in last} >= {made["id"]}
    assert all(data["status"] is None for data in last)
