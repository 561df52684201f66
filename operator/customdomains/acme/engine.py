"""The engine's face: place an order, bring an order to its certificate."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import aiohttp
from acme import messages

from customdomains.acme import wire
from customdomains.acme.account import Account, AccountKeyStore
from customdomains.acme.authorize import fetch_authorizations, pending_challenge
from customdomains.acme.errors import (
    ProblemError,
    invalid_order_error,
    order_error,
    request_error,
    unknown_profile,
)
from customdomains.acme.exchange import Answer
from customdomains.acme.keys import dns01_digest, generate_private_key_pem, is_reusable
from customdomains.acme.options import IssuerOptions
from customdomains.acme.order import FreshOrder, OrderRun
from customdomains.acme.rollover import roll_over
from customdomains.acme.signing import read_mac_key
from customdomains.acme.timing import Timing
from customdomains.acme.transport import Transport
from customdomains.model.certificate import IssuedCertificate, OrderError, PlacedOrder
from customdomains.model.keys import KeyPair, KeyType
from customdomains.model.reasons import Reason

_MOST_FRESH = 1024
_FRESH_FOR = 300.0
_KEYS_AT_ONCE = 2


class AcmeEngine:
    """One issuer's ACME client (a `CertificateEngine`), for one event loop.

    `place` and `complete` raise OrderError and nothing else, apart from what the caller's
    own `key_for_finalize` and key store raise. Every wait has a deadline: a request ends
    within four request time-outs, and `complete` asks no more two minutes after its start.
    """

    def __init__(
        self,
        options: IssuerOptions,
        key_store: AccountKeyStore,
        *,
        timing: Timing | None = None,
        session_factory: Callable[[], aiohttp.ClientSession] | None = None,
    ) -> None:
        """Nothing is asked of the CA before the first order.

        Raises OSError (ssl.SSLError is one) where the issuer's CA bundle or its HMAC key can't be
        read, ValueError where that is none.
        """
        self._timing = timing if timing is not None else Timing()
        if options.external_account is not None:
            read_mac_key(options.external_account.key_file)
        self._options = options
        self._key_store = key_store
        self._making = asyncio.Semaphore(_KEYS_AT_ONCE)
        self._transport = Transport(options, self._timing, session_factory)
        self._account = Account(options, self._transport, key_store)
        self._fresh: OrderedDict[str, FreshOrder] = OrderedDict()

    async def close(self) -> None:
        """Close the connections to the CA; calls under way fail."""
        await self._account.close()
        await self._transport.close()

    async def place(self, names: tuple[str, ...]) -> PlacedOrder:
        """Place a new order for `names` (section 7.4); see `CertificateEngine.place`."""
        try:
            return await self._place(names)
        except ProblemError as problem:
            raise request_error(problem) from problem

    async def complete(
        self,
        url: str,
        names: tuple[str, ...],
        key_for_finalize: Callable[[], Awaitable[str]],
        digests: tuple[str, ...] | None = None,
    ) -> IssuedCertificate:
        """Bring the order at `url` to its certificate; see `CertificateEngine.complete`.

        Safe to repeat after any failure or kill: what the CA has heard already is not said
        again.
        """
        self._transport.require_own(url)
        run = OrderRun(
            url,
            names,
            key_for_finalize,
            self._account,
            self._timing,
            digests=digests,
            preferred_chain=self._options.preferred_chain,
        )
        try:
            return await run.run(self._recall(url))
        except ProblemError as problem:
            raise order_error(problem) from problem

    async def make_key(
        self, wanted: KeyType | None, current: Callable[[], Awaitable[KeyPair | None]]
    ) -> str:
        """The private key for the next certificate; see `CertificateEngine.make_key`."""
        kind = wanted or self._options.key_type
        if self._options.reuse_key:
            pair = await current()
            if pair is not None and is_reusable(pair, kind):
                return pair.key_pem
        async with self._making:
            return await asyncio.to_thread(generate_private_key_pem, kind)

    async def roll_over_key(self) -> str:
        """Give the account a new key (section 7.3.5); its URL.

        Raises OrderError, and what the key store raises; can be repeated after any failure or
        kill. Other processes find the new key when the old one is refused.
        """
        return await roll_over(self._options, self._transport, self._key_store)

    async def _place(self, names: tuple[str, ...]) -> PlacedOrder:
        answer = await self._new_order(names)
        order, url = wire.read_order(answer), answer.location
        if url is None:
            raise OrderError(Reason.CA_REFUSED, "The CA does not say where the new order is")
        self._transport.require_own(url)
        if wire.order_names(order) != set(names):
            raise OrderError(
                Reason.ORDER_FOREIGN,
                "The CA has made an order for other names than those asked for",
                order_lost=True,
            )
        if order.status == messages.STATUS_INVALID:
            raise invalid_order_error(order.error)
        authorizations: tuple[messages.Authorization, ...] = ()
        if order.status == messages.STATUS_PENDING:
            authorizations = await fetch_authorizations(self._account, order)
        challenges = [pending_challenge(each, names) for each in authorizations]
        key = (await self._account.signer()).key
        self._remember(url, FreshOrder(order, authorizations, self._timing.monotonic()))
        return PlacedOrder(
            url=url,
            digests=tuple(dns01_digest(each.chall, key) for each in challenges if each),
            expires=wire.expiry(order),
        )

    async def _new_order(self, names: tuple[str, ...]) -> Answer:
        directory = await self._transport.directory()
        profile = self._options.profile
        if profile is not None and profile not in directory.profiles:
            self._transport.look_again(directory)
            raise unknown_profile(self._options.name, profile, directory.profiles)
        try:
            return await self._account.post(directory.new_order, wire.new_order(names, profile))
        except ProblemError as problem:
            raise self._transport.moved(directory, problem) or problem from None

    def _remember(self, url: str, fresh: FreshOrder) -> None:
        """Keep for `complete` what it would have to fetch; bounded, as it may never come."""
        self._fresh[url] = fresh
        if len(self._fresh) > _MOST_FRESH:
            self._fresh.popitem(last=False)

    def _recall(self, url: str) -> FreshOrder | None:
        """What `place` showed of the order, unless it was taken up before or is old."""
        fresh = self._fresh.pop(url, None)
        if fresh is None or self._timing.monotonic() - fresh.placed > _FRESH_FOR:
            return None
        return fresh
