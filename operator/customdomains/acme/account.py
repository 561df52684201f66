"""The account at the CA: its key, its registration, its signature (RFC 8555 section 7.3)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Protocol

from customdomains.acme import signing
from customdomains.acme.errors import ProblemError
from customdomains.acme.exchange import Answer
from customdomains.acme.keys import generate_private_key_pem
from customdomains.acme.options import IssuerOptions
from customdomains.acme.registration import Identity, Registration
from customdomains.acme.shared import Shared
from customdomains.acme.transport import JSON, Transport
from customdomains.model.certificate import OrderError
from customdomains.model.keys import StoredKeys

log = logging.getLogger(__name__)

POST_AS_GET = b""
"""The payload of a request that only reads (section 6.3)."""

_OTHER_KEY = frozenset({"malformed", "unauthorized"})
"""What CAs say of a signature by a key that is not the account's (any more)."""


class AccountKeyStore(Protocol):
    """Keeps one issuer's account keys (PEM, PKCS#8, ECDSA P-256).

    All calls have deadlines of their own; what they raise where the keys can't be read or stored
    passes through the engine.
    """

    async def load_or_create(self, make: Callable[[], str]) -> StoredKeys:
        """The account's keys.

        Where there are none yet, what `make` returns is stored for good; whoever loses the race
        of creating gets the winner's.
        """
        ...

    async def load(self) -> StoredKeys | None:
        """The account's keys, None where there are none."""
        ...

    async def stage(self, known: StoredKeys, make: Callable[[], str]) -> StoredKeys:
        """Put what `make` returns beside `known`, as the key that waits.

        Where others were there first, nothing is written and what they stored is returned.
        """
        ...

    async def promote(self, known: StoredKeys) -> None:
        """Put the key that waits in `known` into the place of the current one, if nobody has."""
        ...


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
        self._registration = Registration(options, transport)
        self._identity = Shared(self._identify)
        self._known: StoredKeys | None = None

    async def close(self) -> None:
        """Give up a registration that is under way."""
        await self._identity.close()

    async def signer(self) -> Identity:
        """The account and its key, as far as this process knows; raises OrderError."""
        return await self._identity.get()

    async def post(self, url: str, payload: bytes, *, accept: str | None = JSON) -> Answer:
        """POST `payload` (JSON, or POST_AS_GET) to `url`; raises as `Transport.post`.

        An account that the CA does not know any more is registered again, once; where another
        process has changed the account's key, the request is signed anew.
        """
        identity = await self._identity.get()
        try:
            return await self.post_as(identity, url, payload, accept=accept)
        except ProblemError as problem:
            fresh = await self._instead_of(identity, problem)
            if fresh is None:
                raise
        return await self.post_as(fresh, url, payload, accept=accept)

    async def post_as(
        self, signer: Identity, url: str, payload: bytes, *, accept: str | None = JSON
    ) -> Answer:
        """The same, where no other key than that of `signer` will do."""
        sign = signing.by_account(signer.key, signer.url, payload)
        return await self._transport.post(url, sign, accept=accept)

    async def read(self, url: str, *, accept: str = JSON) -> Answer:
        """POST-as-GET of `url` (section 6.3); raises as `post`."""
        return await self.post(url, POST_AS_GET, accept=accept)

    async def _instead_of(self, identity: Identity, problem: ProblemError) -> Identity | None:
        """Who should ask, where the CA may have refused because of who asked."""
        unknown = problem.kind == "accountDoesNotExist"
        if not unknown and (problem.kind not in _OTHER_KEY or not await self._keys_changed()):
            return None
        self._identity.forget(identity)
        fresh = await self._identity.get()
        return fresh if unknown or fresh.pem != identity.pem else None

    async def _keys_changed(self) -> bool:
        """Whether another key may count by now than when the account was looked for."""
        stored = await self._store.load()
        return stored is not None and (stored != self._known or stored.waiting is not None)

    async def _identify(self) -> Identity:
        """The account; its key is the one that waits where the CA has heard of that already."""
        while True:
            stored = await self._store.load_or_create(generate_private_key_pem)
            identity = None
            if stored.waiting is not None:
                identity = await self._registration.find(stored.waiting)
            if identity is None:
                identity = await self._registration.find_or_make(stored.current)
            # Whoever changed the key just now made it look as if it had no account.
            if not identity.made or await self._store.load() == stored:
                break
        self._known = stored
        await self._keep_contact(identity)
        return identity

    async def _keep_contact(self, identity: Identity) -> None:
        """Tell the CA the contact of the settings where it has another (section 7.3.2)."""
        wanted = self._options.contact
        if identity.contact is None or set(identity.contact) == set(wanted):
            return
        payload = json.dumps({"contact": list(wanted)}).encode()
        try:
            await self.post_as(identity, identity.url, payload)
        except (ProblemError, OrderError) as error:
            # Certificates do not depend on it.
            log.warning("%s: the account's contact can't be changed: %s", self._options.name, error)
