"""A directory for one run: data, keys, logs. Removed at its end, at the latest by the next run."""

import fcntl
import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PORTS_VARIABLE = "DEVCLUSTER_PORTS"
"""First and last port to hand out, as in `20000-25999`: runs at the same time need ports of their
own, since one is free between its choice and its use."""

_PREFIX = "customdomains-run-"
# Below every system's range for outgoing connections, so that none of those takes a port either.
_ALL_PORTS = "20000-31999"
_handed_out: set[int] = set()


@contextmanager
def run_directory() -> Iterator[Path]:
    """A fresh private directory, removed when the body ends.

    A killed run can't remove its own, so each start first removes those whose owner is gone: a
    directory's owner holds a lock on a file in it for as long as it lives.
    """
    _remove_orphans()
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with (directory / "owner.new").open("w") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX)
            # Only now is there a lock file for another start to find, and it is held already.
            (directory / "owner.new").rename(directory / "owner.lock")
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _remove_orphans() -> None:
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Another user's, one that vanishes meanwhile, one that is in use or just being made.
        with suppress(OSError), (directory / "owner.lock").open("r+") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    """A loopback port that is free for TCP and UDP, not handed out before by this process."""
    first, last = map(int, os.environ.get(PORTS_VARIABLE, _ALL_PORTS).split("-"))
    ports = range(first, last + 1)
    for port in random.sample(ports, len(ports)):
        if port not in _handed_out and _is_free(port):
            _handed_out.add(port)
            return port
    raise RuntimeError(f"no free port from {first} to {last}")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
