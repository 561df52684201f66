"""What has to hold for a certificate in a Secret."""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import DNSName, PolicyBuilder, Store


def decoded(secret: Mapping[str, Any], key: str) -> bytes:
    """One entry of a Secret."""
    return base64.b64decode(secret["data"][key])


def assert_serves(secret: Mapping[str, Any], roots: bytes, *names: str) -> x509.Certificate:
    """The Secret holds a chain up to `roots`, for exactly `names`, with the leaf's own key."""
    assert secret["type"] == "kubernetes.io/tls"
    assert set(secret["data"]) == {"tls.crt", "tls.key"}
    leaf, *issuers = x509.load_pem_x509_certificates(decoded(secret, "tls.crt"))
    key = serialization.load_pem_private_key(decoded(secret, "tls.key"), password=None)
    assert key.public_key() == leaf.public_key()
    extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert sorted(extension.value.get_values_for_type(x509.DNSName)) == sorted(names)
    policy = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(roots)))
    for name in names:
        shown = name.replace("*", "any")
        policy.build_server_verifier(DNSName(shown)).verify(leaf, issuers)
    return leaf
