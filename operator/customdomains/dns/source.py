"""What the responder answers with: texts by label, as claims come and go."""

from __future__ import annotations

from collections.abc import Callable

from customdomains.model.claim import Claim


class ClaimTexts:
    """A `TextSource` of claims' tokens and challenge digests, by the claims' ids."""

    def __init__(self, synced: Callable[[], bool]) -> None:
        """`synced` tells whether all claims have been heard of."""
        self._synced = synced
        self._texts: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def synced(self) -> bool:
        """Before this is true no name may be called unknown."""
        return self._synced()

    def texts(self, label: str) -> tuple[str, ...] | None:
        """The TXT values of `<label>.<zone>`; None where there is no such name."""
        return self._texts.get(label)

    def changed(self, _name: str, old: Claim | None, new: Claim | None) -> None:
        """A claim came, changed, or went."""
        if old is not None and (new is None or old.id != new.id):
            self._texts.pop(old.id, None)
        if new is not None:
            self._texts[new.id] = new.texts
