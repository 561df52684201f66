"""Posts a webhook: signed, within a deadline, and only to where it may go.

A receiver is whoever the settings name, but what its name leads to is up to the DNS. So addresses
are looked at when the connection is made, after the name was resolved: a name that leads elsewhere
a moment later changes nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractResolver

from customdomains.model.webhook import Receipt
from customdomains.webhooks.addresses import refusal
from customdomains.webhooks.signing import signature

TIMEOUT = 10.0
"""Seconds for all of it, from the name's resolution to the end of the answer's headers."""

CONNECTIONS = 64

_AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


class HttpSender:
    """Close it at the end. `secrets` is asked at each try, so that they can be replaced."""

    def __init__(
        self,
        secrets: Callable[[], tuple[bytes, ...]],
        *,
        allow_private: bool,
        resolver: AbstractResolver | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """`allow_private` lets everything through; without `resolver` the system's is asked."""
        self._secrets = secrets
        self._allow_private = allow_private
        self._resolver = resolver
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, message_id: str, body: bytes) -> Receipt:
        """One try. Redirects are not followed: the settings say where it goes. Of the answer only
        status and headers count; its body is not read."""
        timestamp = int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": "customdomains",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secrets(), message_id, timestamp, body),
        }
        try:
            async with self._open().post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return Receipt(response.status, rest=_rest(response.headers.get("retry-after")))
        except TimeoutError:
            return Receipt(None, f"there was no answer within {self._timeout.total:g} s")
        except aiohttp.ClientConnectorError as error:
            return Receipt(None, f"it could not be connected to: {_cause(error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # No text of these: some have the URL in it, which may have a password in it.
            return Receipt(None, f"the connection failed ({type(error).__name__})")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """The session, which can't be made before an event loop runs."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS,
                resolver=self._resolver,
                use_dns_cache=False,
                socket_factory=None if self._allow_private else _public_socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session


class _NotPublicError(OSError):
    """An address that nothing is posted to."""


def _public_socket(address: _AddrInfo) -> socket.socket:
    """A socket for a connection to `address`, if that may be made."""
    family, kind, protocol, _, where = address
    why = refusal(str(where[0]))
    if why is not None:
        raise _NotPublicError(f"{why}, and webhooks.allowPrivateAddresses is not set")
    return socket.socket(family=family, type=kind, proto=protocol)


def _cause(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not valid ({error.certificate_error})"
    cause = error.os_error
    return str(cause.strerror or cause)


def _rest(retry_after: str | None) -> timedelta | None:
    """What `Retry-After` says (RFC 9110 section 10.2.3): seconds, or a date."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10:
        return timedelta(seconds=int(retry_after))
    try:
        return max(parsedate_to_datetime(retry_after) - datetime.now(UTC), timedelta(0))
    except (TypeError, ValueError):
        return None
