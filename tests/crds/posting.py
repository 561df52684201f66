"""Objects as a person creates them, and what the API server says to bad ones."""

import json
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest

from customdomains.devcluster.controlplane import ControlPlane

API = "/apis/customdomains.dev/v1"


def post(
    plane: ControlPlane, namespace: str, kind: str, metadata: dict[str, Any], spec: dict[str, Any]
) -> dict[str, Any]:
    """Create it; a field that the schema does not have is an error. The stored object."""
    body = {"apiVersion": "customdomains.dev/v1", "kind": kind, "metadata": metadata, "spec": spec}
    path = f"{API}/namespaces/{namespace}/{kind.lower()}s?fieldValidation=Strict"
    created: dict[str, Any] = plane.request("POST", path, body)
    return created


def refusal(attempt: Callable[[], Any]) -> str:
    """Why the API server does not take it."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        attempt()
    assert caught.value.code == 422
    message: str = json.load(caught.value)["message"]
    return message
