"""Claims, CustomDomains and the Lease on the API server; every write is a create or conditional."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import ApiError, NotFound, Unavailable
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS, NAMESPACES
from customdomains.cluster.lease import LeaseRecord, create_lease, get_lease, replace_lease
from customdomains.model.claim import Claim, parse_claim, render_claim
from customdomains.model.domain import API_VERSION, CustomDomain, Key, parse_domain

T = TypeVar("T")


class Unreadable(ApiError):  # noqa: N818 - named like its kin
    """The object is there, but it is not one this version can read."""


class ClaimStore:
    """DomainClaims. All methods raise `ApiError`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def read(self, domain: str) -> Claim | None:
        """The claim as it is now; None where there is none."""
        try:
            with _told_apart():
                body = await self._client.get(DOMAIN_CLAIMS, domain)
        except NotFound:
            return None
        return _parsed(parse_claim, body)

    async def create(self, claim: Claim) -> Claim:
        """Take the domain. Raises `AlreadyExists` where it is taken."""
        return _parsed(parse_claim, await self._client.create(DOMAIN_CLAIMS, render_claim(claim)))

    async def replace(self, claim: Claim) -> Claim:
        """Write the claim; `Conflict` where it is not the stored version any more."""
        with _told_apart():
            body = await self._client.replace(DOMAIN_CLAIMS, render_claim(claim))
        return _parsed(parse_claim, body)

    async def delete(self, claim: Claim) -> None:
        """Release the domain; `Conflict` likewise. One that is gone already is fine."""
        try:
            with _told_apart():
                await self._client.delete(
                    DOMAIN_CLAIMS,
                    claim.domain,
                    uid=claim.uid,
                    resource_version=claim.resource_version,
                )
        except NotFound:
            return


class DomainStore:
    """CustomDomains and their namespaces. All methods raise `ApiError`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def read(self, key: Key) -> CustomDomain | None:
        """The resource as it is now; None where there is none."""
        try:
            with _told_apart():
                body = await self._client.get(CUSTOM_DOMAINS, key.name, key.namespace)
        except NotFound:
            return None
        return _parsed(parse_domain, body)

    async def write_status(self, domain: CustomDomain, status: Mapping[str, Any]) -> CustomDomain:
        """Replace the status; `Conflict` where `domain` is not the stored version any more."""
        body = {
            "apiVersion": API_VERSION,
            "kind": "CustomDomain",
            "metadata": {
                "name": domain.key.name,
                "namespace": domain.key.namespace,
                "uid": domain.uid,
                "resourceVersion": domain.resource_version,
            },
            "status": status,
        }
        with _told_apart():
            stored = await self._client.replace_status(CUSTOM_DOMAINS, body)
        return _parsed(parse_domain, stored)

    async def names(self) -> dict[Key, str]:
        """The uid of every CustomDomain there is, by a listing of metadata alone."""
        found: dict[Key, str] = {}
        async for item in self._client.list(CUSTOM_DOMAINS, metadata_only=True):
            meta = item["metadata"]
            found[Key(meta["namespace"], meta["name"])] = meta["uid"]
        return found

    async def namespace_uid(self, namespace: str) -> str | None:
        """The namespace's uid; None where there is no such namespace."""
        try:
            with _told_apart():
                body = await self._client.get(NAMESPACES, namespace)
        except NotFound:
            return None
        uid: str = body["metadata"]["uid"]
        return uid


class LeaseStore:
    """One Lease. All methods raise `ApiError` within `timeout` seconds."""

    def __init__(self, client: ApiClient, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    async def read(self, timeout: float) -> LeaseRecord:
        """As it is now; `NotFound` where there is none."""
        return await get_lease(self._client, self._namespace, self._name, timeout=timeout)

    async def create(self, record: LeaseRecord, timeout: float) -> LeaseRecord:
        """`AlreadyExists` where another was faster."""
        return await create_lease(
            self._client, self._namespace, self._name, record, timeout=timeout
        )

    async def replace(self, record: LeaseRecord, timeout: float) -> LeaseRecord:
        """`Conflict` unless `record` has the newest resourceVersion."""
        return await replace_lease(
            self._client, self._namespace, self._name, record, timeout=timeout
        )


@contextmanager
def _told_apart() -> Iterator[None]:
    """Makes a 404 that says nothing about the object one "could not ask" among others.

    Only the API server's own word counts as "there is none": a kind that is not installed (any
    more, or yet) and a proxy in front answer 404 as well, and claims are released on this.
    """
    try:
        yield
    except NotFound as error:
        if error.reason == "NotFound":
            raise
        raise Unavailable(error.status, error.reason, error.message) from error


def _parsed(parse: Callable[[Mapping[str, Any]], T], body: Mapping[str, Any]) -> T:
    try:
        return parse(body)
    except (KeyError, ValueError) as error:
        name = body.get("metadata", {}).get("name", "")
        raise Unreadable(0, "Unreadable", f"{name} can't be read: {error!r}") from error
