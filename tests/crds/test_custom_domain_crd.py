"""The CustomDomain CRD on a real API server: what it refuses, fills in and prints."""

import json
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest
from build import NOW
from crds.posting import API, post, refusal
from scenes import SCENES, status_of
from schema import load, schema_of

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.kubectl import KubectlError
from customdomains.model.domain import parse_domain
from customdomains.model.keys import SIZES, Algorithm
from customdomains.model.status import mark_of

pytestmark = pytest.mark.cluster

PLAIN, LABELS = "plain domain name such as www.example.com", "at least two labels"
EMPTY, HYPHEN, LONG = "must not have an empty label", "begin or end with a hyphen", "63 characters"
OBJECT_NAME = "must be a Kubernetes object name"

Create = Callable[..., dict[str, Any]]


@pytest.fixture
def create(control_plane: ControlPlane, namespace: str) -> Create:
    def create(name: str = "shop", domain: Any = "shop.example.com", **spec: Any) -> dict[str, Any]:
        wanted = {"domainName": domain, **spec}
        return post(control_plane, namespace, "CustomDomain", {"name": name}, wanted)

    return create


def put_status(plane: ControlPlane, body: dict[str, Any], status: Any) -> dict[str, Any]:
    meta = body["metadata"]
    path = f"{API}/namespaces/{meta['namespace']}/customdomains/{meta['name']}"
    query = "?fieldValidation=Strict"
    plane.request("PUT", f"{path}/status{query}", {**body, "status": status})
    read: dict[str, Any] = plane.request("GET", path)
    return read


@pytest.mark.parametrize(
    "typed",
    [
        "example.com",
        "EXAMPLE.Com.",
        "bücher.example.org",
        "xn--bcher-kva.example.org",
        "example\u3002com",
        "example\uff0ecom\uff61",
        "a" * 63 + ".example.com",
        ".".join(["a" * 59] * 3 + ["b" * 53, "com"]),
        "1.2.3.4.com",
        "com.example",  # refused later, with a reason: what can be owned is no syntax
        "co.uk",
        "a-b.c--d.com",
    ],
)
def test_well_formed_names(create: Create, typed: str) -> None:
    assert create(domain=typed)["spec"]["domainName"] == typed


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("https://example.com", PLAIN),
        ("example.com/shop", PLAIN),
        ("example.com:443", PLAIN),
        ("me@example.com", PLAIN),
        ("*.example.com", "set spec.wildcard"),
        ("ex_ample.com", PLAIN),
        ("ex ample.com", PLAIN),
        ("example.com\n", PLAIN),
        ("example\\.com", PLAIN),
        ("a.com,b.com", PLAIN),
        ("com", LABELS),
        ("com.", LABELS),
        (".", LABELS),
        (".example.com", EMPTY),
        ("a..example.com", EMPTY),
        ("example.com..", EMPTY),
        ("a.\u3002example.com", EMPTY),
        ("-a.example.com", HYPHEN),
        ("a-.example.com", HYPHEN),
        ("a.-example.com", HYPHEN),
        ("example.com-", HYPHEN),
        ("a" * 64 + ".example.com", LONG),
        ("1.2.3.4", "not an IP address"),
        ("", "at least 1 char"),
        ("a." * 127 + "com", "may not be more than 254"),
    ],
)
def test_malformed_names(create: Create, typed: str, words: str) -> None:
    message = refusal(lambda: create(domain=typed))
    assert "spec.domainName" in message
    assert words in message


def test_a_domain_name_is_required(create: Create) -> None:
    assert "spec.domainName" in refusal(lambda: create(domain=None))


def test_the_domain_name_stays(control_plane: ControlPlane, namespace: str, create: Create) -> None:
    create()
    path = f"{API}/namespaces/{namespace}/customdomains/shop"
    change = {"spec": {"domainName": "other.example.com"}}
    message = refusal(lambda: control_plane.request("PATCH", path, change))
    assert "create another CustomDomain instead" in message
    control_plane.request("PATCH", path, {"spec": {"domainName": "shop.example.com"}})


