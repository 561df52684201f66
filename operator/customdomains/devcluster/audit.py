"""The API server's audit log of writes: who wrote what, to count requests exactly."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # One line a request, written when it is answered.
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {
            "level": "Metadata",
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
        },
        {"level": "None"},
    ],
}


@dataclass(frozen=True)
class Write:
    """One write request that was answered, also one that was refused (see `code`)."""

    user: str  # as "system:serviceaccount:operator:controller"
    agent: str  # the client's User-Agent
    verb: str  # create, update, patch, delete, deletecollection
    group: str  # API group, "" for the core
    resource: str  # plural, as "customdomains"
    subresource: str  # as "status", or ""
    namespace: str  # "" for what is cluster-scoped
    name: str  # "" where the server makes it or a collection is meant
    code: int  # HTTP status of the answer


class AuditLog:
    """The audit log in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._policy = directory / "audit-policy.yaml"
        self._log = directory / "audit.log"
        self._policy.write_text(yaml.safe_dump(_POLICY))

    @property
    def flags(self) -> Sequence[str]:
        """What tells the API server to keep it."""
        return (
            f"--audit-policy-file={self._policy}",
            f"--audit-log-path={self._log}",
            # Not batched: the line is written before the request is over.
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=4096",  # MB; past it the log would start anew
        )

    def writes(self) -> list[Write]:
        """All writes so far, in the order of their answers."""
        if not self._log.exists():
            return []
        # The last line may be half written.
        lines = self._log.read_text().split("\n")[:-1]
        return [_write(json.loads(line)) for line in lines]


def _write(event: dict[str, Any]) -> Write:
    target = event.get("objectRef", {})
    return Write(
        user=event["user"]["username"],
        agent=event.get("userAgent", ""),
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )
