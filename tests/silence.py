"""A DNS server that takes every question and never says a word."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

SILENT_HOST = "127.0.0.2"
"""Beside the address that all else listens on, so that the port can be the same."""


@contextmanager
def silent_server(port: int, host: str = SILENT_HOST) -> Iterator[str]:
    """Listens on UDP and TCP without ever reading; its address (host:port).

    What is sent fills the kernel's buffers and is dropped then: nobody hears of it. Raises
    OSError where the system has no such address.
    """
    with ExitStack() as opened:
        datagrams = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind((host, port))
        stream = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stream.bind((host, port))
        stream.listen()
        yield f"{host}:{port}"
