"""The platform's backend: calls of the operator's HTTP API."""

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT = 30.0


class Backend:
    """Calls of the HTTP API with a token, for a namespace where one is given."""

    def __init__(self, url: str, token: str, namespace: str | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if namespace is not None:
            self._headers["Customdomains-Namespace"] = namespace

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The answer's code and body."""
        request = urllib.request.Request(  # noqa: S310 - an http address of our own
            f"{self._url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=self._headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                content = answer.read()
                return answer.status, json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def register(self, domain: str) -> tuple[int, Any]:
        """POST /domains."""
        return self.call("POST", "/domains", {"domain_name": domain})
