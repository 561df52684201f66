"""`.dev/env`: what another shell sources to reach what runs here."""

from __future__ import annotations

import fcntl
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from customdomains.devcluster.certificates import write_private

ENV_FILE = Path(".dev") / "env"
"""Relative to where the command was started: with `make`, the checkout."""


class AlreadyRunningError(RuntimeError):
    """Another command has its environment in the same directory."""


@contextmanager
def reserved(path: Path) -> Iterator[None]:
    """Keep `path` for this command alone while the body runs; it is removed at the end.

    Raises AlreadyRunningError at once where another command keeps it. One that was killed keeps
    nothing, and what it left is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(
                "the demo, or what `make up` started, runs here already; end it first (Ctrl-C in "
                f"its terminal), or use it: source {path}"
            ) from None
        path.unlink(missing_ok=True)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def write_env(path: Path, variables: Mapping[str, str], program_path: Path | None) -> None:
    """Write `export` lines, readable by their owner alone; `program_path` goes before PATH."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    if program_path is not None:
        lines.append(f"export PATH={shlex.quote(str(program_path))}:$PATH")
    # Appears whole or not at all: somebody may wait for it.
    scratch = path.with_suffix(".new")
    write_private(scratch, "".join(f"{line}\n" for line in lines).encode())
    scratch.rename(path)
