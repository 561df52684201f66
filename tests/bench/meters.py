"""What a run has cost by now: requests, bytes in etcd, processor time and memory."""

import base64
import json
import urllib.request
from collections import Counter

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.usage import WriteKind, resident_bytes, write_requests

_APART = {"events", "leases"}


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
