"""What a caller has to be allowed to do, in Kubernetes' words, for each call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from customdomains.cluster import Resource
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DNS_RECORDS


@dataclass(frozen=True, slots=True)
class Right:
    """To do `verb` (of RBAC) with all objects of `resource` in a namespace."""

    verb: str
    resource: Resource = CUSTOM_DOMAINS


RIGHTS: Mapping[tuple[str, str], Right | None] = {
    ("POST", "/domains"): Right("create"),
    ("GET", "/domains"): Right("list"),
    ("GET", "/domains/{id}"): Right("get"),
    ("GET", "/domains/{id}/events"): Right("get"),
    ("GET", "/domains/{id}/certificate"): Right("get"),
    ("DELETE", "/domains/{id}"): Right("delete"),
    ("POST", "/domains/{id}/verify"): Right("patch"),
    ("POST", "/domains/{id}/issue-certificate"): Right("patch"),
    ("POST", "/domains/{id}/setup-link"): Right("patch"),
    ("GET", "/dns/records"): Right("list", DNS_RECORDS),
    ("POST", "/dns/records"): Right("create", DNS_RECORDS),
    ("DELETE", "/dns/records"): Right("delete", DNS_RECORDS),
    ("GET", "/dns/resolve"): None,
}
"""By method and route. None: whoever is known may call it. What is not here nobody may call."""
