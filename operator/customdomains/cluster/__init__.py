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
from customdomains.cluster.events import EventSink, ObjectReference
from customdomains.cluster.lease import LeaseRecord, create_lease, get_lease, replace_lease
from customdomains.cluster.resource import Resource
from customdomains.cluster.watch import WatchCache

__all__ = [
    "AlreadyExists",
    "ApiClient",
    "ApiError",
    "Conflict",
    "Connection",
    "ConnectionConfigError",
    "Endpoint",
    "EventSink",
    "Forbidden",
    "Gone",
    "Invalid",
    "LeaseRecord",
    "NotFound",
    "ObjectReference",
    "Resource",
    "TooManyRequests",
    "Unavailable",
    "WatchCache",
    "create_lease",
    "get_lease",
    "load_connection",
    "replace_lease",
]
