"""Child processes that never outlive the command that started them.

A stopped command stops its children in order; one that is killed outright (even by SIGKILL) takes
them with it, since the kernel signals them when their parent dies. That last part is Linux's
PR_SET_PDEATHSIG; elsewhere only an orderly end cleans up.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

_POLL_SECONDS = 0.02
_LOG_LINES = 30

# Runs in a fresh interpreter between fork and the program: code between fork and exec in the
# parent itself (preexec_fn) can deadlock as soon as the parent has threads. The parent may have
# died before the request was made, so it is looked for once more afterwards.
_WRAPPER = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""

# The kernel signals a child when the *thread* that started it ends, so one thread that lives as
# long as the interpreter starts them all.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class ProcessError(RuntimeError):
    """A process did not start or ended too early; the message ends with its last log lines."""


class Process:
    """A running program in a session of its own, its output appended to `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command` at once. `environment` is added to this process's own."""
        self.name = name
        self.log = log
        wrapped = [sys.executable, "-I", "-S", "-c", _WRAPPER, str(os.getpid())]
        with log.open("ab") as output:
            self._popen = _SPAWNER.submit(
                subprocess.Popen,
                [*wrapped, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environment or {}),
                # Ctrl-C on the terminal reaches the command alone, which then stops its children
                # in the right order.
                start_new_session=True,
            ).result()

    @property
    def pid(self) -> int:
        """The program's process id (the wrapper is replaced by it)."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """False as soon as the program has ended."""
        return self._popen.poll() is None

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Return when `ready()` is true. Raises ProcessError if the program ends first, or after
        `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                self.fail(f"ended with code {self._popen.returncode}")
            if time.monotonic() > deadline:
                self.fail(f"is not ready after {timeout:g} s")
            time.sleep(_POLL_SECONDS)

    def fail(self, what: str) -> NoReturn:
        """Raise a ProcessError that says `what` of this process and what its log says last."""
        raise ProcessError(f"{self.name} {what}; {self.log} ends with:\n{self.last_lines()}")

    def last_lines(self) -> str:
        """The end of the log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])

    def wait(self, timeout: float) -> int:
        """Return the exit code. Raises ProcessError if the program still runs after `timeout`."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.fail(f"still runs after {timeout:g} s")

    def stop(self, timeout: float = 10.0) -> int:
        """Ask to end (SIGTERM), insist after `timeout` seconds (SIGKILL). Returns the exit code.

        Stopping what has ended is no error.
        """
        if self.running:
            self._signal(signal.SIGTERM)
            try:
                return self._popen.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
        return self.kill()

    def kill(self) -> int:
        """End it this instant (SIGKILL), as a crash would. Returns the exit code."""
        if self.running:
            self._signal(signal.SIGKILL)
        return self._popen.wait(10.0)

    def _signal(self, number: signal.Signals) -> None:
        # The session is the program's own, so its process group holds it and its children.
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def exit_on_sigterm() -> None:
    """Make SIGTERM end this command the way Ctrl-C does: through its `finally` blocks."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
