"""Tokens of the cluster: who has one, and what they may do, as the API server says it."""

import asyncio
import base64
import json
import logging
import time
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from api.calling import api_server, eventually, fresh_name, with_token
from api.teams import ROLES, Team, account, grant, token_of
from cluster.relay import relayed
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from customdomains.api import ClusterTokens
from customdomains.cluster import ApiClient, load_connection

pytestmark = pytest.mark.cluster

AUDIENCE = "customdomains.example.net"


@asynccontextmanager
async def counting(control_plane):
    """The administrator's client, and what it has asked for."""
    asked = Counter()
    connection = await load_connection(str(control_plane.kubeconfig))
    async with ApiClient(
        connection, on_request=lambda verb, kind, _: asked.update([f"{verb} {kind}"])
    ) as client:
        yield client, asked


@asynccontextmanager
async def serving(client, namespace, *others, audiences=()):
    options = {"namespaces": others, "records_namespace": namespace}
    async with api_server(
        client, namespace, authentication=ClusterTokens(audiences), **options
    ) as api:
        yield api


@pytest.fixture
def quick(monkeypatch):
    """What is remembered counts for a tenth of a second."""
    monkeypatch.setattr("customdomains.api.remembering.KEPT", 0.1)
    monkeypatch.setattr("customdomains.api.remembering.KEPT_NO", 0.1)


async def status(api, token, method="GET", path="/domains", asks=None, **options):
    return (await api(method, path, headers=with_token(token, asks), **options)).status


@pytest.mark.parametrize(
    ("verbs", "allowed"),
    [
        (("get",), {"GET /{id}", "GET /{id}/certificate", "GET /{id}/events"}),
        (("list",), {"GET "}),
        (("create",), {"POST "}),
        (("patch",), {"POST /{id}/verify", "POST /{id}/issue-certificate"}),
        (("delete",), {"DELETE /{id}"}),
        (("watch", "update", "deletecollection"), set()),
    ],
)
async def test_each_call_needs_its_verb(control_plane, client, namespace, verbs, allowed):
    account(control_plane, namespace, verbs=verbs)
    token = token_of(control_plane, namespace)
    async with serving(client, namespace) as api:
        found = set()
        for call in (
            *("GET ", "POST ", "GET /{id}", "GET /{id}/certificate", "GET /{id}/events"),
            *("POST /{id}/verify", "POST /{id}/issue-certificate", "DELETE /{id}"),
        ):
            method, _, path = call.partition(" ")
            path = f"/domains{path.format(id='0' * 32)}"
            answer = await api(method, path, headers=with_token(token), data=b"{")
            if answer.status != 403:
                assert answer.status in {200, 400, 404}
                found.add(call)
            else:
                assert answer.code == "forbidden"
        assert found == allowed


async def test_a_role_is_for_its_namespace_and_resource(
    control_plane, client, namespace, elsewhere
):
    account(control_plane, namespace)
    token = token_of(control_plane, namespace)
    async with serving(client, namespace, elsewhere) as api:
        assert await status(api, token) == 200
        assert await status(api, token, asks=namespace) == 200
        assert await status(api, token, asks=elsewhere) == 403
        assert await status(api, token, path="/dns/records") == 403
        assert await status(api, token, path="/dns/resolve?name=a.delegated.example.net") == 404
    grant(control_plane, elsewhere, "team", "customdomains", ("list",), home=namespace)
    grant(control_plane, namespace, "team", "dnsrecords", ("list",))
    async with serving(client, namespace, elsewhere) as api:
        assert await status(api, token, asks=elsewhere) == 200
        assert await status(api, token, asks=elsewhere, method="POST") == 403
        assert await status(api, token, path="/dns/records") == 200
        assert await status(api, token, path="/dns/records", method="POST") == 403


async def test_an_administrator_s_rights_open_no_namespace_that_is_not_served(
    control_plane, client, namespace, elsewhere
):
    async with serving(client, namespace) as api:
        token = control_plane.admin_token
        assert await status(api, token) == 200
        assert await status(api, token, asks=elsewhere) == 403


