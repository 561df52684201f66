"""One order on its way from its URL to its certificate (RFC 8555 sections 7.1.6 and 7.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from acme import messages

from customdomains.acme import wire
from customdomains.acme.account import Account
from customdomains.acme.authorize import authorize, fetch_authorizations, is_pending
from customdomains.acme.certificate import check_certificate
from customdomains.acme.chains import choose_chain
from customdomains.acme.errors import ProblemError, invalid_order_error
from customdomains.acme.keys import PrivateKey, certificate_request, load_private_key
from customdomains.acme.pace import Pace
from customdomains.acme.timing import Timing
from customdomains.acme.transport import PEM_CHAIN
from customdomains.model.certificate import Challenge, IssuedCertificate, OrderError
from customdomains.model.reasons import Reason

_OPEN = frozenset({messages.STATUS_PENDING, messages.STATUS_READY})
_DECIDED = frozenset({messages.STATUS_PROCESSING, messages.STATUS_VALID})


@dataclass(frozen=True, slots=True)
class FreshOrder:
    """What placing an order showed; `placed` is a monotonic moment in seconds."""

    order: messages.Order
    authorizations: tuple[messages.Authorization, ...]
    placed: float


class OrderRun:
    """Brings one order to its certificate, wherever it stands when it is taken up."""

    def __init__(
        self,
        url: str,
        names: tuple[str, ...],
        key_for_finalize: Callable[[], Awaitable[str]],
        account: Account,
        timing: Timing,
        *,
        kind: Challenge = Challenge.DNS,
        values: tuple[str, ...] | None = None,
        ready: Callable[[], Awaitable[None]] | None = None,
        preferred_chain: str | None = None,
    ) -> None:
        """`values` are what is in place for challenges of `kind`, None where anything may be,
        `ready` makes sure of it before the CA is told;
        `preferred_chain` as in `IssuerOptions`."""
        self._url = url
        self._names = names
        self._key_for_finalize = key_for_finalize
        self._account = account
        self._timing = timing
        self._kind = kind
        self._values = values
        self._ready = ready
        self._preferred_chain = preferred_chain
        self._pace = Pace(timing)
        self._key: PrivateKey | None = None
        self._answered = False
        self._finalized = False

    async def run(self, fresh: FreshOrder | None) -> IssuedCertificate:
        """The certificate. Raises OrderError, ProblemError, and what the key's source raises.

        `fresh` spares fetching what placing the order just showed.
        """
        order = fresh.order if fresh is not None else await self._take_up()
        while True:
            await self._check(order)
            if order.status == messages.STATUS_VALID and order.certificate:
                return await self._download(order.certificate)
            if order.status == messages.STATUS_PENDING and not self._answered:
                self._answered = True
                # Valid authorizations make the order ready (section 7.1.6): no need to ask.
                ready = await self._authorize(order, fresh)
                order = await (self._finalize(order) if ready else self._poll())
            elif order.status == messages.STATUS_READY and not self._finalized:
                order = await self._finalize(order)
            else:
                order = await self._poll()

    async def _take_up(self) -> messages.Order:
        try:
            return await self._fetch()
        except ProblemError as problem:
            if problem.kind != "malformed":
                raise
            # Nothing but the URL is ours in this request: so says a CA (step-ca) that does not
            # know the order, instead of 404.
            raise OrderError(
                Reason.ORDER_EXPIRED, "The CA does not know the order any more", order_lost=True
            ) from problem

    async def _check(self, order: messages.Order) -> None:
        if wire.order_names(order) != set(self._names):
            raise OrderError(
                Reason.ORDER_FOREIGN, "The order is for other names than ours", order_lost=True
            )
        if order.status in _OPEN:
            expires = wire.expiry(order)
            if expires is not None and expires <= self._timing.now():
                raise OrderError(Reason.ORDER_EXPIRED, "The order has expired", order_lost=True)
        elif order.status not in _DECIDED:
            raise await self._why_invalid(order)

    async def _why_invalid(self, order: messages.Order) -> OrderError:
        """The failed challenge's own words where there is one, else the order's."""
        try:
            for authorization in await fetch_authorizations(self._account, order):
                is_pending(authorization, self._names)
        except OrderError as error:
            # Being unable to ask why makes the order no less invalid.
            if error.order_lost:
                return error
        except ProblemError:
            pass
        return invalid_order_error(order.error)

    async def _authorize(self, order: messages.Order, fresh: FreshOrder | None) -> bool:
        if fresh is not None:
            authorizations = fresh.authorizations
        else:
            authorizations = await fetch_authorizations(self._account, order)
        with_urls = list(zip(order.authorizations, authorizations, strict=True))
        return await authorize(
            self._account,
            self._pace,
            self._names,
            with_urls,
            kind=self._kind,
            values=self._values,
            ready=self._ready,
        )

    async def _finalize(self, order: messages.Order) -> messages.Order:
        csr = certificate_request(await self._own_key(), self._names)
        self._pace.restart()
        try:
            answer = await self._account.post(order.finalize, wire.finalization(csr))
        except ProblemError as problem:
            if problem.kind != "orderNotReady":
                raise
            # Not yet, or a repeated request whose first one was heard: the order knows.
            return await self._poll()
        self._finalized = True
        self._pace.heed(answer)
        return wire.read_order(answer)

    async def _download(self, url: str) -> IssuedCertificate:
        key = await self._own_key()
        answer = await self._account.read(url, accept=PEM_CHAIN)
        now = self._timing.now()

        def check(body: bytes) -> IssuedCertificate:
            return check_certificate(body, self._names, key, now)

        if self._preferred_chain is None:
            return check(answer.body)
        return await choose_chain(self._account, answer, check, self._preferred_chain)

    async def _own_key(self) -> PrivateKey:
        if self._key is None:
            pem = await self._key_for_finalize()
            try:
                self._key = load_private_key(pem)
            except ValueError as error:
                raise OrderError(
                    Reason.STORAGE_FAILED, f"What is stored as the certificate's key is {error}"
                ) from None
        return self._key

    async def _fetch(self) -> messages.Order:
        answer = await self._account.read(self._url)
        self._pace.heed(answer)
        return wire.read_order(answer)

    async def _poll(self) -> messages.Order:
        await self._pace.pause()
        return await self._fetch()
