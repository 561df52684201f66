"""Runs the customer's DNS server until it is told to stop."""

import argparse
import asyncio
import contextlib
import signal
import sys

import dns.name

from customdomains.devcluster.tenantdns.answers import Address
from customdomains.devcluster.tenantdns.records import InvalidRecordError, parse_name
from customdomains.devcluster.tenantdns.server import TenantDnsServer


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m customdomains.devcluster.tenantdns",
        description="An authoritative DNS server for any domain a record is set in, "
        "and a resolver beside it.",
    )
    parser.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--api", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument(
        "--forward",
        type=_forward,
        action="append",
        default=[],
        metavar="ZONE=HOST:PORT",
        help="ask this server for names below ZONE (repeatable)",
    )
    parser.add_argument(
        "--zone",
        action="append",
        default=[],
        metavar="NAME",
        help="a domain that exists before a record is set in it (repeatable)",
    )
    options = parser.parse_args()
    try:
        server = TenantDnsServer(
            listen=options.listen,
            api=options.api,
            forward=dict(options.forward),
            zones=options.zone,
        )
        asyncio.run(_serve(server))
    except (OSError, InvalidRecordError) as error:
        sys.exit(f"error: {error}")


async def _serve(server: TenantDnsServer) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await server.start()
    async with contextlib.AsyncExitStack() as running:
        running.push_async_callback(server.stop)
        await stopped.wait()


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host, int(port)


def _forward(text: str) -> tuple[dns.name.Name, Address]:
    zone, equals, address = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no ZONE=HOST:PORT")
    try:
        return parse_name(zone), _address(address)
    except InvalidRecordError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    main()
