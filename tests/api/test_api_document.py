"""The OpenAPI document: that it is what the code does, and how it is served."""

import ast
import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import jsonschema_rs
import pytest
from aiohttp import web
from api.calling import api_server
from api.conformance import mismatches
from multidict import MultiDict
from prometheus_client import CollectorRegistry

import customdomains.api
from customdomains.api import ask, checking, docspage
from customdomains.api.document import Document, load
from customdomains.api.errors import AlreadyRegistered, Refused, code_of
from customdomains.api.gate import Gate
from customdomains.api.metrics import HttpMetrics
from customdomains.api.verdicts import LOOKUP_SUCCEEDED, UNPROVED
from customdomains.model import dnszones
from customdomains.model.reasons import Reason

BESIDE = {"challenges.py"}  # what CAs are answered is RFC 8555's, on a port that is not the API's
SOURCES = [
    path
    for path in sorted(Path(customdomains.api.__file__).parent.rglob("*.py"))
    if path.name not in BESIDE
]

COMPUTED = {
    "verdicts.py": {
        *((400, code_of(reason)) for reason in UNPROVED),
        *((424, code_of(reason)) for reason, known in LOOKUP_SUCCEEDED.items() if not known),
    },
    "seating.py": {(403, code_of(r)) for r in (Reason.RESERVED, Reason.QUOTA_EXCEEDED)},
    "requests.py": {(400, code_of(r)) for r in (Reason.SECRET_CONFLICT, Reason.UNKNOWN_ISSUER)},
    "records.py": {(400, code_of(reason)) for reason in dnszones.Refused},
}
"""The codes that are made of other words, by the module that does so."""


@pytest.fixture(scope="module")
def statuses() -> dict[str, set[int]]:
    """By the names of the classes of errors."""
    gate = Gate(None, HttpMetrics(CollectorRegistry()), lambda _: True, 500, ())
    known = {kind.__name__: {status} for kind, status in gate._statuses.items()}
    known[AlreadyRegistered.__name__] = {409, 500}
    return known


def documented() -> set[tuple[int, str]]:
    """Every status with each of its codes."""
    found = set()
    for status, response in documented_responses():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        if schema.get("$ref") == "#/components/schemas/Error":
            code = schema["properties"]["code"]
            found |= {(status, each) for each in code.get("enum", [code.get("const")])}
    return found


def documented_responses() -> Iterator[tuple[int, dict]]:
    for operation in load().operations():
        for status, response in operation.content["responses"].items():
            yield int(status), load().resolve(response)
    for status, response in load().content["x-elsewhere"].items():
        yield int(status), load().resolve(response)


def written(statuses: dict[str, set[int]]) -> tuple[set[tuple[int, str]], set[str]]:
    """The statuses and codes that stand in the sources, and the modules that compute codes."""
    found, computing = set(), set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            name, arguments = (
                node.func.id,
                [each.value if isinstance(each, ast.Constant) else None for each in node.args],
            )
            if name == AlreadyRegistered.__name__:
                found |= {(status, "domain_already_registered") for status in statuses[name]}
            elif name == "code_of" or (name in statuses and arguments[:1] == [None]):
                computing.add(path.name)
            elif name in statuses and arguments:
                found |= {(status, arguments[0]) for status in statuses[name]}
            elif name == "problem" and arguments[0] is not None and arguments[1] is not None:
                found.add((arguments[0], arguments[1]))
    return found, computing


@pytest.fixture
async def routes(client, namespace, monkeypatch) -> set[tuple[str, str]]:
    """Methods and paths of the application; HEAD goes without saying."""
    applications, make = [], web.AppRunner

    def runner(application, **options):
        applications.append(application)
        return make(application, **options)

    monkeypatch.setattr(web, "AppRunner", runner)
    async with api_server(client, namespace):
        router = applications[0].router
    return {(r.method, r.resource.canonical) for r in router.routes() if r.method != "HEAD"}


