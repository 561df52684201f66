"""The management API of the customer's DNS server, over HTTP against the running process."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest

from customdomains.devcluster.processes import ProcessError
from customdomains.devcluster.tenantdns.handle import TenantDns

HOST = "_acme-challenge.example.com."


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TenantDns]:
    server = TenantDns(tmp_path_factory.mktemp("dns"), forward={"zone.example.net": "127.0.0.1:9"})
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(running: TenantDns) -> TenantDns:
    for found in running.records():
        running.clear(found["name"])
    return running


def send(server: TenantDns, path: str, body: Any, method: str = "POST") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    address = f"{server.api_url}{path}"
    request = urllib.request.Request(address, data=content, method=method)  # noqa: S310 - our own
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        return json.load(answer)


def found(server: TenantDns) -> dict[tuple[str, str], list[str]]:
    return {(item["name"], item["type"]): item["values"] for item in server.records()}


def test_records_are_set_as_with_challtestsrv(server: TenantDns) -> None:
    send(server, "/set-txt", {"host": HOST, "value": "one"})
    send(server, "/set-txt", {"host": HOST, "value": "two"})
    send(server, "/set-txt", {"host": HOST, "value": "two"})
    send(server, "/set-cname", {"host": "www.example.com", "target": "example.com"})
    send(server, "/add-a", {"host": "example.com", "addresses": ["192.0.2.1", "192.0.2.2"]})
    assert found(server) == {
        (HOST, "TXT"): ["one", "two"],
        ("www.example.com.", "CNAME"): ["example.com."],
        ("example.com.", "A"): ["192.0.2.1", "192.0.2.2"],
    }
    send(server, "/clear-txt", {"host": HOST})
    send(server, "/clear-cname", {"host": "www.example.com"})
    send(server, "/clear-a", {"host": "example.com"})
    send(server, "/clear-a", {"host": "example.com"})
    assert found(server) == {}


def test_a_failure_is_set_and_cleared(server: TenantDns) -> None:
    server.set_txt(HOST, "one")
    query = dns.message.make_query(HOST, "TXT")
    server.fail(HOST)
    answer = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
    assert answer.rcode() == dns.rcode.SERVFAIL
    server.fail(HOST, failing=False)
    answer = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
    assert answer.rcode() == dns.rcode.NOERROR


def test_any_type_can_be_put_and_deleted(server: TenantDns) -> None:
    server.put(
        [
            {"name": "example.com", "type": "MX", "ttl": 60, "values": ["10 mail.example.com."]},
            {"name": "example.com", "type": "CAA", "values": ['0 issue "ca.example"']},
            {"name": "example.com", "type": "AAAA", "values": ["2001:db8::1"]},
        ]
    )
    assert [item["ttl"] for item in server.records() if item["type"] == "MX"] == [60]
    server.clear("example.com", "MX")
    assert sorted(kind for _, kind in found(server)) == ["AAAA", "CAA"]
    server.clear("example.com")
    assert found(server) == {}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/set-txt", b"{", "the body is no JSON"),
        ("/set-txt", [], "a JSON object is expected"),
        ("/set-txt", {"host": HOST}, '"value" is missing or no text'),
        ("/set-txt", {"host": 3, "value": "x"}, '"host" is missing or no text'),
        ("/set-txt", {"host": "a..b", "value": "x"}, "'a..b' is no DNS name"),
        ("/set-txt", {"host": "a.zone.example.net", "value": "x"}, "another server answers for"),
        ("/set-cname", {"host": "example.com", "target": "b.example.com"}, "apex"),
        ("/set-cname", {"host": "taken.example.com", "target": "b.example.com"}, "has TXT already"),
        ("/add-a", {"host": "example.com", "addresses": "192.0.2.1"}, "no list of texts"),
        ("/add-a", {"host": "example.com", "addresses": []}, "no values"),
        ("/add-a", {"host": "example.com", "addresses": ["192.0.2"]}, "example.com A:"),
        ("/clear-txt", {}, '"host" is missing'),
    ],
)
def test_bad_input_says_what_was_wrong_and_changes_nothing(
    server: TenantDns, path: str, body: Any, message: str
) -> None:
    server.set_txt("taken.example.com", "there")
    before = server.records()
    with pytest.raises(urllib.error.HTTPError) as refused:
        send(server, path, body)
    assert refused.value.code == 400
    assert message in json.load(refused.value)["error"]
    assert server.records() == before


@pytest.mark.parametrize(
    ("record_set", "message"),
    [
        ({"name": "example.com", "type": "NONSENSE", "values": ["x"]}, "no DNS record type"),
        ({"name": "example.com", "type": "SOA", "values": ["x"]}, "can't be set"),
        ({"name": "example.com", "type": "TXT", "ttl": "5", "values": ["x"]}, '"ttl" must be'),
        ({"name": "example.com", "type": "TXT", "ttl": -1, "values": ["x"]}, "ttl -1 is not"),
        ({"name": "w.example.com", "type": "CNAME", "values": ["a.", "b."]}, "one value only"),
    ],
)
def test_of_several_record_sets_all_are_set_or_none(
    server: TenantDns, record_set: Any, message: str
) -> None:
    good = {"name": "example.org", "type": "TXT", "values": ["x"]}
    with pytest.raises(urllib.error.HTTPError) as refused:
        send(server, "/records", [good, record_set], method="PUT")
    assert message in json.load(refused.value)["error"]
    assert server.records() == []


def test_an_unknown_path_is_answered_in_json(server: TenantDns) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        send(server, "/nothing", {})
    assert refused.value.code == 404
    assert json.load(refused.value) == {"error": "Not Found"}


def test_an_address_in_use_fails_with_the_reason(server: TenantDns, tmp_path: Path) -> None:
    second = TenantDns(tmp_path, forward={})
    second.address = server.address
    with pytest.raises(ProcessError, match=r"error: .*[Aa]ddress already in use"):
        second.start()
