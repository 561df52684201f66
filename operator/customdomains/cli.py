"""The command line, and the composition root: here settings choose adapters and wire processes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from customdomains.api.app import run_api
from customdomains.cluster.client import ApiClient
from customdomains.cluster.config import ConnectionConfigError, load_connection
from customdomains.cluster.errors import ApiError
from customdomains.cluster.kinds import DNS_RECORDS, DOMAIN_CLAIMS
from customdomains.cluster.secrets import ForeignSecretError
from customdomains.cluster.watch import WatchCache
from customdomains.controller.leadership import LeadershipLostError
from customdomains.dns.book import RecordBook
from customdomains.dns.resolvers import make_resolvers
from customdomains.dns.selfcheck import ResponderSelfCheck
from customdomains.dns.server import DnsServer
from customdomains.dns.source import ClaimTexts
from customdomains.model.certificate import OrderError
from customdomains.model.claim import parse_claim
from customdomains.model.dnsrecord import parse_record
from customdomains.rollover import add_command, roll_over
from customdomains.settings import Settings, SettingsError, load_settings
from customdomains.telemetry.logs import configure_logging
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
)

log = logging.getLogger("customdomains")

DEFAULT_CONFIG = "/etc/customdomains/config.yaml"

EXIT_FAILED = 1
EXIT_USAGE = 2

EXPECTED = (OSError, ValueError, ApiError, ForeignSecretError, LeadershipLostError, OrderError)
"""What needs no traceback: the message says what a person has to mend."""

Process = Callable[[Settings, argparse.Namespace, asyncio.Event], Awaitable[None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, 1 when it failed, 2 when it was used wrongly."""
    options = _parser().parse_args(arguments)
    if options.command == "demo":
        from customdomains.devcluster.demo import run_demo  # noqa: PLC0415 - development only

        return run_demo(keep=options.keep, kubeconfig=options.kubeconfig)
    try:
        settings = load_settings(Path(options.config), os.environ)
    except SettingsError as error:
        print(f"customdomains: {error}", file=sys.stderr)
        return EXIT_USAGE
    configure_logging(settings.logging.format, settings.logging.level, sys.stderr)
    return asyncio.run(_run(options.process, settings, options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="customdomains",
        description="Kubernetes operator for customers' own domains.",
        epilog="Exit codes: 0 all was well, 1 it failed, 2 it was called or set up wrongly.",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version('customdomain-operator')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, process, text in (
        ("controller", _controller, "watch CustomDomains, prove them, get their certificates"),
        ("api", _api, "serve the HTTP API"),
        ("dns", _dns, "answer for the delegation zone and the platform's own zones"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
        _process_options(command, process)
    _process_options(add_command(commands), roll_over)
    demo = commands.add_parser(
        "demo",
        help="run everything on this machine and show a domain's way to its certificate",
        description="Run everything on this machine and show a domain's way to its certificate.",
    )
    demo.add_argument(
        "--keep", action="store_true", help="keep everything running until Ctrl-C, without the show"
    )
    _kubeconfig_option(demo)
    return parser


def _process_options(parser: argparse.ArgumentParser, process: Process) -> None:
    parser.set_defaults(process=process)
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=os.environ.get("CUSTOMDOMAINS_CONFIG", DEFAULT_CONFIG),
        help="the settings (default: $CUSTOMDOMAINS_CONFIG, or %(default)s)",
    )
    _kubeconfig_option(parser)


def _kubeconfig_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="how to reach the cluster (default: $KUBECONFIG, ~/.kube/config, or from inside it)",
    )


async def _run(process: Process, settings: Settings, options: argparse.Namespace) -> int:
    """Run a process until SIGTERM or Ctrl-C, then let it end in order."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await process(settings, options, stop)
    except (ConnectionConfigError, SettingsError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message says what a person has to mend
        return EXIT_USAGE
    except Exception as error:
        for leaf in _leaves(error):
            expected = isinstance(leaf, EXPECTED)
            log.log(logging.ERROR, "%s", leaf, exc_info=None if expected else leaf)
        return EXIT_FAILED
    if stop.is_set():
        log.info("stopped")
    return 0


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


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


async def _controller(settings: Settings, options: argparse.Namespace, stop: asyncio.Event) -> None:
    from customdomains.controller.app import (  # noqa: PLC0415 - kopf costs the others 30 MiB
        Controller,
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
            ),
            client,
            connection,
            Outside(
                lookup=asks,
                caa_lookup=caa_lookup(settings, resolvers, asks),
                self_check=ResponderSelfCheck(settings.delegation.responders),
                http=http,
                engines=engines,
                sender=sender,
                webhooks=settings.webhooks.urls,
            ),
            registry,
        )
        host, port = split_listen(settings.controller.metrics_listen)
        with serve_probes(host, port, {"/readyz": controller.not_ready}, registry):
            await _until(stop, controller.run())


async def _dns(settings: Settings, options: argparse.Namespace, stop: asyncio.Event) -> None:
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


async def _api(settings: Settings, options: argparse.Namespace, stop: asyncio.Event) -> None:
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


async def _together(*working: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in working:
            group.create_task(each)


def _revision(cache: WatchCache[Any]) -> int:
    return int(cache.resource_version or 1)


def _address(listen: str) -> str:
    """`listen` with an address in it: an empty one stands for all."""
    return f"0.0.0.0{listen}" if listen.startswith(":") else listen  # noqa: S104 - as asked for
