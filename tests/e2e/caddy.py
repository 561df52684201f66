"""A real edge proxy, which gets a certificate during the first handshake for a name."""

import socket
import ssl
from pathlib import Path

from cryptography import x509

from customdomains.devcluster.processes import Process
from customdomains.devcluster.rundir import free_port

_START_SECONDS = 30.0
_HANDSHAKE_SECONDS = 20.0

_CADDYFILE = """\
{{
	admin off
	persist_config off
	skip_install_trust
	auto_https disable_redirects
	default_bind 127.0.0.1
	http_port {http_port}
	https_port {https_port}
	storage file_system {storage}
	on_demand_tls {{
		ask {ask_url}
	}}
}}

https:// {{
	tls {{
		on_demand
		issuer internal
	}}
	respond "this is {{host}}"
}}
"""


class Caddy:
    """A Caddy with its own CA that asks `ask_url` about every name it has no certificate for."""

    def __init__(self, program: Path, directory: Path, ask_url: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._program = program
        self._directory = directory
        self._port = free_port()
        self._root = directory / "storage" / "pki" / "authorities" / "local" / "root.crt"
        self._process: Process | None = None
        self._caddyfile = directory / "Caddyfile"
        self._caddyfile.write_text(
            _CADDYFILE.format(
                http_port=free_port(),
                https_port=self._port,
                storage=directory / "storage",
                ask_url=ask_url,
            )
        )

    def start(self) -> None:
        """Start it and wait until it listens. Raises ProcessError."""
        self._process = Process(
            "caddy",
            [self._program, "run", "--config", self._caddyfile, "--adapter", "caddyfile"],
            log=self._directory / "caddy.log",
            environment={"HOME": str(self._directory), "XDG_CONFIG_HOME": str(self._directory)},
        )
        self._process.wait_until(self._listens, _START_SECONDS)

    def stop(self) -> None:
        """Stop it. Stopping what is stopped is no error."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def visit(self, name: str) -> tuple[list[str], str]:
        """GET https://<name>/: the names in the certificate, which is verified, and the answer.

        Raises `ssl.SSLError` where the handshake is refused.
        """
        context = ssl.create_default_context(cafile=str(self._root))
        address = ("127.0.0.1", self._port)
        with (
            socket.create_connection(address, timeout=_HANDSHAKE_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=name) as tls,
        ):
            leaf = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: tls.recv(65536), b"")).decode()
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName), answer

    def log(self) -> str:
        """What it has logged."""
        return (self._directory / "caddy.log").read_text()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        except OSError:
            return False
        return self._root.exists()
