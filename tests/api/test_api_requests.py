"""Asking for a check and for a certificate, with a stand-in that answers as each case needs."""

import asyncio
import hashlib
from datetime import timedelta

import pytest
from api.calling import api_server, eventually, fresh_name
from api.standin import (
    CERTIFICATE,
    SEEN,
    condition,
    fail,
    find_wrong,
    no_way,
    order,
    place,
    prove,
    standing_in,
)

from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

pytestmark = pytest.mark.cluster

ORDER_ID = hashlib.sha256(b"https://ca.example/order/1").hexdigest()[:32]

HANDED = {
    "name": "shop",
    "issuerRef": {"name": "lets", "kind": "ClusterIssuer", "group": "cert-manager.io"},
    "secretName": "shop-cm",
    "names": ["shop.example.com"],
    "since": "2026-01-02T03:04:05Z",
}


async def test_a_check_that_proves_answers_with_the_domain(api, client, namespace):
    made = await api.register(fresh_name())
    async with standing_in(client, namespace, on_check=prove):
        answer = await api("POST", f"/domains/{made['id']}/verify")
    assert answer.status == 200
    assert answer.body["status"] == "verified"
    assert answer.body["verified_at"].endswith("Z")
    assert answer.body["conditions"][0]["reason"] == "Proved"
    # Nobody is there to answer any more, and nobody needs to be.
    again = await api("POST", f"/domains/{made['id']}/verify")
    assert (again.status, again.body["id"]) == (200, made["id"])


@pytest.mark.parametrize(
    ("reason", "state", "said"),
    [
        ("RecordMissing", "Missing", (400, "record_missing")),
        ("RecordMismatch", "Mismatch", (400, "record_mismatch")),
        ("RecordConflict", "Conflict", (400, "record_conflict")),
        ("LookupFailed", "Unreachable", (424, "lookup_failed")),
        ("ProofExpired", "Missing", (400, "proof_expired")),
        ("ProofGone", "Unreachable", (424, "lookup_failed")),
    ],
)
async def test_a_check_that_does_not_prove_says_why(api, client, namespace, reason, state, said):
    made = await api.register(fresh_name())
    wrong = find_wrong(reason, "this is what is wrong", state)
    async with standing_in(client, namespace, on_check=wrong):
        answer = await api("POST", f"/domains/{made['id']}/verify")
    assert (answer.status, answer.code) == said
    assert answer.body["error"] == "this is what is wrong"
    (record,) = (await api("GET", f"/domains/{made['id']}")).body["records"]
    assert (record["state"], record["seen"]) == (state, SEEN)


async def test_many_ask_for_a_check_at_once_and_all_are_answered(api, client, namespace):
    made = await api.register(fresh_name())
    wrong = find_wrong("RecordMissing", "there is no record")
    async with standing_in(client, namespace, on_check=wrong), api_server(client, namespace) as two:
        calls = [each("POST", f"/domains/{made['id']}/verify") for each in [api, two] * 5]
        answers = await asyncio.gather(*calls)
    assert {answer.code for answer in answers} == {"record_missing"}


async def test_no_controller_is_said_in_time(client, namespace):
    async with api_server(client, namespace, controller_timeout=0.2) as api:
        made = await api.register(fresh_name())
        answer = await api("POST", f"/domains/{made['id']}/verify")
        assert (answer.status, answer.code) == (500, "controller_unavailable")
        async with standing_in(client, namespace, on_check=prove):

            async def verified() -> bool:
                return (await api("GET", f"/domains/{made['id']}")).body["status"] == "verified"

            # The request has stayed, so the controller answers it when it comes.
            await eventually(verified)
        answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
        assert (answer.status, answer.code) == (500, "controller_unavailable")


