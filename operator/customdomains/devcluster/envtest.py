"""The official envtest archive: etcd, kube-apiserver and kubectl, ready-made, where the network
allows the download.

Its release index names an archive per Kubernetes minor version with its SHA-512; the archive is
used only if it has that sum. Any trouble means "not available": the caller builds instead.
"""

import hashlib
import http.client
import io
import os
import re
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from customdomains.devcluster.cache import filled, platform_key
from customdomains.devcluster.progress import say, step

PROGRAMS = ("etcd", "kube-apiserver", "kubectl")

_PLACE = "https://github.com/kubernetes-sigs/controller-tools"
_INDEX = f"{_PLACE}/raw/main/envtest-releases.yaml"
_ANSWER_SECONDS = 4.0  # for a connection and for each read
_INDEX_SECONDS = 10.0
_ARCHIVE_SECONDS = 300.0
_CHUNK = 1 << 20


class _UnavailableError(Exception):
    """Why there is no archive, for a person."""


def downloaded(version: str) -> Path | None:
    """The directory with the programs of the minor version of `version` ("v1.37.2").

    None where the archive can't be had; the reason is said in a line.
    """
    minor = ".".join(version.split(".")[:2])
    system, machine = platform_key()
    try:
        return filled(
            f"envtest-{minor}-{system}-{machine}",
            lambda directory: _download(minor, directory),
        )
    except _UnavailableError as why:
        say(f"No envtest archive of Kubernetes {minor} ({why})")
        return None


def _download(minor: str, directory: Path) -> None:
    address, sha512 = _choose(minor, _fetch(_INDEX, _INDEX_SECONDS))
    with step(f"Downloading {address.rsplit('/', 1)[-1]}", "10-60 s"):
        archive = _fetch(address, _ARCHIVE_SECONDS)
    if hashlib.sha512(archive).hexdigest() != sha512:
        raise _UnavailableError("the archive's checksum is not the published one")
    _unpack(archive, directory)


def _choose(minor: str, index: bytes) -> tuple[str, str]:
    """Address and SHA-512 of the newest archive of `minor` for this machine."""
    system, machine = platform_key()
    found: list[tuple[int, str, str]] = []
    with _as_unavailable():
        for version, archives in yaml.safe_load(index)["releases"].items():
            release = re.fullmatch(rf"{re.escape(minor)}\.(\d+)", version)
            facts = archives.get(f"envtest-{version}-{system}-{machine}.tar.gz")
            if release and facts:
                found.append((int(release[1]), facts["selfLink"], facts["hash"]))
    if not found:
        raise _UnavailableError("none is published")
    _, address, sha512 = max(found)
    if not address.startswith(f"{_PLACE}/"):
        raise _UnavailableError("the index points somewhere else")
    return address, sha512


def _fetch(address: str, seconds: float) -> bytes:
    """The body at `address`, given up after `seconds` in all."""
    deadline = time.monotonic() + seconds
    body = io.BytesIO()
    with (
        _as_unavailable(),
        urllib.request.urlopen(address, timeout=_ANSWER_SECONDS) as answer,  # noqa: S310 - https
    ):
        while chunk := answer.read(_CHUNK):
            body.write(chunk)
            if time.monotonic() > deadline:
                raise _UnavailableError(f"the download takes longer than {seconds:.0f} s")
    return body.getvalue()


def _unpack(archive: bytes, directory: Path) -> None:
    """Write the programs, and nothing else the archive may hold, into `directory`."""
    with _as_unavailable(), tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        for member in members:
            name = member.name.rsplit("/", 1)[-1]
            content = members.extractfile(member) if member.isfile() else None
            if name in PROGRAMS and content:
                target = directory / name
                target.write_bytes(content.read())
                target.chmod(0o755)
    missing = [name for name in PROGRAMS if not os.access(directory / name, os.X_OK)]
    if missing:
        raise _UnavailableError(f"the archive lacks {', '.join(missing)}")


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except urllib.error.URLError as error:
        raise _UnavailableError(str(error.reason)) from error
    except (OSError, http.client.HTTPException, tarfile.TarError, yaml.YAMLError) as error:
        raise _UnavailableError(str(error) or type(error).__name__) from error
    except (KeyError, AttributeError, TypeError) as error:
        raise _UnavailableError("the index has another form than expected") from error
