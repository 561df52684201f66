"""The HTTP contract as tables, against the live server on the real API server."""

import json
import re
import secrets

import pytest
from api.calling import ZONE, Caller, api_server, fresh_name
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customdomains.cluster import ApiClient
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.devcluster.controlplane import ControlPlane

pytestmark = pytest.mark.cluster

UNKNOWN_ID = "0" * 32


async def test_a_registration_answers_with_all_that_the_tenant_needs(api, client, namespace):
    name = fresh_name()
    answer = await api("POST", "/domains", json={"domain_name": name})
    body = answer.body
    assert answer.status == 201
    assert re.fullmatch("[0-9a-f]{32}", body["id"])
    assert re.fullmatch("[0-9a-f]{64}", body["verification_token"])
    assert body["domain_name"] == name
    assert body["status"] == "pending"
    assert body["instructions"] == (
        f"Create a TXT record for _acme-challenge.{name}. with value: {body['verification_token']}"
    )
    assert [(r["type"], r["name"], r["value"], r["state"]) for r in body["records"]] == [
        ("TXT", f"_acme-challenge.{name}.", body["verification_token"], "Unknown"),
        ("CNAME", f"_acme-challenge.{name}.", f"{body['id']}.{ZONE}.", "Unknown"),
    ]
    claim = await client.get(DOMAIN_CLAIMS, name)
    resource = await client.get(CUSTOM_DOMAINS, name, namespace)
    assert claim["spec"]["id"] == body["id"]
    assert claim["spec"]["token"] == body["verification_token"]
    assert claim["spec"]["holderRef"]["name"] == resource["metadata"]["name"]
    assert resource["spec"]["domainName"] == name


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"[]", "malformed_json"),
        (b'"example.com"', "malformed_json"),
        (b"null", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b"[" * 50_000, "malformed_json"),
        (b'{"domain_name": "\\ud800.example.com"}', "malformed_json"),
        (b"{}", "invalid_domain_name"),
        (b'{"domain_name": null}', "invalid_domain_name"),
        (b'{"domain_name": ""}', "invalid_domain_name"),
        (b'{"domain_name": " \\t"}', "invalid_domain_name"),
        (b'{"domain_name": 1}', "invalid_domain_name"),
        (b'{"domain_name": true}', "invalid_domain_name"),
        (b'{"domain_name": ["example.com"]}', "invalid_domain_name"),
        (b'{"domain_name": {"a": 1}}', "invalid_domain_name"),
        (b'{"domain_name": "localhost"}', "invalid_domain_name"),
        (b'{"domain_name": "co.uk"}', "invalid_domain_name"),
        (b'{"domain_name": "shop.test"}', "invalid_domain_name"),
        (b'{"domain_name": "192.0.2.1"}', "invalid_domain_name"),
        (b'{"domain_name": "*.example.com"}', "invalid_domain_name"),
        (b'{"domain_name": "https://example.com/"}', "invalid_domain_name"),
        (b'{"domain_name": "a..example.com"}', "invalid_domain_name"),
        (b'{"domain_name": "' + b"a." * 4000 + b'com"}', "invalid_domain_name"),
        (b'{"domain_name": "a.example.com", "external_id": 1}', "invalid_external_id"),
        (
            b'{"domain_name": "a.example.com", "external_id": "' + b"x" * 254 + b'"}',
            "invalid_external_id",
        ),
        (b'{"domain_name": "a.example.com", "labels": ["a"]}', "invalid_labels"),
        (b'{"domain_name": "a.example.com", "labels": {"a": 1}}', "invalid_labels"),
        (b'{"domain_name": "a.example.com", "labels": {"-a": "b"}}', "invalid_labels"),
        (b'{"domain_name": "a.example.com", "labels": {"a/b/c": "b"}}', "invalid_labels"),
        (b'{"domain_name": "a.example.com", "labels": {"a": "b c"}}', "invalid_labels"),
        (
            b'{"domain_name": "a.example.com", "labels": {"customdomains.dev/id": "x"}}',
            "invalid_labels",
        ),
        (
            b'{"domain_name": "a.example.com", "labels": {"app.kubernetes.io/name": "x"}}',
            "invalid_labels",
        ),
    ],
)
async def test_a_bad_body_is_said_to_be_so(api, body, code):
    answer = await api("POST", "/domains", data=body)
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("path", ["/domains", "/nope", f"/domains/{UNKNOWN_ID}/verify"])
async def test_a_body_beyond_64_kib_is_refused(api, path):
    answer = await api("POST", path, data=b" " * (64 * 1024 + 1))
    expected = (404, "not_found") if path == "/nope" else (413, "body_too_large")
    assert (answer.status, answer.code) == expected