@pytest.mark.parametrize("name", ["a", "shop-tls", "a.b-c.d1", "s" * 248])
def test_secret_names(create: Create, name: str) -> None:
    created = create(certificate={"secretName": name})
    assert created["spec"]["certificate"]["secretName"] == name


@pytest.mark.parametrize(
    "wanted",
    [
        {"algorithm": "RSA"},
        {"algorithm": "ECDSA"},
        *({"algorithm": str(kind), "size": size} for kind in Algorithm for size in SIZES[kind]),
    ],
    ids=str,
)
def test_kinds_of_keys(create: Create, wanted: dict[str, Any]) -> None:
    created = create(certificate={"privateKey": wanted})
    assert created["spec"]["certificate"]["privateKey"] == wanted
    key_type = parse_domain(created).key_type
    assert key_type is not None
    assert key_type.algorithm == wanted["algorithm"]
    assert key_type.size == wanted.get("size", SIZES[key_type.algorithm][0])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "privateKey.algorithm: Required value"),
        ({"size": 256}, "privateKey.algorithm: Required value"),
        ({"algorithm": "Ed25519"}, 'supported values: "ECDSA", "RSA"'),
        ({"algorithm": "RSA", "size": 1024}, "Unsupported value: 1024: supported values:"),
        ({"algorithm": "RSA", "size": 256}, "256 or 384 with ECDSA"),
        ({"algorithm": "ECDSA", "size": 2048}, "3072 or 4096 with RSA"),
    ],
    ids=str,
)
def test_kinds_of_keys_that_there_are_not(
    create: Create, wanted: dict[str, Any], words: str
) -> None:
    message = refusal(lambda: create(certificate={"privateKey": wanted}))
    assert words in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Shop", OBJECT_NAME),
        ("-a", OBJECT_NAME),
        ("a-", OBJECT_NAME),
        ("a..b", OBJECT_NAME),
        ("a_b", OBJECT_NAME),
        ("", "at least 1 char"),
        ("s" * 249, "may not be more than 248"),
    ],
)
def test_no_secret_names(create: Create, name: str, words: str) -> None:
    message = refusal(lambda: create(certificate={"secretName": name}))
    assert "spec.certificate.secretName" in message
    assert words in message


def test_other_wrong_values(create: Create) -> None:
    message = refusal(lambda: create(certificate={"issuance": "Sometimes"}))
    assert '"Automatic", "OnRequest", "Never"' in message
    assert "spec.wildcard" in refusal(lambda: create(wildcard="yes"))
    with pytest.raises(urllib.error.HTTPError) as caught:
        create(certifcate={})
    assert caught.value.code == 400
    assert "spec.certifcate" in json.load(caught.value)["message"]


