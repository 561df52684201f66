"""The Secret of an issuer's ACME account key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import AlreadyExists, NotFound
from customdomains.cluster.kinds import SECRETS
from customdomains.cluster.secrets import (
    MANAGED_BY,
    MANAGER,
    ROLE_LABEL,
    ForeignSecretError,
    decoded,
    encoded,
)

ROLE_ACCOUNT = "acme-account"


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
                labels = stored["metadata"].get("labels") or {}
                if labels.get(ROLE_LABEL) != ROLE_ACCOUNT:
                    raise ForeignSecretError(
                        f"the Secret {self._namespace}/{self._name} is there already and was not "
                        "made by this operator, so it is not touched"
                    )
                return decoded(stored, "account.key")
        raise ForeignSecretError(f"the Secret {self._namespace}/{self._name} comes and goes")

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
            "data": encoded({"account.key": pem}),
        }
        try:
            return await self._client.create(SECRETS, body)
        except AlreadyExists:
            return None
