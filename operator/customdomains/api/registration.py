"""How a domain is registered and given up again over HTTP.

Registering is two writes: the claim, whose create is the lock, then the CustomDomain that the
claim already names as its holder. A claim whose second write failed is given back at once; where
that fails too, the controller's sweep does it after its ten minutes of patience.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from customdomains.api.directory import Directory
from customdomains.api.errors import (
    AlreadyRegistered,
    CallError,
    Failed,
    Refused,
    storage_failed,
)
from customdomains.api.resources import (
    AS_SUPPLIED,
    DomainView,
    Registration,
    carries_id,
    parse_view,
    render_resource,
)
from customdomains.cluster import (
    AlreadyExists,
    ApiClient,
    ApiError,
    Conflict,
    Invalid,
    NotFound,
    Unavailable,
)
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.model.claim import Claim, Holder, parse_claim, render_claim
from customdomains.model.domain import EXTERNAL_ID, Key
from customdomains.model.identity import mint_identity
from customdomains.model.names import NameRefusedError, canonical_name
from customdomains.policy.naming import refuse
from customdomains.policy.registration import new_claim
from customdomains.policy.world import Rules

_log = logging.getLogger(__name__)

_SUFFIX_LENGTH = 5  # characters of the id behind a name that is taken
_ATTEMPTS = 5  # to delete a claim that somebody else is writing to
_NOT_STORED = "the domain could not be stored"
_NOT_DELETED = "the domain could not be deleted"


@dataclass(frozen=True, slots=True)
class NewDomain:
    """What a caller wants registered; `supplied` is the name exactly as written."""

    supplied: str
    external_id: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class Registrar:
    """Makes and deletes registrations in the directory's namespace. Raises `CallError`."""

    def __init__(self, client: ApiClient, directory: Directory, rules: Rules) -> None:
        self._client = client
        self._directory = directory
        self._rules = rules

    async def register(self, wanted: NewDomain) -> Registration:
        """Register the domain; both objects are stored when this returns."""
        domain = self._checked(wanted.supplied)
        key = Key(self._directory.namespace, domain)
        holder = Holder(key, self._directory.namespace_uid, uid=None)
        minted = new_claim(domain, holder, mint_identity(secrets.token_bytes))
        try:
            claim = await self._store_claim(minted)
        except ApiError as error:
            raise _not_stored(error) from error
        claim, view = await self._store_resource(claim, wanted)
        self._directory.claims.put(domain, claim)
        self._directory.domains.put(str(view.key), view)
        return Registration(claim, view)

    async def delete(self, registration_id: str) -> None:
        """Delete the resource, then the claim. The name is free when this returns."""
        claim = await self._directory.find_claim(registration_id)
        try:
            await self._delete_resource(claim)
            await self._delete_claim(claim)
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

    # --- the claim -----------------------------------------------------------------------------

    async def _store_claim(self, claim: Claim) -> Claim:
        """Create it, and find out whether it is ours where the answer got lost."""
        try:
            return parse_claim(await self._client.create(DOMAIN_CLAIMS, render_claim(claim)))
        except AlreadyExists as error:
            raise AlreadyRegistered(claim.domain) from error
        except Unavailable:
            stored = await self._directory.read_claim(claim.domain)
            if stored is None:
                raise
            if stored.id != claim.id:
                raise AlreadyRegistered(claim.domain) from None
            return stored

    async def _give_back(self, claim: Claim) -> None:
        """Delete the claim as it was last seen; whoever has written to it since may keep it."""
        try:
            await self._client.delete(
                DOMAIN_CLAIMS,
                claim.domain,
                uid=claim.uid,
                resource_version=claim.resource_version,
            )
        except (Conflict, NotFound):
            return
        except ApiError as error:
            _log.warning(
                "The claim of %s could not be given back and stays until the sweep: %s",
                claim.domain,
                error,
            )

    async def _delete_claim(self, claim: Claim) -> None:
        """Delete it while it is still this registration's: the controller may be writing to it."""
        current: Claim | None = claim
        for _ in range(_ATTEMPTS):
            if current is None or current.id != claim.id:
                break
            try:
                await self._client.delete(
                    DOMAIN_CLAIMS,
                    claim.domain,
                    uid=current.uid,
                    resource_version=current.resource_version,
                )
                break
            except NotFound:
                break
            except Conflict:
                current = await self._directory.read_claim(claim.domain)
        else:
            raise Failed("storage_error", f"{_NOT_DELETED}: it is being written to; try again")
        self._directory.claims.remove(claim.domain, claim.uid)

    # --- the resource --------------------------------------------------------------------------

    async def _store_resource(self, claim: Claim, wanted: NewDomain) -> tuple[Claim, DomainView]:
        """Create the CustomDomain; the claim is returned too, since its holder's name may change.

        Where that is not possible the claim is given back.
        """
        try:
            try:
                return claim, await self._create_resource(claim, wanted)
            except AlreadyExists:
                await self._refuse_if_wanted_there(claim)
            claim = await self._rename_holder(claim)
            return claim, await self._create_resource(claim, wanted)
        except CallError:
            await self._give_back(claim)
            raise
        except ApiError as error:
            await self._give_back(claim)
            raise _not_stored(error) from error

    async def _create_resource(self, claim: Claim, wanted: NewDomain) -> DomainView:
        """Create it with the caller's spelling, with the canonical one if the CRD refuses that.

        The CRD's rules can't know all that IDNA maps to dots and nothing.
        """
        spelling = wanted.supplied.strip()
        try:
            return parse_view(await self._create(claim, wanted, spelling))
        except Invalid:
            if spelling == claim.domain:
                raise
            return parse_view(await self._create(claim, wanted, claim.domain))

    async def _create(self, claim: Claim, wanted: NewDomain, spelling: str) -> dict[str, Any]:
        annotations: dict[str, str] = {}
        if wanted.external_id is not None:
            annotations[EXTERNAL_ID] = wanted.external_id
        if spelling != wanted.supplied:
            annotations[AS_SUPPLIED] = wanted.supplied
        body = render_resource(claim, spelling, wanted.labels, annotations)
        try:
            return await self._client.create(CUSTOM_DOMAINS, body)
        except Unavailable:
            stored = await self._read(claim.holder.key)
            if stored is None or not carries_id(stored, claim.id):
                raise
            return stored

    async def _read(self, key: Key) -> dict[str, Any] | None:
        try:
            return await self._client.get(CUSTOM_DOMAINS, key.name, key.namespace)
        except NotFound:
            return None

    async def _refuse_if_wanted_there(self, claim: Claim) -> None:
        """Under the domain's own name there is a resource: if it is for this domain, it was first.

        It was applied by other means, and the controller has not claimed its domain yet.
        """
        there = await self._read(claim.holder.key)
        if there is not None and parse_view(there).is_for(claim.domain):
            raise AlreadyRegistered(claim.domain)

    async def _rename_holder(self, claim: Claim) -> Claim:
        """Let the claim name a holder with a suffix, before there is such a resource."""
        key, suffix = claim.holder.key, claim.id[:_SUFFIX_LENGTH]
        holder = replace(claim.holder, key=key._replace(name=f"{claim.domain}-{suffix}"))
        try:
            body = render_claim(replace(claim, holder=holder))
            return parse_claim(await self._client.replace(DOMAIN_CLAIMS, body))
        except Conflict as error:
            # A resource of the name that the claim gave was quicker, and holds it now.
            raise AlreadyRegistered(claim.domain) from error

    async def _delete_resource(self, claim: Claim) -> None:
        """Delete the holder, if there is one; one that took its place meanwhile goes as well."""
        key = claim.holder.key
        view = self._directory.domains.get(str(key))
        for _ in range(_ATTEMPTS):
            if view is None or not view.is_for(claim.domain):
                stored = await self._read(key)
                view = parse_view(stored) if stored else None
            if view is None or not view.is_for(claim.domain):
                return
            try:
                await self._client.delete(CUSTOM_DOMAINS, key.name, key.namespace, uid=view.uid)
            except Conflict:
                view = None
                continue
            except NotFound:
                pass  # somebody else has deleted it, which is what was wanted
            self._directory.domains.remove(str(key), view.uid)
            return
        raise Failed("storage_error", f"{_NOT_DELETED}: it is made anew all the time; try again")


def _not_stored(error: ApiError) -> Failed:
    _log.warning("A registration failed: %s", error)
    return storage_failed(_NOT_STORED, error)
