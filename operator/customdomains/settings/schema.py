"""What can be set: the sections, their defaults, and in words what each value may be."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

import msgspec

from customdomains.model.names import a_labels

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_LONGEST = timedelta(days=3650)


class Duration:
    """A length of time as written in settings: `90s`, `1h30m`, `7d`."""

    ALLOWED = "a duration such as 500ms, 30s, 15m, 1h30m or 7d, at most 3650d"

    __slots__ = ("delta",)

    def __init__(self, text: str) -> None:
        parts = _DURATION.findall(text)
        if not parts or "".join(map("".join, parts)) != text:
            raise ValueError(f"{text!r} is no duration")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if seconds > _LONGEST.total_seconds():
            raise ValueError(f"{text!r} is too long")
        self.delta = timedelta(seconds=seconds)

    @property
    def seconds(self) -> float:
        """In seconds."""
        return self.delta.total_seconds()


class Suffix(str):
    """The end of domain names, in the canonical form whatever spelling it is written in."""

    ALLOWED = (
        "a domain name such as platform.example.net or com, without a dot or an asterisk in "
        "front; it stands for itself and all names below it"
    )

    __slots__ = ()

    def __new__(cls, text: str) -> Suffix:
        return super().__new__(cls, a_labels(text))


_PORT = r"(0|[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

Listen = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]*):{_PORT}$",
        description="address:port with a port up to 65535, an IPv6 address in brackets, no address "
        "for all of them, such as :8080, 127.0.0.1:8080 or [::1]:8080",
    ),
]
HostPort = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):(?!0$){_PORT}$",
        description="host:port with a port from 1 to 65535, an IPv6 address in brackets, such as "
        "192.0.2.53:53 or [2001:db8::53]:53",
    ),
]
_URL_HOST = r"(\[[0-9a-fA-F:]+\]|[^\s/:\[\]@?#]+)"

Resolver = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^((\[[0-9a-fA-F:]+\]|[0-9]+(\.[0-9]+){{3}}):(?!0$){_PORT}"
        rf"|tls://{_URL_HOST}(:(?!0$){_PORT})?"
        rf"|https://{_URL_HOST}(:(?!0/){_PORT})?/[^\s?#{{}}]*)$",
        description="address:port with a port from 1 to 65535, tls://host:port for DNS over TLS, "
        "or https://host/path for DNS over HTTPS, such as 192.0.2.53:53, "
        "tls://dns.example.net:853 or https://dns.example.net/dns-query",
    ),
]
DnsName = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(?=.{{1,200}}$){_LABEL}(\.{_LABEL})+$",
        description="a domain name of at most 200 characters in lower case with at least two "
        "labels and no dot at its end, such as delegated.example.net",
    ),
]
ObjectName = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^{_LABEL}$",
        description="a name of at most 63 lower-case letters, digits and hyphens with a letter or "
        "digit at both ends, such as letsencrypt",
    ),
]
Url = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^https?://(\[[0-9a-fA-F:]+\]|[^\s/:\[\]]+)(:{_PORT})?(/\S*)?$",
        description="a URL with a port up to 65535, such as https://acme-v02.api.letsencrypt.org/directory",
    ),
]
Contact = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^mailto:[^\s@]+@[^\s@]+$",
        description="an address such as mailto:hostmaster@example.net",
    ),
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A mapping in the file."""


class Delegation(Section, frozen=True):
    """The zone that tenants delegate to; `responders` are asked in the self-check, all addresses
    of each."""

    zone: DnsName
    nameservers: tuple[DnsName, ...] = ()
    hostmaster: DnsName | None = None
    responders: tuple[HostPort, ...] = ()


