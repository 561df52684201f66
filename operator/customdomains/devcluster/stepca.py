"""step-ca: a production CA with an ACME interface, for load and as a second reading of RFC 8555."""

import json
import ssl
import urllib.request
from datetime import timedelta
from pathlib import Path

from customdomains.devcluster import certificates
from customdomains.devcluster.processes import Process
from customdomains.devcluster.rundir import free_port

_START_SECONDS = 30.0
_REQUEST_SECONDS = 10.0
_PROVISIONER = "acme"
_LIFETIME = timedelta(days=90)


class StepCa:
    """A step-ca that asks `resolver` (host:port) for challenge records.

    `directory_url` is its ACME directory; `ca_file` is the root of its own HTTPS and of all it
    issues, `log` what it writes: a line for each request.
    """

    def __init__(
        self, program: Path, directory: Path, *, resolver: str, lifetime: timedelta = _LIFETIME
    ) -> None:
        """`lifetime` is that of its certificates."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._program = program
        self._resolver = resolver
        self._lifetime = f"{lifetime.total_seconds():.0f}s"
        self.log = directory / "step-ca.log"
        self._process: Process | None = None
        self._address = f"127.0.0.1:{free_port()}"
        self.directory_url = f"https://{self._address}/acme/{_PROVISIONER}/directory"
        self.ca_file = directory / "root.crt"
        self._write_files()
        self._context = ssl.create_default_context(cafile=str(self.ca_file))

    def start(self) -> None:
        """Start it and wait until it answers. Raises ProcessError."""
        self._process = Process(
            "step-ca",
            [self._program, self._directory / "ca.json", "--resolver", self._resolver],
            log=self.log,
            # Else it would read a configuration in the home directory.
            environment={"STEPPATH": str(self._directory)},
        )
        self._process.wait_until(self._answers, _START_SECONDS)

    def stop(self) -> None:
        """Stop it. Stopping what is stopped is no error."""
        if self._process:
            self._process.stop()
            self._process = None

    @property
    def processes(self) -> tuple[Process, ...]:
        """What runs at the moment."""
        return (self._process,) if self._process else ()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(  # noqa: S310 - an https address of our own
                self.directory_url, timeout=_REQUEST_SECONDS, context=self._context
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _write_files(self) -> None:
        root = certificates.authority("step-ca root")
        intermediate = certificates.authority("step-ca intermediate", issuer=root)
        self.ca_file.write_bytes(root.certificate_pem)
        certificate, key = intermediate.write(self._directory, "intermediate")
        config = {
            "root": str(self.ca_file),
            "crt": str(certificate),
            "key": str(key),
            "address": self._address,
            "dnsNames": ["localhost", "127.0.0.1"],
            "logger": {"format": "text"},
            "db": {"type": "badgerv2", "dataSource": str(self._directory / "db")},
            "authority": {
                "provisioners": [
                    {
                        "type": "ACME",
                        "name": _PROVISIONER,
                        "challenges": ["dns-01"],
                        "claims": {
                            "minTLSCertDuration": "1m",
                            "maxTLSCertDuration": self._lifetime,
                            "defaultTLSCertDuration": self._lifetime,
                        },
                    }
                ]
            },
        }
        (self._directory / "ca.json").write_text(json.dumps(config, indent=2))
