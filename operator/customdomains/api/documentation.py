"""GET /openapi.json and GET /docs: made once at the start, without credentials."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from aiohttp import web

from customdomains.api import docspage
from customdomains.api.document import Document

_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{docspage.STYLE_SOURCE}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(document: Document) -> list[web.RouteDef]:
    """Both of them."""
    served = Fixed(document.json, {"Content-Type": "application/json"})
    page = Fixed(docspage.render(document).encode(), _PAGE_HEADERS)
    return [web.get("/openapi.json", served.answer), web.get("/docs", page.answer)]


class Fixed:
    """A body that does not change while the process lives. `answer` is a handler."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self._tag = hashlib.sha256(body).hexdigest()[:32]
        self._body = body
        self._revisit = {"ETag": f'"{self._tag}"', "Cache-Control": "no-cache"}
        self._headers = {**headers, **self._revisit}

    async def answer(self, request: web.Request) -> web.Response:
        """The body, or that the caller has it already (RFC 9110 section 13.1.2)."""
        known = request.if_none_match or ()
        if any(each.value in {self._tag, "*"} for each in known):
            return web.Response(status=304, headers=self._revisit)
        return web.Response(body=self._body, headers=self._headers)
