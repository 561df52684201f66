"""The command line, and the composition root: here settings choose adapters and wire processes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from customdomains import processes
from customdomains.cluster.config import ConnectionConfigError
from customdomains.cluster.errors import ApiError
from customdomains.cluster.secretforms import ForeignSecretError
from customdomains.controller.leadership import LeadershipLostError
from customdomains.model.certificate import OrderError
from customdomains.rollover import add_command, roll_over
from customdomains.settings import Settings, SettingsError, load_settings
from customdomains.telemetry.logs import configure_logging

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
        (
            "controller",
            processes.controller,
            "watch CustomDomains, prove them, get their certificates",
        ),
        ("api", processes.api, "serve the HTTP API"),
        ("dns", processes.dns, "answer for the delegation zone and the platform's own zones"),
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
