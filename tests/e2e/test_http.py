"""The platform's backend registers a domain over HTTP, and its tenant sets records by hand."""

import urllib.error
import urllib.request
from typing import Any

import pytest

from e2e.backend import TIMEOUT
from e2e.certificates import assert_serves
from e2e.domains import Domain
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]


def test_registered_over_http_and_answered_by_hand(stage: Stage, namespace, backend):
    domain = stage.domain(namespace, "http")
    code, made = backend.call("POST", "/domains", {"domain_name": f"{domain.domain}."})
    assert (code, made["status"], made["domain_name"]) == (201, "pending", f"{domain.domain}.")
    one = f"/domains/{made['id']}"
    name = f"_acme-challenge.{domain.domain}"
    code, twice = backend.call("POST", "/domains", {"domain_name": domain.domain})
    assert (code, twice["code"]) == (500, "domain_already_registered")

    code, refused = backend.call("POST", f"{one}/verify")
    assert code in {400, 424}, refused
    stage.dns.set_txt(name, made["verification_token"])
    code, verified = backend.call("POST", f"{one}/verify")
    assert (code, verified["status"]) == (200, "verified")

    code, order = backend.call("POST", f"{one}/issue-certificate")
    assert (code, order["status"]) == (202, "certificate_pending")
    stage.dns.set_txt(name, made["verification_token"], order["expected_txt_value"])

    def certificate() -> Any:
        code, found = backend.call("GET", f"{one}/certificate")
        return found if code == 200 else None

    issued = until(certificate, "the certificate")
    shown = until(lambda: (b := backend.call("GET", one)[1])["status"] == "active" and b, "active")
    assert shown["id"] == made["id"] == issued["domain_id"]
    path = f"/api/v1/namespaces/default/secrets/{issued['secret_name']}"
    leaf = assert_serves(stage.plane.request("GET", path), stage.pebble.roots(), domain.domain)
    assert int(issued["serial_number"], 16) == leaf.serial_number

    code, _ = backend.call("DELETE", one)
    assert code == 204
    assert domain.claim() is None, "it is free at once, and kept for nobody"
    code, again = backend.call("POST", "/domains", {"domain_name": domain.domain})
    assert (code, again["status"]) == (201, "pending")
    assert again["id"] != made["id"]
    assert backend.call("DELETE", f"/domains/{again['id']}")[0] == 204
    assert stage.refused_writes() == []


def test_the_owner_gets_a_page_that_follows_the_domain(stage: Stage, namespace, backend):
    domain = stage.domain(namespace, "page")
    _, made = backend.register(domain.domain)
    code, link = backend.call("POST", f"/domains/{made['id']}/setup-link")
    assert code == 201
    assert link["url"].startswith(stage.api.api_url)

    def page() -> str:
        with urllib.request.urlopen(link["url"], timeout=TIMEOUT) as answer:  # noqa: S310
            return str(answer.read().decode())

    assert made["verification_token"] in page()
    stage.dns.set_cname(f"_acme-challenge.{domain.domain}", f"{made['id']}.{stage.zone}")
    assert until(lambda: "All set" in page(), "the page tells it", explain=page)
    assert backend.call("DELETE", f"/domains/{made['id']}")[0] == 204
    with pytest.raises(urllib.error.HTTPError) as gone:
        page()
    assert gone.value.code == 410


def test_deleted_one_way_and_registered_the_other_at_once(stage: Stage, namespace, backend):
    """By kubectl and by HTTP in turns, without a pause, in the namespace that HTTP serves."""
    wanted = stage.domain(namespace, "turns").domain
    # Both ways give the resource this name.
    domain = Domain(stage.plane, stage.dns, "default", wanted, stage.zone, name=wanted)
    ids = []
    for _ in range(3):
        code, made = backend.register(wanted)
        assert code == 201, made
        ids.append(made["id"])
        assert domain.body() is not None
        domain.delete()
        domain.create()
        back = domain.wait(lambda status: status.get("id"), "it is registered")
        assert back["id"] == made["id"], "it is kept for who deletes by kubectl"
        # The api may hear of it a moment later.
        until(
            lambda made=made: backend.call("DELETE", f"/domains/{made['id']}")[0] == 204,
            "it is released",
        )
    assert len(set(ids)) == len(ids), "it is not kept for who deletes by HTTP"
    assert domain.claim() is None
    assert domain.body() is None


@pytest.mark.parametrize("account", ["api", "dns"])
@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "update", "delete"])
def test_roles_of_api_and_dns_give_no_secrets(stage: Stage, account, verb):
    assert stage.allows(account, verb, resource="secrets", namespace="default") is False
