"""The customer's DNS server as a process, with functions to set its records."""

import json
import sys
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from customdomains.devcluster.processes import Process
from customdomains.devcluster.rundir import free_port

_START_SECONDS = 20.0
_REQUEST_SECONDS = 30.0


class TenantDns:
    """A running server. `address` is its DNS address (host:port), `api_url` its management API.

    Names may be given with or without the last dot. A refused change raises
    urllib.error.HTTPError (400).
    """

    def __init__(
        self, directory: Path, *, forward: Mapping[str, str], zones: Iterable[str] = ()
    ) -> None:
        """`forward` maps zones to the servers (host:port) that are asked for their names.

        `zones` are domains that exist before a record is set in them.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._log = directory / "tenantdns.log"
        self._zones = [f"--forward={zone}={server}" for zone, server in forward.items()]
        self._zones += [f"--zone={zone}" for zone in zones]
        self._process: Process | None = None
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._api = f"127.0.0.1:{free_port()}"
        self.api_url = f"http://{self._api}"

    def start(self) -> None:
        """Start it, empty, at the same address every time. Raises ProcessError."""
        module = "customdomains.devcluster.tenantdns"
        addresses = [f"--listen={self.address}", f"--api={self._api}"]
        self._process = Process(
            "tenant DNS", [sys.executable, "-m", module, *addresses, *self._zones], log=self._log
        )
        self._process.wait_until(self._answers, _START_SECONDS)

    def stop(self) -> None:
        """Stop it; its records are forgotten."""
        if self._process:
            self._process.stop()
            self._process = None

    @property
    def processes(self) -> tuple[Process, ...]:
        """What runs at the moment."""
        return (self._process,) if self._process else ()

    def set_txt(self, name: str, *values: str) -> None:
        """Make `values` the TXT records of `name`, in place of any others."""
        self.put([{"name": name, "type": "TXT", "values": values}])

    def set_cname(self, name: str, target: str) -> None:
        """Make `name` an alias of `target`."""
        self.put([{"name": name, "type": "CNAME", "values": [target]}])

    def put(self, record_sets: Iterable[Mapping[str, Any]]) -> None:
        """Set record sets of any type: {"name", "type", "values"} and, if wanted, "ttl"."""
        self._send("PUT", "/records", list(record_sets))

    def clear(self, name: str, rdtype: str | None = None) -> None:
        """Remove the records of one type, or all, of `name`."""
        body = {"name": name} if rdtype is None else {"name": name, "type": rdtype}
        self._send("DELETE", "/records", body)

    def fail(self, name: str, *, failing: bool = True) -> None:
        """Make every question for `name` end in SERVFAIL, or end that."""
        self._send("POST", "/set-servfail" if failing else "/clear-servfail", {"host": name})

    def records(self) -> Sequence[Mapping[str, Any]]:
        """All record sets: {"name", "type", "ttl", "values"}."""
        found: list[dict[str, Any]] = self._send("GET", "/records", None)
        return found

    def _send(self, method: str, path: str, body: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310 - an http address of our own
            f"{self.api_url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as answer:  # noqa: S310
            return json.load(answer)

    def _answers(self) -> bool:
        try:
            self.records()
        except OSError:
            return False
        return True
