"""The Secrets the operator keeps: certificates, keys that wait for one, and account keys.

A Secret that does not carry our labels is somebody else's and is never touched.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import AlreadyExists, NotFound
from customdomains.cluster.kinds import SECRETS
from customdomains.model.claim import ID_LABEL, Claim
from customdomains.model.domain import GROUP
from customdomains.model.times import format_time, parse_time

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "customdomain-operator"
ROLE_LABEL = f"{GROUP}/role"
ROLE_CERTIFICATE = "certificate"
ROLE_NEXT_KEY = "next-key"
ROLE_ACCOUNT = "acme-account"
ORDER_ANNOTATION = f"{GROUP}/order"
DOMAIN_ANNOTATION = f"{GROUP}/domain"
ORPHANED_ANNOTATION = f"{GROUP}/orphaned-at"

_TLS = "kubernetes.io/tls"


class ForeignSecretError(Exception):
    """A Secret of the wanted name is there and is not this domain's."""


@dataclass(frozen=True, slots=True)
class OwnedSecret:
    """The metadata of a Secret of ours."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    role: str
    id: str
    domain: str
    orphaned_at: datetime | None


class CertificateSecrets:
    """Certificates and the keys that wait for one. All methods raise `ApiError`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def refuse_foreign(self, claim: Claim, name: str) -> None:
        """Raise `ForeignSecretError` where one of the names to be used is not ours to use."""
        for used in (name, next_name(name)):
            body = await self._read(claim.holder.key.namespace, used)
            if body is not None:
                _refuse_foreign(body, claim)

    async def next_key(
        self, claim: Claim, name: str, order_url: str, make: Callable[[], str]
    ) -> str:
        """The private key (PEM) for this order, stored before it is used.

        Whoever asks again for the same order gets the same key, also another process. A key that
        waits for an older order is replaced.
        """
        namespace = claim.holder.key.namespace
        pem = make()
        body = _secret(
            claim,
            next_name(name),
            ROLE_NEXT_KEY,
            "Opaque",
            {"tls.key": pem},
            {ORDER_ANNOTATION: order_url},
        )
        try:
            await self._client.create(SECRETS, body)
        except AlreadyExists:
            stored = await self._client.get(SECRETS, next_name(name), namespace)
            _refuse_foreign(stored, claim)
            if _annotation(stored, ORDER_ANNOTATION) == order_url:
                return _decode(stored, "tls.key")
            body["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
            await self._client.replace(SECRETS, body)
        return pem

    async def store(self, claim: Claim, name: str, order_url: str, chain_pem: str) -> None:
        """Put the certificate and the key that waited for it into the TLS Secret, in one write."""
        namespace = claim.holder.key.namespace
        waiting = await self._client.get(SECRETS, next_name(name), namespace)
        _refuse_foreign(waiting, claim)
        data = {"tls.crt": chain_pem, "tls.key": _decode(waiting, "tls.key")}
        body = _secret(claim, name, ROLE_CERTIFICATE, _TLS, data, {ORDER_ANNOTATION: order_url})
        try:
            await self._client.create(SECRETS, body)
        except AlreadyExists:
            stored = await self._client.get(SECRETS, name, namespace)
            _refuse_foreign(stored, claim)
            if stored.get("data") == body["data"]:
                return
            body["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
            await self._client.replace(SECRETS, body)

    async def drop_next(self, claim: Claim, name: str) -> None:
        """Delete the key that waited; one that is not there, or not ours, is left."""
        namespace = claim.holder.key.namespace
        body = await self._read(namespace, next_name(name))
        if body is None or _owner(body) != claim.id:
            return
        meta = body["metadata"]
        await self._delete(namespace, meta["name"], meta["uid"], meta["resourceVersion"])

    async def owned(self) -> list[OwnedSecret]:
        """Every Secret of ours that belongs to a domain, by a listing of metadata alone."""
        selector = f"{MANAGED_BY}={MANAGER},{ROLE_LABEL} in ({ROLE_CERTIFICATE},{ROLE_NEXT_KEY})"
        return [
            _owned(item["metadata"])
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

    async def remove(self, secret: OwnedSecret) -> None:
        """Delete exactly this version of it."""
        await self._delete(secret.namespace, secret.name, secret.uid, secret.resource_version)

    async def _read(self, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._client.get(SECRETS, name, namespace)
        except NotFound:
            return None

    async def _delete(self, namespace: str, name: str, uid: str, version: str) -> None:
        try:
            await self._client.delete(SECRETS, name, namespace, uid=uid, resource_version=version)
        except NotFound:
            return


class AccountKeys:
    """An issuer's ACME account key, in a Secret of the operator's own namespace."""

    def __init__(self, client: ApiClient, namespace: str, issuer: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = f"acme-account-{issuer}"

    async def load_or_create(self, make: Callable[[], str]) -> str:
        """The key (PEM); where there is none, one made by `make`, whoever was first.

        Raises `ApiError`, and `ForeignSecretError` where the Secret is not ours.
        """
        for _ in range(2):
            stored: dict[str, Any] | None
            try:
                stored = await self._client.get(SECRETS, self._name, self._namespace)
            except NotFound:
                stored = await self._create(make())
            if stored is not None:
                if stored["metadata"].get("labels", {}).get(ROLE_LABEL) != ROLE_ACCOUNT:
                    raise ForeignSecretError(f"Secret {self._namespace}/{self._name} is not ours")
                return _decode(stored, "account.key")
        raise ForeignSecretError(f"Secret {self._namespace}/{self._name} comes and goes")

    async def _create(self, pem: str) -> dict[str, Any] | None:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "labels": {MANAGED_BY: MANAGER, ROLE_LABEL: ROLE_ACCOUNT},
            },
            "data": _encoded({"account.key": pem}),
        }
        try:
            return await self._client.create(SECRETS, body)
        except AlreadyExists:
            return None


def next_name(name: str) -> str:
    """Where the key waits for the certificate that goes into the Secret `name`."""
    return f"{name}-next"


def _secret(
    claim: Claim,
    name: str,
    role: str,
    kind: str,
    data: Mapping[str, str],
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {
            "name": name,
            "namespace": claim.holder.key.namespace,
            "labels": {MANAGED_BY: MANAGER, ROLE_LABEL: role, ID_LABEL: claim.id},
            "annotations": {DOMAIN_ANNOTATION: claim.domain, **annotations},
        },
        "data": _encoded(data),
    }


def _encoded(data: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}


def _decode(body: Mapping[str, Any], key: str) -> str:
    return base64.b64decode((body.get("data") or {}).get(key, "")).decode()


def _annotation(body: Mapping[str, Any], key: str) -> str | None:
    value: str | None = (body["metadata"].get("annotations") or {}).get(key)
    return value


def _owner(body: Mapping[str, Any]) -> str | None:
    labels = body["metadata"].get("labels") or {}
    owner: str | None = labels.get(ID_LABEL) if labels.get(MANAGED_BY) == MANAGER else None
    return owner


def _refuse_foreign(body: Mapping[str, Any], claim: Claim) -> None:
    owner = _owner(body)
    if owner == claim.id:
        return
    whose = "belongs to another domain" if owner else "was not made by this operator"
    raise ForeignSecretError(
        f"the Secret {body['metadata']['name']} is there already and {whose}, so it is not "
        "touched; delete it, or choose another name in spec.certificate.secretName"
    )


def _owned(meta: Mapping[str, Any]) -> OwnedSecret:
    labels, annotations = meta["labels"], meta.get("annotations") or {}
    return OwnedSecret(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        role=labels[ROLE_LABEL],
        id=labels.get(ID_LABEL, ""),
        domain=annotations.get(DOMAIN_ANNOTATION, ""),
        orphaned_at=parse_time(annotations.get(ORPHANED_ANNOTATION)),
    )
