"""The demo as a command of its own, in a directory of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

_MARK = "DEMO_TEST_MARK"


class Demo:
    """A running `customdomains demo`; its output is one text, errors included."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._mark = secrets.token_hex(8)
        self.output = ""
        self.env_file = directory / ".dev" / "env"
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "customdomains", "demo", *arguments],
            cwd=directory,
            env=os.environ | {_MARK: self._mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Demo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self.end()
        assert self._popen.stdout
        self._popen.stdout.close()

    def read_until(self, text: str) -> None:
        """Read on until a line has `text`."""
        assert self._popen.stdout
        for line in self._popen.stdout:
            self.output += line
            if text in line:
                return
        raise AssertionError(f"{text!r} never came:\n{self.output}")

    def send(self, number: signal.Signals) -> None:
        """Signal the command alone, as Ctrl-C does: its children are in other sessions."""
        self._popen.send_signal(number)

    def end(self) -> int:
        """Read to the end; the exit code."""
        assert self._popen.stdout
        self.output += self._popen.stdout.read()
        return self._popen.wait()

    def kill(self, command: str) -> None:
        """kill -9 the process whose command line has `command`."""
        (pid,) = (pid for pid, line in self.processes().items() if command in line)
        os.kill(pid, signal.SIGKILL)

    def processes(self) -> dict[int, str]:
        """All that runs with this command's environment: process ids and command lines."""
        found = {}
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and f"{_MARK}={self._mark}".encode() in (
                    process / "environ"
                ).read_bytes().split(b"\0"):
                    line = (process / "cmdline").read_text().replace("\0", " ")
                    found[int(process.name)] = line
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def assert_nothing_runs(self, within: float = 10.0) -> None:
        """Nothing of it is left, at once or after a moment."""
        deadline = time.monotonic() + within
        while left := self.processes():
            assert time.monotonic() < deadline, f"still running: {left}"
            os.sched_yield()
