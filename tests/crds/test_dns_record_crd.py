"""The DNSRecord CRD on a real API server: what it refuses, fills in and prints."""

import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from crds.posting import API, post, refusal

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.model.dnsrecord import (
    DEFAULT_TTL,
    MAX_TTL,
    DnsRecord,
    object_name,
    parse_record,
    render_record,
)
from customdomains.model.dnsvalues import MAX_VALUE, MAX_VALUES, RecordType

pytestmark = pytest.mark.cluster

EXAMPLE = Path(__file__).parents[2] / "examples" / "dns-record.yaml"
LONG = ".".join(["a" * 63] * 3 + ["b" * 61])

Create = Callable[..., dict[str, Any]]


@pytest.fixture
def create(control_plane: ControlPlane, namespace: str) -> Create:
    def create(
        name: Any = "www.example.net", kind: Any = "A", values: Any = ("192.0.2.10",), **more: Any
    ) -> dict[str, Any]:
        wanted = {"name": name, "type": kind, "values": values, **more}
        return post(control_plane, namespace, "DNSRecord", {"generateName": "record-"}, wanted)

    return create


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("A", ["192.0.2.10", "192.0.2.11"]),
        ("AAAA", ["2001:db8::10", "2001:DB8:0:0::1"]),
        ("CNAME", ["www.example.com"]),
        ("CNAME", ["_under.score.example.com."]),
        ("TXT", ["v=spf1 -all", 'with "quotes" \\ and ünïcode', "x" * MAX_VALUE]),
        ("MX", ["10 mail.example.com", "0 ."]),
        ("SRV", ["0 5 443 www.example.com.", "0 0 0 ."]),
        ("A", [f"192.0.2.{number}" for number in range(MAX_VALUES)]),
    ],
)
def test_what_is_taken(create: Create, kind: str, values: list[str]) -> None:
    created = create(kind=kind, values=values)
    assert created["spec"]["ttl"] == DEFAULT_TTL
    record = parse_record(created)
    assert (record.name, record.type, len(record.values)) == ("www.example.net", kind, len(values))


@pytest.mark.parametrize(
    "name", ["net", "_dmarc.example.net", "WWW.Example.NET.", LONG, f"{LONG}."]
)
def test_names_that_are_taken(create: Create, name: str) -> None:
    assert parse_record(create(name=name)).name == name.lower().removesuffix(".")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("*.example.net", "must not have a wildcard"),
        ("", "should be at least 1 chars long"),
        ("a" * 64 + ".example.net", "longer than 63 characters"),
        (f"{LONG}.c", "may not be more than 254"),
        *(
            (name, "labels of letters, digits, hyphens and underscores")
            for name in (".", "a..b", ".a", "a b", "bücher.example.net", "a/b", "-a.net", "a-.net")
        ),
    ],
)
def test_names_that_are_refused(create: Create, name: str, why: str) -> None:
    assert why in refusal(lambda: create(name=name))


@pytest.mark.parametrize(
    ("kind", "values", "why"),
    [
        ("A", ["192.0.2.256"], "an IPv4 address such as"),
        ("A", ["192.0.2.10", "2001:db8::10"], "an IPv4 address such as"),
        ("A", ["192.0.2.010"], "an IPv4 address such as"),
        ("AAAA", ["192.0.2.10"], "an IPv6 address such as"),
        ("AAAA", ["::ffff:192.0.2.1"], "an IPv6 address such as"),
        ("AAAA", ["fe80::1%eth0"], "an IPv6 address such as"),
        ("CNAME", ["a.example.com", "b.example.com"], "exactly one value"),
        ("CNAME", ["a b"], "exactly one value, a domain name"),
        ("MX", ["mail.example.com"], "a preference and a host such as"),
        ("MX", ["10 mail example"], "a preference and a host such as"),
        ("SRV", ["5 443 www.example.com"], "priority, weight, port and target such as"),
        ("TXT", [], "should have at least 1 items"),
        ("TXT", [""], "should be at least 1 chars long"),
        ("TXT", ["x" * (MAX_VALUE + 1)], f"may not be more than {MAX_VALUE}"),
        ("TXT", [str(number) for number in range(MAX_VALUES + 1)], f"at most {MAX_VALUES} items"),
        ("TXT", ["same", "same"], "Duplicate value"),
        ("NS", ["ns.example.net"], "supported values"),
    ],
)
def test_values_that_are_refused(create: Create, kind: str, values: list[str], why: str) -> None:
    assert why in refusal(lambda: create(kind=kind, values=values))


