"""The gateway to the Kubernetes API: connection, requests, watch cache, Lease, Events.

It says what the API server says and decides nothing: no policy, no kinds of our own. It is the
only room that imports the kubernetes client.
"""

from customdomains.cluster.client import ApiClient
from customdomains.cluster.config import (
    Connection,
    ConnectionConfigError,
    Endpoint,
    load_connection,
)
from customdomains.cluster.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from customdomains.cluster.resource import Resource

__all__ = [
    "AlreadyExists",
    "ApiClient",
    "ApiError",
    "Conflict",
    "Connection",
    "ConnectionConfigError",
    "Endpoint",
    "Forbidden",
    "Gone",
    "Invalid",
    "NotFound",
    "Resource",
    "TooManyRequests",
    "Unavailable",
    "load_connection",
]
