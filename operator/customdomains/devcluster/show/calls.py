"""HTTP requests as a user makes them, with the answer's words at hand."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` is its JSON."""

    status: int
    body: Any

    @property
    def words(self) -> str:
        """Its status line's end, such as `201 Created`."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"


def call(method: str, url: str, *, token: str | None = None, body: Any = None) -> Answer:
    """Make one request with JSON both ways. Any status is an answer; raises OSError without one."""
    request = urllib.request.Request(  # noqa: S310 - an http address of our own
        url, method=method, data=None if body is None else json.dumps(body).encode()
    )
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            return Answer(answer.status, json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, json.loads(error.read()))
