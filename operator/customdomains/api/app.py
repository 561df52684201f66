"""The HTTP process: one aiohttp application on one address, and the watches that feed it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aiohttp import web
from prometheus_client import CollectorRegistry

from customdomains.api import document, documentation
from customdomains.api.ask import Known, answering_edges
from customdomains.api.auth import Tokens
from customdomains.api.directory import Directory
from customdomains.api.gate import MAX_BODY, Gate
from customdomains.api.handlers import Handlers, Probes
from customdomains.api.listening import Bounds, Connections
from customdomains.api.load import Load
from customdomains.api.metrics import AskMetrics, HttpMetrics
from customdomains.api.places import Places
from customdomains.api.recordhandlers import RecordHandlers
from customdomains.api.records import Records
from customdomains.api.registration import Registrar
from customdomains.api.requests import MAX_ASKING, MAX_ASKING_FOR_ONE, Requests
from customdomains.api.resolving import Hosts, Resolving
from customdomains.api.speaking import Speaker
from customdomains.api.streams import MAX_STREAMS, MAX_STREAMS_OF_ONE, Streams
from customdomains.api.waiting import MAX_WAITS, MAX_WAITS_FOR_ONE, Waiting
from customdomains.cluster import ApiClient
from customdomains.model.dnszones import OwnZones
from customdomains.policy.rules import Rules

_BOUNDS = Bounds(connections=2048)  # more than can be busy: all that work, wait or send
_SETTLE = 0.1  # seconds for the last connections to send their requests
_DRAIN = 25.0  # seconds for what is under way at the end, within kubelet's usual 30

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What the HTTP process needs of the settings.

    `namespace` is where domains are registered, and all that is served; `rules` say which may be;
    `registered_status` answers for a domain that is held already (409 or 500);
    `controller_timeout` is in seconds. With `token_file` None nobody is asked for a token; port 0
    takes any. `ask` is where edge proxies may ask (host and port), None for nowhere. The platform's
    own DNS records are the DNSRecords in `records_namespace`; they may stand in the delegation zone
    and in `zones`.
    """

    host: str
    port: int
    namespace: str
    rules: Rules
    token_file: Path | None
    registered_status: int = 500
    controller_timeout: float = 15.0
    ask: tuple[str, int] | None = None
    zones: tuple[str, ...] = ()
    records_namespace: str = "customdomains"
    bounds: Bounds = _BOUNDS


@dataclass(frozen=True, slots=True)
class Server:
    """A server at work: the port it listens on, the one where edge proxies ask (None where they
    can't), and the watches, which end only by failing.
    """

    port: int
    ask_port: int | None
    watching: asyncio.Task[None]


async def run_api(
    options: ApiOptions,
    client: ApiClient,
    registry: CollectorRegistry,
    stop: asyncio.Event,
    hosts: Hosts | None = None,
) -> None:
    """Serve until `stop` is set, then finish what is under way.

    `hosts` knows the addresses of names that are not the platform's own. Raises `TokenFileError`,
    and `OSError` when the address can't be listened on.
    """
    async with serving(options, client, registry, hosts) as server:
        _log.info("Serving the HTTP API on %s:%d", options.host or "*", server.port)
        if options.ask is not None:
            _log.info("Answering edge proxies on %s:%d", options.ask[0] or "*", server.ask_port)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, server.watching}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        _log.info("Stopping: no new requests, what is under way is finished")


