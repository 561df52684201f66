"""The two jobs that deal with the CA, and what makes them safe.

Before an order is placed and before one is finalized the claim is read live: whoever is not the
holder any more, or works on an order that was replaced, stops there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from customdomains.cluster.errors import Forbidden, Invalid, Unavailable
from customdomains.cluster.secretforms import ForeignSecretError
from customdomains.controller.ports import (
    CaaLookup,
    CertificateEngine,
    Claims,
    Gate,
    Secrets,
    SelfCheck,
)
from customdomains.controller.prospecting import Prospecting
from customdomains.controller.updating import Updating
from customdomains.model.certificate import (
    Challenge,
    Fallback,
    IssuedCertificate,
    Method,
    OrderError,
    PlacedOrder,
)
from customdomains.model.claim import Claim
from customdomains.model.evidence import Evidence
from customdomains.model.keys import KeyPair
from customdomains.model.reasons import Reason
from customdomains.model.renewal import RenewalInfo
from customdomains.policy import caa, issuers
from customdomains.policy.findings import delegation_target
from customdomains.policy.jobs import AskRenewal, CompleteOrder, PlaceOrder
from customdomains.policy.ownership import proof_current
from customdomains.policy.spoils import is_compromised


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
        prospecting: Prospecting,
        *,
        updating: Updating,
        caa_lookup: CaaLookup,
        gate: Gate,
        zone: str,
        now: Callable[[], datetime],
    ) -> None:
        self._claims = claims
        self._secrets = secrets
        self._engines = engines
        self._self_check = self_check
        self._prospecting = prospecting
        self._updating = updating
        self._caa = caa_lookup
        self._gate = gate
        self._zone = zone
        self._now = now

    async def place(self, job: PlaceOrder) -> PlacedOrder:
        """Place the order, if nothing speaks against it that can be known beforehand, at the first
        issuer that takes it."""
        with _told():
            await self._secrets.refuse_foreign(job.claim, job.secret_name)
        failures: list[tuple[str, OrderError]] = []
        look = _CaaLook(self._caa, job.claim.domain)
        for issuer in job.choice.issuers:
            try:
                self._gate.stand_in(issuer, job)
                placed = await self._place_at(issuer, job, look)
            except OrderError as error:
                self._gate.refused(issuer, error)
                failures.append((issuer, error))
                if not issuers.yields(job.choice, error, self._now()):
                    break
                continue
            return replace(placed, issuer=issuer, fallback=_fallback(job, failures))
        raise issuers.none_left(failures)

    async def _place_at(self, issuer: str, job: PlaceOrder, look: _CaaLook) -> PlacedOrder:
        """Place the order at one issuer, if CAA records allow that."""
        engine, have = self._engines[issuer], job.claim.certificate
        challenges = tuple(way.challenge for way in job.ways[issuer])
        with account_told():
            ca = await engine.identity()
        if ca.domains:
            challenges = await look.allowed(caa.Wanted(job.names, ca, challenges))
        live = await self._live(job.claim.domain)
        if live is None or live.resource_version != job.claim.resource_version:
            raise StaleClaimError(live)
        with account_told():
            return await engine.place(
                job.names,
                replaces=job.replaces if have and have.issuer == issuer else None,
                challenges=challenges,
            )

    async def complete(self, job: CompleteOrder) -> IssuedCertificate:
        """Bring the claim's order to its certificate and store that."""
        claim, order = job.claim, job.claim.order
        if order is None:
            raise StaleClaimError(claim)
        if order.method is Method.DELEGATED and order.digests:
            await self._check_ourselves(claim)

        async def still() -> None:
            live = await self._live(claim.domain)
            if live is None or live.order is None or not proof_current(live):
                raise StaleClaimError(live)
            if (live.uid, live.order.url, live.holder.key) != (claim.uid, order.url, holder):
                raise StaleClaimError(live)

        engine, holder = self._engines[order.issuer], claim.holder.key
        key = ""

        async def current() -> KeyPair | None:
            return None if is_compromised(claim) else await self._secrets.current(claim)

        async def make() -> str:
            return await engine.make_key(job.key_type, current)

        async def ready() -> None:
            await self._prospecting.require_answered(claim, order)
            await self._updating.answer(claim.domain, order)

        async def key_for_finalize() -> str:
            nonlocal key
            await still()
            with _told():
                key = await self._secrets.next_key(claim, order.url, make, still)
            return key

        async with self._updating.taken_away(claim.domain, order):
            with account_told():
                issued = await engine.complete(
                    order.url,
                    order.names,
                    key_for_finalize,
                    (*order.digests, *order.responses),
                    challenge=order.challenge,
                    ready=ready,
                )
        with _told():
            version = await self._secrets.store(
                claim,
                job.secret_name,
                order.url,
                key,
                issued.chain_pem,
                still,
                revoke_by=order.issuer if job.revoke else None,
            )
        return replace(issued, version=version)

    async def renewal_info(self, job: AskRenewal) -> RenewalInfo | None:
        """Ask the CA when a certificate is to be renewed."""
        return await self._engines[job.issuer].renewal_info(job.ari_id)

    async def drop_next_key(self, claim: Claim, secret_name: str) -> None:
        """The certificate is recorded: the key that waited for it can go."""
        await self._secrets.drop_next(claim, secret_name)

    async def _live(self, domain: str) -> Claim | None:
        """The claim as it is now.

        An API server that has just started knows no roles for a moment and denies everything.
        Claims are the operator's own, so a denial here is an outage and nothing to tell a tenant.
        """
        try:
            return await self._claims.read(domain)
        except Forbidden as error:
            raise Unavailable(error.status, error.reason, error.message) from error

    async def _check_ourselves(self, claim: Claim) -> None:
        digests = claim.order.digests if claim.order else ()
        name = delegation_target(claim, self._zone)
        if not await self._self_check.serves(name, digests):
            raise OrderError(
                Reason.CHALLENGE_NOT_SERVED,
                f"not every replica of the operator's own DNS responder answers {name} with the "
                "challenge yet; the operator of this platform has to look at them",
            )


