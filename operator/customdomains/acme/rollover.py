"""A new key for the account (RFC 8555 section 7.3.5), whatever breaks off in between.

The new key is stored beside the old one before the CA hears of it, and takes its place only when
the CA says whose it is. Whoever finds two keys asks the CA which of them counts.
"""

from __future__ import annotations

from customdomains.acme import signing
from customdomains.acme.account import AccountKeyStore
from customdomains.acme.errors import ProblemError, request_error
from customdomains.acme.keys import account_key, generate_private_key_pem
from customdomains.acme.options import IssuerOptions
from customdomains.acme.registration import Identity, Registration
from customdomains.acme.transport import Transport
from customdomains.model.certificate import OrderError
from customdomains.model.keys import StoredKeys
from customdomains.model.reasons import Reason


async def roll_over(options: IssuerOptions, transport: Transport, store: AccountKeyStore) -> str:
    """Give the account a new key, or finish what was begun; the account's URL.

    Raises OrderError, and what `store` raises; after either, it can be called again.
    """
    registration, name = Registration(options, transport), options.name
    stored, old = await _find(registration, store, name)
    if old.pem == stored.waiting:
        await store.promote(stored)
        return old.url
    directory = await transport.directory()
    if directory.key_change is None:
        raise OrderError(Reason.CA_REFUSED, f"The CA '{name}' offers no change of account keys")
    if stored.waiting is None:
        stored = await store.stage(stored, generate_private_key_pem)
    if stored.waiting is None:
        # Another process has gone the whole way meanwhile.
        return old.url
    failure = await _change(transport, directory.key_change, old, stored.waiting)
    # Asked in any case: an answer may be lost, and a request made again is refused where the first
    # was heard, as its key does not count any more.
    moved = await registration.find(stored.waiting)
    if moved is None or moved.url != old.url:
        raise failure or OrderError(
            Reason.CA_REFUSED, f"The CA '{name}' does not know the account's new key"
        )
    await store.promote(stored)
    return moved.url


async def _find(
    registration: Registration, store: AccountKeyStore, name: str
) -> tuple[StoredKeys, Identity]:
    """The keys as they are stored, and the account with the one of them that counts."""
    while True:
        stored = await store.load()
        if stored is None:
            raise OrderError(Reason.CA_REFUSED, f"There is no account at the CA '{name}' yet")
        for pem in (stored.waiting, stored.current):
            account = await registration.find(pem) if pem is not None else None
            if account is not None:
                return stored, account
        if await store.load() == stored:
            raise OrderError(Reason.CA_REFUSED, f"The CA '{name}' does not know our account")
        # Another process has just changed the key.


async def _change(transport: Transport, url: str, old: Identity, waiting: str) -> OrderError | None:
    """Ask for the change; what went wrong, if anything seems to have."""
    try:
        sign = signing.key_change(old.key, account_key(waiting), old.url)
        await transport.post(url, sign, accept=None)
    except ProblemError as problem:
        return request_error(problem)
    except OrderError as error:
        return error
    return None
