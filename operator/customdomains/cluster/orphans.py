"""All Secrets of the operator's that there are, to find those that nobody uses any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import NotFound
from customdomains.cluster.kinds import SECRETS
from customdomains.cluster.secretforms import (
    DOMAIN_ANNOTATION,
    MANAGED_BY,
    MANAGER,
    ORPHANED_ANNOTATION,
    REVOKE_ANNOTATION,
    ROLE_CERTIFICATE,
    ROLE_LABEL,
    ROLE_NEXT_KEY,
    decoded,
)
from customdomains.model.claim import ID_LABEL
from customdomains.model.times import format_time, parse_time


@dataclass(frozen=True, slots=True)
class OwnedSecret:
    """The metadata of a Secret of ours; `revoke_by` is the issuer that is to revoke its certificate
    before it is removed, if one is."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    role: str
    id: str
    domain: str
    orphaned_at: datetime | None
    revoke_by: str | None = None


class OwnedSecrets:
    """The Secrets that belong to domains. All methods raise `ApiError`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def owned(self) -> list[OwnedSecret]:
        """Every one of them, by a listing of metadata alone."""
        selector = f"{MANAGED_BY}={MANAGER},{ROLE_LABEL} in ({ROLE_CERTIFICATE},{ROLE_NEXT_KEY})"
        return [
            owned_secret(item)
            async for item in self._client.list(
                SECRETS, label_selector=selector, metadata_only=True
            )
        ]

    async def mark_orphaned(self, secret: OwnedSecret, since: datetime | None) -> None:
        """Note since when its domain is gone, or (None) that it is back."""
        value = None if since is None else format_time(since)
        meta = {
            "resourceVersion": secret.resource_version,
            "annotations": {ORPHANED_ANNOTATION: value},
        }
        await self._client.patch(SECRETS, secret.name, {"metadata": meta}, secret.namespace)

    async def chain(self, secret: OwnedSecret) -> str | None:
        """The chain (PEM) in it; None where it is not there any more in this version."""
        try:
            body = await self._client.get(SECRETS, secret.name, secret.namespace)
        except NotFound:
            return None
        if body["metadata"]["resourceVersion"] != secret.resource_version:
            return None
        return decoded(body, "tls.crt")

    async def remove(self, secret: OwnedSecret) -> None:
        """Delete exactly this version of it."""
        try:
            await self._client.delete(
                SECRETS,
                secret.name,
                secret.namespace,
                uid=secret.uid,
                resource_version=secret.resource_version,
            )
        except NotFound:
            return


def owned_secret(body: Mapping[str, Any]) -> OwnedSecret:
    """From its metadata. Raises ValueError for one without our labels."""
    meta = body["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    if ROLE_LABEL not in labels:
        raise ValueError("it has no role")
    return OwnedSecret(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        role=labels[ROLE_LABEL],
        id=labels.get(ID_LABEL, ""),
        domain=annotations.get(DOMAIN_ANNOTATION, ""),
        orphaned_at=parse_time(annotations.get(ORPHANED_ANNOTATION)),
        revoke_by=annotations.get(REVOKE_ANNOTATION),
    )
