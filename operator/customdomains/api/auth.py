"""Static bearer tokens from a file, each for one namespace."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from customdomains.api.callers import Caller
from customdomains.api.mounted import Mounted, MountedFileError
from customdomains.api.rights import Right
from customdomains.cluster.kinds import DNS_RECORDS

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bound:
    """Who has a token for the namespace `home`: there they may do everything, elsewhere nothing.

    With `platform` they may keep the platform's own DNS records, too.
    """

    home: str
    platform: bool

    async def may(self, right: Right, namespace: str) -> bool:
        """Whether they have the right there."""
        return self.platform if right.resource is DNS_RECORDS else namespace == self.home


class Tokens:
    """The tokens that are accepted: one a line, and behind it the namespace that it is for.

    What is kept of them are digests, so none can get into a log or a traceback, and comparing
    takes the same time whatever their lengths.
    """

    def __init__(self, path: Path, platform: str, served: Collection[str]) -> None:
        """A token without a namespace is for `platform`; others have to be among those `served`.

        Raises `MountedFileError` where there is no token, since nobody could ever call, and for a
        line that is wrong.
        """
        self._platform = platform
        self._served = frozenset(served)
        self._started = False
        self._file = Mounted(path, self._parse, "token file")
        self._started = True

    async def caller(self, token: str | None) -> Caller | None:
        """Whose token this is."""
        given = _digest((token or "").encode("utf-8", "surrogateescape"))
        home = None
        # All of them, always: how long it takes must not say which one came close.
        for known, namespace in self._file.get().items():
            if hmac.compare_digest(given, known):
                home = namespace
        return None if home is None else Bound(home, home == self._platform)

    def _parse(self, text: str) -> dict[bytes, str]:
        """The namespaces by the digests of their tokens.

        Later on a line that is wrong gives nobody access, but those that are right count: who
        takes a token out of the file does so at once. So does a file without any.
        """
        found: dict[bytes, str] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            fault = self._fault(words)
            digest, namespace = _digest(words[0].encode()), [*words, self._platform][1]
            if fault is None and found.get(digest, namespace) != namespace:
                fault = "has the token of a line above with another namespace; each is for one"
            if fault is None:
                found[digest] = namespace
            elif self._started:
                _log.error("The token file gives nobody access by line %d: it %s", number, fault)
            else:
                raise MountedFileError(f"is wrong in line {number}: it {fault}")
        if not found and not self._started:
            raise MountedFileError("has no token; it needs one a line")
        return found

    def _fault(self, words: list[str]) -> str | None:
        if len(words) > 2:
            return f"has {len(words)} words; a token and, if need be, its namespace are allowed"
        if len(words) == 2 and words[1] not in self._served:
            allowed = ", ".join(sorted(self._served))
            return (
                "names a namespace that is not served; possible are those of api.namespace and "
                f"api.namespaces: {allowed}"
            )
        return None


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