async def test_a_forged_status_verifies_nothing(api, client, namespace):
    made = await api.register(fresh_name())
    forged = {"phase": "active", "conditions": [condition("Verified", holds=True, reason="Proved")]}
    await client.patch_status(CUSTOM_DOMAINS, made["domain_name"], {"status": forged}, namespace)

    async def seen() -> bool:
        return (await api("GET", f"/domains/{made['id']}")).body["status"] == "active"

    await eventually(seen)
    issue = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (issue.status, issue.code) == (400, "domain_not_verified")
    wrong = find_wrong("RecordMissing", "there is no record")
    async with standing_in(client, namespace, on_check=wrong):
        verify = await api("POST", f"/domains/{made['id']}/verify")
    assert (verify.status, verify.code) == (400, "record_missing")


async def test_a_domain_deleted_while_it_is_waited_for_is_not_found(client, namespace):
    async with api_server(client, namespace) as api, api_server(client, namespace) as other:
        made = await api.register(fresh_name())

        async def delete(_stand_in, _view):
            assert (await other("DELETE", f"/domains/{made['id']}")).status == 204

        async with standing_in(client, namespace, on_check=delete):
            answer = await api("POST", f"/domains/{made['id']}/verify")
        assert (answer.status, answer.code) == (404, "domain_not_found")


async def test_a_suspended_domain_is_in_no_state_to_be_asked_about(api, client, namespace):
    made = await verified(api, client, namespace)
    fresh = await api.register(fresh_name())
    for each in (made, fresh):
        body = {"spec": {"suspend": True}}
        await client.patch(CUSTOM_DOMAINS, each["domain_name"], body, namespace)

    await eventually_refused(client, namespace, f"/domains/{fresh['id']}/verify", "suspended")
    path = f"/domains/{made['id']}/issue-certificate"
    await eventually_refused(client, namespace, path, "suspended")


@pytest.mark.parametrize(
    ("digests", "method", "instructions"),
    [
        (("one",), "Manual", "Create a TXT record for {challenge}. with value: one"),
        (
            ("one", "two"),
            "Manual",
            "Create TXT records for {challenge}. with these values, each: one and two",
        ),
        ((), "Manual", "Nothing is to be done: the challenge is answered for you."),
        (("one",), "Delegated", "Nothing is to be done: the challenge is answered for you."),
    ],
)
async def test_an_order_is_answered_with_its_challenge(
    api, client, namespace, digests, method, instructions
):
    made = await verified(api, client, namespace)
    challenge = f"_acme-challenge.{made['domain_name']}"
    path = f"/domains/{made['id']}/issue-certificate"
    async with standing_in(client, namespace, on_issue=place(*digests, method=method)):
        answer = await api("POST", path)
    assert answer.status == 202
    assert answer.body == {
        "order_id": ORDER_ID,
        "status": "certificate_pending",
        "challenge_domain": challenge,
        "expected_txt_value": digests[0] if digests else "",
        "expected_txt_values": list(digests),
        "instructions": instructions.format(challenge=challenge),
    }
    # The order under way is the answer from now on; nothing new is asked for.
    before = await client.get(CUSTOM_DOMAINS, made["domain_name"], namespace)
    assert (await api("POST", path)).body == answer.body
    after = await client.get(CUSTOM_DOMAINS, made["domain_name"], namespace)
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        ("CARefused", 500, "certificate_authority_error"),
        ("CAUnreachable", 500, "certificate_authority_error"),
        ("SecretConflict", 400, "secret_conflict"),
        ("UnknownIssuer", 400, "unknown_issuer"),
    ],
)
async def test_an_order_that_can_t_be_placed_says_why(api, client, namespace, reason, status, code):
    made = await verified(api, client, namespace)
    async with standing_in(client, namespace, on_issue=fail(reason, "this is what happened")):
        answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (answer.status, answer.code) == (status, code)
    assert answer.body["error"] == "this is what happened"


async def test_an_order_that_nobody_can_place_yet_says_what_has_to_be_set(client, namespace):
    """Told when the time is over: what was asked for is looked at anew meanwhile."""
    said = "it goes on with the record listed as Persistent"
    async with api_server(client, namespace, controller_timeout=1.0) as api:
        made = await verified(api, client, namespace)
        async with standing_in(client, namespace, on_issue=no_way(said)):
            answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (answer.status, answer.code) == (400, "no_challenge")
    assert answer.body["error"] == said


