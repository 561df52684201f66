"""The three processes, each from its settings until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from prometheus_client import CollectorRegistry

from customdomains.acme import PemExaminer
from customdomains.api.app import run_api
from customdomains.cluster.client import ApiClient
from customdomains.cluster.config import load_connection
from customdomains.cluster.kinds import DNS_RECORDS, DOMAIN_CLAIMS
from customdomains.cluster.watch import WatchCache
from customdomains.dns.book import RecordBook
from customdomains.dns.resolvers import make_resolvers
from customdomains.dns.selfcheck import ResponderSelfCheck
from customdomains.dns.server import DnsServer
from customdomains.dns.source import ClaimTexts
from customdomains.model.claim import parse_claim
from customdomains.model.dnsrecord import parse_record
from customdomains.settings import Settings
from customdomains.telemetry.metrics import (
    api_request_counter,
    count_dns_records,
    dns_query_counter,
)
from customdomains.telemetry.probes import Check, serve_probes
from customdomains.wiring import (
    acme_engine,
    api_options,
    caa_lookup,
    host_lookup,
    http_reach,
    limits,
    lookup,
    own_zones,
    raise_file_limit,
    records_namespace,
    rules,
    served_zones,
    split_listen,
    webhook_sender,
    zone_updates,
)

log = logging.getLogger("customdomains")


async def controller(settings: Settings, options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Watch CustomDomains, prove them and get their certificates. Raises what stops the process."""
    from customdomains.controller.app import (  # noqa: PLC0415 - kopf costs the others 30 MiB
        Controller,
    )
    from customdomains.controller.options import (  # noqa: PLC0415 - it goes with that
        ControllerOptions,
        Outside,
    )

    raise_file_limit()
    registry = CollectorRegistry()
    connection = await load_connection(options.kubeconfig)
    async with (
        AsyncExitStack() as stack,
        ApiClient(connection, on_request=api_request_counter(registry)) as client,
    ):
        engines = {
            issuer.name: acme_engine(issuer, settings, client) for issuer in settings.issuers
        }
        for engine in engines.values():
            stack.push_async_callback(engine.close)
        sender = webhook_sender(settings)
        stack.push_async_callback(sender.close)
        resolvers = make_resolvers(settings.lookups.resolvers)
        for resolver in resolvers:
            stack.push_async_callback(resolver.close)
        http = http_reach(settings, resolvers)
        stack.push_async_callback(http.close)
        asks = lookup(settings, resolvers)
        controller = Controller(
            ControllerOptions(
                identity=f"{socket.gethostname()}-{secrets.token_hex(4)}",
                namespace=settings.controller.namespace,
                lease_duration=settings.controller.lease_duration.seconds,
                secret_retention=settings.controller.secret_retention.delta,
                probe_url=f"http://{_address(settings.controller.probe_listen)}/healthz",
                rules=rules(settings),
                limits=limits(settings),
                metrics_per_domain=settings.controller.metrics_per_domain,
            ),
            client,
            connection,
            Outside(
                lookup=asks,
                caa_lookup=caa_lookup(settings, resolvers, asks),
                self_check=ResponderSelfCheck(settings.delegation.responders),
                http=http,
                updates=zone_updates(settings),
                engines=engines,
                sender=sender,
                examiner=PemExaminer(),
                webhooks=settings.webhooks.urls,
            ),
            registry,
        )
        host, port = split_listen(settings.controller.metrics_listen)
        with serve_probes(host, port, {"/readyz": controller.not_ready}, registry):
            await _until(stop, controller.run())


async def dns(settings: Settings, options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Answer for the zones that are ours. Raises what stops the process."""
    registry = CollectorRegistry()
    connection = await load_connection(options.kubeconfig)
    zone, others = served_zones(settings)
    async with ApiClient(connection, on_request=api_request_counter(registry)) as client:
        texts = ClaimTexts(lambda: claims.synced)
        claims = WatchCache(client, DOMAIN_CLAIMS, parse=parse_claim, on_change=texts.changed)
        book = RecordBook(own_zones(settings), lambda: records.synced)
        records = WatchCache(
            client,
            DNS_RECORDS,
            namespace=records_namespace(settings),
            parse=parse_record,
            on_change=book.changed,
        )
        count_dns_records(registry, book.counts)
        server = DnsServer(
            zone,
            texts,
            serial=lambda: max(_revision(claims), _revision(records)) & 0xFFFF_FFFF,
            others=others,
            records=book,
            on_query=dns_query_counter(registry),
        )

        def not_ready() -> str | None:
            if not claims.synced:
                return "the claims are not listed yet"
            return None if records.synced else "the DNSRecords are not listed yet"

        checks: dict[str, Check] = {"/healthz": lambda: None, "/readyz": not_ready}
        host, port = split_listen(settings.dns.probe_listen)
        with serve_probes(host, port, checks, registry):
            await server.start(_address(settings.dns.listen))
            names = ", ".join(each.origin for each in (zone, *others))
            log.info("answering for %s at %s", names, ", ".join(server.addresses))
            try:
                await _until(stop, _together(claims.run(), records.run()))
            finally:
                await server.stop()


async def api(settings: Settings, options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Serve the HTTP API. Raises what stops the process."""
    raise_file_limit()
    registry = CollectorRegistry()
    connection = await load_connection(options.kubeconfig)
    async with (
        AsyncExitStack() as stack,
        ApiClient(connection, on_request=api_request_counter(registry)) as client,
    ):
        resolvers = make_resolvers(settings.lookups.resolvers)
        for resolver in resolvers:
            stack.push_async_callback(resolver.close)
        hosts = host_lookup(settings, resolvers)
        await run_api(api_options(settings), client, registry, stop, hosts)


async def _until(stop: asyncio.Event, working: Coroutine[Any, Any, None]) -> None:
    """Run `working` until it ends, or cancel it when `stop` is set. Raises what it raises."""
    task = asyncio.create_task(working)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _together(*working: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in working:
            group.create_task(each)


def _revision(cache: WatchCache[Any]) -> int:
    return int(cache.resource_version or 1)


def _address(listen: str) -> str:
    """`listen` with an address in it: an empty one stands for all."""
    return f"0.0.0.0{listen}" if listen.startswith(":") else listen  # noqa: S104 - as asked for
