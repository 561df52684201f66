"""The Secrets the operator keeps for a domain: its certificate, and a key that waits for one.

A Secret that does not carry our labels is somebody else's and is never touched.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import AlreadyExists, NotFound
from customdomains.cluster.kinds import SECRETS
from customdomains.model.claim import ID_LABEL, Claim
from customdomains.model.domain import GROUP, default_secret_name
from customdomains.model.keys import KeyPair
from customdomains.model.times import format_time, parse_time

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "customdomain-operator"
ROLE_LABEL = f"{GROUP}/role"
ROLE_CERTIFICATE = "certificate"
ROLE_NEXT_KEY = "next-key"
ORDER_ANNOTATION = f"{GROUP}/order"
DOMAIN_ANNOTATION = f"{GROUP}/domain"
ORPHANED_ANNOTATION = f"{GROUP}/orphaned-at"

_TLS = "kubernetes.io/tls"
_OPAQUE = "Opaque"


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
        for used, kind in ((name, _TLS), (next_name(claim), _OPAQUE)):
            body = await self._read(claim.holder.key.namespace, used)
            if body is not None:
                _refuse_foreign(body, claim, kind)

    async def current(self, claim: Claim) -> KeyPair | None:
        """The key and chain of the claim's certificate; None where there are none of this claim."""
        if claim.certificate is None:
            return None
        body = await self._read(claim.holder.key.namespace, claim.certificate.secret_name)
        if body is None or _owner(body) != claim.id or body.get("type") != _TLS:
            return None
        return KeyPair(decoded(body, "tls.key"), decoded(body, "tls.crt"))

    async def next_key(
        self,
        claim: Claim,
        order_url: str,
        make: Callable[[], Awaitable[str]],
        still: Callable[[], Awaitable[None]],
    ) -> str:
        """The private key (PEM) for this order, stored before it is used.

        Whoever asks again for the same order gets the same key, also another process. A key that
        waits for another order is replaced, once `still` has not raised: it makes sure that this
        order, not the other, is the claim's.
        """
        namespace = claim.holder.key.namespace
        pem = await make()
        body = _secret(
            claim,
            next_name(claim),
            ROLE_NEXT_KEY,
            _OPAQUE,
            {"tls.key": pem},
            {ORDER_ANNOTATION: order_url},
        )
        try:
            await self._client.create(SECRETS, body)
        except AlreadyExists:
            stored = await self._client.get(SECRETS, next_name(claim), namespace)
            _refuse_foreign(stored, claim, _OPAQUE)
            if _annotation(stored, ORDER_ANNOTATION) == order_url:
                return decoded(stored, "tls.key")
            await still()
            await self._update(body, stored)
        return pem

    async def store(
        self,
        claim: Claim,
        name: str,
        order_url: str,
        key_pem: str,
        chain_pem: str,
        still: Callable[[], Awaitable[None]],
    ) -> None:
        """Put a certificate and its key into the TLS Secret, in one write.

        What is there is replaced once `still` has not raised, as with `next_key`.
        """
        data = {"tls.crt": chain_pem, "tls.key": key_pem}
        body = _secret(claim, name, ROLE_CERTIFICATE, _TLS, data, {ORDER_ANNOTATION: order_url})
        try:
            await self._client.create(SECRETS, body)
        except AlreadyExists:
            stored = await self._client.get(SECRETS, name, claim.holder.key.namespace)
            _refuse_foreign(stored, claim, _TLS)
            if stored.get("data") == body["data"]:
                return
            await still()
            await self._update(body, stored)

    async def drop_next(self, claim: Claim, name: str) -> None:
        """Delete the key that waited, if it is ours and has arrived in the TLS Secret `name` with
        the certificate of its order: the same key may have been there before.

        Another one waits for an order that this process does not know of.
        """
        namespace = claim.holder.key.namespace
        body = await self._read(namespace, next_name(claim))
        if body is None or _owner(body) != claim.id or body.get("type") != _OPAQUE:
            return
        arrived = await self._read(namespace, name)
        if arrived is None or _key_of(arrived) != _key_of(body):
            return
        if _annotation(arrived, ORDER_ANNOTATION) != _annotation(body, ORDER_ANNOTATION):
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

    async def _update(self, body: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        """Turn `stored` into `body`; labels and annotations of others stay."""
        wanted, meta = body["metadata"], stored["metadata"]
        changes = {
            "metadata": {
                "resourceVersion": meta["resourceVersion"],
                "labels": wanted["labels"],
                "annotations": {**wanted["annotations"], ORPHANED_ANNOTATION: None},
            },
            "data": body["data"],
        }
        await self._client.patch(SECRETS, meta["name"], changes, meta["namespace"])

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


def next_name(claim: Claim) -> str:
    """Where the key of a claim's order waits for its certificate.

    Whatever the spec says meanwhile about where that goes: a finalized order needs its own key.
    """
    return f"{default_secret_name(claim.holder.key.name)}-next"


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
        "data": encoded(data),
    }


def encoded(data: Mapping[str, str]) -> dict[str, str]:
    """Text as a Secret's `data`."""
    return {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}


def decoded(body: Mapping[str, Any], key: str) -> str:
    """A value of a Secret. What is no text is no key either; who uses it will say so."""
    return base64.b64decode((body.get("data") or {}).get(key, "")).decode(errors="replace")


def _key_of(body: Mapping[str, Any]) -> str | None:
    key: str | None = (body.get("data") or {}).get("tls.key")
    return key


def _annotation(body: Mapping[str, Any], key: str) -> str | None:
    value: str | None = (body["metadata"].get("annotations") or {}).get(key)
    return value


def _owner(body: Mapping[str, Any]) -> str | None:
    labels = body["metadata"].get("labels") or {}
    owner: str | None = labels.get(ID_LABEL) if labels.get(MANAGED_BY) == MANAGER else None
    return owner


def _refuse_foreign(body: Mapping[str, Any], claim: Claim, kind: str) -> None:
    """Raise unless `body` is this claim's and of the type `kind`, which can't be changed.

    One of an earlier registration of the same domain in the same namespace is too: a domain that
    is deleted and registered again gets another id.
    """
    owner = _owner(body)
    ours = owner == claim.id or (owner and _annotation(body, DOMAIN_ANNOTATION) == claim.domain)
    if ours and body.get("type") == kind:
        return
    if ours:
        whose = f"is of another type than {kind}"
    else:
        whose = "belongs to another domain" if owner else "was not made by this operator"
    way_out = ", or choose another name in spec.certificate.secretName" if kind == _TLS else ""
    raise ForeignSecretError(
        f"the Secret {body['metadata']['name']} is there already and {whose}, so it is not "
        f"touched; delete it{way_out}"
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
