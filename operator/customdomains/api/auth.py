"""Static bearer tokens from a file, as RFC 6750 sends them.

A mounted Secret is replaced by swapping a symbolic link, so the file is looked at again by its
path, never held open.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from pathlib import Path

_log = logging.getLogger(__name__)

_LOOK_AGAIN = 1.0  # seconds between looks at the file

_Identity = tuple[int, int, int]


class TokenFileError(Exception):
    """The file gives no token to start with; the text is for who runs the api."""


class Tokens:
    """The tokens that are accepted: every line of the file that is not blank.

    What is kept of them are digests, so none can get into a log or a traceback, and comparing
    takes the same time whatever their lengths.
    """

    def __init__(self, path: Path) -> None:
        """Raises `TokenFileError` where there is no token: nobody could ever call."""
        self._path = path
        try:
            self._identity = _identity(path)
            self._digests = _read(path)
        except (OSError, UnicodeDecodeError) as error:
            raise TokenFileError(f"the token file {path} can't be read: {_cause(error)}") from None
        if not self._digests:
            raise TokenFileError(f"the token file {path} has no token; it needs one a line")
        self._looked_at = time.monotonic()

    def accept(self, authorization: str | None) -> bool:
        """Whether this Authorization header's value is `Bearer` with one of the tokens."""
        self._keep_up()
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        given = _digest(token.strip().encode("utf-8", "surrogateescape"))
        # All of them, always: how long it takes must not say which one came close.
        hits = [hmac.compare_digest(given, known) for known in self._digests]
        return any(hits)

    def _keep_up(self) -> None:
        """Read the file again if it is another than before; trouble leaves the tokens as they are.

        A file without a token is no trouble: then nobody is accepted any more.
        """
        now = time.monotonic()
        if now - self._looked_at < _LOOK_AGAIN:
            return
        self._looked_at = now
        try:
            identity = _identity(self._path)
            if identity == self._identity:
                return
            self._digests = _read(self._path)
        except (OSError, UnicodeDecodeError) as error:
            _log.warning("The token file %s can't be read: %s", self._path, _cause(error))
            return
        self._identity = identity
        _log.info("The token file %s has changed: %d tokens", self._path, len(self._digests))


def _read(path: Path) -> tuple[bytes, ...]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_digest(line.strip().encode()) for line in lines if line.strip())


def _identity(path: Path) -> _Identity:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _cause(error: OSError | UnicodeDecodeError) -> str:
    """What went wrong, without the file's content that a decoding error carries."""
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