def test_defaults(create: Create) -> None:
    created = create()
    assert created["spec"] == {
        "domainName": "shop.example.com",
        "wildcard": False,
        "suspend": False,
        "certificate": {"issuance": "Automatic"},
    }
    assert created["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize("name", SCENES)
def test_a_status_is_read_back_as_it_was_written(
    control_plane: ControlPlane, create: Create, name: str
) -> None:
    """Nothing is pruned, filled in or written otherwise: else it would be written for ever."""
    status = status_of(name)
    read = put_status(control_plane, create(), status.render())
    assert read["status"] == json.loads(json.dumps(status.render()))
    assert mark_of(read["status"]) == status.mark


def test_what_kubectl_prints(control_plane: ControlPlane, namespace: str, create: Create) -> None:
    put_status(control_plane, create(), status_of("active").render())
    put_status(control_plane, create("other", "other.example.com"), status_of("missing").render())
    create("new", "new.example.com")
    here = ("get", "cdom", "-n", namespace)
    lines = control_plane.run_kubectl(*here).splitlines()
    assert lines[0].split() == ["NAME", "DOMAIN", "PHASE", "READY", "REASON", "EXPIRES", "AGE"]
    rows = {line.split()[0]: line.split()[1:-1] for line in lines[1:]}
    expires = "2026-05-20T12:00:00Z"
    assert rows["shop"] == ["shop.example.com", "active", "True", "Ready", expires]
    assert rows["other"] == ["other.example.com", "pending", "False", "RecordMissing"]
    assert rows["new"] == ["new.example.com"]
    wide = control_plane.run_kubectl(*here, "-o", "wide").splitlines()
    assert wide[0].split()[-3:] == ["ID", "SECRET", "MESSAGE"]
    assert "the domain is verified and its certificate is in place" in "\n".join(wide)
    assert "customdomain.customdomains.dev/shop" in control_plane.run_kubectl(
        "get", "all", "-n", namespace, "-o", "name"
    )


def test_what_kubectl_waits_for(
    control_plane: ControlPlane, namespace: str, create: Create
) -> None:
    put_status(control_plane, create(), status_of("active").render())
    waits = ("wait", "customdomain/shop", "-n", namespace, "--timeout=20s")
    for wanted in ("jsonpath={.status.phase}=active", "condition=Ready", "condition=Verified"):
        assert "condition met" in control_plane.run_kubectl(*waits, f"--for={wanted}")
    create("other", "other.example.com")
    with pytest.raises(KubectlError, match="timed out"):
        control_plane.run_kubectl(
            "wait", "customdomain/other", "-n", namespace, "--timeout=1s",
            "--for=jsonpath={.status.phase}=active",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("customdomain", "A domain that a tenant brings along"),
        ("cdom.spec.domainName", "any spelling a person types"),
        ("cdom.spec.certificate.issuance", "Automatic - as soon as"),
        ("cdom.status.records.state", "compares to what is wanted"),
        ("domainclaim.spec.holderRef.namespaceUID", "inherits nothing"),
    ],
)
def test_what_kubectl_explains(control_plane: ControlPlane, path: str, words: str) -> None:
    assert words in " ".join(control_plane.run_kubectl("explain", path).split())


@pytest.mark.parametrize("kind", ["CustomDomain", "DomainClaim"])
def test_every_field_is_described_and_bounded(kind: str) -> None:
    def walk(schema: Any, path: str) -> None:
        assert schema.get("description") or path.endswith("[]"), path
        if schema["type"] == "string":
            bounds = {"maxLength", "enum", "format", "pattern"}
            assert bounds & schema.keys(), f"{path} may have any length"
        if schema["type"] == "array":
            assert "maxItems" in schema, path
            walk(schema["items"], f"{path}[]")
        for name, inner in schema.get("properties", {}).items():
            walk(inner, f"{path}.{name}")

    walk(schema_of(kind), kind)
    assert load(kind)["spec"]["group"] == "customdomains.dev"


def test_the_moment_of_the_builders_is_what_the_columns_show() -> None:
    assert status_of("active").render()["certificate"]["notBefore"] == "2026-02-19T12:00:00Z"
    assert NOW.isoformat() == "2026-03-01T12:00:00+00:00"


def test_a_domain_is_handed_to_an_issuer_of_the_namespace_by_default(create):
    created = create(certificate={"certManager": {"issuerRef": {"name": "lets"}}})
    assert created["spec"]["certificate"]["certManager"]["issuerRef"] == {
        "name": "lets",
        "kind": "Issuer",
        "group": "cert-manager.io",
    }


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ({"issuer": "main"}, "issuer and certManager can't both be set"),
        ({"revokeOnDelete": True}, "revokeOnDelete can't be set with certManager"),
        ({"certManager": {}}, "certManager.issuerRef: Required value"),
        ({"certManager": {"issuerRef": {"name": ""}}}, "certManager.issuerRef.name"),
    ],
)
def test_what_does_not_go_with_cert_manager(create, certificate, said):
    wanted = {"certManager": {"issuerRef": {"name": "lets"}}, **certificate}
    assert said in refusal(lambda: create(certificate=wanted))
