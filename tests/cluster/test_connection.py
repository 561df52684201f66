"""How the way to the API server is found, and how credentials are kept fresh."""

import json
from pathlib import Path
from typing import Any

import pytest
from cluster.kinds import NAMESPACES

from customdomains.cluster import (
    ApiClient,
    ApiError,
    Connection,
    ConnectionConfigError,
    load_connection,
)
from customdomains.devcluster.controlplane import ControlPlane

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a kubeconfig, on a machine that is no pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals may follow one another at once."""
    monkeypatch.setattr("customdomains.cluster.config._RENEWAL_PAUSE", 0.0)


@pytest.fixture
def pod(home: Path, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a pod has; the directory of its service account, with the administrator's token."""
    port = control_plane.url.rpartition(":")[2]
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr("customdomains.cluster.config.SERVICE_ACCOUNT", home)
    (home / "token").write_text(control_plane.admin_token)
    (home / "ca.crt").write_bytes(control_plane.ca_file.read_bytes())
    return home


def write_kubeconfig(path: Path, control_plane: ControlPlane, user: dict[str, Any]) -> str:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "here",
                "cluster": {
                    "server": control_plane.url,
                    "certificate-authority": str(control_plane.ca_file),
                },
            }
        ],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "main", "context": {"cluster": "here", "user": "me"}}],
        "current-context": "main",
    }
    path.write_text(json.dumps(content))
    return str(path)


PLUGIN_API = "client.authentication.k8s.io/v1"


def plugin(directory: Path) -> dict[str, Any]:
    """A credential plugin that gives what `plugin_gives` said, and notes each run in `runs`."""
    script = f"cd {directory}; echo run >> runs; cat answer"
    return {"exec": {"apiVersion": PLUGIN_API, "command": "sh", "args": ["-c", script], "env": []}}


def plugin_gives(directory: Path, token: str, expiry: str | None) -> None:
    status = {"token": token} | ({"expirationTimestamp": expiry} if expiry else {})
    content = {"apiVersion": PLUGIN_API, "kind": "ExecCredential", "status": status}
    (directory / "answer").write_text(json.dumps(content))


async def works(connection: Connection) -> bool:
    async with ApiClient(connection) as client:
        try:
            await client.get(NAMESPACES, "default")
        except ApiError as error:
            if error.status != 401:
                raise
            return False
        return True


async def test_a_given_kubeconfig_is_used(control_plane: ControlPlane):
    assert await works(await load_connection(str(control_plane.kubeconfig)))


async def test_a_client_certificate_identifies(control_plane: ControlPlane):
    path = control_plane.user_kubeconfig("root", ["system:masters"])
    connection = await load_connection(str(path))
    assert await connection.headers() == {}
    assert await works(connection)


async def test_the_environment_then_the_home_then_the_pod(
    home: Path, pod: Path, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
):
    in_pod = await load_connection()
    assert in_pod.endpoint.ca_path == str(pod / "ca.crt")
    assert await works(in_pod)

    (home / ".kube").mkdir()
    write_kubeconfig(home / ".kube" / "config", control_plane, {"token": "of-home"})
    assert (await load_connection()).endpoint.authorization == "Bearer of-home"

    named = write_kubeconfig(home / "named", control_plane, {"token": "of-environment"})
    monkeypatch.setenv("KUBECONFIG", f"{home}/missing:{named}")
    assert (await load_connection()).endpoint.authorization == "Bearer of-environment"


async def test_without_any_way_it_says_where_it_looked(home: Path):
    with pytest.raises(ConnectionConfigError) as raised:
        await load_connection()
    message = str(raised.value)
    for place in ("$KUBECONFIG", f"{home}/.kube/config", "$KUBERNETES_SERVICE_HOST"):
        assert place in message


async def test_what_is_wrong_is_said(
    home: Path, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(ConnectionConfigError, match="no kubeconfig at /no/such"):
        await load_connection("/no/such")
    (home / "broken").write_text("not: [a kubeconfig")
    with pytest.raises(ConnectionConfigError, match="broken can't be used"):
        await load_connection(str(home / "broken"))
    path = write_kubeconfig(home / "config", control_plane, {"token": "x"})
    with pytest.raises(ConnectionConfigError, match="name other"):
        await load_connection(path, "other")
    path = write_kubeconfig(home / "config", control_plane, {})
    with pytest.raises(ConnectionConfigError, match="no credentials for https"):
        await load_connection(path)
    broken = {"exec": {"apiVersion": "v1", "command": "/no/such/plugin"}}
    path = write_kubeconfig(home / "config", control_plane, broken)
    with pytest.raises(ConnectionConfigError, match="no credentials for https"):
        await load_connection(path)
    monkeypatch.setenv("KUBECONFIG", "/no/such")
    with pytest.raises(ConnectionConfigError, match=r"/no/such \(from \$KUBECONFIG\)"):
        await load_connection()
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setattr("customdomains.cluster.config.SERVICE_ACCOUNT", home / "none")
    with pytest.raises(ConnectionConfigError, match="token can't be read"):
        await load_connection()


async def test_secrets_are_not_shown(pod: Path, control_plane: ControlPlane):
    connection = await load_connection()
    assert control_plane.admin_token not in repr(connection.endpoint)


async def test_a_refused_token_is_read_again(
    home: Path, control_plane: ControlPlane, no_pause: None
):
    token = home / "token"
    token.write_text("refused\n")
    path = write_kubeconfig(home / "config", control_plane, {"tokenFile": str(token)})
    connection = await load_connection(path)
    assert not await works(connection)
    token.write_text(f"{control_plane.admin_token}\n")
    assert await works(connection)


async def test_the_pods_token_is_read_again_in_time(
    pod: Path, control_plane: ControlPlane, no_pause: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("customdomains.cluster.config._IN_CLUSTER_RENEWAL", 0.0)
    connection = await load_connection()
    (pod / "token").write_text("rotated\n")
    before = await connection.headers()  # starts the renewal without waiting for it
    assert before == {"Authorization": f"Bearer {control_plane.admin_token}"}
    assert await connection.renew(before)
    assert await connection.headers() == {"Authorization": "Bearer rotated"}


async def test_a_failed_renewal_keeps_what_there_is(
    pod: Path, no_pause: None, caplog: pytest.LogCaptureFixture
):
    connection = await load_connection()
    before = await connection.headers()
    (pod / "token").unlink()
    assert not await connection.renew(before)
    assert await connection.headers() == before
    assert "can't be renewed" in caplog.text
    assert await works(connection)


async def test_a_plugins_token_is_renewed_before_it_expires(
    home: Path, control_plane: ControlPlane, no_pause: None
):
    plugin_gives(home, "first", "2020-01-01T00:00:00Z")
    path = write_kubeconfig(home / "config", control_plane, plugin(home))
    connection = await load_connection(path)
    plugin_gives(home, control_plane.admin_token, "2999-01-01T00:00:00Z")
    before = await connection.headers()  # starts the renewal without waiting for it
    assert before == {"Authorization": "Bearer first"}
    assert await connection.renew(before)
    assert await works(connection)
    assert (home / "runs").read_text() == "run\n" * 2


@pytest.mark.parametrize("expiry", [None, "2999-01-01T00:00:00Z"])
async def test_a_plugin_runs_only_when_it_must(
    home: Path, control_plane: ControlPlane, expiry: str | None
):
    plugin_gives(home, control_plane.admin_token, expiry)
    path = write_kubeconfig(home / "config", control_plane, plugin(home))
    connection = await load_connection(path)
    for _ in range(3):
        assert await works(connection)
    assert (home / "runs").read_text() == "run\n"
