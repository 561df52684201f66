"""Server addresses as text: `address:port`, with IPv6 as `[address]:port`."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

_RESOLVE_SECONDS = 5.0


def split_server(server: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`; ValueError for anything else.

    The host may be a name; whether it is an address is for the caller to ask.
    """
    host, colon, port = server.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    # int() alone would let "+53", " 53" and "5_3" pass.
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{server!r} is not of the form address:port or [IPv6 address]:port")
    if bracketed != (":" in host):
        raise ValueError(f"{server!r}: exactly an IPv6 address stands in brackets")
    return host, int(port)


def join_server(host: str, port: int) -> str:
    """The inverse of `split_server`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_address(host: str) -> bool:
    """Whether `host` is a literal IPv4 or IPv6 address (with a scope, if it likes)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def resolve_servers(hosts: Sequence[str]) -> tuple[str, ...]:
    """Every address behind each `host:port`, in order and once; addresses pass through.

    The name of a headless Service stands for all its replicas. Raises OSError where a name
    cannot be resolved, also within 5 s: an incomplete list would pass for all replicas.
    """
    loop = asyncio.get_running_loop()
    servers: dict[str, None] = {}
    async with asyncio.timeout(_RESOLVE_SECONDS):
        for server in hosts:
            host, port = split_server(server)
            if is_address(host):
                servers[server] = None
                continue
            for *_, address in await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
                servers[join_server(str(address[0]), port)] = None
    return tuple(servers)
