"""Where the control plane's programs come from: the first of

1. the directory `KUBEBUILDER_ASSETS`, as other operator projects use it;
2. the project's cache outside the repository;
3. the official envtest archive, where the network allows the download;
4. a build from the Go module proxy with pinned versions.

1 and 3 hold etcd, kube-apiserver and kubectl; ACME servers and edge proxy are always built.

`python -m customdomains.devcluster.binaries [--caddy] [--step-ca] [--cert-manager]` fetches or
builds what is missing, with the tests' edge proxy, the second ACME server of tests and benchmarks
and the tests' cert-manager where they are named.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from customdomains.devcluster import envtest, gobuild
from customdomains.devcluster.cache import cache_root
from customdomains.devcluster.progress import say
from customdomains.devcluster.toolchain import ToolchainError

_ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"


class MissingBinaryError(RuntimeError):
    """A directory the user named lacks a program."""


@dataclass(frozen=True)
class Binaries:
    """Paths of the programs the demo and the tests need."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    pebble: Path


def find_binaries() -> Binaries:
    """The programs, downloaded or built first if need be (minutes, with progress).

    Raises MissingBinaryError, BuildError or ToolchainError.
    """
    etcd, apiserver, kubectl = _assets() or _cached() or _downloaded() or _built()
    pebble = gobuild.built(gobuild.PEBBLE) / "pebble"
    return Binaries(etcd=etcd, kube_apiserver=apiserver, kubectl=kubectl, pebble=pebble)


def find_caddy() -> Path:
    """The edge proxy of the tests, built if need be. Raises BuildError or ToolchainError."""
    return gobuild.built(gobuild.CADDY) / "caddy"


def find_step_ca() -> Path:
    """The second ACME server, built if need be. Raises BuildError or ToolchainError."""
    return gobuild.built(gobuild.STEP_CA) / "step-ca"


def find_cert_manager() -> Path:
    """The directory with cert-manager's controllers (`certmanager`) and its CRDs (`crds`), built
    if need be. Raises BuildError or ToolchainError."""
    return gobuild.built(gobuild.CERT_MANAGER)


_Three = tuple[Path, Path, Path]


def _in(directory: Path) -> _Three:
    etcd, apiserver, kubectl = (directory / name for name in envtest.PROGRAMS)
    return etcd, apiserver, kubectl


def _assets() -> _Three | None:
    named = os.environ.get(_ASSETS_VARIABLE)
    if not named:
        return None
    programs = _in(Path(named))
    missing = [path.name for path in programs if not os.access(path, os.X_OK)]
    if missing:
        raise MissingBinaryError(
            f"{_ASSETS_VARIABLE} is {named}, which lacks {', '.join(missing)}; "
            "unset it to have them built"
        )
    return programs


def _cached() -> _Three | None:
    """What an earlier build left. (An earlier download is found by `_downloaded`.)"""
    root = cache_root()
    if all((root / source.key).is_dir() for source in (gobuild.KUBERNETES, gobuild.ETCD)):
        return _built()
    return None


def _downloaded() -> _Three | None:
    directory = envtest.downloaded(gobuild.KUBERNETES.version)
    return _in(directory) if directory else None


def _built() -> _Three:
    kubernetes = gobuild.built(gobuild.KUBERNETES)
    # Go names a program after the last element of its package that is no version.
    etcd = gobuild.built(gobuild.ETCD) / "server"
    return etcd, kubernetes / "kube-apiserver", kubernetes / "kubectl"


def main() -> int:
    """Make all programs ready. Returns the exit code."""
    try:
        find_binaries()
        if "--caddy" in sys.argv[1:]:
            find_caddy()
        if "--step-ca" in sys.argv[1:]:
            find_step_ca()
        if "--cert-manager" in sys.argv[1:]:
            find_cert_manager()
    except (MissingBinaryError, ToolchainError, gobuild.BuildError) as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
