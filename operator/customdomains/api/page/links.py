"""Signed links: who has one may see one domain's page, until the link ends.

The key in a link is `<end>.<namespace>.<signature>`: the end in seconds since 1970, and an
HMAC-SHA256 (RFC 2104) in base64url without padding (RFC 4648 section 5).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path

from customdomains.api.mounted import Mounted, MountedFileError

MIN_KEY = 32  # characters; a link is all it takes to try out keys, as fast as machines can

_PURPOSE = "customdomains setup link 1"
_FORM = re.compile(r"([1-9][0-9]{0,11})\.([a-z0-9-]{1,63})\.([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Link:
    """Whose page it leads to, and until when (seconds since 1970)."""

    namespace: str
    registration_id: str
    end: int


class LinkKeys:
    """The keys of the file, one a line: the first signs, all of them verify."""

    def __init__(self, path: Path) -> None:
        """Raises `MountedFileError` where there is no key, or one that is too short."""
        self._keys = Mounted(path, _parse, "key file for setup links")

    def sign(self, link: Link) -> str:
        """The key that goes into the link's URL."""
        return f"{link.end}.{link.namespace}.{_signature(self._keys.get()[0], link)}"

    def read(self, registration_id: str, key: str) -> Link | None:
        """The link whose key this is, for the page of this id; None where nobody here signed it.

        Whether it has ended is for the caller to see.
        """
        found = _FORM.fullmatch(key)
        if found is None:
            return None
        link = Link(found[2], registration_id, int(found[1]))
        given = found[3].encode()
        # All keys, always: how long it takes must not say which one came close.
        hits = [
            hmac.compare_digest(given, _signature(each, link).encode()) for each in self._keys.get()
        ]
        return link if any(hits) else None


def _parse(text: str) -> tuple[bytes, ...]:
    """What is kept of the keys are digests, so none can get into a log or a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise MountedFileError("has no key; it needs one a line")
    short = next((i for i, line in enumerate(lines, 1) if len(line) < MIN_KEY), None)
    if short is not None:
        raise MountedFileError(
            f"has a key that is too short, number {short}; each needs at least {MIN_KEY} "
            "characters, as `openssl rand -hex 32` makes them"
        )
    return tuple(hashlib.sha256(line.encode()).digest() for line in lines)


def _signature(key: bytes, link: Link) -> str:
    message = "\n".join((_PURPOSE, link.namespace, link.registration_id, str(link.end)))
    digest = hmac.digest(key, message.encode("utf-8", "surrogateescape"), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