class _CaaLook:
    """The CAA records of one domain, looked up once, when the first issuer asks for them."""

    def __init__(self, lookup: CaaLookup, domain: str) -> None:
        self._lookup = lookup
        self._domain = domain
        self._found: Evidence | None = None

    async def allowed(self, wanted: caa.Wanted) -> tuple[Challenge, ...]:
        """The challenges by which the CA may issue. Raises `OrderError` where there is none."""
        if self._found is None:
            self._found = await self._lookup.climb(self._domain)
        verdict = caa.judge(self._found, wanted)
        if isinstance(verdict, OrderError):
            raise verdict
        return verdict


def _fallback(job: PlaceOrder, failures: list[tuple[str, OrderError]]) -> Fallback | None:
    """In whose place an issuer is used after those `failures`."""
    if job.choice.passed is not None or not failures:
        return job.choice.passed
    issuer, error = failures[0]
    return Fallback(issuer, error.reason)


@contextmanager
def _told() -> Iterator[None]:
    """What the tenant, or who runs the cluster, has to mend becomes the order's failure.

    It is shown and tried again ever more slowly, as an error of a moment is not.
    """
    try:
        yield
    except ForeignSecretError as error:
        raise OrderError(Reason.SECRET_CONFLICT, str(error)) from error
    except (Forbidden, Invalid) as error:
        message = f"the API server refuses to store the certificate: {error.message}"
        raise OrderError(Reason.STORAGE_FAILED, message) from error


@contextmanager
def account_told() -> Iterator[None]:
    """The same for the key of the ACME account, which comes from a Secret of the operator's."""
    try:
        yield
    except ForeignSecretError as error:
        message = f"the operator has no key for its account at the CA: {error}"
        raise OrderError(Reason.STORAGE_FAILED, message) from error
    except (Forbidden, Invalid) as error:
        message = f"the API server refuses to store the account's key: {error.message}"
        raise OrderError(Reason.STORAGE_FAILED, message) from error