@asynccontextmanager
async def serving(
    options: ApiOptions,
    client: ApiClient,
    registry: CollectorRegistry,
    hosts: Hosts | None = None,
) -> AsyncIterator[Server]:
    """Serve while the body runs. Raises like `run_api`."""
    directory = Directory(client, options.namespace)
    zones = OwnZones(options.rules.zone, options.zones)
    records = Records(client, zones, options.records_namespace)
    application, gate = _application(options, client, registry, directory, records)
    about_records = RecordHandlers(records, Resolving(records, hosts))
    application.add_routes(
        [
            web.get("/dns/records", about_records.page),
            web.post("/dns/records", about_records.add),
            web.delete("/dns/records", about_records.remove),
            web.get("/dns/resolve", about_records.resolve),
        ]
    )
    runner = web.AppRunner(application, shutdown_timeout=_DRAIN)
    watching = asyncio.create_task(_watch(directory, records))
    try:
        await runner.setup()
        connections = _connections(options.bounds, runner, gate)
        async with connections.kept_in_bounds():
            async with (
                connections.listening(options.host or None, options.port) as port,
                _edges(options, registry, directory) as ask_port,
            ):
                yield Server(port, ask_port, watching)
            # aiohttp drops what comes in on a connection once it drains: who has just got one, or
            # is sending a body, would wait in vain.
            await asyncio.sleep(_SETTLE)
            await gate.receiving.all_there()
    finally:
        # In this order: what is still waited for comes by the watches.
        await runner.cleanup()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(directory: Directory, records: Records) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(directory.run())
        group.create_task(records.mirror.cache.run())


def _connections(bounds: Bounds, runner: web.AppRunner, gate: Gate) -> Connections:
    """The connections to the application of `runner`, which is set up."""
    server = cast("web.Server", runner.server)

    def make() -> Speaker:
        return Speaker(
            server,
            connections,
            gate.metrics.malformed,
            keepalive=bounds.keepalive,
            lingering=bounds.patience,
        )

    connections = Connections(make, bounds, gate.metrics.cut)
    gate.metrics.watch_connections(lambda: len(connections))
    return connections


def _edges(
    options: ApiOptions, registry: CollectorRegistry, directory: Directory
) -> AbstractAsyncContextManager[int | None]:
    if options.ask is None:
        return nullcontext()
    host, port = options.ask
    claims = directory.claims
    known = Known(claims.get, lambda: claims.cache.synced, options.rules)
    return answering_edges(host or None, port, known, AskMetrics(registry))


def _application(
    options: ApiOptions,
    client: ApiClient,
    registry: CollectorRegistry,
    directory: Directory,
    records: Records,
) -> tuple[web.Application, Gate]:
    def ready() -> bool:
        return directory.synced and records.mirror.cache.synced

    tokens = None if options.token_file is None else Tokens(options.token_file)
    waits = Places(MAX_WAITS, MAX_WAITS_FOR_ONE)
    streams = Places(MAX_STREAMS, MAX_STREAMS_OF_ONE)
    asks = Places(MAX_ASKING, MAX_ASKING_FOR_ONE)
    metrics = HttpMetrics(registry)
    for what, places in (("status", waits), ("events", streams), ("controller", asks)):
        metrics.watch_waiting(what, places.__len__)
    load = Load((waits, streams), asks)
    gate = Gate(tokens, metrics, ready, options.registered_status, load)
    handlers = Handlers(
        directory,
        Registrar(client, directory, options.rules),
        Requests(client, directory, options.controller_timeout, asks),
        Waiting(directory, waits),
        Streams(directory, streams, options.rules.zone),
        options.rules.zone,
    )
    probes = Probes(registry, ready)

    application = web.Application(middlewares=[gate.pass_on], client_max_size=MAX_BODY)
    application.add_routes(
        [
            web.post("/domains", handlers.register),
            web.get("/domains", handlers.page),
            web.get("/domains/{id}", handlers.get),
            web.get("/domains/{id}/events", handlers.events, allow_head=False),
            web.delete("/domains/{id}", handlers.delete),
            web.post("/domains/{id}/verify", handlers.verify),
            web.post("/domains/{id}/issue-certificate", handlers.issue),
            web.get("/domains/{id}/certificate", handlers.certificate),
            web.get("/healthz", probes.healthz),
            web.get("/readyz", probes.readyz),
            web.get("/metrics", probes.metrics),
            *documentation.routes(document.load()),
        ]
    )

    async def end_waiting(_: web.Application) -> None:
        waits.end()
        streams.end()

    application.on_shutdown.append(end_waiting)
    return application, gate
