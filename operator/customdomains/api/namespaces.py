"""The uids of the namespaces that are served: who makes a namespace anew is another tenant."""

from __future__ import annotations

from collections.abc import Callable, Collection

from customdomains.cluster import ApiClient, WatchCache
from customdomains.cluster.kinds import NAMESPACES


class Namespaces:
    """One watch for all of them. Of several that is a watch of all there are, since a watch can
    select by one name only, and one each would cost more than a uid for each that is not served.
    """

    def __init__(self, client: ApiClient, served: Collection[str]) -> None:
        """`cache` has to be run by who makes this."""
        alone = f"metadata.name={next(iter(served))}" if len(served) == 1 else None
        self.cache: WatchCache[str] = WatchCache(
            client,
            NAMESPACES,
            field_selector=alone,
            metadata_only=True,
            parse=lambda item: str(item["metadata"]["uid"]),
            on_change=lambda name, _old, _new: self._changed(name),
        )
        self._followers: dict[str, Callable[[], None]] = {}

    def uid(self, name: str) -> str | None:
        """The uid of this namespace; None where there is none of this name."""
        return self.cache.get(name)

    def follow(self, name: str, on_change: Callable[[], None]) -> None:
        """From now on `on_change` is called when this one came, went, or is another of the name."""
        self._followers[name] = on_change

    def _changed(self, name: str) -> None:
        if name in self._followers:
            self._followers[name]()
