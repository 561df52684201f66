"""Pebble: the ACME server of the demo and the tests, strict and forgetful on purpose."""

import json
import ssl
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from customdomains.devcluster import certificates
from customdomains.devcluster.processes import Process
from customdomains.devcluster.rundir import free_port

_START_SECONDS = 20.0
_REQUEST_SECONDS = 10.0


class Pebble:
    """A Pebble that asks `resolver` (host:port) for challenge records.

    `http_port` is where it asks for http-01, in 80's place; `directory_url` is its ACME directory
    and `ca_file` what its HTTPS is verified with (not what it issues from: those are new at every
    start, see `roots`). A restart forgets accounts, orders and certificates, and keeps its address.
    """

    def __init__(
        self,
        program: Path,
        directory: Path,
        *,
        resolver: str,
        nonce_reject_percent: int = 5,
        authz_reuse_percent: int = 0,
        sleep_seconds: int = 0,
        retry_after_seconds: int = 1,
        mac_keys: Mapping[str, str] | None = None,
        caa_identities: Sequence[str] = (),
        alternate_roots: int = 0,
    ) -> None:
        """`retry_after_seconds` is what it asks clients to wait between polls; 0 asks nothing.
        Validations take up to `sleep_seconds` more than they need.

        With `mac_keys` (base64url, by id) it takes only accounts that are bound to one of them.
        `caa_identities` are the names that its directory tells for CAA records, which it does not
        look at itself. Chains to so many `alternate_roots` are offered beside the default one.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._program = program
        self._resolver = resolver
        self._environment = {
            "PEBBLE_VA_NOSLEEP": "0" if sleep_seconds else "1",
            "PEBBLE_VA_SLEEPTIME": str(sleep_seconds),
            "PEBBLE_WFE_NONCEREJECT": str(nonce_reject_percent),
            "PEBBLE_AUTHZREUSE": str(authz_reuse_percent),
            "PEBBLE_ALTERNATE_ROOTS": str(alternate_roots),
        }
        self._process: Process | None = None
        self._acme = f"127.0.0.1:{free_port()}"
        self._management = f"127.0.0.1:{free_port()}"
        self.http_port = free_port()
        self.directory_url = f"https://{self._acme}/dir"
        self.ca_file = directory / "listener-ca.crt"
        self._write_files(retry_after_seconds, mac_keys or {}, caa_identities)
        self._context = ssl.create_default_context(cafile=str(self.ca_file))

    def start(self) -> None:
        """Start it and wait until it answers. Raises ProcessError."""
        self._process = Process(
            "pebble",
            [
                self._program,
                "-strict",
                "-config",
                self._directory / "pebble.json",
                "-dnsserver",
                self._resolver,
            ],
            log=self._directory / "pebble.log",
            environment=self._environment,
        )
        self._process.wait_until(self._answers, _START_SECONDS)

    def stop(self) -> None:
        """Stop it. Stopping what is stopped is no error."""
        if self._process:
            self._process.stop()
            self._process = None

    def roots(self, chain: int = 0) -> bytes:
        """The root (PEM) of the chains it issues at present; from 1 on, of the alternate ones."""
        return self._get(f"https://{self._management}/roots/{chain}")

    def advise(self, certificate_pem: str, answer: Mapping[str, Any] | str) -> None:
        """Have it answer so when it is asked for the renewal information of a certificate (RFC
        9773), or with any text."""
        text = answer if isinstance(answer, str) else json.dumps(answer)
        body = json.dumps({"Certificate": certificate_pem, "ARIResponse": text}).encode()
        self._get(f"https://{self._management}/set-renewal-info/", body)

    def certificate_status(self, serial_number: str) -> dict[str, Any]:
        """What it knows of a certificate (serial number in hexadecimal): `Status` is `Valid` or
        `Revoked`, then with a `Reason` (RFC 5280 section 5.3.1). Raises OSError for none of its."""
        url = f"https://{self._management}/cert-status-by-serial/{serial_number}"
        status: dict[str, Any] = json.loads(self._get(url))
        return status

    def _get(self, url: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(  # noqa: S310 - an https address of our own
            url, data=body, timeout=_REQUEST_SECONDS, context=self._context
        ) as answer:
            content: bytes = answer.read()
            return content

    def _answers(self) -> bool:
        try:
            self._get(self.directory_url)
            self.roots()
        except OSError:
            return False
        return True

    def _write_files(
        self, retry_after: int, mac_keys: Mapping[str, str], caa_identities: Sequence[str]
    ) -> None:
        authority = certificates.authority("pebble listener")
        self.ca_file.write_bytes(authority.certificate_pem)
        certificate, key = certificates.server(authority).write(self._directory, "listener")
        config = {
            "listenAddress": self._acme,
            "managementListenAddress": self._management,
            "certificate": str(certificate),
            "privateKey": str(key),
            "httpPort": self.http_port,
            # Where tls-alpn-01 would be asked; nobody listens there.
            "tlsPort": 1,
            "keyAlgorithm": "ecdsa",
            "externalAccountBindingRequired": bool(mac_keys),
            "externalAccountMACKeys": dict(mac_keys),
            "caaIdentities": list(caa_identities),
            "retryAfter": {"authz": retry_after, "order": retry_after},
            "profiles": {
                "default": {"description": "90 days", "validityPeriod": 90 * 86_400},
                "shortlived": {"description": "6 days", "validityPeriod": 6 * 86_400},
            },
        }
        (self._directory / "pebble.json").write_text(json.dumps({"pebble": config}, indent=2))
