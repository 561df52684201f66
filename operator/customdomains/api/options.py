"""What the HTTP process is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from customdomains.api.listening import Bounds
from customdomains.policy.rules import Rules

_BOUNDS = Bounds(connections=2048)  # more than can be busy: all that work, wait or send


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Callers have one of the tokens in the file at `path`."""

    path: Path


@dataclass(frozen=True, slots=True)
class ClusterTokens:
    """Callers have a token that the API server takes for one of `audiences`; where there are none,
    for itself.
    """

    audiences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """The page for tenants: links to it are signed with the keys in `key_file` and begin with
    `public_url`. `name` and `colour` (`#rrggbb`) are the platform's.
    """

    key_file: Path
    public_url: str
    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What the HTTP process needs of the settings.

    `namespace` is where domains are registered by calls that name no other; `namespaces` are served
    as well. `rules` say which domains may be registered; `registered_status` answers for one that
    is held already (409 or 500); `controller_timeout` is in seconds. With `authentication` None
    nobody is asked for a token; port 0 takes any. `ask` is where edge proxies may ask (host and
    port), `challenges` where CAs fetch the answers to http-01 challenges, None for nowhere. The
    platform's own DNS records are the DNSRecords in `records_namespace`; they may stand in the
    delegation zone and in `zones`. With `setup` None there is no page for tenants.
    """

    host: str
    port: int
    namespace: str
    rules: Rules
    authentication: TokenFile | ClusterTokens | None
    namespaces: tuple[str, ...] = ()
    registered_status: int = 500
    controller_timeout: float = 15.0
    ask: tuple[str, int] | None = None
    challenges: tuple[str, int] | None = None
    zones: tuple[str, ...] = ()
    records_namespace: str = "customdomains"
    setup: SetupOptions | None = None
    bounds: Bounds = _BOUNDS

    @property
    def served(self) -> tuple[str, ...]:
        """The namespaces that are served, each once, `namespace` first."""
        return tuple(dict.fromkeys((self.namespace, *self.namespaces)))
