"""How to reach the API server, and as whom.

In a pod: the service account's files, which are read again as they rotate. Anywhere else: a
kubeconfig, loaded by the kubernetes client, which knows the credential plugins. That client is
imported only then: it costs a process 24 MiB and most of a second of start-up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_log = logging.getLogger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_LOAD_TIMEOUT = 30.0  # seconds; a credential plugin may have to ask its cloud
_IN_CLUSTER_RENEWAL = 60.0  # seconds between reads of the token, as client-go has it
_EXPIRY_MARGIN = 300.0  # seconds before its end at which a plugin's token is replaced
_RENEWAL_PAUSE = 5.0  # seconds that at least lie between two renewals


class ConnectionConfigError(Exception):
    """There is no usable configuration; the message says where it was looked for."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The API server's address with the caller's credentials, as loaded at one moment.

    `authorization` is the whole header value, None where a client certificate identifies the
    caller. `renew_in` is in seconds, None where the credentials last until they are refused.
    """

    base_url: str
    ca_path: str | None = None
    certificate_path: str | None = None
    private_key_path: str | None = None
    insecure: bool = False
    server_name: str | None = None
    proxy_url: str | None = None
    authorization: str | None = field(default=None, repr=False)
    renew_in: float | None = None


class Connection:
    """An endpoint whose credentials are kept fresh."""

    def __init__(self, endpoint: Endpoint, load: Callable[[], Awaitable[Endpoint]]) -> None:
        """`load` gives the endpoint anew; what it raises is logged and tried again later."""
        self.base_url = endpoint.base_url
        self.ssl_context = _ssl_context(endpoint)
        self._endpoint = endpoint
        self._load = load
        self._renewal: asyncio.Task[None] | None = None
        self._renewed_at = time.monotonic()
        self._renew_at = self._next_renewal(endpoint)
        self._headers = _headers(endpoint)

    @property
    def endpoint(self) -> Endpoint:
        """What was loaded last, for another client that connects by itself."""
        return self._endpoint

    async def headers(self) -> Mapping[str, str]:
        """The Authorization header, or nothing. Never waits: a renewal runs in the background,
        well before what it replaces expires.
        """
        if time.monotonic() >= self._renew_at:
            self._start_renewal()
        return self._headers

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """After a 401 for `refused`: fetch new credentials; True when there are others now."""
        if self._headers is refused:
            await asyncio.shield(self._start_renewal())
        return self._headers != refused

    def _start_renewal(self) -> asyncio.Task[None]:
        """The renewal under way, or a new one unless one has only just ended."""
        pause_over = time.monotonic() - self._renewed_at >= _RENEWAL_PAUSE
        if self._renewal is None or (self._renewal.done() and pause_over):
            self._renewal = asyncio.create_task(self._renew())
        return self._renewal

    async def _renew(self) -> None:
        try:
            endpoint = await self._load()
            if self.ssl_context is not None:
                _load_identity(self.ssl_context, endpoint)
        except (ConnectionConfigError, OSError) as error:
            self._renewed_at = time.monotonic()
            self._renew_at = self._renewed_at + _RENEWAL_PAUSE
            _log.warning("The credentials for the API server can't be renewed: %s", error)
            return
        self._endpoint = endpoint
        self._renewed_at = time.monotonic()
        self._renew_at = self._next_renewal(endpoint)
        self._headers = _headers(endpoint)

    @staticmethod
    def _next_renewal(endpoint: Endpoint) -> float:
        return float("inf") if endpoint.renew_in is None else time.monotonic() + endpoint.renew_in


async def load_connection(kubeconfig: str | None = None, context: str | None = None) -> Connection:
    """The connection named by `kubeconfig` (a path, or several as in $KUBECONFIG), else by
    $KUBECONFIG or ~/.kube/config, else by the pod's service account.

    Raises ConnectionConfigError when there is none, or it is unusable.
    """
    paths = _kubeconfig_paths(kubeconfig)

    async def load() -> Endpoint:
        return _in_cluster() if paths is None else await _from_kubeconfig(paths, context)

    endpoint = await load()
    try:
        return Connection(endpoint, load)
    except OSError as error:  # ssl.SSLError is one
        raise ConnectionConfigError(
            f"The certificates for {endpoint.base_url} can't be used: {error}"
        ) from error


def _kubeconfig_paths(given: str | None) -> str | None:
    """The kubeconfig to load, None for the service account.

    A kubeconfig that is named and missing is an error: falling through to another cluster's
    credentials is the last thing a person with a typo wants.
    """
    named, source = (
        (given, "the setting") if given else (os.environ.get("KUBECONFIG"), "$KUBECONFIG")
    )
    if named:
        if not any(Path(path).expanduser().is_file() for path in named.split(os.pathsep) if path):
            raise ConnectionConfigError(f"There is no kubeconfig at {named} (from {source})")
        return named
    default = Path.home() / ".kube" / "config"
    if default.is_file():
        return str(default)
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    raise ConnectionConfigError(
        "No way to a Kubernetes API server: no kubeconfig is set, $KUBECONFIG is empty, "
        f"{default} does not exist, and $KUBERNETES_SERVICE_HOST is not set, so this is no pod"
    )


def _in_cluster() -> Endpoint:
    """The service account's view (source: the files and variables Kubernetes gives a pod)."""
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    port = os.environ.get("KUBERNETES_SERVICE_PORT") or "443"
    token_file, ca_file = SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt"
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConnectionConfigError(
            f"$KUBERNETES_SERVICE_HOST is set, but the pod's token can't be read: {error}"
        ) from error
    if not token or not ca_file.is_file():
        raise ConnectionConfigError(f"{token_file} is empty or {ca_file} does not exist")
    return Endpoint(
        base_url=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_path=str(ca_file),
        authorization=f"Bearer {token}",
        renew_in=_IN_CLUSTER_RENEWAL,
    )


