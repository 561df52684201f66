"""Installing programs, with a stand-in for apt-get: nothing is installed here."""

import subprocess
import sys

import pytest

from programs import debian, install

APT = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
    log.write(json.dumps([os.path.exists({policy!r}), os.environ["DEBIAN_FRONTEND"]]) + "\\n")
sys.stderr.write("E: no network here\\n")
sys.exit({code})
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """Makes an `apt-get` that ends with a code, for a root who has no such program at all."""
    policy = tmp_path / "policy-rc.d"
    log = tmp_path / "log"
    log.touch()

    def make(code):
        script = tmp_path / "apt-get"
        values = {"python": sys.executable, "log": str(log), "policy": str(policy), "code": code}
        script.write_text(APT.format(**values))
        script.chmod(0o755)
        return log

    monkeypatch.setattr(install, "_POLICY", policy)
    monkeypatch.setattr(debian, "SYSTEM_PATH", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return make


def test_missing_servers_are_downloaded_and_then_unpacked_without_being_started(
    apt, tmp_path, capsys
):
    log = apt(0)
    assert install.main() == 0
    text = log.read_text()
    lines = [line for line in text.splitlines() if "install" in line]
    groups = (("knot", "bind9", "nsd", "unbound"), ("chromium",), ("prometheus",))
    for names, (first, second) in zip(groups, (lines[:2], lines[2:4], lines[4:]), strict=True):
        assert "--download-only" in first
        assert "--no-download" in second
        for name in names:
            assert f'"{name}"' in first
            assert f'"{name}"' in second
    assert text.count('[true, "noninteractive"]') == 6  # services are held back meanwhile
    assert not (tmp_path / "policy-rc.d").exists()
    assert "Installing knot, bind9, nsd, unbound, " in capsys.readouterr().err


def test_without_a_network_it_says_so_and_fails_nothing(apt, capsys):
    log = apt(100)
    assert install.main() == 0
    assert '"update"' in log.read_text()
    assert "--no-download" not in log.read_text()
    assert "could not be installed: E: no network here" in capsys.readouterr().err


def test_a_policy_of_the_machines_own_stays(apt, tmp_path):
    apt(0)
    policy = tmp_path / "policy-rc.d"
    policy.write_text("of the machine")
    assert install.main() == 0
    assert policy.read_text() == "of the machine"


def test_without_root_nothing_is_tried(apt, monkeypatch, capsys):
    log = apt(0)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert install.main() == 0
    assert log.read_text() == ""
    assert "apt and root are needed" in capsys.readouterr().err


def test_a_download_without_end_is_cut_off(apt, monkeypatch, capsys):
    apt(0)

    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    assert install.main() == 0
    assert "timed out after 300 seconds" in capsys.readouterr().err


def test_who_has_none_is_told_which_packages_to_install(apt):
    apt(0)
    assert debian.why_not(debian.SERVERS, "DNS servers") == (
        "DNS servers are not installed; as root on Debian: apt-get install knot bind9 nsd unbound"
    )


def test_what_is_there_is_not_installed_again(apt, tmp_path, capsys):
    log = apt(0)
    for package in (package for group in debian.GROUPS for package in group):
        for program in package.programs:
            (tmp_path / program).write_text("#!/bin/sh\n")
            (tmp_path / program).chmod(0o755)
    assert debian.why_not(debian.SERVERS, "DNS servers") is None
    assert install.main() == 0
    assert (log.read_text(), capsys.readouterr().err) == ("", "")
