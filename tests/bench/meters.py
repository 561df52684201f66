"""What a run has cost by now: requests, bytes in etcd, processor time and memory."""

import base64
import json
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.usage import (
    WriteKind,
    cpu_seconds,
    etcd_bytes,
    etcd_bytes_put,
    resident_bytes,
    write_requests,
)
from tests.bench.stage import Stage

_EVENTS = "/registry/events/"
_KEPT = ("/registry/customdomains.dev/", "/registry/secrets/")
_APART = {"events", "leases"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What was counted up to a moment; the difference of two is what happened between them.

    `put` are the bytes of keys and values put into etcd, Events apart; `kept` those of them that
    compaction leaves, of domains, claims and Secrets; `database` is its size in use, with
    everything; `cpu` is in seconds by what a process does; `at` is monotonic.
    """

    at: float
    writes: Counter[WriteKind]
    put: int
    kept: int
    events: int
    database: int
    cpu: Counter[str]

    def __sub__(self, before: "Reading") -> "Reading":
        return Reading(
            self.at - before.at,
            self.writes - before.writes,
            self.put - before.put,
            self.kept - before.kept,
            self.events - before.events,
            self.database - before.database,
            self.cpu - before.cpu,
        )


def read(stage: Stage) -> Reading:
    """Read everything now."""
    plane = stage.control_plane
    # Every Event is put once, so what is there of them is what was put.
    events = stored_bytes(plane, _EVENTS)
    return Reading(
        at=time.monotonic(),
        writes=api_writes(plane),
        put=etcd_bytes_put(plane) - events,
        kept=sum(stored_bytes(plane, prefix) for prefix in _KEPT),
        events=events,
        database=etcd_bytes(plane),
        cpu=Counter({name: sum(map(cpu_seconds, pids)) for name, pids in stage.pids.items()}),
    )


def api_writes(plane: ControlPlane) -> Counter[WriteKind]:
    """Write requests the API server has served, Events and Leases apart."""
    counted = write_requests(plane)
    return Counter({kind: n for kind, n in counted.items() if kind.resource not in _APART})


def stored_bytes(plane: ControlPlane, prefix: str) -> int:
    """Bytes of the newest keys and values below `prefix` in etcd (its gRPC gateway)."""
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    question = {
        "key": base64.b64encode(prefix.encode()).decode(),
        "range_end": base64.b64encode(end.encode()).decode(),
    }
    request = urllib.request.Request(  # noqa: S310 - an http address of our own
        f"{plane.etcd_url}/v3/kv/range", data=json.dumps(question).encode()
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
        entries = json.load(answer).get("kvs", [])
    return sum(
        len(base64.b64decode(entry["key"])) + len(base64.b64decode(entry["value"]))
        for entry in entries
    )


def resident_mib(pid: int) -> float:
    """Resident memory now."""
    return resident_bytes(pid) / 2**20


def peak_mib(pid: int) -> float:
    """The most it ever was."""
    return resident_bytes(pid, peak=True) / 2**20
