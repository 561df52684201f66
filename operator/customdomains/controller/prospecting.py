"""Looks for ways to answer an order's challenges, and looks again before the CA does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from customdomains.cluster.errors import ApiError
from customdomains.cluster.secretforms import ForeignSecretError
from customdomains.controller.ports import CertificateEngine, HttpCheck, TextLookup
from customdomains.model.certificate import CaIdentity, Challenge, Method, OrderError
from customdomains.model.claim import Claim, Order
from customdomains.model.evidence import Evidence
from customdomains.model.reasons import Reason
from customdomains.policy import challenges
from customdomains.policy.findings import delegation_target
from customdomains.policy.prospects import Look, Prospects

log = logging.getLogger(__name__)

HTTP_PATH = "/.well-known/acme-challenge/"
"""RFC 8555 section 8.3. With a domain's id behind it the api process answers with the domain's name
in the delegation zone, so that it can be seen beforehand who is reached."""

ASKING_SECONDS = 5.0
"""How long a check waits for a CA to say what the account is called there."""

RESTING_SECONDS = 60.0
"""How long a CA that did not say so is not asked again: checks must not wait for it."""

_GONE = {
    Method.PERSISTENT: "the TXT record that lets the account have certificates",
    Method.DELEGATED: "the CNAME with the account's label",
}


class Prospecting:
    """Asks CAs for their names, the DNS for records, and domains over HTTP; `monotonic` is in
    seconds."""

    def __init__(
        self,
        lookup: TextLookup,
        engines: Mapping[str, CertificateEngine],
        http: HttpCheck,
        *,
        zone: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._lookup = lookup
        self._engines = engines
        self._http = http
        self._zone = zone
        self._now = now
        self._monotonic = monotonic
        self._troubles: dict[str, tuple[str, float]] = {}

    async def look(self, look: Look) -> Prospects:
        """What there is; trouble on the way is part of it, never an exception."""
        try:
            return await self._look(look)
        except Exception:
            log.exception("%s: the look for ways to a certificate broke", look.domain)
            return Prospects(look, self._now(), trouble="the look for it failed; it is in the log")

    async def _look(self, look: Look) -> Prospects:
        found, reached = await asyncio.gather(self._by_dns(look), self._by_http(look))
        identity, evidence, trouble = found
        return Prospects(
            look,
            self._now(),
            identity,
            persistent=evidence.get(Challenge.DNS_PERSIST),
            account=evidence.get(Challenge.DNS_ACCOUNT),
            http=reached,
            trouble=trouble,
        )

    async def require_answered(self, claim: Claim, order: Order) -> None:
        """Make sure that what the CA is about to look for is there (still).

        Raises OrderError(CHALLENGE_GONE), with the order lost where it is certain that it is not:
        the next one may be answered in another way. What our own responder answers, and what
        somebody sets by hand, is not looked at here.
        """
        if order.method is Method.HTTP:
            await self._require_http(claim, order)
        elif order.method in _GONE and order.challenge is not Challenge.DNS:
            await self._require_record(claim, order)

    async def _require_http(self, claim: Claim, order: Order) -> None:
        for response in order.responses:
            path = HTTP_PATH + response.partition(".")[0]
            if not await self._http.serves(claim.domain, path, response, patient=True):
                raise OrderError(
                    Reason.CHALLENGE_GONE,
                    f"http://{claim.domain} does not lead to the operator any more, by all "
                    "addresses of the domain",
                    order_lost=True,
                )

    async def _require_record(self, claim: Claim, order: Order) -> None:
        target = delegation_target(claim, self._zone)
        look = Look(order.issuer, claim.domain, target, (order.challenge,), order.label)
        seen = await self.look(look)
        if order.challenge is Challenge.DNS_PERSIST:
            wildcard = any(name.startswith("*.") for name in order.names)
            there, evidence = challenges.persists(seen, wildcard=wildcard), seen.persistent
        else:
            there, evidence = challenges.delegates(seen), seen.account
        if there:
            return
        if seen.trouble:
            raise OrderError(Reason.CA_UNREACHABLE, seen.trouble)
        settled = evidence is not None and evidence.settled
        state = "is not there any more" if settled else "could not be looked up again"
        raise OrderError(
            Reason.CHALLENGE_GONE, f"{_GONE[order.method]} {state}", order_lost=settled
        )

    async def _by_dns(
        self, look: Look
    ) -> tuple[CaIdentity | None, Mapping[Challenge, Evidence], str]:
        identity, trouble, label = None, "", look.label
        if label is None and set(look.kinds) & {Challenge.DNS_PERSIST, Challenge.DNS_ACCOUNT}:
            identity, trouble = await self._identify(look.issuer)
            if identity is None:
                return None, {}, trouble
            label = identity.label
        names = challenges.names_to_look_at(look, label)
        answers = await asyncio.gather(*(self._lookup.look_up(name) for name in names.values()))
        return identity, dict(zip(names, answers, strict=True)), trouble

    async def _by_http(self, look: Look) -> bool:
        if Challenge.HTTP not in look.kinds:
            return False
        path = HTTP_PATH + look.target.partition(".")[0]
        return await self._http.serves(look.domain, path, look.target)

    async def _identify(self, issuer: str) -> tuple[CaIdentity | None, str]:
        """What the CA and the account there are called, or why that is not known."""
        trouble, until = self._troubles.get(issuer, ("", 0.0))
        if self._monotonic() < until:
            return None, trouble
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                identity = await self._engines[issuer].identity()
        except OrderError as error:
            trouble = error.message
        except TimeoutError:
            trouble = f"it did not answer within {ASKING_SECONDS:g} s"
        except (ApiError, ForeignSecretError):
            trouble = "the key of the operator's account there can't be had"
        else:
            self._troubles.pop(issuer, None)
            return identity, ""
        self._troubles[issuer] = (trouble, self._monotonic() + RESTING_SECONDS)
        return None, trouble
