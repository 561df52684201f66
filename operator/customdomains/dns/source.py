"""What the responder answers with: texts by label, as claims come and go."""

from __future__ import annotations

from collections.abc import Callable

from customdomains.model.claim import Claim


class ClaimTexts:
    """A `TextSource` of tokens and challenge digests, by the ids of claims' seats."""

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
        texts = _texts(new)
        for label in _texts(old).keys() - texts.keys():
            self._texts.pop(label, None)
        self._texts.update(texts)


def _texts(claim: Claim | None) -> dict[str, tuple[str, ...]]:
    """What is answered for each seat, by its id: who contends has to prove itself as well."""
    if claim is None:
        return {}
    texts: dict[str, tuple[str, ...]] = {seat.id: (seat.token,) for seat in claim.contenders}
    if claim.id:
        texts[claim.id] = claim.texts
    return texts
