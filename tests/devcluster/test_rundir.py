"""Run directories: private, and gone at the latest with the next start."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from customdomains.devcluster.rundir import free_port, run_directory

OWNER = """
import sys
from customdomains.devcluster.rundir import run_directory
with run_directory() as directory:
    print(directory, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_it_is_there_while_it_is_used() -> None:
    with run_directory() as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


def test_the_next_start_removes_what_a_killed_run_left_and_nothing_else() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        left = Path(owner.stdout.readline().strip())
        with run_directory() as mine:
            assert left.is_dir()
            with run_directory():
                assert mine.is_dir()
        owner.kill()
    assert left.is_dir()
    with run_directory():
        assert not left.exists()


def test_ports_are_handed_out_once() -> None:
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
