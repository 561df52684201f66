"""kopf reaches the API server with the credentials that everything else here has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import kopf

from customdomains.cluster.config import Connection


def kopf_login(connection: Connection) -> Callable[[], Awaitable[kopf.ConnectionInfo]]:
    """A login for kopf, which is called again whenever the credentials have run out."""

    async def log_in() -> kopf.ConnectionInfo:
        endpoint = connection.endpoint
        scheme, _, token = (endpoint.authorization or "").partition(" ")
        return kopf.ConnectionInfo(
            server=endpoint.base_url,
            ca_path=endpoint.ca_path,
            insecure=endpoint.insecure,
            certificate_path=endpoint.certificate_path,
            private_key_path=endpoint.private_key_path,
            scheme=scheme or None,
            token=token or None,
            proxy_url=endpoint.proxy_url,
        )

    return log_in
