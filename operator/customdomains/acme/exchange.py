"""One attempt at one HTTP request to a CA: bounded in time and size, judged by its status."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from customdomains.acme.errors import ProblemError, bounded, read_problem, request_error
from customdomains.acme.options import IssuerOptions
from customdomains.acme.reach import EVERYTHING
from customdomains.acme.timing import Timing, parse_retry_after
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason
from customdomains.model.scope import Scope

_LARGEST_BODY = 256 * 1024
_HEADERS = {"User-Agent": "customdomain-operator", "Accept-Language": "en"}
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}
_URL_TEXT = re.compile(r"[!#-;=?-\[\]_a-z~]+")


@dataclass(frozen=True, slots=True)
class Answer:
    """One response: `nonce` and `location` as sent, `retry_at` from Retry-After, `alternates` the
    URLs of its links of that relation."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    location: str | None
    nonce: str | None = field(repr=False)
    retry_at: datetime | None
    alternates: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises ValueError where it is none."""
        document = json.loads(self.body)
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - bad input
        return document


class TroubleError(Exception):
    """An attempt that may go better if it is made again; the text says what the CA did, `answered`
    whether that was an answer to the request."""

    def __init__(self, text: str, *, answered: bool = False) -> None:
        super().__init__(text)
        self.answered = answered


class Exchange:
    """The connections to one CA."""

    def __init__(
        self,
        options: IssuerOptions,
        timing: Timing,
        session_factory: Callable[[], aiohttp.ClientSession] | None,
        keep_nonce: Callable[[str], None],
    ) -> None:
        """`keep_nonce` gets the Replay-Nonce of every answer, errors included.

        Raises OSError where the CA bundle can't be read.
        """
        self._options = options
        self._timing = timing
        self._make_session = session_factory or _own_session(options)
        self._keep_nonce = keep_nonce
        self._session: aiohttp.ClientSession | None = None
        self._origins = _origins(options.directory_url)

    async def close(self) -> None:
        """Close the connections; requests under way fail."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def owns(self, url: str) -> bool:
        """Whether `url` is of the directory's own origin (scheme, host and port)."""
        return url.startswith(self._origins) and _URL_TEXT.fullmatch(url) is not None

    def unreachable(
        self, what: str, retry_at: datetime | None = None, scope: Scope | None = None
    ) -> OrderError:
        """The error that says `what` this CA did instead of answering properly."""
        message = bounded(f"The CA '{self._options.name}' {what}")
        return OrderError(Reason.CA_UNREACHABLE, message, retry_at=retry_at, scope=scope)

    async def request(
        self, method: str, url: str, *, accept: str | None = None, body: bytes | None = None
    ) -> Answer:
        """The answer if it has a 2xx status and the content type `accept`.

        Raises TroubleError for what may pass, OrderError for a rate limit, for an outage whose
        end the CA names, and for an answer that is none of ACME; ProblemError for a refusal.
        """
        timeout = self._options.request_timeout
        try:
            async with asyncio.timeout(timeout):
                answer = await self._send(method, url, accept, body)
        except TimeoutError:
            raise TroubleError(f"did not answer within {timeout:g} s") from None
        except aiohttp.ClientSSLError:
            raise self.unreachable(
                "shows a TLS certificate that is not trusted; see the issuer's CA bundle"
            ) from None
        except aiohttp.ClientConnectorError:
            raise TroubleError("can't be connected to") from None
        except (aiohttp.ClientError, OSError):
            raise TroubleError("broke off the connection") from None
        if answer.nonce is not None:
            self._keep_nonce(answer.nonce)
        self._judge(answer, accept)
        return answer

    async def _send(self, method: str, url: str, accept: str | None, body: bytes | None) -> Answer:
        if self._session is None:
            self._session = self._make_session()
        headers = dict(_HEADERS)
        if accept is not None:
            headers["Accept"] = accept
        if body is not None:
            headers["Content-Type"] = "application/jose+json"
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > _LARGEST_BODY:
                    response.close()
                    raise self.unreachable(f"sent more than {_LARGEST_BODY} bytes at once")
            return Answer(
                status=response.status,
                content_type=response.content_type,
                body=bytes(content),
                location=response.headers.get("Location"),
                nonce=response.headers.get("Replay-Nonce"),
                retry_at=parse_retry_after(response.headers.get("Retry-After"), self._timing.now()),
                alternates=_alternates(response),
            )

    def _judge(self, answer: Answer, accept: str | None) -> None:
        """Raise what `request` raises for an answer that is not what was asked for."""
        if 200 <= answer.status < 300:
            if accept is not None and answer.content_type != accept:
                raise self.unreachable(f"answers with {answer.content_type}, not with {accept}")
            return
        error = read_problem(answer.body)
        problem = ProblemError(answer.status, error, retry_at=answer.retry_at)
        if answer.status == 429 or problem.kind == "rateLimited":
            raise request_error(problem)
        if answer.status == 503 and answer.retry_at is not None:
            raise self.unreachable(
                "is busy and names a time to come back", answer.retry_at, scope=EVERYTHING
            )
        if answer.status >= 500:
            detail = f": {error.detail}" if error.detail else ""
            raise TroubleError(f"answers with HTTP status {answer.status}{detail}", answered=True)
        if answer.status < 400:
            raise self.unreachable(f"answers with HTTP status {answer.status}: has it moved?")
        raise problem


def _origins(url: str) -> tuple[str, ...]:
    """What a URL of the same scheme, host and port begins with, in each way to write it."""
    parts = urlsplit(url)
    host, port = parts.netloc.lower(), _DEFAULT_PORTS.get(parts.scheme, "")
    if parts.port is None:
        return (f"{parts.scheme}://{host}/", f"{parts.scheme}://{host}{port}/")
    if f":{parts.port}" == port:
        return (f"{parts.scheme}://{host}/", f"{parts.scheme}://{host.removesuffix(port)}/")
    return (f"{parts.scheme}://{host}/",)


def _alternates(response: aiohttp.ClientResponse) -> tuple[str, ...]:
    if not any("alternate" in header for header in response.headers.getall("Link", ())):
        return ()
    try:
        return tuple(str(link["url"]) for link in response.links.getall("alternate", ()))
    except ValueError:
        return ()


def _own_session(options: IssuerOptions) -> Callable[[], aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=options.ca_bundle)

    def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=options.concurrency, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Deadlines are set around each request, where they can be told apart.
            timeout=aiohttp.ClientTimeout(),
        )

    return make
