"""A small HTTP server in a thread for what has none of its own: health, readiness, metrics."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], str | None]
"""None where all is well, else what is not."""


@contextmanager
def serve_probes(
    host: str, port: int, checks: Mapping[str, Check], registry: CollectorRegistry
) -> Iterator[int]:
    """Answer `/metrics` and each path of `checks` (200, or 503 with what is wrong).

    An empty `host` listens on all addresses; the port listened on is yielded. Raises `OSError`
    where it can't listen.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            check = checks.get(self.path)
            if self.path == "/metrics":
                self._reply(HTTPStatus.OK, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif check is None:
                self._reply(HTTPStatus.NOT_FOUND, b"not found\n")
            elif (wrong := _outcome(check)) is None:
                self._reply(HTTPStatus.OK, b"ok\n")
            else:
                self._reply(HTTPStatus.SERVICE_UNAVAILABLE, f"{wrong}\n".encode())

        def _reply(self, status: HTTPStatus, body: bytes, kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
            """Probes come every few seconds: nothing to log."""

    server = (_Server6 if ":" in host else ThreadingHTTPServer)((host, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="probes", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _outcome(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the check is not passed
        return f"the check broke: {error}"


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6
