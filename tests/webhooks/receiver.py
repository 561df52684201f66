"""A receiver of webhooks on loopback: a real HTTP server in a thread of its own."""

import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

HANG = 0
"""In place of a status: no answer until the receiver is closed."""


@dataclass(frozen=True)
class Got:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The content, if the signature is right by somebody else's implementation."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Answer:
    """What is answered: `status` (or `HANG`), and headers."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A sender that leaves early, as some have to, is no error."""


class Receiver:
    """Use it in a `with`. `answer` may be changed at any time; `got` is all that came."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answer = Answer()
        self.got: list[Got] = []
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def taken(self) -> list[Got]:
        """What was answered by 2xx."""
        return [got for got in list(self.got) if 200 <= got.status < 300]

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        answer = self.answer
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.path, headers, body, answer.status))
        if answer.status == HANG:
            self._closing.wait()
            return
        request.send_response(answer.status)
        for name, value in answer.headers.items():
            request.send_header(name, value)
        if "content-length" not in answer.headers:
            request.send_header("content-length", str(len(answer.body)))
        request.end_headers()
        request.wfile.write(answer.body)
