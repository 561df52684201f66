"""cert-manager's own controllers, without those for ACME and without its webhooks."""

import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from customdomains.devcluster.binaries import find_cert_manager
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.processes import Process
from e2e.waiting import until

GROUP = "/apis/cert-manager.io/v1"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@contextmanager
def running_cert_manager(plane: ControlPlane, directory: Path) -> Iterator[None]:
    """While the body runs; its kinds are gone again afterwards, with all objects."""
    programs = find_cert_manager()
    directory.mkdir(parents=True, exist_ok=True)
    plane.apply_crds(programs / "crds")
    controllers = Process(
        "cert-manager",
        [programs / "certmanager", "-kubeconfig", plane.kubeconfig],
        log=directory / "cert-manager.log",
    )
    try:
        yield
        assert controllers.running, controllers.last_lines()
    finally:
        controllers.stop()
        remove_crds(plane)


def remove_crds(plane: ControlPlane) -> None:
    """As before cert-manager was installed."""
    names = [
        each["metadata"]["name"]
        for each in plane.request("GET", _CRDS)["items"]
        if each["spec"]["group"].endswith("cert-manager.io")
    ]
    for name in names:
        plane.request("DELETE", f"{_CRDS}/{name}")
    until(lambda: not _served(plane), "cert-manager's kinds are gone")


def _served(plane: ControlPlane) -> bool:
    try:
        plane.request("GET", f"{GROUP}/certificates")
    except urllib.error.HTTPError:
        return False
    return True
