"""Where the control plane's programs come from, without building any."""

import hashlib
import io
import tarfile
import threading
from pathlib import Path

import pytest
import yaml

from customdomains.devcluster import binaries, cache, envtest, gobuild, toolchain

PLACE = "https://github.com/kubernetes-sigs/controller-tools/releases/download"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "customdomains"


def program(path: Path, text: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_named_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in envtest.PROGRAMS:
        program(tmp_path / "assets" / name)
    program(cache.cache_root() / gobuild.PEBBLE.key / "pebble")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    found = binaries.find_binaries()
    assert found.kube_apiserver == tmp_path / "assets" / "kube-apiserver"
    assert found.pebble.is_file()


def test_a_named_directory_that_lacks_a_program_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert binaries.main() == 1
    assert "lacks kube-apiserver, kubectl" in capsys.readouterr().err


def test_every_pinned_source_has_a_version_and_a_key_of_its_own() -> None:
    sources = (
        gobuild.KUBERNETES,
        gobuild.ETCD,
        gobuild.PEBBLE,
        gobuild.STEP_CA,
        gobuild.CADDY,
        gobuild.CERT_MANAGER,
    )
    assert all(source.version.startswith("v") for source in sources)
    assert len({source.key for source in sources}) == len(sources)


def test_two_that_ask_at_once_get_one_filling() -> None:
    calls = []
    both_ask = threading.Barrier(2)

    def fill(directory: Path) -> None:
        calls.append(directory)
        (directory / "content").touch()

    def ask() -> None:
        both_ask.wait(10)
        assert (cache.filled("key", fill) / "content").exists()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1


def test_a_filling_that_fails_leaves_nothing(own_cache: Path) -> None:
    def fill(directory: Path) -> None:
        (directory / "half").touch()
        raise gobuild.BuildError("no compiler")

    with pytest.raises(gobuild.BuildError):
        cache.filled("key", fill)
    assert [path.name for path in own_cache.iterdir()] == ["key.lock"]


class Network:
    """What the official place offers: an index and an archive."""

    def __init__(self) -> None:
        _, machine = cache.platform_key()
        system = cache.platform_key()[0]
        self.name = f"envtest-v1.37.0-{system}-{machine}.tar.gz"
        self.archive = self.pack(envtest.PROGRAMS)
        self.sha512 = hashlib.sha512(self.archive).hexdigest()
        self.link = f"{PLACE}/envtest-v1.37.0/{self.name}"

    @staticmethod
    def pack(names: tuple[str, ...]) -> bytes:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name in names:
                member = tarfile.TarInfo(f"controller-tools/envtest/{name}")
                member.size = 4
                archive.addfile(member, io.BytesIO(b"#!sh"))
        return content.getvalue()

    def fetch(self, address: str, _seconds: float) -> bytes:
        if not address.endswith("envtest-releases.yaml"):
            assert address == self.link
            return self.archive
        entry = {"hash": self.sha512, "selfLink": self.link}
        return yaml.safe_dump({"releases": {"v1.36.0": {}, "v1.37.0": {self.name: entry}}}).encode()


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(envtest, "_fetch", network.fetch)
    return network


def test_the_archive_is_used_if_it_has_the_published_sum(network: Network) -> None:
    directory = envtest.downloaded("v1.37.2")
    assert directory
    assert sorted(path.name for path in directory.iterdir()) == sorted(envtest.PROGRAMS)


@pytest.mark.parametrize("trouble", ["sum", "lacking", "minor", "elsewhere", "broken"])
def test_any_trouble_with_the_archive_means_there_is_none(
    network: Network, trouble: str, capsys: pytest.CaptureFixture[str], own_cache: Path
) -> None:
    if trouble == "sum":
        network.archive += b"x"
    elif trouble == "elsewhere":
        network.link = "https://example.com/archive.tar.gz"
    elif trouble in {"lacking", "broken"}:
        network.archive = network.pack(("etcd",)) if trouble == "lacking" else b"no archive"
        network.sha512 = hashlib.sha512(network.archive).hexdigest()
    version = "v1.38.0" if trouble == "minor" else "v1.37.2"
    assert envtest.downloaded(version) is None
    assert "No envtest archive of Kubernetes" in capsys.readouterr().err
    assert all(path.suffix == ".lock" for path in own_cache.iterdir())


def test_a_network_that_refuses_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(envtest, "_INDEX", "http://127.0.0.1:1/index")
    assert envtest.downloaded("v1.37.2") is None
    assert "refused" in capsys.readouterr().err


def test_an_old_go_on_the_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = program(tmp_path / "old" / "go", "echo go1.21.3")
    new = program(tmp_path / "new" / "go", "echo go1.99.1")
    installed = []
    monkeypatch.setattr(toolchain, "_install", installed.append)
    monkeypatch.setenv("PATH", f"{new.parent}:/bin:/usr/bin")
    assert toolchain.find_go() == new
    assert installed == []
    monkeypatch.setenv("PATH", f"{old.parent}:/bin:/usr/bin")
    assert toolchain.find_go().is_relative_to(cache.cache_root())
    assert len(installed) == 1


def test_a_failed_build_ends_with_what_the_compiler_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    says = 'case $1 in env) echo go1.99.1;; *) echo "dial tcp: refused"; exit 1;; esac'
    go = program(tmp_path / "bin" / "go", says)
    monkeypatch.setenv("PATH", f"{go.parent}:/bin:/usr/bin")
    with pytest.raises(
        gobuild.BuildError, match=r"building pebble v\S+ failed:\ndial tcp: refused"
    ):
        gobuild.built(gobuild.PEBBLE)
    assert "failed after" in capsys.readouterr().err
