"""What can be set: the sections and their defaults."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from customdomains.settings.issuers import Issuer
from customdomains.settings.setup import Setup
from customdomains.settings.updates import UpdatedZone
from customdomains.settings.values import (
    DnsName,
    Duration,
    HostPort,
    Listen,
    ObjectName,
    Resolver,
    Section,
    Suffix,
    Text,
)
from customdomains.settings.webhooks import Webhooks

Port = Annotated[int, msgspec.Meta(ge=1, le=65535, description="a port from 1 to 65535")]


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
    them, at `authoritativePort` (another than 53 is for test set-ups, as is another `httpPort` than
    80, where domains are asked over HTTP). `Recursive` takes a
    resolver's word. `Quorum` wants the same word from `quorum` of the resolvers, which has to be
    more than half of them.
    """

    mode: Literal["Authoritative", "Recursive", "Quorum"] = "Authoritative"
    resolvers: tuple[Resolver, ...] = ()
    quorum: Annotated[int, msgspec.Meta(ge=2, le=16, description="a number from 2 to 16")] = 2
    authoritative_port: Port = 53
    http_port: Port = 80
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


class Controller(Section, frozen=True):
    """The controller process. `namespace` is where its Lease and the account keys are.

    `probeListen` answers `/healthz`, `metricsListen` has `/metrics` and `/readyz`; of as many
    domains as `metricsPerDomain` the metrics tell when the certificate expires, those that expire
    first.
    """

    namespace: ObjectName = "customdomains"
    probe_listen: Listen = ":8081"
    metrics_listen: Listen = ":8083"
    lease_duration: Duration = Duration("15s")
    secret_retention: Duration = Duration("24h")
    metrics_per_domain: Annotated[
        int, msgspec.Meta(ge=0, le=100_000, description="a number from 0 to 100000")
    ] = 0


class Authentication(Section, frozen=True):
    """Who may call the HTTP API.

    `Token` is with a file of tokens, one a line, each for one namespace. `Kubernetes` is with the
    tokens that the API server takes, which have to be meant for one of `audiences` where there are
    any, and with the rights that it knows of. `Disabled` asks nobody.
    """

    mode: Literal["Token", "Kubernetes", "Disabled"] = "Token"
    token_file: str | None = None
    audiences: tuple[Text, ...] = ()


class Api(Section, frozen=True):
    """The HTTP process. `namespace` is where it registers domains, and with `namespaces`, which
    calls name in a header, all it serves.

    `askListen` is where edge proxies ask whether a name may be served, of all namespaces and
    without credentials; null closes it. `challengeListen` is where CAs fetch the answers to http-01
    challenges, on a path that leads here from port 80 of the domains.
    """

    listen: Listen = ":8080"
    ask_listen: Listen | None = ":8084"
    challenge_listen: Listen | None = None
    namespace: ObjectName = "default"
    namespaces: tuple[ObjectName, ...] = ()
    authentication: Authentication = Authentication()
    registered_status: Literal[409, 500] = 500
    controller_timeout: Duration = Duration("15s")
    setup: Setup = Setup()


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
    updates: tuple[UpdatedZone, ...] = ()
    lookups: Lookups = Lookups()
    verification: Verification = Verification()
    claims: Claims = Claims()
    names: Names = Names()
    controller: Controller = Controller()
    api: Api = Api()
    dns: Responder = Responder()
    webhooks: Webhooks = Webhooks()
    logging: Logging = Logging()
