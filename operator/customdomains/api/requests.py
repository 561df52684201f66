"""Asking the controller for something and waiting for its answer: a check, a certificate.

A request is an annotation with a mark that never repeats. The controller repeats the mark where
it has answered: in the resource's status for a check, in the claim for a certificate. Where two
callers ask at once the later mark replaces the earlier one, so both wait for whichever is there.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from customdomains.api.directory import Directory
from customdomains.api.errors import (
    CallError,
    Failed,
    Refused,
    code_of,
    no_such_domain,
    storage_failed,
)
from customdomains.api.places import Share
from customdomains.api.resources import DomainView, Registration, parse_view
from customdomains.api.verdicts import (
    condition,
    lookup_failed,
    shortcoming,
    status_proved,
    what_is_wrong,
)
from customdomains.cluster import ApiClient, ApiError, Conflict, NotFound
from customdomains.cluster.kinds import CUSTOM_DOMAINS
from customdomains.model.claim import Claim, Failure
from customdomains.model.domain import CHECK_REQUESTED, ISSUE_REQUESTED, Issuance
from customdomains.model.handover import Fault
from customdomains.model.reasons import Reason
from customdomains.policy.ownership import proof_current

MAX_ASKING = 256  # calls that wait for the controller
MAX_ASKING_FOR_ONE = 64  # domain

_TENANTS_OWN = frozenset({Reason.SECRET_CONFLICT, Reason.UNKNOWN_ISSUER})
"""Failures that the domain's own spec or namespace causes."""


class Requests:
    """Asks in the directory's namespace; `timeout` is what the controller gets, in seconds.

    All its calls that ask raise `Busy` where too many do.
    """

    def __init__(
        self, client: ApiClient, directory: Directory, timeout: float, places: Share
    ) -> None:
        self._client = client
        self._directory = directory
        self._timeout = timeout
        self._places = places
        self._last_mark = 0

    async def verify(self, registration_id: str) -> Registration:
        """The registration once its domain is verified, after a check where it is not yet.

        Raises `LookupFailed`, `Refused` with what is wrong, `Failed` without an answer.
        """
        found = await self._directory.find(registration_id)
        if _verified(found):
            return found
        await self.check(found)
        found = await self._settled(registration_id)
        if _verified(found):
            return found
        raise what_is_wrong(found.domain)

    async def check(self, found: Registration) -> None:
        """Have the DNS looked at for a registration, also where its domain is verified.

        Raises `Refused` where nothing is looked at, `Failed` without an answer.
        """
        _refuse_suspended(found.domain)

        def answered(view: DomainView | None) -> bool:
            return view is None or view.uid != asked.uid or _check_answered(view)

        with self._places.one(found.claim.id):
            asked = await self._ask(found, CHECK_REQUESTED)
            try:
                await self._directory.domains.wait_for(str(asked.key), answered, self._timeout)
            except TimeoutError:
                raise _no_answer() from None

    async def issue(self, registration_id: str) -> Registration:
        """The registration with an order under way, or with the certificate it already led to.

        Raises `Refused` where there can be no order, `Failed` where there came none.
        """
        found = await self._directory.find(registration_id)
        if not proof_current(found.claim) and status_proved(found.domain):
            found = await self._settled(registration_id)
        _refuse_unproved(found)
        if found.claim.order is not None:
            return found
        _refuse_suspended(found.domain)
        _refuse_unwanted(found, timedelta(seconds=self._timeout))

        def answered(claim: Claim | None) -> bool:
            return (
                claim is None
                or claim.id != registration_id
                or not proof_current(claim)
                or claim.order is not None
                or _issue_answered(claim, asked, found.claim.issue_handled)
            )

        with self._places.one(registration_id):
            asked = await self._ask(found, ISSUE_REQUESTED)
            try:
                await self._directory.claims.wait_for(found.claim.domain, answered, self._timeout)
            except TimeoutError:
                view = (await self._directory.find(registration_id)).domain
                raise _no_challenge(view) or lookup_failed(view) or _no_answer() from None
        after = await self._directory.find(registration_id)
        _refuse_unproved(after)
        handed = after.claim.handed
        if handed is not None and handed.fault is not None:
            raise _not_issued(handed.fault)
        if handed is None and after.claim.order is None and after.claim.failure is not None:
            raise _not_issued(after.claim.failure)
        return after

    async def _ask(self, found: Registration, annotation: str) -> DomainView:
        """Set the annotation; the resource as it is with it."""
        key, view = found.domain.key, found.domain
        body = {"metadata": {"uid": view.uid, "annotations": {annotation: self._mark()}}}
        try:
            answer = await self._client.patch(CUSTOM_DOMAINS, key.name, body, key.namespace)
        except (NotFound, Conflict) as error:
            # Gone, or another one of the same name has taken its place.
            raise no_such_domain() from error
        except ApiError as error:
            raise storage_failed("the request could not be stored", error) from error
        asked = parse_view(answer)
        self._directory.domains.put(str(key), asked)
        return asked

    async def _settled(self, registration_id: str) -> Registration:
        """The registration, its claim at least as new as its status: two watches bring them."""
        found = await self._directory.find(registration_id)
        if not proof_current(found.claim) and status_proved(found.domain):
            try:
                await self._directory.read_claim(found.claim.domain)
            except ApiError as error:
                raise storage_failed("the domain could not be looked for", error) from error
            found = await self._directory.find(registration_id)
        return found

    def _mark(self) -> str:
        """The time in RFC 3339 with nanoseconds, later than any mark before."""
        self._last_mark = max(self._last_mark + 1, time.time_ns())
        seconds, nanoseconds = divmod(self._last_mark, 1_000_000_000)
        whole = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
        return f"{whole}.{nanoseconds:09d}Z"


