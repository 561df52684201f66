"""The engine's face: place an order, bring an order to its certificate."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace

import aiohttp
from acme import messages

from customdomains.acme import wire
from customdomains.acme.account import Account, AccountKeyStore
from customdomains.acme.authorize import fetch_authorizations, is_pending
from customdomains.acme.challenges import Answers, account_label, answers, pick
from customdomains.acme.errors import (
    ProblemError,
    invalid_order_error,
    order_error,
    request_error,
    unknown_profile,
)
from customdomains.acme.exchange import Answer, TroubleError
from customdomains.acme.keys import generate_private_key_pem, is_reusable
from customdomains.acme.options import IssuerOptions
from customdomains.acme.order import FreshOrder, OrderRun
from customdomains.acme.renewal import read_renewal_info, refuses_predecessor
from customdomains.acme.revocation import revoke
from customdomains.acme.rollover import roll_over
from customdomains.acme.signing import read_mac_key
from customdomains.acme.timing import Timing
from customdomains.acme.transport import Transport
from customdomains.model.certificate import (
    CaIdentity,
    Challenge,
    IssuedCertificate,
    OrderError,
    PlacedOrder,
    RevocationReason,
)
from customdomains.model.keys import KeyPair, KeyType
from customdomains.model.reasons import Reason
from customdomains.model.renewal import RenewalInfo

_MOST_FRESH = 1024
_FRESH_FOR = 300.0
_KEYS_AT_ONCE = 2
_LONGEST_ACCOUNT = 512


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

    async def identity(self) -> CaIdentity:
        """What the CA and the account there are called; see `CertificateEngine.identity`."""
        try:
            directory, signer = await self._transport.directory(), await self._account.signer()
        except ProblemError as problem:
            raise request_error(problem) from problem
        if len(signer.url) > _LONGEST_ACCOUNT:
            raise OrderError(Reason.CA_REFUSED, "The account's URL is too long for a DNS record")
        return CaIdentity(signer.url, account_label(signer.url), directory.caa_identities)

    async def place(
        self,
        names: tuple[str, ...],
        *,
        replaces: str | None = None,
        challenges: tuple[Challenge, ...] = (Challenge.DNS,),
    ) -> PlacedOrder:
        """Place a new order for `names` (section 7.4); see `CertificateEngine.place`.

        Where the CA does not take it as one that replaces a certificate, it is placed once more
        without that: whoever has ordered the replacement before may have been killed since, and a
        CA that misreads the id, or has lost what it stands for, may fail over that alone.
        """
        try:
            return await self._place(names, replaces, challenges)
        except ProblemError as problem:
            if replaces is None or not refuses_predecessor(problem.status, problem.kind):
                raise request_error(problem) from problem
        except OrderError as error:
            trouble = error.__cause__
            if replaces is None or not isinstance(trouble, TroubleError) or not trouble.answered:
                raise
        try:
            return await self._place(names, None, challenges)
        except ProblemError as problem:
            raise request_error(problem) from problem

    async def complete(
        self,
        url: str,
        names: tuple[str, ...],
        key_for_finalize: Callable[[], Awaitable[str]],
        answered: tuple[str, ...] | None = None,
        *,
        challenge: Challenge = Challenge.DNS,
        ready: Callable[[], Awaitable[None]] | None = None,
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
            kind=challenge,
            values=answered,
            ready=ready,
            preferred_chain=self._options.preferred_chain,
        )
        try:
            issued = await run.run(self._recall(url))
        except ProblemError as problem:
            raise order_error(problem) from problem
        if await self._renewal_url() is not None:
            return issued
        return replace(issued, facts=replace(issued.facts, ari_id=None))

    async def renewal_info(self, ari_id: str) -> RenewalInfo | None:
        """Ask when the certificate is to be renewed (RFC 9773 section 4); see
        `CertificateEngine.renewal_info`."""
        url = await self._renewal_url()
        if url is None:
            return None
        try:
            return read_renewal_info(await self._transport.get(f"{url}/{ari_id}"))
        except (ProblemError, ValueError, RecursionError):
            return None

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

    async def revoke(self, certificate: str, reason: RevocationReason) -> None:
        """Revoke `certificate`; see `CertificateEngine.revoke`."""
        await revoke(self._account, self._transport, certificate, reason)

    async def roll_over_key(self) -> str:
        """Give the account a new key (section 7.3.5); its URL.

        Raises OrderError, and what the key store raises; can be repeated after any failure or
        kill. Other processes find the new key when the old one is refused.
        """
        return await roll_over(self._options, self._transport, self._key_store)

    async def _renewal_url(self) -> str | None:
        """Where renewal information is, without a slash at its end; None where there is none, or
        the directory can't be had."""
        try:
            directory = await self._transport.directory()
        except OrderError:
            return None
        return directory.renewal_info.rstrip("/") if directory.renewal_info else None

    async def _place(
        self, names: tuple[str, ...], replaces: str | None, challenges: tuple[Challenge, ...]
    ) -> PlacedOrder:
        if replaces is not None and await self._renewal_url() is None:
            replaces = None
        answer = await self._new_order(names, replaces)
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
        pending = [each for each in authorizations if is_pending(each, names)]
        kind, found = challenges[0], Answers()
        if pending:
            kind = pick(challenges, pending)
            found = answers(kind, pending, await self._account.signer())
        self._remember(url, FreshOrder(order, authorizations, self._timing.monotonic()))
        return PlacedOrder(
            url=url,
            digests=found.digests,
            expires=wire.expiry(order),
            replaces=replaces,
            challenge=kind,
            label=found.label,
            responses=found.responses,
        )

    async def _new_order(self, names: tuple[str, ...], replaces: str | None) -> Answer:
        directory = await self._transport.directory()
        profile = self._options.profile
        if profile is not None and profile not in directory.profiles:
            self._transport.look_again(directory)
            raise unknown_profile(self._options.name, profile, directory.profiles)
        try:
            payload = wire.new_order(names, profile, replaces)
            return await self._account.post(directory.new_order, payload)
        except ProblemError as problem:
            if replaces is not None and refuses_predecessor(problem.status, problem.kind):
                raise
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
