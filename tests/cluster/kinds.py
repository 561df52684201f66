"""Core kinds that every API server has, to be used as objects of any kind."""

from typing import Any

from customdomains.cluster import Resource

CONFIG_MAPS = Resource("", "v1", "configmaps", namespaced=True)
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
SERVICES = Resource("", "v1", "services", namespaced=True)


def config_map(namespace: str, name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap as one creates it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name},
        "data": data,
    }
