"""The demo works on no cluster that has domains, and the one of the tests is shared."""

import pytest

from customdomains.devcluster.controlplane import ControlPlane

API = "/apis/customdomains.dev/v1"


@pytest.fixture(autouse=True)
def empty_cluster(request: pytest.FixtureRequest) -> None:
    """Nothing is left of other tests' domains, some of which are made by calls given up on."""
    if "control_plane" not in request.fixturenames:
        return
    control_plane: ControlPlane = request.getfixturevalue("control_plane")
    listed = control_plane.request("GET", f"{API}/customdomains")["items"]
    for namespace in {item["metadata"]["namespace"] for item in listed}:
        control_plane.request("DELETE", f"{API}/namespaces/{namespace}/customdomains")
    control_plane.request("DELETE", f"{API}/domainclaims")
