"""HTTP as aiohttp speaks it, but with the contract's form for what is no request at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError, LineTooLong

from customdomains.api.answers import problem
from customdomains.api.listening import Connections

MAX_LINE = 8 * 1024  # bytes of the request's target
MAX_FIELD = 16 * 1024  # bytes of a header: tokens of identity providers can be long
MAX_FIELDS = 100

_MAX_SAID = 120  # characters of what the parser says

_log = logging.getLogger(__name__)


class Speaker(web.RequestHandler):
    """One connection. `told` hears the status of every answer that no handler has made."""

    def __init__(
        self,
        server: web.Server,
        connections: Connections,
        told: Callable[[int], None],
        *,
        keepalive: float,
        lingering: float,
    ) -> None:
        """Both times are in seconds: between requests, and for a body that nobody wants."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # as aiohttp's own runner passes it
            keepalive_timeout=keepalive,
            lingering_time=lingering,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_FIELDS,
        )
        self._connections = connections
        self._told = told
        self._asked: web.BaseRequest | None = None
        self._ahead = False

    def begin(self, request: web.BaseRequest) -> None:
        """A request is being answered, for as long as that takes."""
        self._asked = request
        self._ahead = False
        if self.transport is not None:
            self._connections.busy(self.transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come: of a body, or of a request."""
        asked = self._asked
        of_body = asked is not None and not asked.content.is_eof()
        super().data_received(data)
        if asked is None:
            return
        if not of_body:
            self._ahead = True
        elif not asked.content.is_eof() and self._went_wrong():
            # aiohttp would tell after the answer to the request, which is waiting for its body.
            asked.content.set_exception(web.RequestPayloadError("it is malformed"))

    def _went_wrong(self) -> bool:
        return bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer."""
        if isinstance(resp, web.HTTPException):  # before any handler: what `Expect` asks for
            resp = problem(resp.status, "bad_request", resp.text or resp.reason)
            self._told(resp.status)
        if request.writer.output_size > 0 and not resp.prepared:
            raise ConnectionError("another answer has begun already")
        finished = await super().finish_response(request, resp, start_time)
        if self._asked is not None:
            self._asked = None
            if self.transport is not None:
                self._connections.rested(self.transport, ahead=self._ahead)
        return finished

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log what aiohttp did not expect. It reads on in a body that it knows to be malformed."""
        if isinstance(kw.get("exc_info"), web.RequestPayloadError):
            self.log_debug(*args, **kw)
        else:
            super().log_exception(*args, **kw)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no request, or to a defect beyond the reach of handlers."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        if status == 400:
            _log.debug("No request: %s", exc)
            response = _no_request(exc, message or "")
        else:
            _log.error("A request failed before it was handled", exc_info=exc)
            response = problem(
                500, "internal_error", "something went wrong here; it has been logged"
            )
        self._told(response.status)
        response.force_close()
        return response


def _no_request(error: BaseException | None, message: str) -> web.Response:
    said = message.strip().partition("\n")[0].rstrip(":")
    if isinstance(error, LineTooLong):
        if error.args[1] == MAX_LINE:
            return problem(414, "uri_too_long", f"the URL is longer than {MAX_LINE} bytes")
        return problem(431, "headers_too_large", f"a header is larger than {MAX_FIELD} bytes")
    if said.startswith("Too many headers"):
        return problem(431, "headers_too_large", f"there are more than {MAX_FIELDS} headers")
    if isinstance(error, InvalidURLError):
        said = "its target is no URL"
    elif isinstance(error, BadHttpMethod) and "HTTPS" in said:
        said = "this port speaks plain HTTP, and TLS has come"
    readable = said[:_MAX_SAID].encode("ascii", "backslashreplace").decode()
    return problem(400, "bad_request", f"this can't be read as HTTP: {readable}")
