"""Builds pinned programs from the Go module proxy.

Each folder below `go/` is a module of its own whose go.mod and go.sum pin every dependency, so a
build is verified against those hashes wherever the modules come from.
"""

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from customdomains.devcluster.cache import filled, platform_key
from customdomains.devcluster.processes import Process, ProcessError
from customdomains.devcluster.progress import step
from customdomains.devcluster.toolchain import find_go

_MODULES = Path(__file__).parent / "go"
_TIMEOUT_SECONDS = 3600
# A go.work or GOFLAGS of the person's own must not change what is built.
_ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}


class BuildError(RuntimeError):
    """The Go compiler or the module proxy refused; the message ends with what it said."""


@dataclass(frozen=True)
class Source:
    """One Go module and the programs made of it."""

    name: str  # the folder below go/
    module: str  # the module path whose version is the program's
    packages: tuple[str, ...]  # one program each
    usually: str  # how long a build takes with nothing cached, in words
    version_flags: tuple[str, ...] = ()  # linker variables, "{version}" stands for the version
    beside: str = ""  # a folder of the module to copy next to the programs

    @property
    def version(self) -> str:
        """The pinned version, as "v1.37.2", read from go.mod."""
        pinned = (_MODULES / self.name / "go.mod").read_text()
        found = re.search(rf"^require {re.escape(self.module)} (\S+)$", pinned, re.MULTILINE)
        if not found:
            raise BuildError(f"go/{self.name}/go.mod does not require {self.module}")
        return found[1]

    @property
    def key(self) -> str:
        """Name of the cache directory: a different one for every set of pinned dependencies."""
        digest = hashlib.sha256()
        for name in ("go.mod", "go.sum"):
            digest.update((_MODULES / self.name / name).read_bytes())
        if "." in self.packages:  # a program of our own
            digest.update((_MODULES / self.name / "main.go").read_bytes())
        system, machine = platform_key()
        return f"{self.name}-{self.version}-{system}-{machine}-{digest.hexdigest()[:8]}"


KUBERNETES = Source(
    name="kubernetes",
    module="k8s.io/kubernetes",
    packages=("k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl"),
    usually="4-10 min on 2 cores",
    # Without these the server calls itself v0.0.0-master and clients warn about it.
    version_flags=(
        "k8s.io/component-base/version.gitVersion={version}",
        "k8s.io/component-base/version.gitMajor={major}",
        "k8s.io/component-base/version.gitMinor={minor}",
    ),
)
ETCD = Source(
    name="etcd",
    module="go.etcd.io/etcd/server/v3",
    packages=("go.etcd.io/etcd/server/v3",),
    usually="20-40 s",
)
PEBBLE = Source(
    name="pebble",
    module="github.com/letsencrypt/pebble/v2",
    packages=("github.com/letsencrypt/pebble/v2/cmd/pebble",),
    usually="5-20 s",
)
STEP_CA = Source(
    name="stepca",
    module="github.com/smallstep/certificates",
    packages=("github.com/smallstep/certificates/cmd/step-ca",),
    usually="1-2 min",
)
CADDY = Source(
    name="caddy",
    module="github.com/caddyserver/caddy/v2",
    packages=("github.com/caddyserver/caddy/v2/cmd/caddy",),
    usually="1-2 min",
)
CERT_MANAGER = Source(
    name="certmanager",
    module="github.com/cert-manager/cert-manager",
    packages=(".",),
    usually="2-8 min on 2 cores",
    beside="deploy/crds",
)


def built(source: Source) -> Path:
    """The directory with the programs of `source`, built if the cache has none.

    Raises BuildError or ToolchainError.
    """
    return filled(source.key, lambda directory: _build(source, directory))


def _build(source: Source, directory: Path) -> None:
    go = find_go()
    major, minor, _ = source.version.removeprefix("v").split(".", 2)
    variables = (
        flag.format(version=source.version, major=major, minor=minor)
        for flag in source.version_flags
    )
    linker = " ".join(["-s", "-w", *(f"-X {variable}" for variable in variables)])
    # The trailing separator makes -o a directory, which names each program after its package.
    where = ["-C", str(_MODULES / source.name)]
    output = ["-trimpath", "-ldflags", linker, "-o", f"{directory}{os.sep}"]
    log = directory / "build.log"
    with step(f"Building {source.name} {source.version} from the Go module proxy", source.usually):
        compiler = Process(
            "go build",
            [go, *where, "build", *output, *source.packages],
            log=log,
            environment=_ENVIRONMENT,
        )
        try:
            code = compiler.wait(_TIMEOUT_SECONDS)
        except ProcessError as error:
            raise BuildError(str(error)) from error
        finally:
            compiler.stop()
        if code:
            said = compiler.last_lines()
            raise BuildError(f"building {source.name} {source.version} failed:\n{said}")
    if source.beside:
        _copy_beside(go, source, directory)
    log.unlink()


def _copy_beside(go: Path, source: Source, directory: Path) -> None:
    """The folder as the module has it; the build has downloaded and verified that."""
    where = subprocess.run(
        [go, "-C", str(_MODULES / source.name), "list", "-m", "-f", "{{.Dir}}", source.module],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **_ENVIRONMENT},
        check=False,
    )
    if where.returncode:
        raise BuildError(f"{source.module} can't be found:\n{where.stderr.strip()}")
    kept = directory / Path(source.beside).name
    kept.mkdir()
    for each in sorted((Path(where.stdout.strip()) / source.beside).iterdir()):
        shutil.copyfile(each, kept / each.name)