@pytest.mark.cluster
def test_every_route_is_in_the_document_and_the_other_way_round(routes):
    inside = {(each.method.upper(), each.path) for each in load().operations()}
    assert inside == routes | {("GET", ask.PATH)}


def test_every_status_and_code_is_in_the_document_and_the_other_way_round(statuses):
    found, computing = written(statuses)
    found |= {(status, "bad_request") for status in (400, 408, 417)}  # aiohttp's own
    found |= {(400, code) for code in words_of_schemas("x-code")} | {(400, "invalid_query")}
    assert computing == {*COMPUTED, "checking.py"}
    assert documented() == found.union(*COMPUTED.values())


def words_of_schemas(word: str, node=None) -> set[str]:
    node = load().content if node is None else node
    if isinstance(node, list):
        return set().union(*(words_of_schemas(word, each) for each in node))
    if not isinstance(node, dict):
        return set()
    own = {node[word]} if isinstance(node.get(word), str) else set()
    return own.union(*(words_of_schemas(word, each) for each in node.values()))


def test_every_schema_is_one_and_its_references_lead_somewhere():
    for operation in load().operations():
        for schema in schemas_in(operation.content) + schemas_in(list(operation.parameters)):
            jsonschema_rs.meta.validate(schema)
            jsonschema_rs.validator_for({**schema, "components": load().content["components"]})


def schemas_in(node) -> list[dict]:
    if isinstance(node, list):
        return [schema for each in node for schema in schemas_in(each)]
    if not isinstance(node, dict):
        return []
    below = [schema for each in node.values() for schema in schemas_in(each)]
    return [node["schema"], *below] if isinstance(node.get("schema"), dict) else below


def test_every_example_is_right():
    checked = 0
    for operation in load().operations():
        parts = [operation.content.get("requestBody", {})]
        parts += map(load().resolve, operation.content["responses"].values())
        for media in (m for part in parts for m in part.get("content", {}).values()):
            for example in media.get("examples", {}).values():
                assert list(mismatches(media["schema"], example["value"])) == []
                checked += 1
        for parameter in operation.parameters:
            if "example" in parameter:
                assert list(mismatches(parameter["schema"], parameter["example"])) == []
                checked += 1
    assert checked > 15


def test_every_link_leads_to_an_operation_with_these_parameters():
    operations = {each.id: each for each in load().operations()}
    assert len(operations) == len(list(load().operations()))
    linked = set()
    for each in operations.values():
        for response in each.content["responses"].values():
            for link in load().resolve(response).get("links", {}).values():
                names = {p["name"] for p in operations[link["operationId"]].parameters}
                assert set(link["parameters"]) <= names
                linked.add((each.id, link["operationId"]))
    ways = ["registerDomain", "getDomain", "verifyDomain", "deleteDomain", "getDomain"]
    assert set(pairwise(ways)) <= linked


# --- what callers are told -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "the body is an array, not an object"),
        (b"{}", "domain_name is missing; it has to be a domain name"),
        (b'{"domain_name": 1}', "domain_name is a number, not a string"),
        (b'{"domain_name": " "}', 'domain_name is " "; it has to be a domain name'),
        (
            b'{"domain_name": "' + b"a" * 513 + b'"}',
            "domain_name has 513 characters; at most 512 are allowed",
        ),
        (
            b'{"domain_name": "a.example.com", "labels": {"team": true}}',
            'labels["team"] is a boolean, not a string',
        ),
        (
            b'{"domain_name": "a.example.com", "labels": {"kubernetes.io/a": "b"}}',
            'labels has the key "kubernetes.io/a"; it has to be one with a prefix of your own',
        ),
        (
            b'{"domain_name": "a.example.com", "labels": {"\\u00fc": "b"}}',
            r'labels has the key "\u00fc"; it has to be the key of a Kubernetes label',
        ),
        (
            b'{"domain_name": "a.example.com", "labels": {"a": "b\\n"}}',
            r'labels["a"] is "b\n"; it has to be empty or at most 63 letters',
        ),
    ],
)
def test_the_field_the_value_and_what_is_allowed_are_said(body, said):
    with pytest.raises(Refused) as refused:
        checking.of("registerDomain").body(body)
    assert refused.value.message.startswith(said)


