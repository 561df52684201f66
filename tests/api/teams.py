"""Platform teams: callers of one replica, each with credentials of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.calling import Answer, Caller, fresh_namespace, with_token

from customdomains.devcluster.controlplane import ControlPlane

ALL = ("get", "list", "create", "patch", "delete")
ROLES = "/apis/rbac.authorization.k8s.io/v1"
OPERATOR = "customdomains"  # the namespace of the api's own account
RBAC = Path(__file__).parents[2] / "deploy" / "rbac"


@dataclass(frozen=True)
class Team:
    """Calls with `token`, for `asks` where it is not None."""

    api: Caller
    namespace: str
    token: str
    asks: str | None

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        headers = {**with_token(self.token, self.asks), **options.pop("headers", {})}
        return await self.api(method, path, headers=headers, **options)

    async def register(self, name: str, **headers: str) -> dict[str, Any]:
        answer = await self("POST", "/domains", json={"domain_name": name}, headers=headers)
        assert answer.status == 201, answer
        return answer.body

    async def names(self) -> list[str]:
        """All that a listing has."""
        answer = await self("GET", "/domains")
        return [each["domain_name"] for each in answer.body["domains"]]


def account(
    plane: ControlPlane, namespace: str, name: str = "team", verbs: Sequence[str] = ALL
) -> str:
    """A ServiceAccount that may do `verbs` with the CustomDomains of its namespace: its name, as
    users are named.
    """
    made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    plane.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", made)
    grant(plane, namespace, name, "customdomains", verbs)
    return f"system:serviceaccount:{namespace}:{name}"


def grant(
    plane: ControlPlane,
    namespace: str,
    name: str,
    resource: str,
    verbs: Sequence[str],
    home: str | None = None,
) -> None:
    """Give the account `name` of the namespace `home` a Role in `namespace`."""
    rule = {"apiGroups": ["customdomains.dev"], "resources": [resource], "verbs": list(verbs)}
    title = {"metadata": {"name": f"{name}-{resource}"}}
    plane.request("POST", f"{ROLES}/namespaces/{namespace}/roles", {**title, "rules": [rule]})
    binding = {
        **title,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": f"{name}-{resource}",
        },
        "subjects": [
            {"kind": "ServiceAccount", "name": name, "namespace": home or namespace},
        ],
    }
    plane.request("POST", f"{ROLES}/namespaces/{namespace}/rolebindings", binding)


def token_of(
    plane: ControlPlane, namespace: str, name: str = "team", audiences: Sequence[str] = ()
) -> str:
    """A token by TokenRequest."""
    spec = {"audiences": list(audiences), "expirationSeconds": 600}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    return plane.request("POST", path, {"spec": spec})["status"]["token"]


def operator_kubeconfig(plane: ControlPlane) -> Path:
    """The api's own, under the roles of deploy/rbac."""
    for file in ("00-namespace.yaml", "api.yaml"):
        plane.run_kubectl("apply", "-f", RBAC / file)
    return plane.service_account_kubeconfig(OPERATOR, "customdomains-api")


def let_in(plane: ControlPlane, namespace: str) -> None:
    """Let the api serve this namespace, as it is let in the one of deploy/rbac."""
    bindings = f"{ROLES}/namespaces/{{}}/rolebindings"
    name = "customdomains-api-domains"
    there = plane.request("GET", f"{bindings.format('default')}/{name}")
    here = {"metadata": {"name": name}, "roleRef": there["roleRef"], "subjects": there["subjects"]}
    plane.request("POST", bindings.format(namespace), here)


def two_namespaces(plane: ControlPlane) -> tuple[str, str]:
    """For two teams."""
    return fresh_namespace(plane), fresh_namespace(plane)
