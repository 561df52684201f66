"""A real etcd and kube-apiserver on the loopback interface, with RBAC on and TLS verified."""

import json
import ssl
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from cryptography.hazmat.primitives import serialization

from customdomains.devcluster import certificates
from customdomains.devcluster.audit import AuditLog, Write
from customdomains.devcluster.binaries import Binaries
from customdomains.devcluster.kubeconfig import write_kubeconfig
from customdomains.devcluster.kubectl import Kubectl
from customdomains.devcluster.processes import Process
from customdomains.devcluster.rundir import free_port

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_PROBE_SECONDS = 5.0
_REQUEST_SECONDS = 30.0

# Nothing schedules pods here and no controller-manager makes default service accounts, so what
# waits for those is off. The rest are the server's defaults: the operator must work with them.
_APISERVER_FLAGS = (
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--authorization-mode=RBAC",
    "--disable-admission-plugins=ServiceAccount",
    "--service-account-issuer=https://kubernetes.default.svc",
    "--profiling=false",
)


class ControlPlane:
    """etcd and kube-apiserver with their files in `directory`.

    After `start()`: `url` (https), `ca_file`, `admin_token`, `kubeconfig` (the administrator's)
    and `kubectl` (bound to it) lead to it.
    """

    def __init__(self, binaries: Binaries, directory: Path, *, audit: bool = True) -> None:
        """With `audit` every write is logged for `writes()`, at a tenth of the server's CPU."""
        self._binaries = binaries
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self._port = free_port()
        self._authority = certificates.authority("customdomains devcluster")
        self._etcd: Process | None = None
        self._apiserver: Process | None = None
        self.url = f"https://127.0.0.1:{self._port}"
        self.admin_token = token_hex(16)
        self.ca_file = directory / "ca.crt"
        self.kubeconfig = directory / "kubeconfig"
        self.kubectl = Kubectl(binaries.kubectl, self.kubeconfig, directory / "kubectl-cache")
        self._audit = AuditLog(directory) if audit else None
        self._write_files()
        self._context = ssl.create_default_context(cafile=str(self.ca_file))

    # --- running -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start both and wait until the API server is ready. Raises ProcessError."""
        self._etcd = self._start_etcd()
        self.start_apiserver()

    def stop(self) -> None:
        """Stop both. Stopping what is stopped is no error."""
        self.stop_apiserver()
        if self._etcd:
            self._etcd.stop(_STOP_SECONDS)
            self._etcd = None

    def start_apiserver(self) -> None:
        """Start the API server, at the same address every time, and wait until it is ready."""
        self._apiserver = self._launch_apiserver()
        self._apiserver.wait_until(self.ready, _START_SECONDS)

    def stop_apiserver(self) -> None:
        """Take the API server away; etcd and with it all data stay."""
        if self._apiserver:
            # An orderly end waits a minute for open watches, which nobody here wants.
            self._apiserver.kill()
            self._apiserver = None

    def ready(self) -> bool:
        """What /readyz says."""
        try:
            self._send(self._get("/readyz"), _PROBE_SECONDS)
        except OSError:
            return False
        return True

    @property
    def etcd_url(self) -> str:
        """Where etcd listens for clients and serves its metrics."""
        return self._etcd_url

    @property
    def processes(self) -> tuple[Process, ...]:
        """What runs at the moment: etcd first, then the API server."""
        return tuple(process for process in (self._etcd, self._apiserver) if process)

    # --- using ---------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the API as the administrator; bodies are JSON both ways.

        PATCH sends a merge patch. Raises urllib.error.HTTPError for an answer that is no success.
        """
        request = self._get(path)
        request.method = method
        request.data = None if body is None else json.dumps(body).encode()
        kind = "merge-patch+json" if method == "PATCH" else "json"
        request.add_header("Content-Type", f"application/{kind}")
        return json.loads(self._send(request, _REQUEST_SECONDS))

    def metrics(self) -> str:
        """The API server's metrics, in Prometheus' text format."""
        return self._send(self._get("/metrics"), _REQUEST_SECONDS).decode()

    def writes(self) -> list[Write]:
        """All write requests answered so far, from the audit log."""
        if self._audit is None:
            raise RuntimeError("this control plane keeps no audit log")
        return self._audit.writes()

    def run_kubectl(
        self, *arguments: str | Path, stdin: str | None = None, kubeconfig: Path | None = None
    ) -> str:
        """Run kubectl as the administrator (or with another `kubeconfig`), return what it prints.

        Raises KubectlError with kubectl's own message.
        """
        return self.kubectl.run(*arguments, stdin=stdin, kubeconfig=kubeconfig)

    def apply_crds(self, directory: Path) -> None:
        """Create or update every CRD in `directory` (*.yaml) and wait until all are served."""
        self.kubectl.apply_crds(directory)

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for a user without any rights of its own, known by a client certificate.

        Grant rights with Roles of your own; no restart is needed. The built-in roles `view`,
        `edit` and `admin` are empty here: a controller-manager would fill them.
        """
        identity = certificates.client(self._authority, user, groups)
        return self._kubeconfig(f"user-{token_hex(4)}.kubeconfig", user, identity)

    def service_account_token(self, namespace: str, name: str) -> str:
        """A bearer token (valid for a day) of an existing service account."""
        token = self.run_kubectl("create", "token", name, "-n", namespace, "--duration=24h")
        return token.strip()

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig for an existing service account."""
        token = self.service_account_token(namespace, name)
        return self._kubeconfig(f"sa-{namespace}-{name}.kubeconfig", name, token)

    # --- files and flags -----------------------------------------------------------------------

    def _get(self, path: str) -> urllib.request.Request:
        return urllib.request.Request(  # noqa: S310 - an https address of our own
            f"{self.url}{path}", headers={"Authorization": f"Bearer {self.admin_token}"}
        )

    def _send(self, request: urllib.request.Request, timeout: float) -> bytes:
        with urllib.request.urlopen(  # noqa: S310 - as above
            request, timeout=timeout, context=self._context
        ) as answer:
            content: bytes = answer.read()
            return content

    def _write_files(self) -> None:
        self.ca_file.write_bytes(self._authority.certificate_pem)
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
        certificates.server(self._authority, names).write(self._directory, "apiserver")
        accounts = certificates.new_key()
        certificates.write_private(
            self._directory / "accounts.key", certificates.private_pem(accounts)
        )
        (self._directory / "accounts.pub").write_bytes(
            accounts.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        certificates.write_private(
            self._directory / "tokens.csv",
            f'{self.admin_token},admin,admin,"system:masters"\n'.encode(),
        )
        self._kubeconfig("kubeconfig", "admin", self.admin_token)

    def _kubeconfig(self, name: str, user: str, identity: str | certificates.KeyPair) -> Path:
        return write_kubeconfig(
            self._directory / name,
            server=self.url,
            ca_pem=self._authority.certificate_pem,
            user=user,
            identity=identity,
        )

    def _start_etcd(self) -> Process:
        peers = f"http://127.0.0.1:{free_port()}"
        process = Process(
            "etcd",
            [
                self._binaries.etcd,
                f"--data-dir={self._directory / 'etcd'}",
                f"--listen-client-urls={self._etcd_url}",
                f"--advertise-client-urls={self._etcd_url}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=default={peers}",
                # The data lives as long as the run; a power failure may take it.
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
            log=self._directory / "etcd.log",
        )
        process.wait_until(self._etcd_healthy, _START_SECONDS)
        return process

    def _etcd_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(  # noqa: S310 - an http address of our own
                f"{self._etcd_url}/health", timeout=_PROBE_SECONDS
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _launch_apiserver(self) -> Process:
        files = self._directory
        return Process(
            "kube-apiserver",
            [
                self._binaries.kube_apiserver,
                f"--secure-port={self._port}",
                f"--etcd-servers={self._etcd_url}",
                f"--tls-cert-file={files / 'apiserver.crt'}",
                f"--tls-private-key-file={files / 'apiserver.key'}",
                f"--client-ca-file={self.ca_file}",
                f"--token-auth-file={files / 'tokens.csv'}",
                f"--service-account-key-file={files / 'accounts.pub'}",
                f"--service-account-signing-key-file={files / 'accounts.key'}",
                *(self._audit.flags if self._audit else ()),
                *_APISERVER_FLAGS,
            ],
            log=files / "kube-apiserver.log",
        )