async def test_a_body_of_64_kib_is_read_also_when_it_comes_in_pieces(api):
    name = fresh_name()
    text = json.dumps({"domain_name": name}).encode()

    async def pieces(size):
        yield text
        yield b" " * (size - len(text))

    beyond = await api("POST", "/domains", data=pieces(64 * 1024 + 1))
    assert (beyond.status, beyond.code) == (413, "body_too_large")
    assert (await api("POST", "/domains", data=pieces(64 * 1024))).status == 201


async def test_the_content_type_does_not_matter(api):
    text = json.dumps({"domain_name": fresh_name()})
    answer = await api("POST", "/domains", data=text, headers={"Content-Type": "text/plain"})
    assert answer.status == 201


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allow"),
    [
        ("GET", "/", 404, "not_found", None),
        ("GET", "/domains/", 404, "not_found", None),
        ("POST", "/domain", 404, "not_found", None),
        ("GET", f"/domains/{UNKNOWN_ID}/nope", 404, "not_found", None),
        ("PUT", "/domains", 405, "method_not_allowed", "GET, HEAD, POST"),
        ("POST", f"/domains/{UNKNOWN_ID}", 405, "method_not_allowed", "DELETE, GET, HEAD"),
        ("GET", f"/domains/{UNKNOWN_ID}/verify", 405, "method_not_allowed", "POST"),
        ("OPTIONS", "/domains", 405, "method_not_allowed", "GET, HEAD, POST"),
        ("GET", f"/domains/{UNKNOWN_ID}", 404, "domain_not_found", None),
        ("GET", "/domains/nonsense", 404, "domain_not_found", None),
        ("GET", f"/domains/{'A' * 32}", 404, "domain_not_found", None),
        ("GET", "/domains/..%2F..", 404, "domain_not_found", None),
        ("DELETE", f"/domains/{UNKNOWN_ID}", 404, "domain_not_found", None),
        ("POST", f"/domains/{UNKNOWN_ID}/verify", 404, "domain_not_found", None),
        ("POST", f"/domains/{UNKNOWN_ID}/issue-certificate", 404, "domain_not_found", None),
        ("GET", f"/domains/{UNKNOWN_ID}/certificate", 404, "domain_not_found", None),
        ("GET", "/domains?limit=0", 400, "invalid_limit", None),
        ("GET", "/domains?limit=501", 400, "invalid_limit", None),
        ("GET", "/domains?limit=-1", 400, "invalid_limit", None),
        ("GET", "/domains?limit=ten", 400, "invalid_limit", None),
        ("GET", "/domains?limit=", 400, "invalid_limit", None),
        ("GET", "/domains?continue=", 400, "invalid_continue", None),
        ("GET", "/domains?continue=%21", 400, "invalid_continue", None),
        ("GET", "/domains?continue=Zm9vYg==", 400, "invalid_continue", None),
        ("GET", "/domains?status=done", 400, "invalid_status", None),
        ("GET", "/domains?domain_name=co.uk", 400, "invalid_domain_name", None),
        ("GET", "/domains?label=a", 400, "invalid_label", None),
        ("GET", "/domains?stauts=active", 400, "invalid_query", None),
    ],
)
async def test_what_is_not_there_or_not_possible(api, method, path, status, code, allow):
    answer = await api(method, path)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers.get("Allow") == allow


