"""Answers of JSON, errors in the contract's form among them."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from customdomains.api import views

JSON = {"Content-Type": "application/json"}


def problem(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An error in the contract's form."""
    return web.Response(
        status=status, body=views.error(code, message), headers={**JSON, **(headers or {})}
    )


def json_answer(body: bytes, status: int = 200) -> web.Response:
    """An answer of JSON that is encoded already."""
    return web.Response(status=status, body=body, headers=JSON)
