"""What a file says that others replace while this runs, as kubelet does with a mounted Secret.

A mounted Secret is replaced by swapping a symbolic link, so the file is looked at again by its
path, never held open.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)

LOOK_AGAIN = 1.0  # seconds between looks at the file

_Identity = tuple[int, int, int]
_T = TypeVar("_T")


class MountedFileError(ValueError):
    """The file can't be used; the text is for who runs the process, and has nothing of what is in
    the file.
    """


class Mounted(Generic[_T]):
    """What `parse` makes of the text of a file; `what` is the file in words.

    `parse` raises `MountedFileError` for what can't be used, and must not put into it what it read.
    """

    def __init__(self, path: Path, parse: Callable[[str], _T], what: str) -> None:
        """Raises `MountedFileError`."""
        self._path = path
        self._parse = parse
        self._name = f"the {what} {path}"
        try:
            self._identity = _identity(path)
            self._value = parse(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise MountedFileError(f"{self._name} can't be read: {_cause(error)}") from None
        except MountedFileError as error:
            raise MountedFileError(f"{self._name} {error}") from None
        self._looked_at = time.monotonic()

    def get(self) -> _T:
        """What it says now; with one that can't be used, what it said before."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_AGAIN:
            return self._value
        self._looked_at = now
        try:
            identity = _identity(self._path)
            if identity == self._identity:
                return self._value
            self._value = self._parse(self._path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            _log.warning("%s can't be read: %s", _upper(self._name), _cause(error))
            return self._value
        except MountedFileError as error:
            _log.warning("%s %s; what it said before goes on counting", _upper(self._name), error)
        else:
            _log.info("%s has changed", _upper(self._name))
        self._identity = identity
        return self._value


def _identity(path: Path) -> _Identity:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _cause(error: OSError | UnicodeDecodeError) -> str:
    """What went wrong, without the file's content that a decoding error carries."""
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