async def test_tokens_that_the_api_server_does_not_take(control_plane, client, namespace):
    account(control_plane, namespace)
    good = token_of(control_plane, namespace)
    head, body, signature = good.split(".")
    for wrong in ("", "x", good[:-4], f"{head}.{body}.", f"{head}.{body[:-2]}.{signature}", "\xff"):
        async with serving(client, namespace) as api:
            answer = await api("GET", "/domains", headers=with_token(wrong))
            assert (answer.status, answer.code) == (401, "unauthorized")
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
            missing = await api("GET", "/domains")
            assert missing.status == 401
            assert missing.headers["WWW-Authenticate"] == 'Bearer realm="customdomains"'


async def test_a_token_that_has_expired_is_none(control_plane, client, namespace):
    """Made here with the cluster's own key, since none is given out for less than ten minutes."""
    account(control_plane, namespace)
    good = token_of(control_plane, namespace)
    now = int(time.time())
    async with serving(client, namespace) as api:
        for moved, expected in ((0, 200), (-3600, 401)):
            token = signed_anew(control_plane, good, iat=now + moved - 60, exp=now + moved + 60)
            assert await status(api, token) == expected


def signed_anew(control_plane, token, **claims):
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    head, body, _ = token.split(".")
    claims = {**json.loads(base64.urlsafe_b64decode(body + "==")), **claims, "nbf": claims["iat"]}
    message = f"{head}.{encoded(json.dumps(claims).encode())}"
    pem = (control_plane.ca_file.parent / "accounts.key").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    parts = utils.decode_dss_signature(key.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{message}.{encoded(b''.join(part.to_bytes(32, 'big') for part in parts))}"


async def test_audiences_are_held_to(control_plane, client, namespace):
    account(control_plane, namespace)
    for_us, for_others, for_the_api_server = (
        token_of(control_plane, namespace, audiences=audiences)
        for audiences in ([AUDIENCE], ["others"], ())
    )
    async with serving(client, namespace) as api:
        tokens = (for_us, for_others, for_the_api_server)
        assert [await status(api, token) for token in tokens] == [401, 401, 200]
    async with serving(client, namespace, audiences=("another", AUDIENCE)) as api:
        assert [await status(api, token) for token in tokens] == [200, 401, 401]


async def test_a_role_that_is_revoked_or_given_counts_within_the_time(
    control_plane, client, namespace, quick
):
    account(control_plane, namespace)
    token = token_of(control_plane, namespace)
    async with serving(client, namespace) as api:
        assert await status(api, token) == 200
        path = f"{ROLES}/namespaces/{namespace}/rolebindings"
        binding = control_plane.request("GET", f"{path}/team-customdomains")
        control_plane.request("DELETE", f"{path}/team-customdomains")
        await until(api, token, 403)
        binding["metadata"] = {"name": "team-customdomains"}
        control_plane.request("POST", path, binding)
        await until(api, token, 200)


async def test_a_token_whose_account_is_deleted_counts_no_more_within_the_time(
    control_plane, client, namespace, quick
):
    account(control_plane, namespace)
    token = token_of(control_plane, namespace)
    async with serving(client, namespace) as api:
        assert await status(api, token) == 200
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/team"
        control_plane.request("DELETE", path)
        await until(api, token, 401)


async def test_who_loses_the_right_hears_no_more(
    control_plane, client, namespace, quick, monkeypatch
):
    """In a stream, and at the end of a wait."""
    monkeypatch.setattr("customdomains.api.streams.HEARTBEAT", 0.05)
    account(control_plane, namespace)
    token = token_of(control_plane, namespace)
    async with serving(client, namespace) as api:
        team = Team(api, namespace, token, None)
        made = await team.register(fresh_name())
        wait = asyncio.ensure_future(team("GET", f"/domains/{made['id']}?wait=active&timeout=2s"))
        url = f"/domains/{made['id']}/events"
        async with api.session.get(url, headers=with_token(token)) as stream:
            assert b"pending" in await stream.content.readuntil(b"}\n\n")
            path = f"{ROLES}/namespaces/{namespace}/rolebindings/team-customdomains"
            control_plane.request("DELETE", path)
            async with asyncio.timeout(20):
                rest = await stream.content.read()
        assert b"event:" not in rest
        answer = await wait
        assert (answer.status, answer.code) == (403, "forbidden")


async def until(api, token, wanted):
    async def answered() -> bool:
        return await status(api, token) == wanted

    await eventually(answered)


async def test_who_asks_at_once_is_asked_about_once(control_plane, namespace):
    account(control_plane, namespace)
    token = token_of(control_plane, namespace)
    async with counting(control_plane) as (client, asked), serving(client, namespace) as api:
        answers = await asyncio.gather(*(status(api, token) for _ in range(50)))
        assert set(answers) == {200}
        assert asked["create tokenreviews"] == 1
        assert asked["create subjectaccessreviews"] == 1
        assert await status(api, token, method="POST", data=b"{") == 400
        assert asked["create tokenreviews"] == 1
        assert asked["create subjectaccessreviews"] == 2
        wrong = await asyncio.gather(*(status(api, "wrong") for _ in range(50)))
        assert set(wrong) == {401}
        assert asked["create tokenreviews"] == 2


async def test_nobody_is_asked_about_namespaces_that_are_not_served(control_plane, namespace):
    account(control_plane, namespace)
    token = token_of(control_plane, namespace)
    async with counting(control_plane) as (client, asked), serving(client, namespace) as api:
        for number in range(10):
            assert await status(api, token, asks=f"namespace-{number}") == 403
        assert asked["create subjectaccessreviews"] == 0


async def test_no_answer_of_the_api_server_lets_nobody_in(control_plane, namespace, caplog):
    account(control_plane, namespace)
    token, fresh = token_of(control_plane, namespace), token_of(control_plane, namespace)
    target = await load_connection(str(control_plane.kubeconfig))
    async with (
        relayed(target) as (relay, connection),
        ApiClient(connection) as through,
        serving(through, namespace) as api,
    ):
        assert await status(api, token) == 200
        relay.hold()
        relay.cut()
        cutting = asyncio.create_task(relay.cut_whoever_comes())
        # Who was known a moment ago still is; a right that was not asked for, or somebody new,
        # can't be looked up.
        assert await status(api, token) == 200
        for who, method in ((token, "POST"), (fresh, "GET"), ("wrong", "GET")):
            answer = await api(method, "/domains", headers=with_token(who), data=b"{")
            assert (answer.status, answer.code) == (500, "storage_error")
            assert "could not be looked up" in answer.body["error"]
        resolved = await api("GET", "/dns/resolve?name=a.example.com", headers=with_token(fresh))
        assert (resolved.status, resolved.code) == (500, "storage_error")
        cutting.cancel()
        relay.open.set()
        relay.cut()
        await until(api, fresh, 200)
    assert not any(secret in caplog.text for secret in (token, fresh))


async def test_an_api_server_that_does_not_answer_is_not_waited_for(
    control_plane, namespace, monkeypatch
):
    monkeypatch.setattr("customdomains.api.remembering.PATIENCE", 0.2)
    account(control_plane, namespace)
    token = token_of(control_plane, namespace)
    target = await load_connection(str(control_plane.kubeconfig))
    async with (
        relayed(target) as (relay, connection),
        ApiClient(connection) as through,
        serving(through, namespace) as api,
    ):
        relay.hold()
        relay.cut()
        answer = await api("GET", "/domains", headers=with_token(token))
        assert (answer.status, answer.code) == (500, "storage_error")
        assert "gave no answer" in answer.body["error"]


async def test_an_api_without_the_right_to_review_lets_nobody_in(control_plane, namespace, caplog):
    caplog.set_level(logging.WARNING)
    account(control_plane, namespace)
    token = token_of(control_plane, namespace)
    config = control_plane.user_kubeconfig(f"api-{namespace}")
    rules = [
        {
            "apiGroups": ["customdomains.dev"],
            "resources": ["domainclaims", "customdomains", "dnsrecords"],
            "verbs": ["list", "watch"],
        },
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]},
    ]
    name = {"metadata": {"name": f"api-{namespace}"}}
    control_plane.request("POST", f"{ROLES}/clusterroles", {**name, "rules": rules})
    group = "rbac.authorization.k8s.io"
    binding = {
        **name,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": f"api-{namespace}"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": f"api-{namespace}"}],
    }
    control_plane.request("POST", f"{ROLES}/clusterrolebindings", binding)
    async with (
        ApiClient(await load_connection(str(config))) as client,
        serving(client, namespace) as api,
    ):
        for _ in range(2):
            answer = await api("GET", "/domains", headers=with_token(token))
            assert (answer.status, answer.code) == (500, "storage_error")
            assert "said 403 Forbidden" in answer.body["error"]
    warned = [each for each in caplog.messages if "can't be looked up" in each]
    assert len(warned) == 1
    assert "tokenreviews" in warned[0]
    assert token not in caplog.text
