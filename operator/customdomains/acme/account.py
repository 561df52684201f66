"""The account at the CA: its key, its registration, its signature (RFC 8555 section 7.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from acme import messages
from acme.jws import JWS
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from customdomains.acme.errors import ProblemError, request_error
from customdomains.acme.exchange import Answer
from customdomains.acme.keys import account_key, generate_private_key_pem
from customdomains.acme.options import IssuerOptions
from customdomains.acme.shared import Shared
from customdomains.acme.transport import JSON, Directory, Sign, Transport
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

POST_AS_GET = b""
"""The payload of a request that only reads (section 6.3)."""


class AccountKeyStore(Protocol):
    """Keeps one issuer's account key."""

    async def load_or_create(self, make: Callable[[], str]) -> str:
        """The account key (PEM, PKCS#8, ECDSA P-256).

        Where there is none yet, what `make` returns is stored for good; whoever loses the race
        of creating gets the winner's. It has a deadline of its own; what it raises where the key
        can't be read or stored passes through the engine.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Identity:
    """The key and the account's URL, which signs as `kid`."""

    key: JWKEC = field(repr=False)
    url: str


class Account:
    """Requests in the name of the account, which is found or registered on first use.

    Many first users at a time register once.
    """

    def __init__(
        self, options: IssuerOptions, transport: Transport, store: AccountKeyStore
    ) -> None:
        self._options = options
        self._transport = transport
        self._store = store
        self._identity = Shared(self._register)

    async def close(self) -> None:
        """Give up a registration that is under way."""
        await self._identity.close()

    async def key(self) -> JWKEC:
        """The account's key; raises OrderError."""
        return (await self._identity.get()).key

    async def post(self, url: str, payload: bytes, *, accept: str = JSON) -> Answer:
        """POST `payload` (JSON, or POST_AS_GET) to `url`; raises as `Transport.post`.

        An account that the CA does not know any more is registered again, once.
        """
        identity = await self._identity.get()
        try:
            return await self._transport.post(url, _signer(identity, payload), accept=accept)
        except ProblemError as problem:
            if problem.kind != "accountDoesNotExist":
                raise
        self._identity.forget(identity)
        identity = await self._identity.get()
        return await self._transport.post(url, _signer(identity, payload), accept=accept)

    async def read(self, url: str, *, accept: str = JSON) -> Answer:
        """POST-as-GET of `url` (section 6.3); raises as `post`."""
        return await self.post(url, POST_AS_GET, accept=accept)

    async def _register(self) -> _Identity:
        """newAccount: also finds the account that the key has already (section 7.3.1)."""
        pem = await self._store.load_or_create(generate_private_key_pem)
        try:
            key = account_key(pem)
        except ValueError as error:
            raise OrderError(
                Reason.STORAGE_FAILED,
                f"What is stored as account key of the CA '{self._options.name}' is {error}",
            ) from None
        registration = messages.NewRegistration(
            contact=self._options.contact, terms_of_service_agreed=True
        )
        directory = await self._transport.directory()
        answer = await self._new_account(directory, key, registration.json_dumps().encode())
        if answer.location is None or not self._transport.owns(answer.location):
            raise OrderError(
                Reason.CA_REFUSED,
                f"The CA '{self._options.name}' does not say where the new account is",
            )
        return _Identity(key, answer.location)

    async def _new_account(self, directory: Directory, key: JWKEC, payload: bytes) -> Answer:
        def sign(url: str, nonce: bytes) -> bytes:
            return _jws(payload, key, nonce, url, None)

        try:
            return await self._transport.post(directory.new_account, sign)
        except ProblemError as problem:
            # Turned into its meaning here: whoever asked was on the way to something else.
            raise self._transport.moved(directory, problem) or request_error(problem) from problem


def _signer(identity: _Identity, payload: bytes) -> Sign:
    def sign(url: str, nonce: bytes) -> bytes:
        return _jws(payload, identity.key, nonce, url, identity.url)

    return sign


def _jws(payload: bytes, key: JWKEC, nonce: bytes, url: str, kid: str | None) -> bytes:
    """The flattened JWS of section 6.2, with `jwk` where there is no `kid`."""
    signed = JWS.sign(payload, key=key, alg=ES256, nonce=nonce, url=url, kid=kid)
    body: bytes = signed.json_dumps().encode()
    return body
