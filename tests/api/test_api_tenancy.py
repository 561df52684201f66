"""Two platform teams at one replica: neither sees nor touches what is the other's.

Each story is told twice: with tokens of a file, and with ServiceAccounts, their Roles and the
tokens that the API server gives them. The replica runs under the roles of deploy/rbac.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from api.calling import api_server, eventually, fresh_name, fresh_namespace, with_token
from api.standin import CERTIFICATE, PROVED, find_wrong, standing_in
from api.teams import (
    OPERATOR,
    Team,
    account,
    grant,
    let_in,
    token_of,
    two_namespaces,
)

from customdomains.api import ClusterTokens, TokenFile
from customdomains.api.options import SetupOptions
from customdomains.cluster import ApiClient, load_connection
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

pytestmark = pytest.mark.cluster

UNKNOWN = "0" * 32
EVERY_CALL = [
    ("GET", ""),
    ("GET", "?wait=active&timeout=1s"),
    ("GET", "/events"),
    ("GET", "/certificate"),
    ("POST", "/verify"),
    ("POST", "/issue-certificate"),
    ("POST", "/setup-link"),
    ("DELETE", ""),
]


class Teams(NamedTuple):
    blue: Team
    red: Team
    platform: Team


@pytest.fixture(params=["Token", "Kubernetes"])
async def teams(request, control_plane, operator, namespace, tmp_path) -> AsyncIterator[Teams]:
    """`namespace` is the platform's own, where calls go that name none."""
    blue, red = two_namespaces(control_plane)
    if request.param == "Token":
        path = tmp_path / "tokens"
        path.write_text(f"{blue}-token {blue}\n{red}-token {red}\n{namespace}-token\n")
        tokens = {each: f"{each}-token" for each in (blue, red, namespace)}
        authentication: Any = TokenFile(path)
    else:
        for each in (blue, red, namespace):
            account(control_plane, each)
        tokens = {each: token_of(control_plane, each) for each in (blue, red, namespace)}
        authentication = ClusterTokens()
        grant(control_plane, namespace, "team", "dnsrecords", ("list", "create", "delete"))
    for each in (blue, red, namespace):
        let_in(control_plane, each)
    keys = tmp_path / "keys"
    keys.write_text(f"{secrets.token_urlsafe(32)}\n")
    records = ("get", "list", "watch", "create", "update", "delete")
    grant(control_plane, namespace, "customdomains-api", "dnsrecords", records, OPERATOR)
    async with (
        ApiClient(await load_connection(str(operator))) as own,
        api_server(
            own,
            namespace,
            namespaces=(blue, red),
            authentication=authentication,
            records_namespace=namespace,
            setup=SetupOptions(keys, "https://domains.example.net", "Meadow", "#2f5bd0"),
        ) as api,
    ):
        named = request.param == "Kubernetes"
        yield Teams(
            *(Team(api, each, tokens[each], each if named else None) for each in (blue, red)),
            Team(api, namespace, tokens[namespace], None),
        )


async def test_each_lists_its_own(teams):
    blue, red, platform = teams
    names = {team.namespace: [fresh_name(), fresh_name()] for team in teams}
    for team in teams:
        for name in names[team.namespace]:
            made = await team.register(name)
            assert (await team("GET", f"/domains/{made['id']}")).status == 200
    for team in teams:
        assert sorted(await team.names()) == sorted(names[team.namespace])
        for other in {blue, red, platform} - {team}:
            for name in names[other.namespace]:
                found = await team("GET", "/domains", params={"domain_name": name})
                assert found.body == {"domains": []}


async def test_another_s_id_is_an_id_that_nobody_has(teams, client):
    blue, red, _ = teams
    made = await blue.register(fresh_name())
    await active(client, made)
    for method, rest in EVERY_CALL:
        theirs = await red(method, f"/domains/{made['id']}{rest}")
        nobodys = await red(method, f"/domains/{UNKNOWN}{rest}")
        assert (theirs.status, theirs.text) == (nobodys.status, nobodys.text)
        assert theirs.code == "domain_not_found"
        assert set(theirs.headers) == set(nobodys.headers)
    assert (await blue("GET", f"/domains/{made['id']}")).body["status"] == "active"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_another_s_namespace_is_refused_like_one_that_is_not_there(
    teams, control_plane, method
):
    blue, red, platform = teams
    there = fresh_namespace(control_plane)
    answers = [
        await blue(method, "/domains", headers={"Customdomains-Namespace": namespace})
        for namespace in (red.namespace, platform.namespace, there, "is-not-there")
    ]
    assert {(each.status, each.code, each.text) for each in answers} == {
        (403, "forbidden", answers[0].text)
    }
    for answer in answers:
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge == 'Bearer realm="customdomains", error="insufficient_scope"'
    own = await blue("GET", "/domains", headers={"Customdomains-Namespace": blue.namespace})
    assert own.status == 200


