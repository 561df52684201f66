"""The two jobs that deal with the CA, and what makes them safe.

Before an order is placed and before one is finalized the claim is read live: whoever is not the
holder any more, or works on an order that was replaced, stops there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from customdomains.cluster.secrets import ForeignSecretError
from customdomains.controller.ports import CertificateEngine, Claims, Secrets, SelfCheck
from customdomains.model.certificate import IssuedCertificate, Method, OrderError, PlacedOrder
from customdomains.model.claim import Claim
from customdomains.model.reasons import Reason
from customdomains.policy.findings import delegation_target
from customdomains.policy.ownership import proof_current
from customdomains.policy.world import CompleteOrder, PlaceOrder


class StaleClaimError(Exception):
    """The claim is not what the job was started on; `claim` is what it is now."""

    def __init__(self, claim: Claim | None) -> None:
        super().__init__("the claim has changed")
        self.claim = claim


class Issuing:
    """Places and completes orders; raises `OrderError`, `StaleClaimError` and `ApiError`."""

    def __init__(
        self,
        claims: Claims,
        secrets: Secrets,
        engines: Mapping[str, CertificateEngine],
        self_check: SelfCheck,
        *,
        zone: str,
        make_key: Callable[[], str],
    ) -> None:
        self._claims = claims
        self._secrets = secrets
        self._engines = engines
        self._self_check = self_check
        self._zone = zone
        self._make_key = make_key

    async def place(self, job: PlaceOrder) -> PlacedOrder:
        """Place the order, if nothing speaks against it that can be known beforehand."""
        await self._refuse_foreign(job.claim, job.secret_name)
        live = await self._live(job.claim)
        if live.order is not None:
            raise StaleClaimError(live)
        return await self._engines[job.issuer].place(job.names)

    async def complete(self, job: CompleteOrder) -> IssuedCertificate:
        """Bring the claim's order to its certificate and store that."""
        claim, order = job.claim, job.claim.order
        if order is None:
            raise StaleClaimError(claim)
        if order.method is Method.DELEGATED and order.digests:
            await self._check_ourselves(claim)

        async def key_for_finalize() -> str:
            live = await self._live(claim)
            if live.order != order or not proof_current(live):
                raise StaleClaimError(live)
            return await self._keep_key(claim, job.secret_name, order.url)

        issued = await self._engines[order.issuer].complete(
            order.url, order.names, key_for_finalize
        )
        await self._store(claim, job.secret_name, order.url, issued.chain_pem)
        return issued

    async def drop_next_key(self, claim: Claim, secret_name: str) -> None:
        """The certificate is recorded: the key that waited for it can go."""
        await self._secrets.drop_next(claim, secret_name)

    async def _live(self, claim: Claim) -> Claim:
        live = await self._claims.read(claim.domain)
        if live is None or (live.uid, live.id, live.holder.key) != (
            claim.uid,
            claim.id,
            claim.holder.key,
        ):
            raise StaleClaimError(live)
        return live

    async def _check_ourselves(self, claim: Claim) -> None:
        digests = claim.order.digests if claim.order else ()
        name = delegation_target(claim, self._zone)
        if not await self._self_check.serves(name, digests):
            raise OrderError(
                Reason.CHALLENGE_NOT_SERVED,
                f"not every replica of the operator's own DNS responder answers {name} with the "
                "challenge yet; the operator of this platform has to look at them",
            )

    async def _refuse_foreign(self, claim: Claim, name: str) -> None:
        try:
            await self._secrets.refuse_foreign(claim, name)
        except ForeignSecretError as error:
            raise OrderError(Reason.SECRET_CONFLICT, str(error)) from error

    async def _keep_key(self, claim: Claim, name: str, order_url: str) -> str:
        try:
            return await self._secrets.next_key(claim, name, order_url, self._make_key)
        except ForeignSecretError as error:
            raise OrderError(Reason.SECRET_CONFLICT, str(error)) from error

    async def _store(self, claim: Claim, name: str, order_url: str, chain_pem: str) -> None:
        try:
            await self._secrets.store(claim, name, order_url, chain_pem)
        except ForeignSecretError as error:
            raise OrderError(Reason.SECRET_CONFLICT, str(error)) from error
