"""Requests to a CA: its directory, nonces, and what is tried again (RFC 8555 section 6)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import aiohttp
from josepy.errors import DeserializationError
from josepy.json_util import decode_b64jose, encode_b64jose

from customdomains.acme.errors import ProblemError, request_error
from customdomains.acme.exchange import Answer, Exchange, TroubleError
from customdomains.acme.options import IssuerOptions
from customdomains.acme.shared import Shared
from customdomains.acme.timing import Timing
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

log = logging.getLogger(__name__)

JSON = "application/json"
PEM_CHAIN = "application/pem-certificate-chain"

Sign = Callable[[str, bytes], bytes]
"""Makes the JWS body of a request from its URL and its nonce (raw bytes)."""

T = TypeVar("T")

_DIRECTORY_LIFETIME = 3600.0
_BAD_NONCE_RETRIES = 5
_ATTEMPTS = 4
_PATIENCE = 4.0
_MOST_NONCES = 256
_MOST_IDENTITIES = 32


@dataclass(frozen=True, slots=True)
class Directory:
    """The CA's entry points (section 7.1.1); `fetched` is a monotonic moment in seconds.

    `key_change` is None where the CA has none, `renewal_info` likewise (RFC 9773 section 3).
    `profiles` are the names of those it offers (draft-ietf-acme-profiles section 3),
    `caa_identities` the CA's own names.
    """

    new_nonce: str
    new_account: str
    new_order: str
    key_change: str | None
    profiles: tuple[str, ...]
    caa_identities: tuple[str, ...]
    renewal_info: str | None
    revoke_cert: str | None
    fetched: float


class Transport:
    """Requests to one CA.

    All calls raise OrderError for what concerns the CA as a whole (CA_UNREACHABLE,
    CA_RATE_LIMITED, both with `retry_at` where the CA named a time; ORDER_FOREIGN for a URL
    that is not the CA's) and ProblemError for a request that the CA refuses. Each ends within
    four times `request_timeout`, waiting for a free slot and retries included.
    """

    def __init__(
        self,
        options: IssuerOptions,
        timing: Timing,
        session_factory: Callable[[], aiohttp.ClientSession] | None = None,
    ) -> None:
        """`session_factory` replaces the session that trusts the issuer's CA bundle.

        Raises OSError where that bundle can't be read.
        """
        self._options = options
        self._timing = timing
        self._exchange = Exchange(options, timing, session_factory, self._keep_nonce)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._nonces: list[str] = []
        self._directory = Shared(self._fetch_directory)

    async def close(self) -> None:
        """Close the connections; requests under way fail."""
        await self._directory.close()
        await self._exchange.close()

    def owns(self, url: str) -> bool:
        """Whether `url` is of the directory's own origin (scheme, host and port)."""
        return self._exchange.owns(url)

    def require_own(self, url: str) -> None:
        """Raise OrderError(ORDER_FOREIGN) for an order's `url` that is not the CA's own."""
        if not self.owns(url):
            raise OrderError(
                Reason.ORDER_FOREIGN,
                f"The order's URL is not one of the CA '{self._options.name}'",
                order_lost=True,
            )

    async def directory(self) -> Directory:
        """The directory, fetched once an hour."""
        known = await self._directory.get()
        if self._timing.monotonic() - known.fetched > _DIRECTORY_LIFETIME:
            self._directory.forget(known)
            known = await self._directory.get()
        return known

    def moved(self, known: Directory, problem: ProblemError) -> OrderError | None:
        """The error to raise where one of `known`'s URLs does not exist (any more).

        The directory is then fetched anew on the next demand. None for any other problem.
        """
        if problem.status not in {404, 405, 410}:
            return None
        self.look_again(known)
        return self._exchange.unreachable(
            f"answers with HTTP status {problem.status}: has it moved?"
        )

    def look_again(self, known: Directory) -> None:
        """Fetch the directory anew on the next demand."""
        self._directory.forget(known)

    async def post(self, url: str, sign: Sign, *, accept: str | None = JSON) -> Answer:
        """POST what `sign` makes of `url` and a nonce; the answer has a 2xx status.

        A nonce that the CA rejects is replaced at once by the one that came with the
        rejection (section 6.5); connection trouble and 5xx answers are tried again.
        """
        self.require_own(url)
        directory = await self.directory()
        return await self._persist(lambda: self._post(directory, url, sign, accept))

    async def get(self, url: str) -> Answer:
        """GET `url` unsigned, for JSON that anybody may read; raises as `post`."""
        self.require_own(url)
        return await self._persist(lambda: self._exchange.request("GET", url, accept=JSON))

    async def _post(self, directory: Directory, url: str, sign: Sign, accept: str | None) -> Answer:
        rejected = 0
        while True:
            # The pool is a stack: on top lies the nonce that the rejection brought.
            nonce = self._nonces.pop() if self._nonces else await self._new_nonce(directory)
            body = sign(url, decode_b64jose(nonce))
            try:
                return await self._exchange.request("POST", url, accept=accept, body=body)
            except ProblemError as problem:
                if problem.kind != "badNonce" or rejected == _BAD_NONCE_RETRIES:
                    raise
            rejected += 1

    async def _new_nonce(self, directory: Directory) -> str:
        try:
            await self._exchange.request("HEAD", directory.new_nonce)
        except ProblemError as problem:
            raise self.moved(directory, problem) or request_error(problem) from None
        if not self._nonces:
            raise TroubleError("gives no nonce")
        return self._nonces.pop()

    def _keep_nonce(self, nonce: str) -> None:
        """Keep a nonce that is base64url (section 6.5.1): it goes on as the bytes it stands for."""
        try:
            usable = encode_b64jose(decode_b64jose(nonce)) == nonce
        except DeserializationError:
            return
        if usable and len(self._nonces) < _MOST_NONCES:
            self._nonces.append(nonce)

    async def _fetch_directory(self) -> Directory:
        url = self._options.directory_url
        try:
            answer = await self._persist(lambda: self._exchange.request("GET", url, accept=JSON))
            directory = _read_directory(answer, self._timing.monotonic())
        except (ProblemError, ValueError, KeyError, RecursionError):
            raise self._exchange.unreachable("has no ACME directory at its URL") from None
        if directory.renewal_info is not None and not self.owns(directory.renewal_info):
            log.warning("%s: its renewalInfo is of another host: not used", self._options.name)
            directory = replace(directory, renewal_info=None)
        if directory.revoke_cert is not None and not self.owns(directory.revoke_cert):
            directory = replace(directory, revoke_cert=None)
        urls = (directory.new_nonce, directory.new_account, directory.new_order)
        if not all(self.owns(each) for each in (*urls, directory.key_change or urls[0])):
            raise OrderError(
                Reason.CA_REFUSED,
                f"The directory of the CA '{self._options.name}' names URLs of another host",
            )
        return directory

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make `attempt` until it goes well, a few times and within the total time.

        Its nonce is got in the same slot as the request is made: of many that wait for a slot,
        most find a nonce in the pool by then.
        """
        limit = self._options.request_timeout * _PATIENCE
        try:
            async with asyncio.timeout(limit):
                for number in range(_ATTEMPTS - 1):
                    try:
                        async with self._slots:
                            return await attempt()
                    except TroubleError:
                        await self._timing.sleep(self._timing.pause(number, first=0.25, cap=2.0))
                try:
                    async with self._slots:
                        return await attempt()
                except TroubleError as trouble:
                    raise self._exchange.unreachable(str(trouble)) from trouble
        except TimeoutError:
            raise self._exchange.unreachable(f"did not answer within {limit:g} s") from None


def _read_directory(answer: Answer, now: float) -> Directory:
    """Raises ValueError or KeyError where it is none."""
    document = answer.json()
    key_change, meta = document.get("keyChange"), document.get("meta")
    renewal_info, revoke_cert = document.get("renewalInfo"), document.get("revokeCert")
    profiles = meta.get("profiles") if isinstance(meta, dict) else None
    identities = meta.get("caaIdentities") if isinstance(meta, dict) else None
    return Directory(
        new_nonce=str(document["newNonce"]),
        new_account=str(document["newAccount"]),
        new_order=str(document["newOrder"]),
        key_change=None if key_change is None else str(key_change),
        profiles=tuple(sorted(profiles)) if isinstance(profiles, dict) else (),
        caa_identities=_names(identities),
        revoke_cert=None if revoke_cert is None else str(revoke_cert),
        renewal_info=renewal_info if isinstance(renewal_info, str) else None,
        fetched=now,
    )


def _names(value: object) -> tuple[str, ...]:
    """The names in an array of the directory's, in lower case; what is no name is passed over."""
    listed = value if isinstance(value, list) else []
    return tuple(
        each.lower()
        for each in listed[:_MOST_IDENTITIES]
        if isinstance(each, str) and len(each) <= 253
    )
