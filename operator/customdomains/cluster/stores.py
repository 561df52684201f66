"""Claims, CustomDomains and the Lease on the API server; every write is a create or conditional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import NotFound
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS, NAMESPACES
from customdomains.cluster.lease import LeaseRecord, create_lease, get_lease, replace_lease
from customdomains.model.claim import Claim, parse_claim, render_claim
from customdomains.model.domain import API_VERSION, CustomDomain, Key, parse_domain


class ClaimStore:
    """DomainClaims. All methods raise `ApiError`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def read(self, domain: str) -> Claim | None:
        """The claim as it is now; None where there is none."""
        try:
            return parse_claim(await self._client.get(DOMAIN_CLAIMS, domain))
        except NotFound:
            return None

    async def create(self, claim: Claim) -> Claim:
        """Take the domain. Raises `AlreadyExists` where it is taken."""
        return parse_claim(await self._client.create(DOMAIN_CLAIMS, render_claim(claim)))

    async def replace(self, claim: Claim) -> Claim:
        """Write the claim; `Conflict` where it is not the stored version any more."""
        return parse_claim(await self._client.replace(DOMAIN_CLAIMS, render_claim(claim)))

    async def delete(self, claim: Claim) -> None:
        """Release the domain; `Conflict` likewise. One that is gone already is fine."""
        try:
            await self._client.delete(
                DOMAIN_CLAIMS, claim.domain, uid=claim.uid, resource_version=claim.resource_version
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
            body = await self._client.get(CUSTOM_DOMAINS, key.name, key.namespace)
        except NotFound:
            return None
        return parse_domain(body)

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
        return parse_domain(await self._client.replace_status(CUSTOM_DOMAINS, body))

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
