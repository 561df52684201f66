"""What people do to Secrets."""

import base64
from typing import Any

from fake_cluster import FakeCluster

from customdomains.model.keys import KeyPair


def delete_secret(cluster: FakeCluster, name: str = "shop-tls", namespace: str = "one") -> None:
    """By hand, or by a tool that prunes what it does not know. An order under way loses its key."""
    cluster.ca.excused.update(cluster.ca.orders)
    for order in cluster.ca.orders.values():
        cluster.wanted[order.names[0]] += 1
    cluster._as_user(cluster.api.delete, "secrets", namespace, name, {})


def change_secret(
    cluster: FakeCluster,
    name: str = "shop-tls",
    namespace: str = "one",
    data: dict[str, str] | None = None,
    **meta: Any,
) -> None:
    """Change metadata, or (`data`, as text) what is in it."""
    changes: dict[str, Any] = {"metadata": meta}
    if data is not None:
        cluster.ca.excused.update(cluster.ca.orders)
        for order in cluster.ca.orders.values():
            cluster.wanted[order.names[0]] += 1
        changes["data"] = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    cluster._as_user(cluster.api.patch, "secrets", namespace, name, changes)


def stored(cluster: FakeCluster, name: str = "one/shop-tls") -> KeyPair:
    """What a Secret holds."""
    data = cluster.secrets()[name]
    return KeyPair(data["tls.key"], data["tls.crt"])