async def test_an_order_by_hand_with_the_account_s_label_belongs_there(api, client, namespace):
    made = await verified(api, client, namespace)
    labelled = place("one", challenge="dns-account-01", label="_abc")
    async with standing_in(client, namespace, on_issue=labelled):
        answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    where = f"_abc._acme-challenge.{made['domain_name']}"
    assert answer.body["challenge_domain"] == where
    assert answer.body["instructions"] == f"Create a TXT record for {where}. with value: one"


@pytest.mark.parametrize(("method", "challenge"), [("Persistent", "dns-persist-01"),
                                                   ("HTTP", "http-01")])  # fmt: skip
async def test_an_order_that_needs_nobody_says_so(api, client, namespace, method, challenge):
    made = await verified(api, client, namespace)
    placed = place(method=method, challenge=challenge, responses=["a.b"])
    async with standing_in(client, namespace, on_issue=placed):
        answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert answer.body["expected_txt_values"] == []
    assert answer.body["instructions"].startswith("Nothing is to be done")
    assert "a.b" not in answer.text


async def test_a_moment_the_ca_has_named_is_not_waited_for(api, client, namespace):
    made = await verified(api, client, namespace)
    limited = fail("CARateLimited", "too many certificates", timedelta(days=3))
    path = f"/domains/{made['id']}/issue-certificate"
    async with standing_in(client, namespace, on_issue=limited):
        assert (await api("POST", path)).code == "certificate_authority_error"
    answer = await api("POST", path)
    assert (answer.status, answer.code) == (500, "certificate_authority_error")


async def test_an_order_needs_a_verified_domain_that_wants_one(api, client, namespace):
    made = await api.register(fresh_name())
    answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (answer.status, answer.code) == (400, "domain_not_verified")
    made = await verified(api, client, namespace)
    body = {"spec": {"certificate": {"issuance": "Never"}}}
    await client.patch(CUSTOM_DOMAINS, made["domain_name"], body, namespace)
    path = f"/domains/{made['id']}/issue-certificate"
    await eventually_refused(client, namespace, path, "certificate_not_wanted")


async def test_a_certificate_is_shown_and_its_renewal_is_an_order(api, client, namespace):
    made = await verified(api, client, namespace)
    missing = await api("GET", f"/domains/{made['id']}/certificate")
    assert (missing.status, missing.code) == (404, "certificate_not_found")
    status = {"certificate": CERTIFICATE}
    await client.patch(DOMAIN_CLAIMS, made["domain_name"], {"status": status})

    async def there() -> bool:
        return (await api("GET", f"/domains/{made['id']}/certificate")).status == 200

    await eventually(there)
    shown = (await api("GET", f"/domains/{made['id']}/certificate")).body
    assert shown == {
        "id": hashlib.sha256(CERTIFICATE["fingerprint"].encode()).hexdigest()[:32],
        "domain_id": made["id"],
        "issued_at": "2026-01-02T03:04:05Z",
        "expires_at": "2046-04-02T02:04:05Z",
        "created_at": "2026-01-02T03:04:05Z",
        "serial_number": "0a1b",
        "issuer": "ca",
        "secret_name": "shop-tls",
    }
    assert (await api("GET", f"/domains/{made['id']}")).body["certificate"] == shown
    async with standing_in(client, namespace, on_issue=place("one")):
        renewal = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (renewal.status, renewal.body["order_id"]) == (202, ORDER_ID)