async def test_a_registration_is_found_listed_and_deleted_at_once(api):
    name = fresh_name()
    made = await api.register(name, external_id="customer 7", labels={"team": "blue"})
    got = await api("GET", f"/domains/{made['id']}")
    assert got.status == 200
    body = got.body
    assert {key: body[key] for key in ("id", "domain_name", "status", "external_id", "labels")} == {
        "id": made["id"],
        "domain_name": name,
        "status": "pending",
        "external_id": "customer 7",
        "labels": {"team": "blue"},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["created_at"])
    assert body["records"] == made["records"]
    assert body["conditions"] == []
    assert "verified_at" not in body
    assert (await api("GET", "/domains")).body == {"domains": [body]}
    gone = await api("DELETE", f"/domains/{made['id']}")
    assert (gone.status, gone.text) == (204, "")
    assert (await api("GET", f"/domains/{made['id']}")).code == "domain_not_found"
    assert (await api("DELETE", f"/domains/{made['id']}")).code == "domain_not_found"
    assert (await api("GET", "/domains")).body == {"domains": []}


async def test_a_name_is_free_at_once_after_its_deletion(api, client, namespace):
    name = fresh_name()
    ids = set()
    for _ in range(5):
        made = await api.register(name)
        ids.add(made["id"])
        assert (await api("GET", f"/domains/{made['id']}")).status == 200
        resource = await client.get(CUSTOM_DOMAINS, name, namespace)
        assert resource["metadata"]["labels"]["customdomains.dev/id"] == made["id"]
        assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
    assert len(ids) == 5


async def test_pages_are_in_the_order_of_the_names_and_complete(api):
    names = sorted(fresh_name(stem) for stem in ("e", "b", "a", "d", "c"))
    for name in reversed(names):
        await api.register(name)
    found, query = [], "limit=2"
    sizes = []
    while True:
        page = (await api("GET", f"/domains?{query}")).body
        found += [each["domain_name"] for each in page["domains"]]
        sizes.append(len(page["domains"]))
        if "continue" not in page:
            break
        query = f"limit=2&continue={page['continue']}"
    assert found == names
    assert sizes == [2, 2, 1]


async def test_filters(api):
    one, other = fresh_name(), fresh_name()
    await api.register(one, external_id="1", labels={"team": "blue", "tier": "a"})
    await api.register(other, external_id="2", labels={"team": "blue"})

    async def names(query):
        page = (await api("GET", f"/domains?{query}")).body
        return {each["domain_name"] for each in page["domains"]}

    assert await names(f"domain_name={one.upper()}.") == {one}
    assert await names(f"domain_name={fresh_name()}") == set()
    assert await names("status=pending") == {one, other}
    assert await names("status=active") == set()
    assert await names("external_id=2") == {other}
    assert await names("label=team=blue") == {one, other}
    assert await names("label=team=blue&label=tier=a") == {one}
    assert await names(f"domain_name={one}&status=failed") == set()


@pytest.mark.parametrize(
    "spell",
    [
        str.upper,
        lambda name: f"{name}.",
        lambda name: f"  {name}\n",
        lambda name: name.replace(".", "。", 1),
        lambda name: name.replace(".", "\uff0e"),  # the CRD's rules know no fullwidth full stop
        lambda name: f"b\u00fccher.{name}",
        lambda name: name.replace("s", "s\u00ad", 1),  # a soft hyphen, which IDNA maps away
    ],
)
async def test_every_spelling_is_kept_as_it_was_and_is_one_domain(api, spell):
    name = fresh_name()
    made = await api.register(spell(name))
    assert made["domain_name"] == spell(name)
    assert (await api("GET", f"/domains/{made['id']}")).body["domain_name"] == spell(name)
    canonical = name if "\u00fc" not in spell(name) else f"xn--bcher-kva.{name}"
    assert f"_acme-challenge.{canonical}. " in made["instructions"]
    again = await api("POST", "/domains", json={"domain_name": canonical})
    assert (again.status, again.code) == (500, "domain_already_registered")
    assert "delete the record first" in again.body["error"]


async def test_a_registered_domain_is_409_where_the_settings_say_so(client, namespace):
    async with api_server(client, namespace, registered_status=409) as api:
        name = fresh_name()
        await api.register(name)
        again = await api("POST", "/domains", json={"domain_name": name})
        assert (again.status, again.code) == (409, "domain_already_registered")


