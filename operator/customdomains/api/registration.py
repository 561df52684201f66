"""How a domain is registered and given up again over HTTP.

Registering is two writes: a seat on the claim, then the CustomDomain that the seat already names.
A seat whose second write failed is given back at once; where that fails too, the controller's sweep
does it after its ten minutes of patience.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from customdomains.api.directory import Directory
from customdomains.api.errors import (
    AlreadyRegistered,
    CallError,
    Failed,
    Refused,
    storage_failed,
)
from customdomains.api.idempotency import KEY_LABEL, REQUEST, Attempt, attempt
from customdomains.api.resources import (
    AS_SUPPLIED,
    DomainView,
    Registration,
    carries_id,
    parse_view,
    render_resource,
)
from customdomains.api.retries import Retries
from customdomains.api.seated import Seated
from customdomains.api.seating import Seating
from customdomains.cluster import (
    AlreadyExists,
    ApiClient,
    ApiError,
    Conflict,
    Invalid,
    NotFound,
    Unavailable,
)
from customdomains.cluster.kinds import CUSTOM_DOMAINS
from customdomains.model.claim import Claim
from customdomains.model.domain import EXTERNAL_ID
from customdomains.model.names import NameRefusedError, canonical_name
from customdomains.policy.naming import refuse
from customdomains.policy.rules import Rules

_log = logging.getLogger(__name__)

_SUFFIX_LENGTH = 5  # characters of the id behind a name that is taken
_ATTEMPTS = 5  # to delete what somebody else makes anew meanwhile
_NOT_STORED = "the domain could not be stored"
_NOT_DELETED = "the domain could not be deleted"


@dataclass(frozen=True, slots=True)
class NewDomain:
    """What a caller wants registered; `supplied` is the name exactly as written."""

    supplied: str
    external_id: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> bytes:
        """The same for the same wish."""
        return msgspec.json.encode((self.supplied, self.external_id, sorted(self.labels.items())))


class Registrar:
    """Makes and deletes registrations in the directory's namespace. Raises `CallError`."""

    def __init__(self, client: ApiClient, directory: Directory, rules: Rules) -> None:
        self._client = client
        self._directory = directory
        self._rules = rules
        self._seating = Seating(client, directory, rules.claims)
        self._retries = Retries(client, directory)

    async def register(self, wanted: NewDomain, key: str | None = None) -> Registration:
        """Register the domain; both objects are stored when this returns.

        With an idempotency key it is what was registered with that before, if anything was.
        """
        domain = self._checked(wanted.supplied)
        if key is None:
            return await self._register(domain, wanted, None)
        attempted = attempt(self._directory.namespace, key, wanted.fingerprint)
        register = partial(self._register, domain, wanted, attempted)
        return await self._retries.once(attempted, register)

    async def _register(
        self, domain: str, wanted: NewDomain, attempted: Attempt | None
    ) -> Registration:
        try:
            seated = await self._seating.take(domain, attempted)
        except ApiError as error:
            raise _not_stored(error) from error
        seated, view = await self._store_resource(seated, wanted, attempted)
        self._directory.domains.put(str(view.key), view)
        return Registration(seated.view, view)

    async def delete(self, registration_id: str) -> None:
        """Delete the resource, then its seat. The name can be registered when this returns."""
        claim = await self._directory.find_claim(registration_id)
        try:
            if claim.holder.uid is None:  # as it is known here; the controller may have seen to it
                await self._directory.read_claim(claim.domain)
                claim = await self._directory.find_claim(registration_id)
            deleted = await self._delete_resource(claim)
            gone = {claim.holder.uid, deleted}
            await self._seating.leave(claim.domain, registration_id, gone)
        except ApiError as error:
            raise storage_failed(_NOT_DELETED, error) from error

    def _checked(self, supplied: str) -> str:
        """The canonical name, if that may be registered."""
        try:
            domain = canonical_name(supplied)
        except NameRefusedError as error:
            raise Refused("invalid_domain_name", error.message) from error
        refusal = refuse(domain, self._rules.names)
        if refusal is not None:
            raise Refused("invalid_domain_name", refusal.message)
        return domain

    # --- the resource --------------------------------------------------------------------------

    async def _store_resource(
        self, seated: Seated, wanted: NewDomain, attempted: Attempt | None
    ) -> tuple[Seated, DomainView]:
        """Create the CustomDomain; the seat is returned too, since its name may change.

        Where that is not possible the seat is given back.
        """
        try:
            try:
                return seated, await self._create_resource(seated.view, wanted, attempted)
            except AlreadyExists:
                await self._refuse_if_wanted_there(seated.claim.domain)
            name = f"{seated.claim.domain}-{seated.id[:_SUFFIX_LENGTH]}"
            seated = await self._seating.rename(seated, name)
            return seated, await self._create_resource(seated.view, wanted, attempted)
        except AlreadyRegistered:
            if seated.fresh:  # one that was taken up is right for whoever is there
                await self._seating.give_back(seated)
            raise
        except CallError:
            await self._seating.give_back(seated)
            raise
        except ApiError as error:
            await self._seating.give_back(seated)
            raise _not_stored(error) from error

    async def _create_resource(
        self, claim: Claim, wanted: NewDomain, attempted: Attempt | None
    ) -> DomainView:
        """Create it with the caller's spelling, with the canonical one if the CRD refuses that.

        The CRD's rules can't know all that IDNA maps to dots and nothing.
        """
        spelling = wanted.supplied.strip()
        try:
            return parse_view(await self._create(claim, wanted, attempted, spelling))
        except Invalid:
            if spelling == claim.domain:
                raise
            return parse_view(await self._create(claim, wanted, attempted, claim.domain))

    async def _create(
        self, claim: Claim, wanted: NewDomain, attempted: Attempt | None, spelling: str
    ) -> dict[str, Any]:
        labels, annotations = dict(wanted.labels), {}
        if attempted is not None:
            labels[KEY_LABEL] = attempted.key
            annotations[REQUEST] = attempted.request
        if wanted.external_id is not None:
            annotations[EXTERNAL_ID] = wanted.external_id
        if spelling != wanted.supplied:
            annotations[AS_SUPPLIED] = wanted.supplied
        body = render_resource(claim, spelling, labels, annotations)
        try:
            return await self._client.create(CUSTOM_DOMAINS, body)
        except (Unavailable, AlreadyExists) as error:
            if isinstance(error, AlreadyExists) and attempted is None:
                raise  # with a key, the same call at another replica may have been quicker
            key = claim.holder.key
            try:
                stored = await self._client.get(CUSTOM_DOMAINS, key.name, key.namespace)
            except NotFound:
                raise error from None
            if not carries_id(stored, claim.id) or not (
                attempted is None or attempted.made(stored)
            ):
                raise
            return stored

    async def _refuse_if_wanted_there(self, domain: str) -> None:
        """Under the domain's own name there is a resource: if it is for this domain, it was first.

        It was applied by other means, and the controller has not claimed its domain yet.
        """
        there = await self._directory.read_domain(domain)
        if there is not None and there.is_for(domain):
            raise AlreadyRegistered(domain)

    async def _delete_resource(self, claim: Claim) -> str | None:
        """Delete the resource that has the seat, or one that took its place meanwhile: its uid.

        None where there is none.
        """
        key = claim.holder.key
        view = self._directory.domains.get(str(key))
        for _ in range(_ATTEMPTS):
            if view is None or not view.is_for(claim.domain):
                view = await self._directory.read_domain(key.name)
            if view is None or not view.is_for(claim.domain):
                return None
            try:
                await self._client.delete(CUSTOM_DOMAINS, key.name, key.namespace, uid=view.uid)
            except Conflict:
                view = None
                continue
            except NotFound:
                pass  # somebody else has deleted it, which is what was wanted
            self._directory.domains.remove(str(key), view.uid)
            return view.uid
        raise Failed("storage_error", f"{_NOT_DELETED}: it is made anew all the time; try again")


def _not_stored(error: ApiError) -> Failed:
    _log.warning("A registration failed: %s", error)
    return storage_failed(_NOT_STORED, error)