async def test_what_is_no_namespace_is_said(api, namespace):
    for name in ("", "Team", "a.b", "-a", "a" * 64, "a b", "\u00fc"):
        answer = await api("GET", "/domains", headers={"Customdomains-Namespace": name})
        assert (answer.status, answer.code) == (400, "invalid_namespace")
        assert "lower-case letters, digits and hyphens" in answer.body["error"]
    twice = [("Customdomains-Namespace", namespace)] * 2
    answer = await api("GET", "/domains", headers=twice)
    assert (answer.status, answer.code) == (400, "invalid_namespace")


async def test_who_is_asked_nothing_names_any_served_namespace(client, namespace, elsewhere):
    async with api_server(client, namespace, namespaces=(elsewhere,)) as api:
        made = await api.register(fresh_name())
        for asked, listed in ((None, 1), (namespace, 1), (elsewhere, 0)):
            headers = {} if asked is None else {"Customdomains-Namespace": asked}
            answer = await api("GET", "/domains", headers=headers)
            assert len(answer.body["domains"]) == listed
            path = f"/domains/{made['id']}"
            assert (await api("GET", path, headers=headers)).status == (200 if listed else 404)
        headers = {"Customdomains-Namespace": "is-not-served"}
        answer = await api("GET", "/domains", headers=headers)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "WWW-Authenticate" not in answer.headers


async def test_who_is_not_known_hears_of_no_namespace(teams):
    blue = teams.blue
    for namespace in (blue.namespace, "is-not-there", "A"):
        answer = await blue.api("GET", "/domains", headers=with_token("wrong", namespace))
        assert (answer.status, answer.code) == (401, "unauthorized")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_link_leads_to_its_namespace_s_seat_alone(teams):
    """Also where both have one on the same name."""
    blue, red, _ = teams
    name = fresh_name()
    first, second = await blue.register(name), await red.register(name)
    made = await red("POST", f"/domains/{second['id']}/setup-link")
    link = urlsplit(made.body["url"])
    page = await red.api("GET", f"{link.path}?{link.query}")
    assert page.status == 200
    assert second["verification_token"] in page.text
    for hidden in (first["id"], first["verification_token"], blue.namespace):
        assert hidden not in page.text
    moved = await red.api("GET", f"/domains/{first['id']}/setup?{link.query}")
    assert moved.status == 403
    assert first["verification_token"] not in moved.text


async def test_both_may_use_the_same_idempotency_key(teams):
    blue, red, _ = teams
    name, key = fresh_name(), {"Idempotency-Key": "one-and-the-same"}
    first, second = await blue.register(name, **key), await red.register(fresh_name(), **key)
    assert first["id"] != second["id"]
    assert await blue.register(name, **key) == first
    reused = await red("POST", "/domains", json={"domain_name": name}, headers=key)
    assert reused.code == "idempotency_key_reused"


async def test_both_contend_for_a_name_and_see_their_own_seats(teams, client):
    blue, red, platform = teams
    name = fresh_name()
    first, second = await blue.register(name), await red.register(name)
    assert first["id"] != second["id"]
    assert first["verification_token"] != second["verification_token"]
    for team, own, other in ((blue, first, second), (red, second, first)):
        listed = await team("GET", "/domains")
        assert [each["id"] for each in listed.body["domains"]] == [own["id"]]
        assert other["verification_token"] not in listed.text
        assert (await team("GET", f"/domains/{other['id']}")).code == "domain_not_found"
        assert (await team("DELETE", f"/domains/{other['id']}")).code == "domain_not_found"
    assert await platform.names() == []
    claim = await client.get(DOMAIN_CLAIMS, name)
    assert claim["spec"]["id"] == first["id"]
    assert (await blue("DELETE", f"/domains/{first['id']}")).status == 204
    assert await blue.names() == []
    claim = await client.get(DOMAIN_CLAIMS, name)
    assert claim["spec"]["id"] == second["id"]
    assert await red.names() == [name]
    # What is let go is heard of in the other's room by the same watch.
    assert (await red("DELETE", f"/domains/{second['id']}")).status == 204
    await blue.register(name)


