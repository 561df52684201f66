"""The Secrets the operator keeps for a domain: its certificate, and a key that waits for one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import AlreadyExists, NotFound
from customdomains.cluster.kinds import SECRETS
from customdomains.cluster.secretforms import (
    CHAIN_ANNOTATION,
    DOMAIN_ANNOTATION,
    OPAQUE,
    ORDER_ANNOTATION,
    ORPHANED_ANNOTATION,
    REVOKE_ANNOTATION,
    ROLE_CERTIFICATE,
    ROLE_NEXT_KEY,
    TLS,
    Body,
    annotation,
    decoded,
    digest_of,
    key_of,
    labels_of,
    next_name,
    owner_of,
    refuse_foreign,
    secret_body,
    version_of,
)
from customdomains.model.claim import Claim
from customdomains.model.kept import StoredPair
from customdomains.model.keys import KeyPair


class CertificateSecrets:
    """Certificates and the keys that wait for one. All methods raise `ApiError`, and
    `ForeignSecretError` where a Secret is not ours."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def refuse_foreign(self, claim: Claim, name: str) -> None:
        """Raise `ForeignSecretError` where one of the names to be used is not ours to use."""
        for used, kind in ((name, TLS), (next_name(claim), OPAQUE)):
            body = await self._read(claim.holder.key.namespace, used)
            if body is not None:
                refuse_foreign(body, claim, kind)

    async def current(self, claim: Claim) -> KeyPair | None:
        """The key and chain of the claim's certificate; None where there are none of this claim."""
        if claim.certificate is None:
            return None
        body = await self._read(claim.holder.key.namespace, claim.certificate.secret_name)
        if body is None or owner_of(body) != claim.id or body.get("type") != TLS:
            return None
        return _pair(body)

    async def look(self, claim: Claim) -> StoredPair | None:
        """The Secret of the claim's certificate as it is now; None where there is none.

        Labels that make it ours and can be put back, because others of them are there, are.
        """
        if claim.certificate is None:
            return None
        name, namespace = claim.certificate.secret_name, claim.holder.key.namespace
        body = await self._read(namespace, name)
        if body is None:
            return None
        refuse_foreign(body, claim, TLS)
        wanted = labels_of(claim, ROLE_CERTIFICATE)
        unmarked = annotation(body, DOMAIN_ANNOTATION) != claim.domain
        if unmarked or not wanted.items() <= body["metadata"]["labels"].items():
            notes = {DOMAIN_ANNOTATION: claim.domain}
            body = await self._mark(body, {"labels": wanted, "annotations": notes})
        written = annotation(body, CHAIN_ANNOTATION)
        pair = _pair(body)
        return StoredPair(
            pair=pair,
            version=version_of(body),
            order=annotation(body, ORDER_ANNOTATION),
            altered=written is not None and written != digest_of(pair.chain_pem),
        )

    async def mark_for_revocation(self, claim: Claim, issuer: str | None) -> int | None:
        """Note on the Secret who is to revoke its certificate before it is removed, or (None) that
        nobody is; the version that it has then, None where there is no Secret."""
        if claim.certificate is None:
            return None
        body = await self._read(claim.holder.key.namespace, claim.certificate.secret_name)
        if body is None:
            return None
        refuse_foreign(body, claim, TLS)
        if annotation(body, REVOKE_ANNOTATION) != issuer:
            body = await self._mark(body, {"annotations": {REVOKE_ANNOTATION: issuer}})
        return version_of(body)

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
        body = secret_body(
            claim,
            next_name(claim),
            ROLE_NEXT_KEY,
            OPAQUE,
            {"tls.key": pem},
            {ORDER_ANNOTATION: order_url},
        )
        try:
            await self._client.create(SECRETS, body)
        except AlreadyExists:
            stored = await self._client.get(SECRETS, next_name(claim), namespace)
            refuse_foreign(stored, claim, OPAQUE)
            if annotation(stored, ORDER_ANNOTATION) == order_url:
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
        *,
        revoke_by: str | None = None,
    ) -> int:
        """Put a certificate and its key into the TLS Secret, in one write; the version it has then.

        What is there is replaced once `still` has not raised, as with `next_key`. `revoke_by` is
        the issuer that is to revoke the certificate before the Secret is removed, if one is.
        """
        data = {"tls.crt": chain_pem, "tls.key": key_pem}
        notes = {ORDER_ANNOTATION: order_url, CHAIN_ANNOTATION: digest_of(chain_pem)}
        marks = {**notes, REVOKE_ANNOTATION: revoke_by}
        body = secret_body(claim, name, ROLE_CERTIFICATE, TLS, data, marks)
        namespace, have, stored = claim.holder.key.namespace, claim.certificate, None
        if have is not None and have.secret_name == name:
            # A create that fails costs the API server as much as one that does not.
            stored = await self._read(namespace, name)
        if stored is None:
            try:
                return version_of(await self._client.create(SECRETS, _without_nulls(body)))
            except AlreadyExists:
                stored = await self._client.get(SECRETS, name, namespace)
        refuse_foreign(stored, claim, TLS)
        if stored.get("data") == body["data"]:
            return version_of(stored)
        await still()
        return version_of(await self._update(body, stored))

    async def drop_next(self, claim: Claim, name: str) -> None:
        """Delete the key that waited, if it is ours and has arrived in the TLS Secret `name` with
        the certificate of its order: the same key may have been there before.

        Another one waits for an order that this process does not know of.
        """
        namespace = claim.holder.key.namespace
        body = await self._read(namespace, next_name(claim))
        if body is None or owner_of(body) != claim.id or body.get("type") != OPAQUE:
            return
        arrived = await self._read(namespace, name)
        if arrived is None or key_of(arrived) != key_of(body):
            return
        if annotation(arrived, ORDER_ANNOTATION) != annotation(body, ORDER_ANNOTATION):
            return
        meta = body["metadata"]
        try:
            await self._client.delete(
                SECRETS,
                meta["name"],
                namespace,
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
            )
        except NotFound:
            return

    async def _update(self, body: Body, stored: Body) -> dict[str, Any]:
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
        return await self._client.patch(SECRETS, meta["name"], changes, meta["namespace"])

    async def _mark(self, stored: Body, marks: Body) -> dict[str, Any]:
        """Change metadata of exactly this version."""
        meta = stored["metadata"]
        changes = {"metadata": {"resourceVersion": meta["resourceVersion"], **marks}}
        return await self._client.patch(SECRETS, meta["name"], changes, meta["namespace"])

    async def _read(self, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._client.get(SECRETS, name, namespace)
        except NotFound:
            return None


def _pair(body: Body) -> KeyPair:
    return KeyPair(decoded(body, "tls.key"), decoded(body, "tls.crt"))


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """A null says "not there" in a patch alone."""
    meta = body["metadata"]
    notes = {key: value for key, value in meta["annotations"].items() if value is not None}
    return {**body, "metadata": {**meta, "annotations": notes}}
