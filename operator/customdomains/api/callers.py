"""Who calls, and for which namespace: the ports that the ways of finding out stand behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from customdomains.api.rights import Right


class Caller(Protocol):
    """Somebody who is known."""

    @property
    def home(self) -> str:
        """The namespace that is meant where a call names none."""

    async def may(self, right: Right, namespace: str) -> bool:
        """Whether they have the right there. Raises `CallError` where that can't be told."""


class Access(Protocol):
    """A way of knowing callers."""

    async def caller(self, token: str | None) -> Caller | None:
        """Who calls with this bearer token (None: without one); None where that is not known.

        Raises `CallError` where it can't be told.
        """


@dataclass(frozen=True, slots=True)
class Anybody:
    """Access for all, without credentials; everybody is everybody."""

    home: str

    async def caller(self, token: str | None) -> Caller | None:  # noqa: ARG002 - the port's
        """Anybody."""
        return self

    async def may(self, right: Right, namespace: str) -> bool:  # noqa: ARG002 - the port's
        """They may."""
        return True


def bearer(authorization: str | None) -> str | None:
    """The token in this Authorization header's value (RFC 6750 section 2.1), if there is one."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