class Lookups(Section, frozen=True):
    """How the DNS is asked; without `resolvers` the system's are used.

    `Authoritative` finds each domain's own name servers through the resolvers and asks all of
    them, at `authoritativePort` (another than 53 is for test set-ups). `Recursive` takes a
    resolver's word. `Quorum` wants the same word from `quorum` of the resolvers, which has to be
    more than half of them.
    """

    mode: Literal["Authoritative", "Recursive", "Quorum"] = "Authoritative"
    resolvers: tuple[Resolver, ...] = ()
    quorum: Annotated[int, msgspec.Meta(ge=2, le=16, description="a number from 2 to 16")] = 2
    authoritative_port: Annotated[
        int, msgspec.Meta(ge=1, le=65535, description="a port from 1 to 65535")
    ] = 53
    timeout: Duration = Duration("2s")
    deadline: Duration = Duration("5s")


class Verification(Section, frozen=True):
    """How a proof is kept up."""

    recheck_interval: Duration = Duration("24h")
    grace_period: Duration = Duration("72h")


class Claims(Section, frozen=True):
    """How long names are kept for whom, and who may contend for one that is held.

    `pendingExpiry` ends a registration that proves nothing, `retention` is how long the identity
    of a deleted CustomDomain is kept for its namespace, `contenders` how many others may wait for
    one name, `perNamespace` how many registrations a namespace may have (0: no limit).
    """

    pending_expiry: Duration = Duration("7d")
    retention: Duration = Duration("7d")
    contests: bool = True
    contenders: Annotated[int, msgspec.Meta(ge=1, le=32, description="a number from 1 to 32")] = 8
    per_namespace: Annotated[
        int, msgspec.Meta(ge=0, le=1_000_000, description="a number from 0 to 1000000")
    ] = 0


class Names(Section, frozen=True):
    """Which domains may be registered, by suffix; the delegation zone never may.

    `privateSuffixes` is about names such as github.io, under which a company lets others have
    theirs (the private part of the Public Suffix List).
    """

    denied_suffixes: tuple[Suffix, ...] = ()
    allowed_suffixes: tuple[Suffix, ...] = ()
    private_suffixes: Literal["Refuse", "Allow"] = "Refuse"


class Issuer(Section, frozen=True):
    """An ACME CA."""

    name: ObjectName
    directory_url: Url = msgspec.field(name="directoryURL")
    contact: tuple[Contact, ...] = ()
    ca_bundle: str | None = None


class Controller(Section, frozen=True):
    """The controller process. `namespace` is where its Lease and the account keys are.

    `probeListen` answers `/healthz`, `metricsListen` has `/metrics` and `/readyz`.
    """

    namespace: ObjectName = "customdomains"
    probe_listen: Listen = ":8081"
    metrics_listen: Listen = ":8083"
    lease_duration: Duration = Duration("15s")
    secret_retention: Duration = Duration("24h")


class Authentication(Section, frozen=True):
    """Who may call the HTTP API: `Token` with a file of tokens, one a line, or nobody is asked."""

    mode: Literal["Token", "Disabled"] = "Token"
    token_file: str | None = None


class Api(Section, frozen=True):
    """The HTTP process. `namespace` is where it registers domains, and all it serves.

    `askListen` is where edge proxies ask whether a name may be served, of all namespaces and
    without credentials; null closes it.
    """

    listen: Listen = ":8080"
    ask_listen: Listen | None = ":8084"
    namespace: ObjectName = "default"
    authentication: Authentication = Authentication()
    registered_status: Literal[409, 500] = 500
    controller_timeout: Duration = Duration("15s")


class Responder(Section, frozen=True):
    """The dns process; `probeListen` answers its health checks and metrics over HTTP.

    `zones` are served beside the delegation zone, with the platform's own records: the DNSRecords
    in `recordsNamespace`, by default `controller.namespace`.
    """

    listen: Listen = ":5353"
    probe_listen: Listen = ":8082"
    zones: tuple[DnsName, ...] = ()
    records_namespace: ObjectName | None = None


class Logging(Section, frozen=True):
    """`auto` is text on a terminal and JSON elsewhere."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section, frozen=True):
    """All of it."""

    delegation: Delegation
    issuers: tuple[Issuer, ...] = ()
    lookups: Lookups = Lookups()
    verification: Verification = Verification()
    claims: Claims = Claims()
    names: Names = Names()
    controller: Controller = Controller()
    api: Api = Api()
    dns: Responder = Responder()
    logging: Logging = Logging()
