"""Child processes: started, stopped, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from customdomains.devcluster.processes import Process, ProcessError

# Starts a child, says its pid, and waits to be ended.
PARENT = """
import sys, threading
from pathlib import Path
from customdomains.devcluster.processes import Process, exit_on_sigterm
exit_on_sigterm()
child = Process("sleeper", ["sleep", "600"], log=Path(sys.argv[1]))
try:
    print(child.pid, flush=True)
    threading.Event().wait()
finally:
    child.stop()
    print("stopped in order", flush=True)
"""


def eventually(true: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "did not come true in time"
        os.sched_yield()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
@pytest.mark.parametrize(
    ("number", "orderly"),
    [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGKILL, False)],
)
def test_a_child_dies_with_its_parent(
    tmp_path: Path, number: signal.Signals, orderly: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path / "log"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(number)
        said = parent.stdout.read()
    eventually(lambda: not alive(child))
    assert ("stopped in order" in said) is orderly


def test_a_failed_start_tells_what_the_log_says(tmp_path: Path) -> None:
    process = Process("broken", ["sh", "-c", "echo no such thing; exit 3"], log=tmp_path / "log")
    with pytest.raises(ProcessError, match=r"(?s)broken ended with code 3.*no such thing"):
        process.wait_until(lambda: False, 10.0)


def test_a_program_that_is_not_there_fails_the_same_way(tmp_path: Path) -> None:
    process = Process("missing", [tmp_path / "nothing"], log=tmp_path / "log")
    with pytest.raises(ProcessError, match="No such file"):
        process.wait_until(lambda: False, 10.0)


def test_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    process = Process("slow", ["sleep", "600"], log=tmp_path / "log")
    try:
        with pytest.raises(ProcessError, match=r"slow is not ready after 0\.1 s"):
            process.wait_until(lambda: False, 0.1)
    finally:
        assert process.stop() == -signal.SIGTERM


def test_what_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stubborn = "trap '' TERM; echo up; while :; do sleep 600; done"
    process = Process("stubborn", ["sh", "-c", stubborn], log=log)
    process.wait_until(lambda: "up" in log.read_text(), 10.0)
    assert process.stop(timeout=0.1) == -signal.SIGKILL
    assert not process.running
    assert process.stop() == -signal.SIGKILL