def _verified(found: Registration) -> bool:
    """Whether the proof is there now, and the status that callers read says so."""
    return proof_current(found.claim) and status_proved(found.domain)


def _check_answered(view: DomainView) -> bool:
    return view.check_requested is not None and view.check_requested == view.check_handled


def _issue_answered(claim: Claim, asked: DomainView, before: str | None) -> bool:
    """Whether this request was answered, or a later one in its place: marks sort by time."""
    mark, handled = asked.issue_requested, claim.issue_handled
    return mark is not None and handled is not None and handled != before and handled >= mark


def _refuse_suspended(view: DomainView) -> None:
    if view.suspend:
        raise Refused(
            "suspended",
            "the domain is suspended: nothing is checked or ordered until spec.suspend is false",
        )


def _refuse_unproved(found: Registration) -> None:
    if not proof_current(found.claim):
        _, why = shortcoming(found.domain) or ("", "the DNS has not been asked yet")
        raise Refused(
            "domain_not_verified",
            f"a certificate needs a verified domain, and {found.claim.domain} is not: {why}",
        )


def _refuse_unwanted(found: Registration, patience: timedelta) -> None:
    """Where the controller would let the request lie, at least for `patience`: say so at once."""
    if found.domain.issuance == Issuance.NEVER:
        raise Refused(
            "certificate_not_wanted",
            "no certificate is wanted: spec.certificate.issuance of the domain is Never",
        )
    issued = condition(found.domain, "CertificateIssued")
    if issued.get("reason") == Reason.UNKNOWN_ISSUER:
        raise Refused("unknown_issuer", issued["message"])
    failure = found.claim.failure
    if failure is not None and datetime.now(UTC) + patience < failure.heard_from:
        raise _not_issued(failure)


def _no_challenge(view: DomainView) -> Refused | None:
    """Where no challenge can be answered yet: what somebody has to set first."""
    issued = condition(view, "CertificateIssued")
    if issued.get("reason") != Reason.NO_CHALLENGE:
        return None
    return Refused("no_challenge", issued["message"])


def _not_issued(failure: Failure | Fault) -> CallError:
    if failure.reason in _TENANTS_OWN:
        return Refused(code_of(failure.reason), failure.message)
    return Failed("certificate_authority_error", failure.message)


def _no_answer() -> Failed:
    return Failed(
        "controller_unavailable",
        "the controller has not answered in time; the request stays, so look again later",
    )
