"""Kubeconfig files for the embedded control plane."""

import base64
from pathlib import Path

import yaml

from customdomains.devcluster.certificates import KeyPair, write_private


def write_kubeconfig(
    path: Path, *, server: str, ca_pem: bytes, user: str, identity: str | KeyPair
) -> Path:
    """Write a kubeconfig with one context; returns `path`.

    `identity` is a bearer token or a KeyPair (client certificate).
    """
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "devcluster",
        "contexts": [
            {
                "name": "devcluster",
                "context": {"cluster": "devcluster", "user": user, "namespace": "default"},
            }
        ],
        "clusters": [
            {
                "name": "devcluster",
                "cluster": {"server": server, "certificate-authority-data": _base64(ca_pem)},
            }
        ],
        "users": [{"name": user, "user": _credentials(identity)}],
    }
    write_private(path, yaml.safe_dump(document, sort_keys=False).encode())
    return path


def _credentials(identity: str | KeyPair) -> dict[str, str]:
    if isinstance(identity, str):
        return {"token": identity}
    return {
        "client-certificate-data": _base64(identity.certificate_pem),
        "client-key-data": _base64(identity.key_pem),
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
