"""The project's cache outside the repository: what is built once is there for every checkout."""

import fcntl
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from customdomains.devcluster.progress import say


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/customdomains`, or the same below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "customdomains"


def platform_key() -> tuple[str, str]:
    """Operating system and machine in Go's words, as ("linux", "amd64")."""
    machine = platform.machine().lower()
    return platform.system().lower(), {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def filled(key: str, fill: Callable[[Path], None]) -> Path:
    """The cache's directory `key`, filled by `fill(directory)` if it is not there yet.

    Two processes that ask at once get one filling: the second waits for the first. The directory
    appears whole or not at all, since it is filled under another name and then renamed.
    """
    root = cache_root()
    wanted = root / key
    if wanted.is_dir():
        return wanted
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / f"{key}.lock"):
        if wanted.is_dir():
            return wanted
        scratch = Path(tempfile.mkdtemp(prefix=f"{key}.part-", dir=root))
        try:
            fill(scratch)
            scratch.chmod(0o755)
            scratch.rename(wanted)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return wanted


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another process that fills {path.with_suffix('')}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