async def test_each_asks_for_checks_of_its_own(teams, client):
    blue, red, _ = teams
    name = fresh_name()
    first, second = await blue.register(name), await red.register(name)
    wrong = find_wrong("RecordMissing", "blue's record is missing")
    async with (
        standing_in(client, blue.namespace, on_check=wrong),
        standing_in(client, red.namespace, on_check=prove_elsewhere),
    ):
        answers = await asyncio.gather(
            blue("POST", f"/domains/{first['id']}/verify"),
            red("POST", f"/domains/{second['id']}/verify"),
        )
    assert answers[0].body["error"] == "blue's record is missing"
    assert answers[1].code == "record_mismatch"


async def test_events_of_a_name_tell_each_of_its_own_seat(teams, client):
    blue, red, _ = teams
    name = fresh_name()
    first, second = await blue.register(name), await red.register(name)
    url = f"/domains/{first['id']}/events"
    async with blue.api.session.get(url, headers=with_token(blue.token, blue.asks)) as stream:
        assert stream.status == 200
        told = await read_until(stream, '"status":"pending"')
        assert (await red("DELETE", f"/domains/{second['id']}")).status == 204
        await active(client, first)
        told += await read_until(stream, '"status":"active"')
        assert (await blue("DELETE", f"/domains/{first['id']}")).status == 204
        told += await read_until(stream, "event: deleted")
    assert second["id"] not in told
    assert second["verification_token"] not in told


async def test_who_waits_in_one_room_is_woken_by_its_own_domain(teams, client):
    blue, red, _ = teams
    first, second = await blue.register(fresh_name()), await red.register(fresh_name())
    waits = [
        asyncio.ensure_future(team("GET", f"/domains/{made['id']}?wait=active&timeout=60s"))
        for team, made in ((blue, first), (red, second))
    ]
    await active(client, second)
    answer = await waits[1]
    assert answer.headers["Customdomains-Wait"] == "reached"
    assert not waits[0].done()
    await active(client, first)
    assert (await waits[0]).body["status"] == "active"


async def test_the_platform_s_records_are_the_platform_s(teams):
    blue, _, platform = teams
    record = {"name": "www.delegated.example.net", "type": "A", "value": "192.0.2.1"}
    assert (await platform("POST", "/dns/records", json=record)).status == 201
    for method, path, body in (
        ("GET", "/dns/records", None),
        ("POST", "/dns/records", record),
        ("DELETE", "/dns/records?name=www.delegated.example.net&type=A", None),
    ):
        answer = await blue(method, path, json=body)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "the platform's own DNS records" in answer.body["error"]
    resolved = await blue("GET", "/dns/resolve?name=www.delegated.example.net")
    assert resolved.status == 200
    gone = await platform("DELETE", "/dns/records?name=www.delegated.example.net&type=A")
    assert gone.status == 200


async def test_a_namespace_that_is_made_anew_is_another_tenant(teams, client, control_plane):
    """By its uid: what a claim says of the former one is nobody's here."""
    blue, _, _ = teams
    made = await blue.register(fresh_name())
    claim = await client.get(DOMAIN_CLAIMS, made["domain_name"])
    claim["spec"]["holderRef"]["namespaceUID"] = "another"
    await client.replace(DOMAIN_CLAIMS, claim)

    async def gone() -> bool:
        return (await blue("GET", f"/domains/{made['id']}")).status == 404

    await eventually(gone)
    assert await blue.names() == []


async def prove_elsewhere(stand_in, view):
    """The controller's answer to a contender whose record is not there."""
    await find_wrong("RecordMismatch", "red's record has another value", "Mismatch")(stand_in, view)


async def active(client: ApiClient, made: dict[str, Any]) -> None:
    """What the controller has written when a certificate is there."""
    name = made["domain_name"]
    claim = await client.get(DOMAIN_CLAIMS, name)
    key = claim["spec"]["holderRef"]
    status = {"verification": PROVED, "certificate": CERTIFICATE}
    await client.patch(DOMAIN_CLAIMS, name, {"status": status})
    status = {"phase": "active", "conditions": []}
    await client.patch_status(CUSTOM_DOMAINS, key["name"], {"status": status}, key["namespace"])


async def read_until(stream: Any, text: str) -> str:
    read = ""
    async with asyncio.timeout(20):
        while text not in read:
            read += (await stream.content.readany()).decode()
    return read
