"""What the control plane and its clients cost: write requests, database size, CPU, memory."""

import os
import re
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from customdomains.devcluster.controlplane import ControlPlane

_REQUEST_SECONDS = 30.0
_WRITES = re.compile(r"^apiserver_request_total\{(.*?)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_WRITE_VERBS = {"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}


@dataclass(frozen=True, order=True)
class WriteKind:
    """One kind of write request, as the API server's metrics tell them apart."""

    group: str  # API group, "" for the core
    resource: str  # plural
    subresource: str  # or ""
    verb: str  # POST, PUT, PATCH, APPLY, DELETE, DELETECOLLECTION
    code: str  # HTTP status


def write_requests(plane: ControlPlane) -> Counter[WriteKind]:
    """How many write requests the API server has answered since its start, by kind.

    The difference of two readings is what happened between them.
    """
    counted: Counter[WriteKind] = Counter()
    for labels, value in _WRITES.findall(plane.metrics()):
        label = dict(_LABEL.findall(labels))
        if label["verb"] in _WRITE_VERBS and not label["dry_run"]:
            kind = WriteKind(
                label["group"],
                label["resource"],
                label["subresource"],
                label["verb"],
                label["code"],
            )
            counted[kind] += int(float(value))
    return counted


def etcd_bytes(plane: ControlPlane) -> int:
    """Bytes of etcd's database in use: what is stored, with history that is not compacted yet."""
    return _etcd_metric(plane, "etcd_mvcc_db_total_size_in_use_in_bytes")


def etcd_bytes_put(plane: ControlPlane) -> int:
    """Bytes of keys and values put into etcd since its start; the database adds its pages."""
    return _etcd_metric(plane, "etcd_debugging_mvcc_total_put_size_in_bytes")


def _etcd_metric(plane: ControlPlane, name: str) -> int:
    with urllib.request.urlopen(  # noqa: S310 - an http address of our own
        f"{plane.etcd_url}/metrics", timeout=_REQUEST_SECONDS
    ) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    if not found:
        raise RuntimeError(f"etcd's metrics lack {name}")
    return int(float(found[1]))


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used so far, user and system together (Linux)."""
    # The name in parentheses may hold anything; what follows it is fixed.
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int, *, peak: bool = False) -> int:
    """Memory a process holds at present, or has held at most (Linux)."""
    field = "VmHWM" if peak else "VmRSS"
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)
    if not found:
        raise RuntimeError(f"process {pid} has no {field}")
    return int(found[1]) * 1024