async def _from_kubeconfig(paths: str, context: str | None) -> Endpoint:
    """What the kubernetes client makes of a kubeconfig, plugins included."""
    from kubernetes.aio import config  # noqa: PLC0415 - heavy, and a pod never needs it

    found = SimpleNamespace(api_key={}, host="", verify_ssl=True)
    try:
        async with asyncio.timeout(_LOAD_TIMEOUT):
            loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=paths, context=context, client_configuration=found, persist_config=False
            )
    except TimeoutError as error:
        raise ConnectionConfigError(
            f"The credential plugin of {paths} gave no answer within {_LOAD_TIMEOUT:.0f} s"
        ) from error
    except Exception as error:
        # The loader raises whatever a malformed file makes it stumble on.
        raise ConnectionConfigError(
            f"The kubeconfig {paths} can't be used: {error or type(error).__name__}"
        ) from error
    return _endpoint(found, paths, getattr(loader, "exec_plugin_expiry", None))


def _endpoint(found: Any, paths: str, expiry: datetime | None) -> Endpoint:
    """The loader's result. It logs a plugin's failure and goes on without: that ends here."""
    authorization = found.api_key.get("BearerToken")
    certificate_path = getattr(found, "cert_file", None)
    if not found.host:
        raise ConnectionConfigError(f"The kubeconfig {paths} names no server")
    if authorization is None and certificate_path is None and found.host.startswith("https:"):
        raise ConnectionConfigError(
            f"The kubeconfig {paths} gives no credentials for {found.host}; "
            "a credential plugin's failure is logged just before this"
        )
    return Endpoint(
        base_url=found.host,
        ca_path=getattr(found, "ssl_ca_cert", None),
        certificate_path=certificate_path,
        private_key_path=getattr(found, "key_file", None),
        insecure=not found.verify_ssl,
        server_name=getattr(found, "tls_server_name", None),
        proxy_url=getattr(found, "proxy", None),
        # A token file's line end is part of what the loader reads; no header may hold one.
        authorization=authorization.strip() if authorization else None,
        renew_in=None if expiry is None else _renewal_before(expiry),
    )


def _renewal_before(expiry: datetime) -> float:
    """Seconds until the renewal: some minutes before the end, or half-way to a nearer end."""
    left = (expiry - datetime.now(UTC)).total_seconds()
    return max(left - _EXPIRY_MARGIN, left / 2, _RENEWAL_PAUSE)


def _headers(endpoint: Endpoint) -> Mapping[str, str]:
    return {"Authorization": endpoint.authorization} if endpoint.authorization else {}


def _ssl_context(endpoint: Endpoint) -> ssl.SSLContext | None:
    if not endpoint.base_url.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=endpoint.ca_path)
    # Python 3.13 sets this; many clusters' own authorities lack the extensions it asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_identity(context, endpoint)
    return context


def _load_identity(context: ssl.SSLContext, endpoint: Endpoint) -> None:
    """Load what rotates, for the connections from now on: certificate, key and authorities."""
    if endpoint.certificate_path:
        context.load_cert_chain(endpoint.certificate_path, endpoint.private_key_path)
    if endpoint.ca_path:
        context.load_verify_locations(cafile=endpoint.ca_path)