@pytest.mark.parametrize("ttl", [-1, MAX_TTL + 1])
def test_the_ttl_is_bounded(create: Create, ttl: int) -> None:
    assert "spec.ttl" in refusal(lambda: create(ttl=ttl))


@pytest.mark.parametrize("missing", ["name", "type", "values"])
def test_name_type_and_values_are_wanted(create: Create, missing: str) -> None:
    # Null is what a manifest with a forgotten value has.
    with pytest.raises(urllib.error.HTTPError) as caught:
        create(**{"kind" if missing == "type" else missing: None})
    assert caught.value.code == 422


@pytest.mark.parametrize(("field", "value"), [("name", "other.example.net"), ("type", "TXT")])
def test_name_and_type_stay(
    control_plane: ControlPlane, create: Create, field: str, value: str
) -> None:
    body = create()
    meta = body["metadata"]
    path = f"{API}/namespaces/{meta['namespace']}/dnsrecords/{meta['name']}"
    changed = {**body, "spec": {**body["spec"], field: value}}
    why = refusal(lambda: control_plane.request("PUT", path, changed))
    assert f"{field} can't be changed" in why


@pytest.mark.parametrize("name", ["www.example.net", "_dmarc.example.net", LONG])
def test_what_is_rendered_is_read_back(
    control_plane: ControlPlane, namespace: str, name: str
) -> None:
    kind = RecordType.TXT
    wanted = DnsRecord(
        namespace=namespace,
        object_name=object_name(name, kind),
        uid="",
        resource_version="",
        created=parse_record(yaml_example(namespace)).created,
        name=name,
        type=kind,
        values=("one", "two"),
        ttl=5,
    )
    path = f"{API}/namespaces/{namespace}/dnsrecords"
    stored = parse_record(control_plane.request("POST", path, render_record(wanted)))
    assert (stored.object_name, stored.name, stored.type) == (wanted.object_name, name, kind)
    assert (stored.values, stored.ttl) == (wanted.values, 5)
    one = f"{path}/{stored.object_name}"
    assert parse_record(control_plane.request("PUT", one, render_record(stored))) == stored


def yaml_example(namespace: str) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    body["metadata"] |= {"namespace": namespace, "uid": "", "resourceVersion": ""}
    return body


def test_the_example_is_taken_and_kubectl_prints_it(
    control_plane: ControlPlane, namespace: str
) -> None:
    path = f"{API}/namespaces/{namespace}/dnsrecords?fieldValidation=Strict"
    body = yaml_example(namespace)
    del body["metadata"]["uid"], body["metadata"]["resourceVersion"]
    control_plane.request("POST", path, body)
    lines = control_plane.run_kubectl("get", "cdrec", "-n", namespace).splitlines()
    assert lines[0].split() == ["NAME", "RECORD", "TYPE", "VALUES", "TTL", "AGE"]
    assert lines[1].split()[:5] == [
        "edge",
        "edge.delegated.example.net",
        "A",
        '["192.0.2.10","192.0.2.11"]',
        "60",
    ]


def test_tenants_have_no_rights() -> None:
    """Nothing is added for these to Kubernetes' own roles, which don't know them."""
    roles = yaml.safe_load_all((EXAMPLE.parents[1] / "deploy/rbac/tenants.yaml").read_text())
    resources = [name for role in roles for rule in role["rules"] for name in rule["resources"]]
    assert "customdomains" in resources
    assert not {"dnsrecords", "*"} & set(resources)