async def test_a_certificate_of_cert_managers_is_shown_without_a_serial_number(
    api, client, namespace
):
    made = await verified(api, client, namespace)

    async def issue(stand_in, view):
        await stand_in.write_claim(view, handed=HANDED, issueRequestHandled=view.issue_requested)

    async with standing_in(client, namespace, on_issue=issue):
        asked = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (asked.status, asked.body["expected_txt_values"]) == (202, [])
    assert asked.body["instructions"].startswith("Nothing is to be done")
    missing = await api("GET", f"/domains/{made['id']}/certificate")
    assert (missing.status, missing.code) == (404, "certificate_not_found")
    ready = {"ready": True, "notBefore": "2026-01-02T03:04:05Z", "notAfter": "2046-04-02T02:04:05Z"}
    await client.patch(DOMAIN_CLAIMS, made["domain_name"], {"status": {"handed": HANDED | ready}})

    async def there() -> bool:
        return (await api("GET", f"/domains/{made['id']}/certificate")).status == 200

    await eventually(there)
    shown = (await api("GET", f"/domains/{made['id']}/certificate")).body
    del shown["id"]
    assert shown == {
        "domain_id": made["id"],
        "issued_at": "2026-01-02T03:04:05Z",
        "expires_at": "2046-04-02T02:04:05Z",
        "created_at": "2026-01-02T03:04:05Z",
        "issuer": "ClusterIssuer/lets",
        "secret_name": "shop-cm",
    }


async def test_what_can_t_be_handed_to_cert_manager_is_said(api, client, namespace):
    made = await verified(api, client, namespace)
    fault = {"reason": "SecretConflict", "message": "it is there", "at": "2026-01-02T03:04:05Z"}

    async def issue(stand_in, view):
        handed = HANDED | {"fault": fault}
        await stand_in.write_claim(view, handed=handed, issueRequestHandled=view.issue_requested)

    async with standing_in(client, namespace, on_issue=issue):
        answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (answer.status, answer.code) == (400, "secret_conflict")
    assert answer.body["error"] == "it is there"


async def test_an_order_that_is_over_already_answers_with_what_it_led_to(api, client, namespace):
    made = await verified(api, client, namespace)

    async def issue(stand_in, view):
        await stand_in.write_status(view, phase="active")
        await stand_in.write_claim(
            view, certificate=CERTIFICATE, issueRequestHandled=view.issue_requested
        )

    async with standing_in(client, namespace, on_issue=issue):
        answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert answer.status == 202
    assert answer.body["order_id"]
    assert answer.body["expected_txt_value"] == ""
    assert answer.body["instructions"].startswith("Nothing is to be done")


async def test_a_proof_that_is_gone_when_the_order_is_due_is_said(api, client, namespace):
    made = await verified(api, client, namespace)

    async def lose(stand_in, view):
        gone = {"method": "Manual", "verifiedAt": CERTIFICATE["issuedAt"]}
        gone["goneSince"] = CERTIFICATE["issuedAt"]
        await stand_in.write_claim(view, verification=gone)

    async with standing_in(client, namespace, on_issue=lose):
        answer = await api("POST", f"/domains/{made['id']}/issue-certificate")
    assert (answer.status, answer.code) == (400, "domain_not_verified")


async def test_an_order_placed_before_is_answered_at_once(api, client, namespace):
    made = await verified(api, client, namespace)
    status = {"status": {"order": order("one")}}
    await client.patch(DOMAIN_CLAIMS, made["domain_name"], status)
    async with standing_in(client, namespace, on_issue=None):
        answer = await eventually_order(api, made["id"])
    assert answer.body["order_id"] == ORDER_ID


async def eventually_refused(client, namespace, path, code):
    """Without the patience that each call has for a controller: here is none."""
    async with api_server(client, namespace, controller_timeout=0.1) as api:

        async def refused() -> bool:
            answer = await api("POST", path)
            return (answer.status, answer.code) == (400, code)

        await eventually(refused)


async def eventually_order(api, registration_id):
    answers = []

    async def placed() -> bool:
        answers.append(await api("POST", f"/domains/{registration_id}/issue-certificate"))
        return answers[-1].status == 202

    await eventually(placed)
    return answers[-1]


async def verified(api, client, namespace):
    made = await api.register(fresh_name())
    async with standing_in(client, namespace, on_check=prove):
        answer = await api("POST", f"/domains/{made['id']}/verify")
    assert answer.status == 200, answer
    return made
