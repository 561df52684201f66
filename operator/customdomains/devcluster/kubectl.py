"""kubectl, bound to one cluster."""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SECONDS = 60.0
_ESTABLISHED_SECONDS = 30.0
_POLL_SECONDS = 0.1


class KubectlError(RuntimeError):
    """kubectl ended with an error; the message is what it printed."""


class Kubectl:
    """The kubectl at `program` with the cluster and the user of `kubeconfig`.

    What it discovers is kept in `cache`, never in the home directory: that may hold what another
    run left of another cluster at the same address.
    """

    def __init__(self, program: Path, kubeconfig: Path, cache: Path) -> None:
        self.program = program
        self.kubeconfig = kubeconfig
        self._cache = cache

    def command(self, *arguments: str | Path, kubeconfig: Path | None = None) -> list[str]:
        """The whole command line, optionally as the user of another `kubeconfig`."""
        chosen = kubeconfig or self.kubeconfig
        parts = (self.program, f"--kubeconfig={chosen}", f"--cache-dir={self._cache}", *arguments)
        return [str(part) for part in parts]

    def run(
        self, *arguments: str | Path, stdin: str | None = None, kubeconfig: Path | None = None
    ) -> str:
        """What kubectl prints. Raises KubectlError with kubectl's own message."""
        done = subprocess.run(
            self.command(*arguments, kubeconfig=kubeconfig),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise KubectlError(done.stderr.strip())
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """What `kubectl get` finds, parsed. Raises KubectlError."""
        return json.loads(self.run("get", *arguments, "-o", "json"))

    def apply_crds(self, directory: Path) -> None:
        """Create or update every CRD in `directory` (*.yaml) and wait until all are served.

        Raises KubectlError.
        """
        files = sorted(directory.glob("*.yaml"))
        if not files:
            return
        chosen = [argument for file in files for argument in ("-f", str(file))]
        self.run("apply", "--server-side", "--force-conflicts", *chosen)
        # Not `kubectl wait`: it fails on a CRD that is so new that it has no conditions yet.
        deadline = time.monotonic() + _ESTABLISHED_SECONDS
        while not all(map(_established, crds := self._list(chosen))):
            if time.monotonic() > deadline:
                raise KubectlError(f"the CRDs are not served after {_ESTABLISHED_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)
        # Established is not yet served: for a moment lists are answered by 429 (Too Many Requests)
        # while the kind's watch cache is filled. kubectl repeats until that is over.
        self.run("get", ",".join(crd["metadata"]["name"] for crd in crds), "--all-namespaces")

    def _list(self, chosen: Sequence[str]) -> list[dict[str, Any]]:
        found = self.get(*chosen)
        items: list[dict[str, Any]] = found.get("items", [found])
        return items


def _established(crd: Mapping[str, Any]) -> bool:
    conditions = crd.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
