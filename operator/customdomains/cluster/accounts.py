"""The Secret of an issuer's ACME account keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import AlreadyExists, Conflict, NotFound
from customdomains.cluster.kinds import SECRETS
from customdomains.cluster.secretforms import (
    MANAGED_BY,
    MANAGER,
    ROLE_LABEL,
    ForeignSecretError,
    decoded,
    encoded,
)
from customdomains.model.keys import StoredKeys

ROLE_ACCOUNT = "acme-account"
_CURRENT, _WAITING = "account.key", "next-account.key"
_TRIES = 5


class AccountKeys:
    """An issuer's ACME account keys, in a Secret of the operator's own namespace.

    All methods raise `ApiError`, and `ForeignSecretError` where the Secret is not ours.
    """

    def __init__(self, client: ApiClient, namespace: str, issuer: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = f"acme-account-{issuer}"

    async def load(self) -> StoredKeys | None:
        """The keys; None where there is no such Secret."""
        try:
            return self._read(await self._client.get(SECRETS, self._name, self._namespace))
        except NotFound:
            return None

    async def load_or_create(self, make: Callable[[], str]) -> StoredKeys:
        """The keys; where there are none, one made by `make`, whoever was first."""
        for _ in range(_TRIES):
            stored = await self.load()
            if stored is not None:
                return stored
            try:
                return self._read(await self._client.create(SECRETS, self._body(make())))
            except AlreadyExists:
                continue
        raise ForeignSecretError(f"the Secret {self._namespace}/{self._name} comes and goes")

    async def stage(self, known: StoredKeys, make: Callable[[], str]) -> StoredKeys:
        """Put a key made by `make` beside `known`, unless others changed the keys meanwhile;
        returns what is stored then."""
        return await self._change(known, {_WAITING: make()})

    async def promote(self, known: StoredKeys) -> None:
        """Put the key that waits in `known` into the place of the current one.

        Keys that others have changed meanwhile stay as they are.
        """
        if known.waiting is not None:
            await self._change(known, {_CURRENT: known.waiting, _WAITING: None})

    async def _change(self, known: StoredKeys, data: dict[str, str | None]) -> StoredKeys:
        """Write `data` over `known`; what is stored then, also where others have written keys."""
        stored: StoredKeys | None = known
        for _ in range(_TRIES):
            if stored is None:
                break
            if (stored.current, stored.waiting) != (known.current, known.waiting):
                return stored
            texts = {key: text for key, text in data.items() if text is not None}
            changes = {
                "metadata": {"resourceVersion": stored.version},
                "data": {**dict.fromkeys(data), **encoded(texts)},
            }
            try:
                return self._read(
                    await self._client.patch(SECRETS, self._name, changes, self._namespace)
                )
            except (Conflict, NotFound):
                stored = await self.load()
        raise ForeignSecretError(f"the Secret {self._namespace}/{self._name} comes and goes")

    def _read(self, body: dict[str, Any]) -> StoredKeys:
        labels = body["metadata"].get("labels") or {}
        if labels.get(ROLE_LABEL) != ROLE_ACCOUNT:
            raise ForeignSecretError(
                f"the Secret {self._namespace}/{self._name} is there already and was not "
                "made by this operator, so it is not touched"
            )
        return StoredKeys(
            current=decoded(body, _CURRENT),
            waiting=decoded(body, _WAITING) or None,
            version=body["metadata"]["resourceVersion"],
        )

    def _body(self, pem: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "labels": {MANAGED_BY: MANAGER, ROLE_LABEL: ROLE_ACCOUNT},
            },
            "data": encoded({_CURRENT: pem}),
        }
