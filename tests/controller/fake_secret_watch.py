"""The watch on Secrets of certificates, by label, as the real cache keeps it."""

from fake_api import FakeApi, Json

from customdomains.cluster.kinds import SECRETS as SECRETS_KIND
from customdomains.cluster.secretforms import MANAGED_BY, MANAGER, ROLE_CERTIFICATE, ROLE_LABEL
from customdomains.controller.sights import Seen, seen

SECRETS = SECRETS_KIND.plural


class FakeSecretWatch:
    """What one process has heard."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self._found: dict[str, Seen] = {}
        self._as_of: int | None = None

    @property
    def resource_version(self) -> str | None:
        return None if self._as_of is None else str(self._as_of)

    def get(self, place: str) -> Seen | None:
        return self._found.get(place)

    def list(self) -> None:
        """What is there now."""
        self._found = {_place(body): seen(body) for body in self._api.find(SECRETS) if _ours(body)}
        self._as_of = self._api.version

    def hear(self, event: str, body: Json) -> tuple[str, Seen | None, Seen | None]:
        """One event; what has changed."""
        place = _place(body)
        old, new = self._found.pop(place, None), None
        if event != "DELETED" and _ours(body):
            new = self._found[place] = seen(body)
        if old is not None or new is not None:
            self._as_of = max(self._as_of or 0, int(body["metadata"]["resourceVersion"]))
        return place, old, new


def _place(body: Json) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"


def _ours(body: Json) -> bool:
    labels = body["metadata"].get("labels") or {}
    return labels.get(MANAGED_BY) == MANAGER and labels.get(ROLE_LABEL) == ROLE_CERTIFICATE