@pytest.mark.parametrize(
    ("operation", "query", "said"),
    [
        ("listDomains", {"limit": "0"}, "limit is 0; it has to be a whole number from 1 to 500"),
        ("listDomains", {"limit": "a"}, 'limit is "a"; it has to be a whole number from 1 to 500'),
        ("listDomains", [("limit", "1")] * 2, "limit is given 2 times; only one can count"),
        ("listDomains", {"x": "1"}, 'there is no parameter "x"; there are continue, domain_name, '),
        ("listDomains", [("label", "a=b"), ("label", "c")], 'label[1] is "c"; it has to be key='),
        ("listDomains", {"status": "x" * 99}, f'status is "{"x" * 80}"; it has to be one of pend'),
        ("resolveName", {}, "name is missing; it has to be a name, as in /dns/resolve?name="),
    ],
)
def test_parameters_are_spoken_of_as_they_were_sent(operation, query, said):
    with pytest.raises(Refused) as refused:
        checking.of(operation).query(MultiDict(query), strict=True)
    assert refused.value.message.startswith(said)


def test_parameters_are_what_their_schemas_say():
    query = MultiDict([("limit", "7"), ("label", "a=b"), ("label", "c=d"), ("external_id", "7")])
    assert checking.of("listDomains").query(query) == {
        "limit": 7,
        "label": ["a=b", "c=d"],
        "external_id": "7",
    }
    assert checking.of("listDomains").query(MultiDict()) == {"limit": 100}


# --- how it is served ----------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page links to, loads and runs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def values(self, name: str) -> list[str | None]:
        return [value for key, value in self.attributes if key == name]


@pytest.mark.cluster
@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_it_is_served_without_credentials_and_once(client, namespace, tmp_path, path):
    (tmp_path / "tokens").write_text("secret")
    async with api_server(client, namespace, token_file=tmp_path / "tokens") as api:
        assert (await api("GET", "/domains")).status == 401
        first = await api("GET", path)
        assert first.status == 200
        tag = first.headers["ETag"]
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = await api("GET", path, headers={"If-None-Match": known})
            assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
        other = await api("GET", path, headers={"If-None-Match": '"other"'})
        assert (other.status, other.text) == (200, first.text)
        assert (await api("HEAD", path)).headers["ETag"] == tag
        assert (await api("POST", path)).status == 405


@pytest.mark.cluster
async def test_the_document_is_served_as_it_is(api):
    assert (await api("GET", "/openapi.json")).body == load().content


@pytest.mark.cluster
async def test_the_page_loads_and_runs_nothing(api):
    answer = await api("GET", "/docs")
    policy, page = answer.headers["Content-Security-Policy"], Page(answer.text)
    style = re.search("<style>(.*)</style>", answer.text, re.DOTALL)[1]
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert not page.tags & {"script", "link", "img", "iframe", "form", "object"}
    assert page.values("src") == []
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert "width=device-width, initial-scale=1" in page.values("content")


def test_the_page_has_all_of_the_document_and_its_links_lead_somewhere():
    text = docspage.render(load())
    page = Page(text)
    anchors = page.values("id")
    assert len(anchors) == len(set(anchors))
    targets = {target.removeprefix("#") for target in page.values("href")} - {"openapi.json"}
    assert targets <= set(anchors)
    assert {operation.id for operation in load().operations()} <= set(anchors)
    for _, code in documented():
        assert code in text


def test_what_the_document_says_is_text_on_the_page():
    content = dict(load().content)
    content["info"] = {**content["info"], "title": "<script>", "summary": "`<b>`"}
    text = docspage.render(Document(content))
    assert "script" not in Page(text).tags
    assert "<code>&lt;b&gt;</code>" in text
