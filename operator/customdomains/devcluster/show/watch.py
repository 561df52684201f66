"""What `kubectl get --watch` says about the CustomDomains of one namespace."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from customdomains.devcluster.kubectl import Kubectl
from customdomains.devcluster.processes import Process

_POLL_SECONDS = 0.05

Resource = dict[str, Any]


class DomainWatch:
    """A running `kubectl get customdomains --watch`, from `start()` to `stop()`.

    kubectl writes to the file `log`, so that it dies with this command as every child does.
    """

    def __init__(self, kubectl: Kubectl, namespace: str, log: Path) -> None:
        self._command = kubectl.command(
            "get", "customdomains", "-n", namespace, "--watch", '-o=jsonpath={@}{"\\n"}'
        )
        self._log = log
        self._offset = 0
        self._rest = b""
        self._process: Process | None = None

    def start(self) -> None:
        """Start kubectl; it lists what is there first."""
        self._process = Process("kubectl get --watch", self._command, log=self._log)

    def stop(self) -> None:
        """End kubectl. Stopping what is stopped is no error."""
        if self._process:
            self._process.stop()
            self._process = None

    def changes(self, deadline: float) -> Iterator[Resource | None]:
        """Each object as it was after a change, and None whenever nothing has changed for a
        moment; ends at `deadline` (monotonic clock). Raises ProcessError when kubectl ends.
        """
        while time.monotonic() < deadline:
            found = self._new()
            yield from found
            if not found:
                yield None
                if self._process and not self._process.running:
                    self._process.fail("has ended")
                time.sleep(_POLL_SECONDS)

    def _new(self) -> list[Resource]:
        with self._log.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        self._offset += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        return [json.loads(line) for line in lines if line.startswith(b"{")]
