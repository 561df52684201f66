"""The manifests and settings in examples/ are ones that work."""

from pathlib import Path

import pytest
import yaml

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.model.names import canonical_name
from customdomains.settings import load_settings

EXAMPLES = Path(__file__).parents[2] / "examples"
SETTINGS = EXAMPLES / "config.yaml"
RECORD = EXAMPLES / "dns-record.yaml"  # of another kind: tests/crds has the API server take it
MANIFESTS = sorted(set(EXAMPLES.glob("*.yaml")) - {SETTINGS, RECORD})


@pytest.mark.cluster
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_the_api_server_takes_the_manifest_and_the_name_can_be_registered(
    manifest: Path, control_plane: ControlPlane
) -> None:
    stored = control_plane.run_kubectl("create", "--dry-run=server", "-o", "yaml", "-f", manifest)
    body = yaml.safe_load(stored)
    domain = body["spec"].get("domainName") or body["metadata"]["name"]
    assert canonical_name(domain) == domain


def test_the_settings_are_valid() -> None:
    settings = load_settings(SETTINGS, {})
    assert [issuer.name for issuer in settings.issuers] == ["letsencrypt", "letsencrypt-staging"]
