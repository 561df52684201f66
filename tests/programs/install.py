"""Installs the programs that tests run: `python -m tests.programs.install`.

Debian's packages, where apt and root are there; silent where nothing is missing. It never fails:
without the programs their tests are skipped, and say so. A package's own service is not started.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from customdomains.devcluster.progress import say, step

from .debian import GROUPS, Package

_POLICY = Path("/usr/sbin/policy-rc.d")
_FETCHING = ("-o", "Acquire::http::Timeout=15", "-o", "Acquire::Retries=1")
_FETCH_SECONDS = 300
_UNPACK_SECONDS = 300


def main() -> int:
    """Install what is missing. Returns the exit code, which is always 0."""
    for group in GROUPS:
        _provide(group)
    return 0


def _provide(group: tuple[Package, ...]) -> None:
    names = [package.name for package in group if package.missing()]
    if not names:
        return
    what = ", ".join(names)
    if not shutil.which("apt-get") or os.geteuid() != 0:
        say(f"Programs for the tests: {what} missing; apt and root are needed to install them")
        return
    try:
        with step(f"Installing {what} from Debian's packages", "10-150 s"), _no_services():
            _install(names)
    except (OSError, subprocess.SubprocessError) as error:
        say(f"Programs for the tests: {what} could not be installed: {_told(error)}")


def _install(names: list[str]) -> None:
    """Download, with new lists where the old ones lead nowhere, and unpack.

    Only the download may be cut off: a half unpacked package would be in everybody's way.
    """
    wanted = ["install", "--yes", "--no-install-recommends", *names]
    try:
        _apt(*_FETCHING, *wanted, "--download-only", seconds=_FETCH_SECONDS)
    except subprocess.CalledProcessError:
        _apt(*_FETCHING, "update", seconds=_FETCH_SECONDS)
        _apt(*_FETCHING, *wanted, "--download-only", seconds=_FETCH_SECONDS)
    _apt(*wanted, "--no-download", seconds=_UNPACK_SECONDS)


def _apt(*arguments: str, seconds: float) -> None:
    subprocess.run(
        ["apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=60", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=True,
    )


@contextmanager
def _no_services() -> Iterator[None]:
    """Tell Debian's packages not to start what they bring (invoke-rc.d asks policy-rc.d)."""
    if _POLICY.exists():  # the machine has a policy of its own, as containers have
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    try:
        _POLICY.chmod(0o755)
        yield
    finally:
        with suppress(FileNotFoundError):
            _POLICY.unlink()


def _told(error: Exception) -> str:
    """What apt said last."""
    said = getattr(error, "stderr", None) or ""
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else str(error)


if __name__ == "__main__":
    sys.exit(main())