async def test_another_namespace_s_domains_are_not_seen(api, other):
    made = await other.register(fresh_name())
    for call in (("GET", ""), ("DELETE", ""), ("POST", "/verify"), ("POST", "/issue-certificate")):
        answer = await api(call[0], f"/domains/{made['id']}{call[1]}")
        assert (answer.status, answer.code) == (404, "domain_not_found")
    assert (await api("GET", f"/domains?domain_name={made['domain_name']}")).body["domains"] == []
    assert (await other("DELETE", f"/domains/{made['id']}")).status == 204


async def test_a_former_namespace_s_domains_of_that_name_are_not_seen(api, client, namespace):
    """A namespace made again under its name has another uid, and inherits nothing."""
    name, registration_id = fresh_name(), secrets.token_hex(16)
    holder = {"namespace": namespace, "namespaceUID": "another", "name": name}
    claim = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "DomainClaim",
        "metadata": {"name": name, "labels": {"customdomains.dev/id": registration_id}},
        "spec": {"id": registration_id, "token": "0" * 64, "holderRef": holder},
    }
    await client.create(DOMAIN_CLAIMS, claim)
    for method in ("GET", "DELETE"):
        answer = await api(method, f"/domains/{registration_id}")
        assert (answer.status, answer.code) == (404, "domain_not_found")
    await client.get(DOMAIN_CLAIMS, name)


async def test_a_namespace_that_is_not_there_is_said(client):
    async with api_server(client, "nobody-made-this") as api:
        answer = await api("POST", "/domains", json={"domain_name": fresh_name()})
        assert (answer.status, answer.code) == (500, "storage_error")
        assert "nobody-made-this" in answer.body["error"]


async def test_probes_and_metrics(api):
    assert (await api("GET", "/healthz")).status == 200
    assert (await api("GET", "/readyz")).status == 200
    await api("GET", f"/domains/{UNKNOWN_ID}")
    metrics = await api("GET", "/metrics")
    assert metrics.status == 200
    wanted = 'customdomains_http_requests_total{code="404",method="GET",route="/domains/{id}"} 1.0'
    assert wanted in metrics.text


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["domain_name", "external_id", "labels", "x"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
        st.builds(
            lambda name, label: json.dumps(
                {"domain_name": f"{name}.example.com", "labels": label}
            ).encode(),
            st.text(max_size=12),
            st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
        ),
    )
)
async def test_any_body_is_registered_or_refused(api: Caller, body: bytes):
    answer = await api("POST", "/domains", data=body)
    if answer.status == 201:
        assert (await api("DELETE", f"/domains/{answer.body['id']}")).status == 204
    elif answer.status == 500:
        assert answer.code == "domain_already_registered"
    else:
        assert answer.status == 400
        assert answer.code


async def test_a_resource_of_that_name_for_another_domain_gets_out_of_no_way(
    api, client: ApiClient, namespace
):
    name = fresh_name()
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "CustomDomain",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"domainName": fresh_name("other")},
    }
    await client.create(CUSTOM_DOMAINS, body)
    made = await api.register(name)
    suffixed = f"{name}-{made['id'][:5]}"
    claim = await client.get(DOMAIN_CLAIMS, name)
    resource = await client.get(CUSTOM_DOMAINS, suffixed, namespace)
    assert claim["spec"]["holderRef"]["name"] == suffixed
    assert resource["spec"]["domainName"] == name
    assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
    await client.get(CUSTOM_DOMAINS, name, namespace)


async def test_who_applied_a_resource_for_the_domain_was_first(
    api, control_plane: ControlPlane, namespace
):
    name = fresh_name()
    path = f"/apis/customdomains.dev/v1/namespaces/{namespace}/customdomains"
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "CustomDomain",
        "metadata": {"name": name},
        "spec": {"domainName": name.upper()},
    }
    control_plane.request("POST", path, body)
    answer = await api("POST", "/domains", json={"domain_name": name})
    assert (answer.status, answer.code) == (500, "domain_already_registered")
    claims = control_plane.request("GET", "/apis/customdomains.dev/v1/domainclaims")["items"]
    assert name not in {claim["metadata"]["name"] for claim in claims}
