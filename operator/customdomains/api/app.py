"""The HTTP process: one aiohttp application on one address, and the watches that feed it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from prometheus_client import CollectorRegistry

from customdomains.api import document, documentation, routes
from customdomains.api.admission import Admission
from customdomains.api.ask import Known, answering_edges
from customdomains.api.auth import Tokens
from customdomains.api.callers import Access, Anybody
from customdomains.api.challenges import answering_challenges
from customdomains.api.gate import MAX_BODY, Gate
from customdomains.api.handlers import Handlers, Probes
from customdomains.api.listening import Bounds, Connections
from customdomains.api.load import Load
from customdomains.api.metrics import HttpMetrics, PublicMetrics
from customdomains.api.options import ApiOptions, ClusterTokens, TokenFile
from customdomains.api.page.handlers import SetupPages
from customdomains.api.recordhandlers import RecordHandlers
from customdomains.api.records import Records
from customdomains.api.resolving import Hosts, Resolving
from customdomains.api.reviewing import Reviews
from customdomains.api.rooms import Room, Rooms
from customdomains.api.speaking import Speaker
from customdomains.cluster import ApiClient
from customdomains.model.dnszones import OwnZones

_SETTLE = 0.1  # seconds for the last connections to send their requests
_DRAIN = 25.0  # seconds for what is under way at the end, within kubelet's usual 30

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """A server at work: the port it listens on, the one where edge proxies ask and where CAs do
    (None where they can't), and the watches, which end only by failing.
    """

    port: int
    ask_port: int | None
    challenge_port: int | None
    watching: asyncio.Task[None]


async def run_api(
    options: ApiOptions,
    client: ApiClient,
    registry: CollectorRegistry,
    stop: asyncio.Event,
    hosts: Hosts | None = None,
) -> None:
    """Serve until `stop` is set, then finish what is under way.

    `hosts` knows the addresses of names that are not the platform's own. Raises `MountedFileError`,
    and `OSError` when the address can't be listened on.
    """
    async with serving(options, client, registry, hosts) as server:
        _log.info("Serving the HTTP API on %s:%d", options.host or "*", server.port)
        if options.challenges is not None:
            where = options.challenges[0] or "*"
            _log.info("Answering http-01 challenges on %s:%d", where, server.challenge_port)
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
    rooms = Rooms(client, options)
    zones = OwnZones(options.rules.zone, options.zones)
    records = Records(client, zones, options.records_namespace)

    def ready() -> bool:
        return rooms.ready and records.mirror.cache.synced

    mirror = rooms.claims.mirror
    known = Known(mirror.get, lambda: mirror.cache.synced, options.rules)
    gate = _gate(options, client, registry, rooms, records)
    pages = SetupPages(options.setup, rooms.get, options.rules.zone)
    passing = [pages.in_html, gate.pass_on]
    application = web.Application(middlewares=passing, client_max_size=MAX_BODY)
    application.add_routes(
        [
            *routes.domains(Handlers(options.rules.zone)),
            *routes.records(RecordHandlers(records, Resolving(records, hosts))),
            *routes.setup(pages),
            *routes.service(Probes(registry, ready)),
            *documentation.routes(document.load()),
        ]
    )

    async def end_waiting(_: web.Application) -> None:
        rooms.end_waiting()

    application.on_shutdown.append(end_waiting)
    runner = web.AppRunner(application, shutdown_timeout=_DRAIN)
    watching = asyncio.create_task(_watch(rooms, records))
    try:
        await runner.setup()
        connections = _connections(options.bounds, runner, gate)
        async with connections.kept_in_bounds():
            async with (
                connections.listening(options.host or None, options.port) as port,
                _edges(options, registry, known) as ask_port,
                _challenges(options, registry, known) as challenge_port,
            ):
                yield Server(port, ask_port, challenge_port, watching)
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


async def _watch(rooms: Rooms, records: Records) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(rooms.run())
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
    options: ApiOptions, registry: CollectorRegistry, known: Known
) -> AbstractAsyncContextManager[int | None]:
    if options.ask is None:
        return nullcontext()
    host, port = options.ask
    metrics = PublicMetrics(registry, "ask", "Questions of edge proxies")
    return answering_edges(host or None, port, known, metrics)


def _challenges(
    options: ApiOptions, registry: CollectorRegistry, known: Known
) -> AbstractAsyncContextManager[int | None]:
    if options.challenges is None:
        return nullcontext()
    host, port = options.challenges
    return answering_challenges(host or None, port, known, registry)


def _gate(
    options: ApiOptions,
    client: ApiClient,
    registry: CollectorRegistry,
    rooms: Rooms,
    records: Records,
) -> Gate:
    metrics = HttpMetrics(registry)
    waiting = {"status": rooms.waits, "events": rooms.streams, "controller": rooms.asks}
    for what, places in waiting.items():
        metrics.watch_waiting(what, places.__len__)
    load = Load((rooms.waits, rooms.streams), rooms.asks)

    def ready(room: Room | None) -> bool:
        return records.mirror.cache.synced if room is None else room.directory.synced

    admission = Admission(_access(options, client), rooms, options.records_namespace)
    return Gate(admission, metrics, ready, options.registered_status, load)


def _access(options: ApiOptions, client: ApiClient) -> Access:
    match options.authentication:
        case TokenFile(path):
            return Tokens(path, options.namespace, options.served)
        case ClusterTokens(audiences):
            return Reviews(client, options.namespace, audiences)
        case None:
            return Anybody(options.namespace)
