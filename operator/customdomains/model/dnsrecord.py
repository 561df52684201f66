"""The DNSRecord resource: records of the platform's own, at one name and of one type."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from customdomains.model.dnsvalues import RecordType, owner_name, value_or_as_it_is
from customdomains.model.domain import API_VERSION
from customdomains.model.times import parse_time

DEFAULT_TTL = 60
MAX_TTL = 86_400
"""Seconds, as in the CRD."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_OBJECT_NAME = 253


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """`values` are canonical where they can be read at all; `ttl` is in seconds.

    `name` is canonical, without the root's dot. Two versions of an object that say the same are
    equal.
    """

    namespace: str
    object_name: str
    uid: str
    resource_version: str = field(compare=False)
    created: datetime
    name: str
    type: RecordType
    values: tuple[str, ...]
    ttl: int = DEFAULT_TTL

    @property
    def key(self) -> str:
        """`namespace/name` of the object."""
        return f"{self.namespace}/{self.object_name}"

    @property
    def seniority(self) -> tuple[datetime, bool, str]:
        """Of two records that can't both be, the one where this is smaller came first.

        Within one second that can't be told: then a CNAME, which would allow no other, gives way.
        """
        return self.created, self.type is RecordType.CNAME, self.uid


def parse_record(body: Mapping[str, Any]) -> DnsRecord:
    """Parse a DNSRecord that passed the CRD's schema.

    Raises `ValueError` for a name or a type that the schema does not let through.
    """
    meta, spec = body["metadata"], body["spec"]
    kind = RecordType(spec["type"])
    return DnsRecord(
        namespace=meta["namespace"],
        object_name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        created=parse_time(meta.get("creationTimestamp")) or _EPOCH,
        name=owner_name(spec["name"]),
        type=kind,
        values=tuple(dict.fromkeys(value_or_as_it_is(kind, text) for text in spec["values"])),
        ttl=spec.get("ttl", DEFAULT_TTL),
    )


def render_record(record: DnsRecord) -> dict[str, Any]:
    """The object to create, or with uid and resourceVersion to put in the place of another."""
    metadata: dict[str, Any] = {"namespace": record.namespace, "name": record.object_name}
    if record.uid:
        metadata |= {"uid": record.uid, "resourceVersion": record.resource_version}
    return {
        "apiVersion": API_VERSION,
        "kind": "DNSRecord",
        "metadata": metadata,
        "spec": {
            "name": record.name,
            "type": str(record.type),
            "values": list(record.values),
            "ttl": record.ttl,
        },
    }


def object_name(name: str, kind: RecordType) -> str:
    """What the one object is called that the HTTP API keeps for `name` (canonical) and `kind`.

    The type, a dot and the name where that can be the name of an object, such as
    `a.www.example.com`; else the type, a hyphen and the name's hash: underscores can't be in it.
    """
    plain = f"{kind.lower()}.{name}"
    if len(plain) <= _MAX_OBJECT_NAME and _OBJECT_NAME.fullmatch(plain):
        return plain
    return f"{kind.lower()}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
