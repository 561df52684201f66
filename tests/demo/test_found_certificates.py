"""A certificate in a Secret counts only when a TLS client would take it."""

import base64
from typing import Any

import pytest

from customdomains.devcluster.certificates import KeyPair, authority, new_key, private_pem, server
from customdomains.devcluster.show.checks import NotSeenError
from customdomains.devcluster.show.secrets import examine

NAMES = ("localhost", "shop.example.com")


@pytest.fixture(scope="module")
def root() -> KeyPair:
    return authority("the root")


@pytest.fixture(scope="module")
def leaf(root: KeyPair) -> KeyPair:
    return server(root, ["shop.example.com"])


def secret(chain: bytes, key: bytes, kind: str = "kubernetes.io/tls") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "tenant", "name": "shop-tls"},
        "type": kind,
        "data": {
            "tls.crt": base64.b64encode(chain).decode(),
            "tls.key": base64.b64encode(key).decode(),
        },
    }


def test_a_good_one_is_found_with_its_root(root: KeyPair, leaf: KeyPair) -> None:
    found = examine(secret(leaf.certificate_pem, leaf.key_pem), NAMES, root.certificate_pem)
    assert found.names == NAMES
    assert found.root == "CN=the root"


def test_another_root_is_no_root(leaf: KeyPair) -> None:
    other = authority("another root").certificate_pem
    with pytest.raises(NotSeenError, match=r"chain in the Secret tenant/shop-tls can't be"):
        examine(secret(leaf.certificate_pem, leaf.key_pem), NAMES, other)


def test_the_key_has_to_be_the_certificates(root: KeyPair, leaf: KeyPair) -> None:
    other = private_pem(new_key())
    with pytest.raises(NotSeenError, match="private key"):
        examine(secret(leaf.certificate_pem, other), NAMES, root.certificate_pem)


def test_the_names_have_to_be_exactly_those(root: KeyPair, leaf: KeyPair) -> None:
    with pytest.raises(NotSeenError, match="is for"):
        examine(secret(leaf.certificate_pem, leaf.key_pem), NAMES[:1], root.certificate_pem)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (secret(b"", b"", kind="Opaque"), "is of type Opaque"),
        (secret(b"", b""), "holds no certificate"),
        ({**secret(b"", b""), "data": None}, "holds no certificate"),
    ],
)
def test_what_is_no_certificate_is_said(root: KeyPair, content: dict[str, Any], said: str) -> None:
    with pytest.raises(NotSeenError, match=said):
        examine(content, NAMES, root.certificate_pem)
